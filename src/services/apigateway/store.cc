#include "services/apigateway/store.h"

#include "codec/json.h"

namespace savia::apigateway {

using state::Row;

namespace {

constexpr std::string_view kSchema1 = R"sql(
CREATE TABLE apigw_api(
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  kind INTEGER NOT NULL,          -- 1 REST, 2 HTTP
  created_ms INTEGER NOT NULL,
  doc TEXT NOT NULL);
CREATE INDEX apigw_api_owner ON apigw_api(account, region, kind, seq);
CREATE TABLE apigw_resource(
  seq INTEGER PRIMARY KEY,
  api_id TEXT NOT NULL,
  id TEXT NOT NULL,
  parent_id TEXT NOT NULL,
  path_part TEXT NOT NULL,
  path TEXT NOT NULL,
  UNIQUE(api_id, id),
  UNIQUE(api_id, parent_id, path_part));
CREATE TABLE apigw_method(
  api_id TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  http_method TEXT NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY(api_id, resource_id, http_method)) WITHOUT ROWID;
CREATE TABLE apigw_route(
  seq INTEGER PRIMARY KEY,
  api_id TEXT NOT NULL,
  id TEXT NOT NULL,
  route_key TEXT NOT NULL,
  doc TEXT NOT NULL,
  UNIQUE(api_id, id),
  UNIQUE(api_id, route_key));
CREATE TABLE apigw_integration(
  seq INTEGER PRIMARY KEY,
  api_id TEXT NOT NULL,
  id TEXT NOT NULL,
  doc TEXT NOT NULL,
  UNIQUE(api_id, id));
CREATE TABLE apigw_deployment(
  seq INTEGER PRIMARY KEY,
  api_id TEXT NOT NULL,
  id TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  automatic INTEGER NOT NULL,
  doc TEXT NOT NULL,
  snapshot TEXT,                  -- NULL: the rows as they are
  UNIQUE(api_id, id));
CREATE TABLE apigw_stage(
  api_id TEXT NOT NULL,
  name TEXT NOT NULL,
  deployment_id TEXT NOT NULL,    -- '' before the first deployment of an HTTP API's stage
  automatic INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY(api_id, name)) WITHOUT ROWID;
)sql";

// Documents were written by to_json: one that does not parse means a damaged database, which the first failure reports.
Value decode(const Row& row, int column, std::optional<Error>& damaged) {
  Result<Value> v = parse_json(row.text(column));
  if (v.ok()) return std::move(v).value();
  if (!damaged) damaged = std::move(v).error().context("apigateway: stored document");
  return Value::object();
}

Api api_of(const Row& row, std::optional<Error>& damaged) {
  return {
      row.num(0), row.text(1), row.text(2), row.text(3), static_cast<Kind>(row.num(4)), row.num(5), decode(row, 6, damaged)};
}
Resource resource_of(const Row& row, std::optional<Error>&) {
  return {row.num(0), row.text(1), row.text(2), row.text(3), row.text(4)};
}

// Runs a query whose rows become elements of a list.
template <class T, class Make, class... A>
Result<std::vector<T>> list(state::Tx& tx, std::string_view sql, Make make, const A&... args) {
  std::vector<T> out;
  std::optional<Error> damaged;
  TRY(tx.query(
      sql,
      [&](const Row& row) {
        out.push_back(make(row, damaged));
        return true;
      },
      args...));
  if (damaged) return *std::move(damaged);
  return out;
}

template <class T>
std::optional<T> first(std::vector<T> rows) {
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

}  // namespace

std::vector<state::Migration> store_migrations() {
  return {{"apigateway", 1, kSchema1}};
}

// ---- APIs

#define API_COLUMNS "SELECT seq, id, account, region, kind, created_ms, doc FROM apigw_api "

Result<void> Store::add_api(const Api& a) {
  TRY(tx_.exec("INSERT INTO apigw_api(id, account, region, kind, created_ms, doc) VALUES(?,?,?,?,?,?)", a.id, a.account,
               a.region, static_cast<int>(a.kind), a.created_ms, to_json(a.doc)));
  return {};
}
Result<std::optional<Api>> Store::api(std::string_view id) {
  return first(TRY(list<Api>(tx_, API_COLUMNS "WHERE id=?", api_of, id)));
}
Result<std::vector<Api>> Store::apis(std::string_view account, std::string_view region, Kind kind, int64_t after,
                                     int64_t limit) {
  return list<Api>(tx_, API_COLUMNS "WHERE account=? AND region=? AND kind=? AND seq>? ORDER BY seq LIMIT ?", api_of, account,
                   region, static_cast<int>(kind), after, limit);
}
Result<std::vector<Api>> Store::all_apis() {
  return list<Api>(tx_, API_COLUMNS "ORDER BY seq", api_of);
}
Result<void> Store::set_api_doc(std::string_view id, const Value& doc) {
  TRY(tx_.exec("UPDATE apigw_api SET doc=? WHERE id=?", to_json(doc), id));
  return {};
}
Result<void> Store::delete_api(std::string_view id) {
  TRY(tx_.exec("DELETE FROM apigw_stage WHERE api_id=?", id));
  TRY(tx_.exec("DELETE FROM apigw_deployment WHERE api_id=?", id));
  TRY(tx_.exec("DELETE FROM apigw_route WHERE api_id=?", id));
  TRY(tx_.exec("DELETE FROM apigw_integration WHERE api_id=?", id));
  TRY(tx_.exec("DELETE FROM apigw_method WHERE api_id=?", id));
  TRY(tx_.exec("DELETE FROM apigw_resource WHERE api_id=?", id));
  TRY(tx_.exec("DELETE FROM apigw_api WHERE id=?", id));
  return {};
}

// ---- resources

#define RESOURCE_COLUMNS "SELECT seq, id, parent_id, path_part, path FROM apigw_resource "

Result<void> Store::add_resource(std::string_view api, const Resource& r) {
  TRY(tx_.exec("INSERT INTO apigw_resource(api_id, id, parent_id, path_part, path) VALUES(?,?,?,?,?)", api, r.id, r.parent_id,
               r.path_part, r.path));
  return {};
}
Result<std::optional<Resource>> Store::resource(std::string_view api, std::string_view id) {
  return first(TRY(list<Resource>(tx_, RESOURCE_COLUMNS "WHERE api_id=? AND id=?", resource_of, api, id)));
}
Result<std::vector<Resource>> Store::resources(std::string_view api, int64_t after, int64_t limit) {
  return list<Resource>(tx_, RESOURCE_COLUMNS "WHERE api_id=? AND seq>? ORDER BY seq LIMIT ?", resource_of, api, after, limit);
}
Result<std::vector<Resource>> Store::children(std::string_view api, std::string_view parent) {
  return list<Resource>(tx_, RESOURCE_COLUMNS "WHERE api_id=? AND parent_id=?", resource_of, api, parent);
}
Result<int64_t> Store::count_resources(std::string_view api) {
  return TRY(tx_.num("SELECT count(*) FROM apigw_resource WHERE api_id=?", api)).value_or(0);
}
Result<void> Store::move_resource(std::string_view api, const Resource& before, const Resource& after) {
  const std::string below = before.path + "/";
  TRY(tx_.exec("UPDATE apigw_resource SET parent_id=?, path_part=?, path=? WHERE api_id=? AND id=?", after.parent_id,
               after.path_part, after.path, api, after.id));
  TRY(tx_.exec("UPDATE apigw_resource SET path=?||substr(path,?) WHERE api_id=? AND substr(path,1,?)=?", after.path,
               before.path.size() + 1, api, below.size(), below));
  return {};
}
Result<void> Store::delete_resource(std::string_view api, const Resource& r) {
  const std::string below = r.path + "/";
  TRY(
      tx_.exec("DELETE FROM apigw_method WHERE api_id=? AND resource_id IN (SELECT id FROM apigw_resource WHERE api_id=? AND "
               "(id=? OR substr(path,1,?)=?))",
               api, api, r.id, below.size(), below));
  TRY(tx_.exec("DELETE FROM apigw_resource WHERE api_id=? AND (id=? OR substr(path,1,?)=?)", api, r.id, below.size(), below));
  return {};
}

// ---- methods

namespace {
Method method_of(const Row& row, std::optional<Error>& damaged) {
  return {row.text(0), row.text(1), decode(row, 2, damaged)};
}
}  // namespace

Result<void> Store::put_method(std::string_view api, const Method& m) {
  TRY(tx_.exec("INSERT OR REPLACE INTO apigw_method(api_id, resource_id, http_method, doc) VALUES(?,?,?,?)", api, m.resource_id,
               m.http_method, to_json(m.doc)));
  return {};
}
Result<std::optional<Method>> Store::method(std::string_view api, std::string_view resource, std::string_view http_method) {
  return first(TRY(list<Method>(tx_,
                                "SELECT resource_id, http_method, doc FROM apigw_method WHERE api_id=? AND resource_id=? AND "
                                "http_method=?",
                                method_of, api, resource, http_method)));
}
Result<std::vector<Method>> Store::methods(std::string_view api, std::string_view resource) {
  if (resource.empty()) {
    return list<Method>(tx_, "SELECT resource_id, http_method, doc FROM apigw_method WHERE api_id=?", method_of, api);
  }
  return list<Method>(tx_, "SELECT resource_id, http_method, doc FROM apigw_method WHERE api_id=? AND resource_id=?", method_of,
                      api, resource);
}
Result<void> Store::delete_method(std::string_view api, std::string_view resource, std::string_view http_method) {
  TRY(tx_.exec("DELETE FROM apigw_method WHERE api_id=? AND resource_id=? AND http_method=?", api, resource, http_method));
  return {};
}

// ---- routes and integrations

namespace {
Item item_of(const Row& row, std::optional<Error>& damaged) {
  return {row.num(0), row.text(1), row.text(2), decode(row, 3, damaged)};
}
}  // namespace

Result<void> Store::put_route(std::string_view api, const Item& r) {
  TRY(
      tx_.exec("INSERT INTO apigw_route(api_id, id, route_key, doc) VALUES(?,?,?,?) ON CONFLICT(api_id, id) DO UPDATE SET "
               "route_key=excluded.route_key, doc=excluded.doc",
               api, r.id, r.route_key, to_json(r.doc)));
  return {};
}
Result<std::optional<Item>> Store::route(std::string_view api, std::string_view id) {
  return first(
      TRY(list<Item>(tx_, "SELECT seq, id, route_key, doc FROM apigw_route WHERE api_id=? AND id=?", item_of, api, id)));
}
Result<std::vector<Item>> Store::routes(std::string_view api, int64_t after, int64_t limit) {
  return list<Item>(tx_, "SELECT seq, id, route_key, doc FROM apigw_route WHERE api_id=? AND seq>? ORDER BY seq LIMIT ?",
                    item_of, api, after, limit);
}
Result<int64_t> Store::count_routes(std::string_view api) {
  return TRY(tx_.num("SELECT count(*) FROM apigw_route WHERE api_id=?", api)).value_or(0);
}
Result<void> Store::delete_route(std::string_view api, std::string_view id) {
  TRY(tx_.exec("DELETE FROM apigw_route WHERE api_id=? AND id=?", api, id));
  return {};
}
Result<void> Store::put_integration(std::string_view api, const Item& i) {
  TRY(
      tx_.exec("INSERT INTO apigw_integration(api_id, id, doc) VALUES(?,?,?) ON CONFLICT(api_id, id) DO UPDATE SET "
               "doc=excluded.doc",
               api, i.id, to_json(i.doc)));
  return {};
}
Result<std::optional<Item>> Store::integration(std::string_view api, std::string_view id) {
  return first(
      TRY(list<Item>(tx_, "SELECT seq, id, '', doc FROM apigw_integration WHERE api_id=? AND id=?", item_of, api, id)));
}
Result<std::vector<Item>> Store::integrations(std::string_view api, int64_t after, int64_t limit) {
  return list<Item>(tx_, "SELECT seq, id, '', doc FROM apigw_integration WHERE api_id=? AND seq>? ORDER BY seq LIMIT ?",
                    item_of, api, after, limit);
}
Result<int64_t> Store::count_integrations(std::string_view api) {
  return TRY(tx_.num("SELECT count(*) FROM apigw_integration WHERE api_id=?", api)).value_or(0);
}
Result<void> Store::delete_integration(std::string_view api, std::string_view id) {
  TRY(tx_.exec("DELETE FROM apigw_integration WHERE api_id=? AND id=?", api, id));
  return {};
}

// ---- deployments

#define DEPLOYMENT_COLUMNS "SELECT seq, id, created_ms, automatic, snapshot IS NOT NULL, doc FROM apigw_deployment "

namespace {
Deployment deployment_of(const Row& row, std::optional<Error>& damaged) {
  return {row.num(0), row.text(1), row.num(2), row.num(3) != 0, row.num(4) != 0, decode(row, 5, damaged)};
}
}  // namespace

Result<void> Store::add_deployment(std::string_view api, const Deployment& d, const std::string* snapshot) {
  TRY(tx_.exec("INSERT INTO apigw_deployment(api_id, id, created_ms, automatic, doc) VALUES(?,?,?,?,?)", api, d.id,
               d.created_ms, d.automatic, to_json(d.doc)));
  if (snapshot != nullptr) TRY(freeze_deployment(api, d.id, *snapshot));
  return {};
}
Result<std::optional<Deployment>> Store::deployment(std::string_view api, std::string_view id) {
  return first(TRY(list<Deployment>(tx_, DEPLOYMENT_COLUMNS "WHERE api_id=? AND id=?", deployment_of, api, id)));
}
Result<std::vector<Deployment>> Store::deployments(std::string_view api, int64_t after, int64_t limit) {
  return list<Deployment>(tx_, DEPLOYMENT_COLUMNS "WHERE api_id=? AND seq>? ORDER BY seq LIMIT ?", deployment_of, api, after,
                          limit);
}
Result<std::optional<std::string>> Store::snapshot(std::string_view api, std::string_view id) {
  return tx_.text("SELECT snapshot FROM apigw_deployment WHERE api_id=? AND id=? AND snapshot IS NOT NULL", api, id);
}
Result<void> Store::set_deployment_doc(std::string_view api, std::string_view id, const Value& doc) {
  TRY(tx_.exec("UPDATE apigw_deployment SET doc=? WHERE api_id=? AND id=?", to_json(doc), api, id));
  return {};
}
Result<void> Store::freeze_deployment(std::string_view api, std::string_view id, const std::string& snapshot) {
  TRY(tx_.exec("UPDATE apigw_deployment SET snapshot=? WHERE api_id=? AND id=?", snapshot, api, id));
  return {};
}
Result<void> Store::delete_deployment(std::string_view api, std::string_view id) {
  TRY(tx_.exec("DELETE FROM apigw_deployment WHERE api_id=? AND id=?", api, id));
  return {};
}
Result<void> Store::delete_idle_live_deployments(std::string_view api) {
  TRY(
      tx_.exec("DELETE FROM apigw_deployment WHERE api_id=? AND snapshot IS NULL AND id NOT IN (SELECT deployment_id FROM "
               "apigw_stage WHERE api_id=?)",
               api, api));
  return {};
}

// ---- stages

#define STAGE_COLUMNS "SELECT name, deployment_id, automatic, created_ms, updated_ms, doc FROM apigw_stage "

namespace {
Stage stage_of(const Row& row, std::optional<Error>& damaged) {
  return {row.text(0), row.text(1), row.num(2) != 0, row.num(3), row.num(4), decode(row, 5, damaged)};
}
}  // namespace

Result<void> Store::put_stage(std::string_view api, const Stage& s) {
  TRY(
      tx_.exec("INSERT OR REPLACE INTO apigw_stage(api_id, name, deployment_id, automatic, created_ms, updated_ms, doc) "
               "VALUES(?,?,?,?,?,?,?)",
               api, s.name, s.deployment_id, s.automatic, s.created_ms, s.updated_ms, to_json(s.doc)));
  return {};
}
Result<std::optional<Stage>> Store::stage(std::string_view api, std::string_view name) {
  return first(TRY(list<Stage>(tx_, STAGE_COLUMNS "WHERE api_id=? AND name=?", stage_of, api, name)));
}
Result<std::vector<Stage>> Store::stages(std::string_view api) {
  return list<Stage>(tx_, STAGE_COLUMNS "WHERE api_id=? ORDER BY name", stage_of, api);
}
Result<void> Store::delete_stage(std::string_view api, std::string_view name) {
  TRY(tx_.exec("DELETE FROM apigw_stage WHERE api_id=? AND name=?", api, name));
  return {};
}

}  // namespace savia::apigateway

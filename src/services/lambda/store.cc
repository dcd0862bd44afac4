#include "services/lambda/store.h"

#include "codec/json.h"

namespace savia::lambda {
namespace {

constexpr std::string_view kSchema1 = R"(
CREATE TABLE lambda_function(
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
  last_version INTEGER NOT NULL, published_spec TEXT NOT NULL, reserved INTEGER, tags TEXT NOT NULL, created_ms INTEGER NOT NULL,
  PRIMARY KEY(account, region, name)) WITHOUT ROWID;
CREATE TABLE lambda_version(
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
  config TEXT NOT NULL, code TEXT NOT NULL, size INTEGER NOT NULL, unpacked INTEGER NOT NULL, spec TEXT NOT NULL, layers TEXT NOT NULL,
  PRIMARY KEY(account, region, name, version)) WITHOUT ROWID;
CREATE TABLE lambda_alias(
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL,
  version TEXT NOT NULL, description TEXT NOT NULL, routing TEXT NOT NULL, revision TEXT NOT NULL,
  PRIMARY KEY(account, region, name, alias)) WITHOUT ROWID;
CREATE TABLE lambda_statement(
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, qualifier TEXT NOT NULL, sid TEXT NOT NULL, statement TEXT NOT NULL,
  UNIQUE(account, region, name, qualifier, sid));
CREATE TABLE lambda_layer(
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, last_version INTEGER NOT NULL,
  PRIMARY KEY(account, region, name)) WITHOUT ROWID;
CREATE TABLE lambda_layer_version(
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
  config TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, unpacked INTEGER NOT NULL,
  PRIMARY KEY(account, region, name, version)) WITHOUT ROWID;
CREATE TABLE lambda_event(
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, qualifier TEXT NOT NULL, request_id TEXT NOT NULL,
  trace_id TEXT NOT NULL, client_context TEXT NOT NULL, payload BLOB NOT NULL,
  failures INTEGER NOT NULL, deferrals INTEGER NOT NULL, created_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL);
CREATE INDEX lambda_event_due ON lambda_event(due_ms, id);
CREATE INDEX lambda_event_function ON lambda_event(account, region, name);
)";

constexpr std::string_view kSchema2 = R"(
CREATE TABLE lambda_layer_policy(
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
  revision TEXT NOT NULL, statements TEXT NOT NULL,
  PRIMARY KEY(account, region, name, version)) WITHOUT ROWID;
)";

std::string layers_text(const std::vector<LayerUse>& layers) {
  std::string out;
  JsonWriter w(out);
  w.begin_array();
  for (const LayerUse& l : layers) {
    w.begin_object()
        .field("arn", l.arn)
        .field("digest", l.digest)
        .field("size", l.size)
        .field("unpacked", l.unpacked)
        .end_object();
  }
  w.end_array();
  return out;
}

// Our own rows: what cannot be read is a broken store, and is said so.
Result<Value> parse_row(std::string_view text) {
  return TRY_CONTEXT(parse_json(text), "row of the lambda store");
}

Result<std::vector<LayerUse>> parse_layers(std::string_view text) {
  Value list = TRY(parse_row(text));
  std::vector<LayerUse> out;
  if (!list.is_list()) return Error::internal("row of the lambda store: layers are no list");
  for (const Value& v : list.as_list()) {
    out.push_back({v.str_or("arn", ""), v.str_or("digest", ""), v.num_or("size", 0), v.num_or("unpacked", 0)});
  }
  return out;
}

// Runs a query whose rows are turned into values by a function that may fail.
template <class T, class Make, class... A>
Result<std::vector<T>> rows(state::Tx& tx, std::string_view sql, const Make& make, const A&... args) {
  std::vector<T> out;
  std::optional<Error> broken;
  TRY(tx.query(
      sql,
      [&](const state::Row& row) {
        Result<T> r = make(row);
        if (!r.ok()) {
          broken = std::move(r).error();
          return false;
        }
        out.push_back(std::move(r).value());
        return true;
      },
      args...));
  if (broken) return std::move(*broken);
  return out;
}
template <class T>
std::optional<T> first(std::vector<T> list) {
  if (list.empty()) return std::nullopt;
  return std::move(list[0]);
}

constexpr std::string_view kFunctionColumns =
    "SELECT account, region, name, last_version, published_spec, reserved, tags FROM lambda_function ";
Result<FunctionRow> make_function(const state::Row& r) {
  FunctionRow f{r.text(0), r.text(1), r.text(2), r.num(3), r.text(4), std::nullopt, {}};
  if (!r.is_null(5)) f.reserved_concurrency = r.num(5);
  f.tags = TRY(parse_row(r.text(6)));
  return f;
}
Result<VersionRow> make_version(const state::Row& r) {
  VersionRow v;
  v.version = r.num(0);
  v.config = TRY(parse_row(r.text(1)));
  v.code = r.text(2);
  v.unpacked = r.num(3);
  v.spec_revision = r.text(4);
  v.layers = TRY(parse_layers(r.text(5)));
  return v;
}
Result<AliasRow> make_alias(const state::Row& r) {
  AliasRow a{r.text(0), r.text(1), r.text(2), r.text(3), {}};
  a.routing = TRY(parse_row(r.text(4)));
  return a;
}
Result<LayerVersionRow> make_layer_version(const state::Row& r) {
  LayerVersionRow l{r.text(0), r.text(1), r.text(2), r.num(3), {}, r.text(5), r.num(6), r.num(7)};
  l.config = TRY(parse_row(r.text(4)));
  return l;
}
Result<std::string> make_text(const state::Row& r) {
  return r.text(0);
}

}  // namespace

std::vector<state::Migration> store_migrations() {
  return {{"lambda", 1, kSchema1}, {"lambda", 2, kSchema2}};
}

namespace store {

Result<std::optional<FunctionRow>> function(Tx& tx, const FunctionRef& f) {
  return first(TRY(rows<FunctionRow>(tx, std::string(kFunctionColumns) + "WHERE account=? AND region=? AND name=?",
                                     make_function, f.account, f.region, f.name)));
}
Result<void> insert_function(Tx& tx, const FunctionRow& row, int64_t now_ms) {
  TRY(
      tx.exec("INSERT INTO lambda_function(account, region, name, last_version, published_spec, tags, created_ms) "
              "VALUES(?,?,?,?,?,?,?)",
              row.account, row.region, row.name, row.last_version, row.published_spec, to_json(row.tags), now_ms));
  return {};
}
Result<void> update_function(Tx& tx, const FunctionRow& row) {
  TRY(tx.exec("UPDATE lambda_function SET last_version=?, published_spec=?, tags=? WHERE account=? AND region=? AND name=?",
              row.last_version, row.published_spec, to_json(row.tags), row.account, row.region, row.name));
  if (row.reserved_concurrency) {
    TRY(tx.exec("UPDATE lambda_function SET reserved=? WHERE account=? AND region=? AND name=?", *row.reserved_concurrency,
                row.account, row.region, row.name));
  } else {
    TRY(tx.exec("UPDATE lambda_function SET reserved=NULL WHERE account=? AND region=? AND name=?", row.account, row.region,
                row.name));
  }
  return {};
}
Result<void> delete_function(Tx& tx, const FunctionRef& f) {
  TRY(tx.exec("DELETE FROM lambda_function WHERE account=? AND region=? AND name=?", f.account, f.region, f.name));
  TRY(tx.exec("DELETE FROM lambda_version WHERE account=? AND region=? AND name=?", f.account, f.region, f.name));
  TRY(tx.exec("DELETE FROM lambda_alias WHERE account=? AND region=? AND name=?", f.account, f.region, f.name));
  TRY(tx.exec("DELETE FROM lambda_statement WHERE account=? AND region=? AND name=?", f.account, f.region, f.name));
  TRY(tx.exec("DELETE FROM lambda_event WHERE account=? AND region=? AND name=?", f.account, f.region, f.name));
  return {};
}
Result<std::vector<FunctionRow>> functions(Tx& tx) {
  return rows<FunctionRow>(tx, kFunctionColumns, make_function);
}
Result<std::vector<std::string>> function_names(Tx& tx, const std::string& account, const std::string& region,
                                                const std::string& after, int64_t limit) {
  return rows<std::string>(tx, "SELECT name FROM lambda_function WHERE account=? AND region=? AND name>? ORDER BY name LIMIT ?",
                           make_text, account, region, after, limit);
}
Result<int64_t> reserved_sum(Tx& tx, const std::string& account, const std::string& region, const std::string& but_name) {
  auto sum = TRY(tx.num("SELECT COALESCE(SUM(reserved), 0) FROM lambda_function WHERE account=? AND region=? AND name<>?",
                        account, region, but_name));
  return sum.value_or(0);
}

Result<std::optional<VersionRow>> version(Tx& tx, const FunctionRef& f, int64_t v) {
  return first(TRY(rows<VersionRow>(tx,
                                    "SELECT version, config, code, unpacked, spec, layers FROM lambda_version WHERE account=? "
                                    "AND region=? AND name=? AND version=?",
                                    make_version, f.account, f.region, f.name, v)));
}
Result<void> put_version(Tx& tx, const FunctionRef& f, const VersionRow& row) {
  TRY(tx.exec(
      "INSERT OR REPLACE INTO lambda_version(account, region, name, version, config, code, size, unpacked, spec, layers) "
      "VALUES(?,?,?,?,?,?,?,?,?,?)",
      f.account, f.region, f.name, row.version, to_json(row.config), row.code, row.config.num_or("CodeSize", 0), row.unpacked,
      row.spec_revision, layers_text(row.layers)));
  return {};
}
Result<bool> delete_version(Tx& tx, const FunctionRef& f, int64_t v) {
  int64_t n = TRY(tx.exec("DELETE FROM lambda_version WHERE account=? AND region=? AND name=? AND version=?", f.account,
                          f.region, f.name, v));
  TRY(tx.exec("DELETE FROM lambda_statement WHERE account=? AND region=? AND name=? AND qualifier=?", f.account, f.region,
              f.name, std::to_string(v)));
  return n > 0;
}
Result<std::vector<VersionRow>> versions(Tx& tx, const FunctionRef& f, int64_t after, int64_t limit) {
  return rows<VersionRow>(
      tx,
      "SELECT version, config, code, unpacked, spec, layers FROM lambda_version WHERE account=? AND region=? AND name=? "
      "AND version>? ORDER BY version LIMIT ?",
      make_version, f.account, f.region, f.name, after, limit);
}

Result<std::optional<AliasRow>> alias(Tx& tx, const FunctionRef& f, const std::string& name) {
  return first(TRY(rows<AliasRow>(tx,
                                  "SELECT alias, version, description, revision, routing FROM lambda_alias WHERE account=? AND "
                                  "region=? AND name=? AND alias=?",
                                  make_alias, f.account, f.region, f.name, name)));
}
Result<void> put_alias(Tx& tx, const FunctionRef& f, const AliasRow& row) {
  TRY(
      tx.exec("INSERT OR REPLACE INTO lambda_alias(account, region, name, alias, version, description, routing, revision) "
              "VALUES(?,?,?,?,?,?,?,?)",
              f.account, f.region, f.name, row.name, row.version, row.description, to_json(row.routing), row.revision));
  return {};
}
Result<bool> delete_alias(Tx& tx, const FunctionRef& f, const std::string& name) {
  int64_t n = TRY(tx.exec("DELETE FROM lambda_alias WHERE account=? AND region=? AND name=? AND alias=?", f.account, f.region,
                          f.name, name));
  TRY(tx.exec("DELETE FROM lambda_statement WHERE account=? AND region=? AND name=? AND qualifier=?", f.account, f.region,
              f.name, name));
  return n > 0;
}
Result<std::vector<AliasRow>> aliases(Tx& tx, const FunctionRef& f, const std::string& after, int64_t limit) {
  return rows<AliasRow>(
      tx,
      "SELECT alias, version, description, revision, routing FROM lambda_alias WHERE account=? AND region=? AND name=? "
      "AND alias>? ORDER BY alias LIMIT ?",
      make_alias, f.account, f.region, f.name, after, limit);
}

Result<std::vector<StatementRow>> statements(Tx& tx, const FunctionRef& f, const std::string& qualifier) {
  return rows<StatementRow>(
      tx, "SELECT sid, statement FROM lambda_statement WHERE account=? AND region=? AND name=? AND qualifier=? ORDER BY id",
      [](const state::Row& r) -> Result<StatementRow> {
        Value statement = TRY(parse_row(r.text(1)));
        return StatementRow{r.text(0), std::move(statement)};
      },
      f.account, f.region, f.name, qualifier);
}
Result<void> insert_statement(Tx& tx, const FunctionRef& f, const std::string& qualifier, const StatementRow& row) {
  TRY(tx.exec("INSERT INTO lambda_statement(account, region, name, qualifier, sid, statement) VALUES(?,?,?,?,?,?)", f.account,
              f.region, f.name, qualifier, row.sid, to_json(row.statement)));
  return {};
}
Result<bool> delete_statement(Tx& tx, const FunctionRef& f, const std::string& qualifier, const std::string& sid) {
  int64_t n = TRY(tx.exec("DELETE FROM lambda_statement WHERE account=? AND region=? AND name=? AND qualifier=? AND sid=?",
                          f.account, f.region, f.name, qualifier, sid));
  return n > 0;
}

Result<int64_t> next_layer_version(Tx& tx, const LayerRef& l) {
  TRY(
      tx.exec("INSERT INTO lambda_layer(account, region, name, last_version) VALUES(?,?,?,1) "
              "ON CONFLICT(account, region, name) DO UPDATE SET last_version = last_version + 1",
              l.account, l.region, l.name));
  auto v =
      TRY(tx.num("SELECT last_version FROM lambda_layer WHERE account=? AND region=? AND name=?", l.account, l.region, l.name));
  return v.value_or(1);
}
Result<void> insert_layer_version(Tx& tx, const LayerVersionRow& row) {
  TRY(
      tx.exec("INSERT INTO lambda_layer_version(account, region, name, version, config, digest, size, unpacked) "
              "VALUES(?,?,?,?,?,?,?,?)",
              row.account, row.region, row.name, row.version, to_json(row.config), row.digest, row.size, row.unpacked));
  return {};
}

constexpr std::string_view kLayerColumns =
    "SELECT account, region, name, version, config, digest, size, unpacked FROM lambda_layer_version WHERE account=? AND "
    "region=? AND name=? ";

Result<std::optional<LayerVersionRow>> layer_version(Tx& tx, const LayerRef& l) {
  return first(TRY(rows<LayerVersionRow>(tx, std::string(kLayerColumns) + "AND version=?", make_layer_version, l.account,
                                         l.region, l.name, l.version)));
}
Result<LayerPolicyRow> layer_policy(Tx& tx, const LayerRef& l) {
  auto found = first(TRY(rows<LayerPolicyRow>(
      tx, "SELECT revision, statements FROM lambda_layer_policy WHERE account=? AND region=? AND name=? AND version=?",
      [](const state::Row& r) -> Result<LayerPolicyRow> {
        LayerPolicyRow row{r.text(0), {}};
        Value list = TRY(parse_row(r.text(1)));
        if (!list.is_list()) return Error::internal("row of the lambda store: statements are no list");
        row.statements = std::move(list.as_list());
        return row;
      },
      l.account, l.region, l.name, l.version)));
  return found ? std::move(*found) : LayerPolicyRow{};
}
Result<void> put_layer_policy(Tx& tx, const LayerRef& l, const LayerPolicyRow& row) {
  Value list = Value::list();
  for (const Value& s : row.statements) list.push(s);
  TRY(
      tx.exec("INSERT INTO lambda_layer_policy(account, region, name, version, revision, statements) VALUES(?,?,?,?,?,?) "
              "ON CONFLICT(account, region, name, version) DO UPDATE SET revision=excluded.revision, "
              "statements=excluded.statements",
              l.account, l.region, l.name, l.version, row.revision, to_json(list)));
  return {};
}
Result<bool> delete_layer_version(Tx& tx, const LayerRef& l) {
  TRY(tx.exec("DELETE FROM lambda_layer_policy WHERE account=? AND region=? AND name=? AND version=?", l.account, l.region,
              l.name, l.version));
  int64_t n = TRY(tx.exec("DELETE FROM lambda_layer_version WHERE account=? AND region=? AND name=? AND version=?", l.account,
                          l.region, l.name, l.version));
  return n > 0;
}
Result<std::vector<LayerVersionRow>> layer_versions(Tx& tx, const LayerRef& l, int64_t before, int64_t limit) {
  return rows<LayerVersionRow>(tx, std::string(kLayerColumns) + "AND version<? ORDER BY version DESC LIMIT ?",
                               make_layer_version, l.account, l.region, l.name, before, limit);
}
Result<std::vector<std::string>> layer_names(Tx& tx, const std::string& account, const std::string& region,
                                             const std::string& after, int64_t limit) {
  return rows<std::string>(
      tx, "SELECT DISTINCT name FROM lambda_layer_version WHERE account=? AND region=? AND name>? ORDER BY name LIMIT ?",
      make_text, account, region, after, limit);
}

Result<Usage> usage(Tx& tx, const std::string& account, const std::string& region) {
  Usage u;
  u.functions = TRY(tx.num("SELECT COUNT(*) FROM lambda_function WHERE account=? AND region=?", account, region)).value_or(0);
  u.code_bytes = TRY(tx.num("SELECT COALESCE(SUM(size), 0) FROM lambda_version WHERE account=? AND region=?", account, region))
                     .value_or(0);
  u.code_bytes +=
      TRY(tx.num("SELECT COALESCE(SUM(size), 0) FROM lambda_layer_version WHERE account=? AND region=?", account, region))
          .value_or(0);
  return u;
}

Result<Digests> digests(Tx& tx) {
  Digests d;
  auto versions = TRY(rows<std::vector<std::string>>(tx, "SELECT code, layers FROM lambda_version",
                                                     [](const state::Row& r) -> Result<std::vector<std::string>> {
                                                       std::vector<std::string> list = {r.text(0)};
                                                       for (const LayerUse& l : TRY(parse_layers(r.text(1))))
                                                         list.push_back(l.digest);
                                                       return list;
                                                     }));
  for (std::vector<std::string>& list : versions) {
    d.zips.insert(list.begin(), list.end());
    list.erase(list.begin());
    if (list.size() > 1) d.layer_lists.insert(std::move(list));
  }
  for (std::string& digest : TRY(rows<std::string>(tx, "SELECT DISTINCT digest FROM lambda_layer_version", make_text))) {
    d.zips.insert(std::move(digest));
  }
  return d;
}

Result<void> insert_event(Tx& tx, const EventRow& e, int64_t due_ms) {
  TRY(tx.exec(
      "INSERT INTO lambda_event(account, region, name, qualifier, request_id, trace_id, client_context, payload, failures, "
      "deferrals, created_ms, due_ms) VALUES(?,?,?,?,?,?,?,?,0,0,?,?)",
      e.account, e.region, e.name, e.qualifier, e.request_id, e.trace_id, e.client_context, state::Bytes{e.payload},
      e.created_ms, due_ms));
  return {};
}
Result<std::vector<int64_t>> due_events(Tx& tx, int64_t now_ms, int64_t limit) {
  return rows<int64_t>(
      tx, "SELECT id FROM lambda_event WHERE due_ms<=? ORDER BY due_ms, id LIMIT ?",
      [](const state::Row& r) -> Result<int64_t> { return r.num(0); }, now_ms, limit);
}
Result<std::optional<EventRow>> event(Tx& tx, int64_t id) {
  return first(TRY(rows<EventRow>(
      tx,
      "SELECT id, account, region, name, qualifier, request_id, trace_id, client_context, payload, failures, deferrals, "
      "created_ms "
      "FROM lambda_event WHERE id=?",
      [](const state::Row& r) -> Result<EventRow> {
        return EventRow{r.num(0),  r.text(1), r.text(2), r.text(3), r.text(4), r.text(5),
                        r.text(6), r.text(7), r.text(8), r.num(9),  r.num(10), r.num(11)};
      },
      id)));
}
Result<std::optional<int64_t>> next_due(Tx& tx, int64_t after_ms) {
  return tx.num("SELECT due_ms FROM lambda_event WHERE due_ms>? ORDER BY due_ms LIMIT 1", after_ms);
}
Result<void> delete_event(Tx& tx, int64_t id) {
  TRY(tx.exec("DELETE FROM lambda_event WHERE id=?", id));
  return {};
}
Result<void> defer_event(Tx& tx, int64_t id, int64_t failures, int64_t deferrals, int64_t due_ms) {
  TRY(tx.exec("UPDATE lambda_event SET failures=?, deferrals=?, due_ms=? WHERE id=?", failures, deferrals, due_ms, id));
  return {};
}

}  // namespace store
}  // namespace savia::lambda

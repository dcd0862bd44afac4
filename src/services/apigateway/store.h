// All SQL of the module. A Store is a view of one transaction; documents are JSON in the shape of the operation's output,
// without ids and times, which are columns.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/value.h"
#include "state/database.h"

namespace savia::apigateway {

enum class Kind : int { kRest = 1, kHttp = 2 };

struct Api {
  int64_t seq = 0;  // order of creation; pages are cut by it
  std::string id, account, region;
  Kind kind = Kind::kRest;
  int64_t created_ms = 0;
  Value doc;
};

struct Resource {
  int64_t seq = 0;
  std::string id, parent_id, path_part, path;  // the root has no parent and the path "/"
};

struct Method {
  std::string resource_id, http_method;
  Value doc;  // methodIntegration with its integrationResponses, and methodResponses, are inside
};

struct Item {  // a route or an integration of an HTTP API
  int64_t seq = 0;
  std::string id;
  std::string route_key;  // routes only
  Value doc;
};

struct Deployment {
  int64_t seq = 0;
  std::string id;
  int64_t created_ms = 0;
  bool automatic = false;  // made by AutoDeploy; without a snapshot it stands for the API's rows as they are
  bool frozen = false;     // has a snapshot
  Value doc;
};

struct Stage {
  std::string name, deployment_id;
  bool automatic = false;  // AutoDeploy
  int64_t created_ms = 0, updated_ms = 0;
  Value doc;
};

class Store {
 public:
  explicit Store(state::Tx& tx) : tx_(tx) {}
  state::Tx& tx() { return tx_; }

  // APIs
  Result<void> add_api(const Api& api);
  Result<std::optional<Api>> api(std::string_view id);
  Result<std::vector<Api>> apis(std::string_view account, std::string_view region, Kind kind, int64_t after, int64_t limit);
  Result<std::vector<Api>> all_apis();
  Result<void> set_api_doc(std::string_view id, const Value& doc);
  Result<void> delete_api(std::string_view id);  // and everything below it

  // Resources and methods of REST APIs
  Result<void> add_resource(std::string_view api, const Resource& r);
  Result<std::optional<Resource>> resource(std::string_view api, std::string_view id);
  Result<std::vector<Resource>> resources(std::string_view api, int64_t after, int64_t limit);
  Result<std::vector<Resource>> children(std::string_view api, std::string_view parent);
  Result<int64_t> count_resources(std::string_view api);
  // Gives it a new parent, part and path; paths below follow.
  Result<void> move_resource(std::string_view api, const Resource& before, const Resource& after);
  Result<void> delete_resource(std::string_view api, const Resource& r);  // and what is below

  Result<void> put_method(std::string_view api, const Method& m);
  Result<std::optional<Method>> method(std::string_view api, std::string_view resource, std::string_view http_method);
  Result<std::vector<Method>> methods(std::string_view api, std::string_view resource);  // resource "": of the whole API
  Result<void> delete_method(std::string_view api, std::string_view resource, std::string_view http_method);

  // Routes and integrations of HTTP APIs
  Result<void> put_route(std::string_view api, const Item& route);  // a known id is overwritten
  Result<std::optional<Item>> route(std::string_view api, std::string_view id);
  Result<std::vector<Item>> routes(std::string_view api, int64_t after, int64_t limit);
  Result<int64_t> count_routes(std::string_view api);
  Result<void> delete_route(std::string_view api, std::string_view id);
  Result<void> put_integration(std::string_view api, const Item& integration);
  Result<std::optional<Item>> integration(std::string_view api, std::string_view id);
  Result<std::vector<Item>> integrations(std::string_view api, int64_t after, int64_t limit);
  Result<int64_t> count_integrations(std::string_view api);
  Result<void> delete_integration(std::string_view api, std::string_view id);

  // Deployments; a snapshot is the JSON text of publish.h's routes
  Result<void> add_deployment(std::string_view api, const Deployment& d, const std::string* snapshot);
  Result<std::optional<Deployment>> deployment(std::string_view api, std::string_view id);
  Result<std::vector<Deployment>> deployments(std::string_view api, int64_t after, int64_t limit);
  Result<std::optional<std::string>> snapshot(std::string_view api, std::string_view id);
  Result<void> set_deployment_doc(std::string_view api, std::string_view id, const Value& doc);
  Result<void> freeze_deployment(std::string_view api, std::string_view id, const std::string& snapshot);
  Result<void> delete_deployment(std::string_view api, std::string_view id);
  Result<void> delete_idle_live_deployments(std::string_view api);  // without snapshot, and no stage uses them

  // Stages
  Result<void> put_stage(std::string_view api, const Stage& s);
  Result<std::optional<Stage>> stage(std::string_view api, std::string_view name);
  Result<std::vector<Stage>> stages(std::string_view api);  // by name
  Result<void> delete_stage(std::string_view api, std::string_view name);

 private:
  state::Tx& tx_;
};

inline constexpr int64_t kAll = 1'000'000'000;  // a limit that does not limit

std::vector<state::Migration> store_migrations();

}  // namespace savia::apigateway

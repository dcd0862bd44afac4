#include "services/apigateway/publish.h"

#include <map>
#include <unordered_map>

#include "base/log.h"
#include "codec/json.h"
#include "services/apigateway/integration_uri.h"

namespace savia::apigateway {

namespace {

using Strings = std::map<std::string, std::string>;

Strings strings_of(const Value* map) {
  Strings out;
  if (map == nullptr || !map->is_object()) return out;
  for (const auto& [name, value] : map->as_object()) out[name] = value.is_string() ? value.as_string() : "";
  return out;
}

std::vector<std::string> list_of(const Value& v, std::string_view member) {
  std::vector<std::string> out;
  if (const Value::List* list = v.list_at(member)) {
    for (const Value& e : *list) {
      if (e.is_string()) out.push_back(e.as_string());
    }
  }
  return out;
}

// ---- routes as they are

Result<Value> rest_routes(Store& store, const Api& api) {
  std::unordered_map<std::string, std::string> paths;
  for (Resource& r : TRY(store.resources(api.id, 0, kAll))) paths[r.id] = std::move(r.path);
  Value routes = Value::list();
  for (Method& m : TRY(store.methods(api.id, ""))) {
    Value route = Value::object();
    route.set("method", m.http_method).set("path", paths[m.resource_id]).set("id", m.resource_id);
    copy_members(route, m.doc, {"authorizationType", "apiKeyRequired"});
    if (Value* i = m.doc.find("methodIntegration")) route.set("integration", std::move(*i));
    routes.push(std::move(route));
  }
  return routes;
}

// Routes without a target lead nowhere; they are left out, so that the edge answers 404.
Result<Value> http_routes(Store& store, const Api& api) {
  std::unordered_map<std::string, Value> integrations;
  for (Item& i : TRY(store.integrations(api.id, 0, kAll))) integrations["integrations/" + i.id] = std::move(i.doc);
  Value routes = Value::list();
  for (const Item& r : TRY(store.routes(api.id, 0, kAll))) {
    auto integration = integrations.find(r.doc.str_or("Target", ""));
    if (integration == integrations.end()) continue;
    const size_t space = r.route_key.find(' ');
    Value route = Value::object();
    route.set("method", space == std::string::npos ? "ANY" : r.route_key.substr(0, space));
    route.set("path", space == std::string::npos ? r.route_key : r.route_key.substr(space + 1));
    route.set("id", r.id).set("routeKey", r.route_key).set("integration", integration->second);
    routes.push(std::move(route));
  }
  return routes;
}

Result<Value> live_routes(Store& store, const Api& api) {
  return api.kind == Kind::kRest ? rest_routes(store, api) : http_routes(store, api);
}

// ---- routes to specs

void set_lambda(ports::IntegrationSpec& spec, const std::string& uri) {
  spec.kind = ports::IntegrationKind::kLambdaProxy;
  // A URI whose stage variables do not make an ARN leaves the names empty: the edge answers 500, as AWS.
  std::optional<LambdaTarget> target = parse_lambda_uri(uri);
  if (!target) return;
  spec.function_account = target->account;
  spec.function_region = target->region;
  spec.function_name = target->name;
  spec.function_qualifier = target->qualifier;
}

// "'text'" -> text. Other sources are refused when they are stored.
std::string unquoted(const std::string& s) {
  return s.size() >= 2 && s.front() == '\'' && s.back() == '\'' ? s.substr(1, s.size() - 2) : s;
}

ports::MethodResponseSpec response_spec(const Value& r) {
  constexpr std::string_view kHeader = "method.response.header.";
  ports::MethodResponseSpec spec;
  spec.status_code = r.str_or("statusCode", "");
  spec.selection_pattern = r.str_or("selectionPattern", "");
  for (const auto& [target, source] : strings_of(r.find("responseParameters"))) {
    if (target.starts_with(kHeader)) spec.headers[target.substr(kHeader.size())] = unquoted(source);
  }
  spec.templates = strings_of(r.find("responseTemplates"));
  return spec;
}

ports::IntegrationSpec rest_integration(const Value& i, const Strings& variables) {
  ports::IntegrationSpec spec;
  const std::string type = i.str_or("type", "");
  const std::string uri = expand_stage_variables(i.str_or("uri", ""), variables);
  spec.timeout_ms = i.num_or("timeoutInMillis", spec.timeout_ms);
  spec.http_method = i.str_or("httpMethod", "");
  spec.passthrough_behavior = i.str_or("passthroughBehavior", spec.passthrough_behavior);
  spec.connection_type = i.str_or("connectionType", "");
  if (type == "AWS_PROXY") {
    set_lambda(spec, uri);
    return spec;
  }
  spec.kind = type == "HTTP_PROXY" ? ports::IntegrationKind::kHttpProxy : ports::IntegrationKind::kMock;
  spec.uri = uri;
  spec.request_parameters = strings_of(i.find("requestParameters"));
  spec.request_templates = strings_of(i.find("requestTemplates"));
  if (const Value* responses = i.object_at("integrationResponses")) {
    for (const auto& [status, r] : responses->as_object()) spec.responses.push_back(response_spec(r));
  }
  return spec;
}

ports::IntegrationSpec http_integration(const Value& i, const Strings& variables) {
  ports::IntegrationSpec spec;
  const std::string uri = expand_stage_variables(i.str_or("IntegrationUri", ""), variables);
  spec.timeout_ms = i.num_or("TimeoutInMillis", spec.timeout_ms);
  spec.http_method = i.str_or("IntegrationMethod", "");
  spec.payload_format = i.str("PayloadFormatVersion") == "2.0" ? ports::PayloadFormat::kV2 : ports::PayloadFormat::kV1;
  spec.connection_type = i.str_or("ConnectionType", "");
  if (i.str("IntegrationType") == "AWS_PROXY") {
    set_lambda(spec, uri);
  } else {
    spec.kind = ports::IntegrationKind::kHttpProxy;
    spec.uri = uri;
  }
  return spec;
}

std::vector<ports::RouteSpec> route_specs(Kind kind, const Value& routes, const Strings& variables) {
  std::vector<ports::RouteSpec> out;
  out.reserve(routes.size());
  for (const Value& r : routes.as_list()) {
    const Value* integration = r.object_at("integration");
    if (integration == nullptr) continue;
    ports::RouteSpec spec;
    spec.method = r.str_or("method", "");
    spec.path = r.str_or("path", "");
    spec.resource_id = r.str_or("id", "");
    spec.route_key = r.str_or("routeKey", "");
    spec.integration =
        kind == Kind::kRest ? rest_integration(*integration, variables) : http_integration(*integration, variables);
    out.push_back(std::move(spec));
  }
  return out;
}

ports::CorsSpec cors_spec(const Value& cors) {
  ports::CorsSpec spec;
  spec.allow_origins = list_of(cors, "AllowOrigins");
  spec.allow_methods = list_of(cors, "AllowMethods");
  spec.allow_headers = list_of(cors, "AllowHeaders");
  spec.expose_headers = list_of(cors, "ExposeHeaders");
  spec.max_age_s = cors.num_or("MaxAge", -1);
  spec.allow_credentials = cors.bool_or("AllowCredentials", false);
  return spec;
}

}  // namespace

Result<std::string> take_snapshot(Store& store, const Api& api) {
  return to_json(TRY(live_routes(store, api)));
}

Result<std::shared_ptr<const ports::ApiSpec>> build_spec(Store& store, const Api& api) {
  auto spec = std::make_shared<ports::ApiSpec>();
  spec->api_id = api.id;
  spec->kind = api.kind == Kind::kRest ? ports::ApiKind::kRest : ports::ApiKind::kHttp;
  spec->account = api.account;
  spec->region = api.region;
  if (api.kind == Kind::kRest) {
    spec->name = api.doc.str_or("name", "");
    spec->binary_media_types = list_of(api.doc, "binaryMediaTypes");
    spec->execute_api_disabled = api.doc.bool_or("disableExecuteApiEndpoint", false);
  } else {
    spec->name = api.doc.str_or("Name", "");
    spec->execute_api_disabled = api.doc.bool_or("DisableExecuteApiEndpoint", false);
    if (const Value* cors = api.doc.object_at("CorsConfiguration")) {
      spec->has_cors = true;
      spec->cors = cors_spec(*cors);
    }
  }
  std::map<std::string, Value> routes_of;  // deployment id -> routes: several stages may share one
  for (const Stage& s : TRY(store.stages(api.id))) {
    ports::StageSpec stage;
    stage.name = s.name;
    stage.deployment_id = s.deployment_id;
    stage.variables = strings_of(s.doc.find(api.kind == Kind::kRest ? "variables" : "StageVariables"));
    auto known = routes_of.find(s.deployment_id);
    if (known == routes_of.end()) {
      std::optional<std::string> snapshot = TRY(store.snapshot(api.id, s.deployment_id));
      Value routes = Value::list();
      if (snapshot) routes = TRY(parse_json(*snapshot));
      if (!snapshot && s.automatic) routes = TRY(live_routes(store, api));
      if (!routes.is_list()) return Error::internal("apigateway: snapshot of deployment " + s.deployment_id + " is damaged");
      known = routes_of.emplace(s.deployment_id, std::move(routes)).first;
    }
    stage.routes = route_specs(api.kind, known->second, stage.variables);
    spec->stages.push_back(std::move(stage));
  }
  return std::shared_ptr<const ports::ApiSpec>(std::move(spec));
}

void publish(Core& core, Store& store, const Api& api) {
  Result<std::shared_ptr<const ports::ApiSpec>> spec = build_spec(store, api);
  if (!spec.ok()) {
    log_error("apigateway.publish.failed", {{"api", api.id}, {"error", spec.error().message()}});
    return;
  }
  store.tx().after_commit([&core, picture = std::move(spec).value()] {
    core.published.with([&](auto& ids) { ids.insert(picture->api_id); });
    core.sink.publish(picture);
  });
}

void withdraw(Core& core, Store& store, const std::string& api_id) {
  store.tx().after_commit([&core, api_id] {
    core.published.with([&](auto& ids) { ids.erase(api_id); });
    core.sink.remove(api_id);
  });
}

Result<void> publish_all(Core& core) {
  // A write, though it changes nothing: so it has its place in the order of commits.
  auto all = [&](state::Tx& tx) -> Result<void> {
    Store store(tx);
    std::set<std::string> gone = core.published.with([](auto& ids) { return ids; });
    for (const Api& api : TRY(store.all_apis())) {
      gone.erase(api.id);
      publish(core, store, api);
    }
    for (const std::string& id : gone) withdraw(core, store, id);
    return {};
  };
  return core.database.write(all, state::WriteKind::kFree);
}

}  // namespace savia::apigateway

#include <map>

#include "cli/deploy/deploy.h"

namespace savia::cli {
namespace {

Value cors_of(const CorsConfig& c) {
  auto list = [](const std::vector<std::string>& texts) {
    Value v = Value::list();
    for (const std::string& t : texts) v.push(t);
    return v;
  };
  Value out = Value::object();
  out.set("AllowOrigins", list(c.origins)).set("AllowMethods", list(c.methods)).set("AllowHeaders", list(c.headers));
  if (!c.exposed_headers.empty()) out.set("ExposeHeaders", list(c.exposed_headers));
  if (c.max_age_s) out.set("MaxAge", *c.max_age_s);
  out.set("AllowCredentials", c.credentials);
  return out;
}

// As the service stores it: absent members and their defaults are the same.
bool same_cors(const Value* have, const Value& wanted) {
  if (have == nullptr) return false;
  for (const char* key : {"AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders"}) {
    const Value* a = have->find(key);
    const Value* b = wanted.find(key);
    Value empty = Value::list();
    if (!((a != nullptr ? *a : empty) == (b != nullptr ? *b : empty))) return false;
  }
  return have->num_or("MaxAge", -1) == wanted.num_or("MaxAge", -1) &&
         have->bool_or("AllowCredentials", false) == wanted.bool_or("AllowCredentials", false);
}

}  // namespace

Result<std::string> Deployer::deploy_http_api(const ServiceConfig& service, bool& changed) {
  auto all = [&](std::string_view operation, Value input) -> Result<Value::List> {
    Value::List out;
    for (;;) {
      Value page = TRY(call(service, "apigatewayv2", operation, input));
      if (Value* items = page.find("Items"); items != nullptr && items->is_list()) {
        for (Value& item : items->as_list()) out.push_back(std::move(item));
      }
      std::string next = page.str_or("NextToken", "");
      if (next.empty()) return out;
      input.set("NextToken", next);
    }
  };

  Value api;
  for (Value& candidate : TRY(all("GetApis", Value::object()))) {
    if (candidate.str_or("Name", "") == service.http_api_name && candidate.str_or("ProtocolType", "") == "HTTP")
      api = std::move(candidate);
  }
  Value cors = service.http_cors ? cors_of(*service.http_cors) : Value();
  if (api.is_null()) {
    Value input = Value().set("Name", service.http_api_name).set("ProtocolType", "HTTP");
    if (!cors.is_null()) input.set("CorsConfiguration", cors);
    api = TRY(call(service, "apigatewayv2", "CreateApi", input));
    changed = true;
  } else if (!cors.is_null() && !same_cors(api.object_at("CorsConfiguration"), cors)) {
    TRY(call(service, "apigatewayv2", "UpdateApi",
             Value().set("ApiId", api.str_or("ApiId", "")).set("CorsConfiguration", cors)));
    changed = true;
  } else if (cors.is_null() && api.has("CorsConfiguration")) {
    TRY(call(service, "apigatewayv2", "DeleteCorsConfiguration", Value().set("ApiId", api.str_or("ApiId", ""))));
    changed = true;
  }
  std::string id = api.str_or("ApiId", "");

  // One integration a function.
  std::map<std::string, std::string> integrations;  // function ARN -> integration id
  for (const Value& i : TRY(all("GetIntegrations", Value().set("ApiId", id)))) {
    if (i.str_or("PayloadFormatVersion", "1.0") == service.http_payload)
      integrations[i.str_or("IntegrationUri", "")] = i.str_or("IntegrationId", "");
  }
  std::map<std::string, std::string> wanted;  // route key -> target
  for (const FunctionConfig& fn : service.functions) {
    std::string arn = function_arn(service, fn.name);
    for (const HttpEvent& e : fn.events) {
      if (e.kind != HttpEvent::Kind::kHttpApi) continue;
      if (!integrations.contains(arn)) {
        Value made = TRY(call(service, "apigatewayv2", "CreateIntegration",
                              Value()
                                  .set("ApiId", id)
                                  .set("IntegrationType", "AWS_PROXY")
                                  .set("IntegrationUri", arn)
                                  .set("PayloadFormatVersion", service.http_payload)
                                  .set("TimeoutInMillis", 30000)));
        integrations[arn] = made.str_or("IntegrationId", "");
        changed = true;
      }
      wanted[e.route_key()] = "integrations/" + integrations[arn];
    }
  }

  std::map<std::string, Value> have;
  for (Value& r : TRY(all("GetRoutes", Value().set("ApiId", id)))) have[r.str_or("RouteKey", "")] = std::move(r);
  for (const auto& [key, target] : wanted) {
    auto current = have.find(key);
    if (current == have.end()) {
      TRY(call(service, "apigatewayv2", "CreateRoute", Value().set("ApiId", id).set("RouteKey", key).set("Target", target)));
      changed = true;
    } else if (current->second.str_or("Target", "") != target) {
      TRY(call(service, "apigatewayv2", "UpdateRoute",
               Value().set("ApiId", id).set("RouteId", current->second.str_or("RouteId", "")).set("Target", target)));
      changed = true;
    }
  }
  for (const auto& [key, route] : have) {
    if (wanted.contains(key)) continue;
    TRY(call(service, "apigatewayv2", "DeleteRoute", Value().set("ApiId", id).set("RouteId", route.str_or("RouteId", ""))));
    changed = true;
  }

  bool staged = false;
  for (const Value& s : TRY(all("GetStages", Value().set("ApiId", id))))
    staged = staged || s.str_or("StageName", "") == "$default";
  if (!staged) {
    TRY(call(service, "apigatewayv2", "CreateStage",
             Value().set("ApiId", id).set("StageName", "$default").set("AutoDeploy", true)));
    changed = true;
  }
  for (const FunctionConfig& fn : service.functions) TRY(allow_api(service, fn, id));
  return "http://" + id + ".execute-api.localhost:" + cloud_.edge_port();
}

}  // namespace savia::cli

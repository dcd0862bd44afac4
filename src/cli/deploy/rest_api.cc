#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "cli/deploy/deploy.h"

namespace savia::cli {
namespace {

struct Resource {
  std::string id, parent;
  std::map<std::string, std::string> methods;  // method -> integration URI, "MOCK" for the gateway's own answers
};
using Resources = std::map<std::string, Resource>;                         // by path
using Wanted = std::map<std::string, std::map<std::string, std::string>>;  // path -> method -> URI or "MOCK"

constexpr const char* kMock = "MOCK";

std::string invoke_uri(const ServiceConfig& s, const std::string& function) {
  return "arn:aws:apigateway:" + s.region + ":lambda:path/2015-03-31/functions/" + function_arn(s, function) + "/invocations";
}

Wanted wanted_of(const ServiceConfig& s) {
  Wanted out;
  for (const FunctionConfig& fn : s.functions) {
    for (const HttpEvent& e : fn.events) {
      if (e.kind != HttpEvent::Kind::kRest) continue;
      out[e.path][e.method] = invoke_uri(s, fn.name);
      if (e.cors) out[e.path].try_emplace("OPTIONS", kMock);
    }
  }
  return out;
}

std::string parent_path(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::string> Deployer::deploy_rest_api(const ServiceConfig& service, bool& changed) {
  std::string id;
  std::string position;
  do {
    Value page = Value().set("limit", 500);
    if (!position.empty()) page.set("position", position);
    Value apis = TRY(call(service, "apigateway", "GetRestApis", page));
    if (const Value::List* items = apis.list_at("items")) {
      for (const Value& api : *items) {
        if (api.str_or("name", "") == service.rest_api_name) id = api.str_or("id", "");
      }
    }
    position = apis.str_or("position", "");
  } while (id.empty() && !position.empty());
  bool touched = false;
  if (id.empty()) {
    Value made = TRY(call(service, "apigateway", "CreateRestApi",
                          Value()
                              .set("name", service.rest_api_name)
                              .set("endpointConfiguration", Value().set("types", Value::list().push("EDGE")))));
    id = made.str_or("id", "");
    touched = true;
  }

  // What is there.
  Resources have;
  position.clear();
  do {
    Value page = Value().set("restApiId", id).set("limit", 500).set("embed", Value::list().push("methods"));
    if (!position.empty()) page.set("position", position);
    Value answer = TRY(call(service, "apigateway", "GetResources", page));
    if (const Value::List* items = answer.list_at("items")) {
      for (const Value& r : *items) {
        Resource& resource = have[r.str_or("path", "")];
        resource.id = r.str_or("id", "");
        resource.parent = r.str_or("parentId", "");
        const Value* methods = r.object_at("resourceMethods");
        if (methods == nullptr) continue;
        for (const auto& [method, body] : methods->as_object()) {
          const Value* integration = body.object_at("methodIntegration");
          std::string uri = integration != nullptr ? integration->str_or("uri", kMock) : "";
          resource.methods[method] = uri;
        }
      }
    }
    position = answer.str_or("position", "");
  } while (!position.empty());

  // Resources that are missing, parents first; then methods.
  Wanted wanted = wanted_of(service);
  std::set<std::string> needed;
  for (const auto& [path, methods] : wanted) {
    for (std::string p = path; p != "/"; p = parent_path(p)) needed.insert(p);
  }
  for (const std::string& path : needed) {
    if (have.contains(path)) continue;
    Value made = TRY(call(service, "apigateway", "CreateResource",
                          Value()
                              .set("restApiId", id)
                              .set("parentId", have[parent_path(path)].id)
                              .set("pathPart", path.substr(path.rfind('/') + 1))));
    have[path].id = made.str_or("id", "");
    touched = true;
  }
  for (const auto& [path, methods] : wanted) {
    Resource& resource = have[path];
    for (const auto& [method, uri] : methods) {
      auto current = resource.methods.find(method);
      if (current != resource.methods.end() && current->second == uri) continue;
      Value key = Value().set("restApiId", id).set("resourceId", resource.id).set("httpMethod", method);
      if (current == resource.methods.end()) {
        Value put = key;
        TRY(call(service, "apigateway", "PutMethod", put.set("authorizationType", "NONE").set("apiKeyRequired", false)));
      }
      Value integration = key;
      if (uri == kMock) {
        integration.set("type", kMock).set("requestTemplates", Value().set("application/json", "{\"statusCode\":200}"));
        TRY(call(service, "apigateway", "PutIntegration", integration));
        Value declared = Value::object();
        Value values = Value::object();
        const std::pair<const char*, const char*> kCors[] = {
            {"Access-Control-Allow-Origin", "'*'"},
            {"Access-Control-Allow-Headers",
             "'Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token,X-Amz-User-Agent,X-Amzn-Trace-Id'"},
            {"Access-Control-Allow-Methods", "'OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE'"}};
        for (const auto& [name, value] : kCors) {
          declared.set(std::string("method.response.header.") + name, true);
          values.set(std::string("method.response.header.") + name, value);
        }
        Value response = key;
        TRY(call(service, "apigateway", "PutMethodResponse",
                 response.set("statusCode", "200").set("responseParameters", declared)));
        Value answer = key;
        TRY(call(service, "apigateway", "PutIntegrationResponse",
                 answer.set("statusCode", "200").set("responseParameters", values)));
      } else {
        integration.set("type", "AWS_PROXY").set("integrationHttpMethod", "POST").set("uri", uri);
        TRY(call(service, "apigateway", "PutIntegration", integration));
      }
      touched = true;
    }
  }

  // What the file no longer has: methods, then resources from the leaves up.
  std::vector<std::string> paths;
  for (const auto& [path, resource] : have) paths.push_back(path);
  std::sort(paths.begin(), paths.end(), [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  for (const std::string& path : paths) {
    Resource& resource = have[path];
    auto keep = wanted.find(path);
    for (const auto& [method, uri] : resource.methods) {
      if (keep != wanted.end() && keep->second.contains(method)) continue;
      TRY(call(service, "apigateway", "DeleteMethod",
               Value().set("restApiId", id).set("resourceId", resource.id).set("httpMethod", method)));
      touched = true;
    }
    if (path != "/" && !needed.contains(path)) {
      TRY(call(service, "apigateway", "DeleteResource", Value().set("restApiId", id).set("resourceId", resource.id)));
      touched = true;
    }
  }

  auto stage =
      cloud_.call("apigateway", "GetStage", Value().set("restApiId", id).set("stageName", service.stage), service.region);
  if (!stage.ok() && stage.error().code != "NotFoundException") return error_of(stage.error(), "apigateway", "GetStage");
  if (touched || !stage.ok()) {
    TRY(call(service, "apigateway", "CreateDeployment", Value().set("restApiId", id).set("stageName", service.stage)));
    changed = true;
  }
  for (const FunctionConfig& fn : service.functions) TRY(allow_api(service, fn, id));
  return "http://" + id + ".execute-api.localhost:" + cloud_.edge_port() + "/" + service.stage;
}

}  // namespace savia::cli

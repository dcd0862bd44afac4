#include "edge/api.h"

#include "base/log.h"
#include "base/strings.h"
#include "codec/json.h"

namespace savia::edge {
namespace {

std::string with_variables(std::string text, const ports::StageSpec& stage) {
  for (const auto& [name, value] : stage.variables)
    text = replace_all(std::move(text), "${stageVariables." + name + "}", value);
  return text;
}

Route compile_route(const ports::ApiSpec& api, const ports::StageSpec& stage, const ports::RouteSpec& spec) {
  Route route;
  route.spec = &spec;
  const ports::IntegrationSpec& integration = spec.integration;
  route.timeout_ms = integration.timeout_ms;
  std::vector<std::string_view> segments = split(std::string_view(spec.path).substr(spec.path.empty() ? 0 : 1), '/');
  for (size_t i = 0; i < segments.size() && i < kRouteDepth; ++i) {
    std::string_view s = segments[i];
    if (s.size() < 3 || s.front() != '{' || s.back() != '}') continue;
    s = s.substr(1, s.size() - 2);
    if (s.back() == '+') s.remove_suffix(1);
    route.params.push_back({std::string(s), i});
  }
  switch (integration.kind) {
    case ports::IntegrationKind::kLambdaProxy:
      route.function = with_variables(integration.function_name, stage);
      route.qualifier = with_variables(integration.function_qualifier, stage);
      route.lambda_method_ok =
          api.kind == ports::ApiKind::kHttp || integration.http_method.empty() || integration.http_method == "POST";
      break;
    case ports::IntegrationKind::kHttpProxy: {
      Result<ProxyTarget> target = ProxyTarget::compile(integration, stage);
      if (target.ok()) {
        route.proxy = std::move(target).value();
      } else {
        log_warn("edge.integration_unusable", {{"api", api.api_id}, {"path", spec.path}, {"why", target.error().message()}});
      }
      break;
    }
    case ports::IntegrationKind::kMock:
      route.mock.emplace(integration);
      break;
  }
  return route;
}

Stage compile_stage(const ports::ApiSpec& api, const ports::StageSpec& spec) {
  Stage stage;
  stage.spec = &spec;
  stage.routes.reserve(spec.routes.size());
  for (const ports::RouteSpec& r : spec.routes) {
    uint32_t index = static_cast<uint32_t>(stage.routes.size());
    stage.routes.push_back(compile_route(api, spec, r));
    if (r.path == "$default") {
      stage.default_route = index;
    } else if (!stage.trie.add(r.path, r.method, index)) {
      log_warn("edge.route_unusable", {{"api", api.api_id}, {"method", r.method}, {"path", r.path}});
    }
  }
  if (spec.variables.empty()) {
    stage.variables_json = "null";
  } else {
    JsonWriter w(stage.variables_json);
    w.begin_object();
    for (const auto& [name, value] : spec.variables) w.field(name, value);
    w.end_object();
  }
  return stage;
}

}  // namespace

std::shared_ptr<const Api> Api::compile(std::shared_ptr<const ports::ApiSpec> spec) {
  auto api = std::make_shared<Api>();
  api->spec_ = std::move(spec);
  for (const ports::StageSpec& s : api->spec_->stages) api->stages_.push_back(compile_stage(*api->spec_, s));
  return api;
}

const Stage* Api::stage(std::string_view name) const {
  for (const Stage& s : stages_) {
    if (s.spec->name == name) return &s;
  }
  return nullptr;
}

bool Api::is_binary(std::string_view media_type) const {
  if (spec_->binary_media_types.empty()) return false;
  std::string_view type = first_media_type(media_type);
  if (type.empty()) type = "application/json";
  for (const std::string& b : spec_->binary_media_types) {
    if (b == "*/*" || iequals(b, type)) return true;
    if (b.size() > 2 && b.compare(b.size() - 2, 2, "/*") == 0 && type.size() >= b.size() &&
        iequals(type.substr(0, b.size() - 1), std::string_view(b).substr(0, b.size() - 1))) {
      return true;
    }
  }
  return false;
}

MatchResult match_request(const Api& api, std::string_view path, Request& request) {
  request.api = &api;
  if (api.http() && path.find('%') != std::string_view::npos) {
    // HTTP APIs decode the path before anything looks at it; REST APIs never do.
    request.decoded = percent_decode(path);
    path = request.decoded;
  }
  // Slashes before the stage count as one (recorded: "//stage/x" is "/stage/x"); those behind it stay in the full path.
  while (path.size() > 1 && path[1] == '/') path.remove_prefix(1);
  request.full_path = path;
  std::string_view rest = path.substr(path.empty() ? 0 : 1);
  std::string_view name = rest.substr(0, rest.find('/'));
  request.stage = api.stage(name);
  if (request.stage != nullptr && name != "$default") {
    rest.remove_prefix(name.size());
  } else if (api.http()) {
    request.stage = api.stage("$default");
    rest = path;
  } else {
    request.stage = nullptr;
  }
  if (request.stage == nullptr) return MatchResult::kNoStage;
  while (rest.size() > 1 && rest[1] == '/') rest.remove_prefix(1);
  request.path = rest.empty() ? std::string_view("/") : rest;

  std::string_view key = request.path.substr(1);
  if (!key.empty() && key.back() == '/') key.remove_suffix(1);
  auto order = api.http() ? RouteTrie::Order::kRoute : RouteTrie::Order::kResource;
  uint32_t index = request.stage->trie.match(key, request.method, order, request.captures);
  if (index == RouteTrie::kNoRoute) index = request.stage->default_route;
  if (index == RouteTrie::kNoRoute) return MatchResult::kNoRoute;
  request.route = &request.stage->routes[index];
  return MatchResult::kRoute;
}

}  // namespace savia::edge

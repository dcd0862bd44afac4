// Routes of HTTP APIs: "GET /pets/{id}", "ANY /{proxy+}" or "$default".
#include <set>

#include "base/limits.h"
#include "base/strings.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/http.h"
#include "services/apigateway/ids.h"

namespace savia::apigateway::http {

namespace {

bool is_variable(std::string_view segment) {
  return segment.starts_with('{') && segment.ends_with('}');
}

bool is_method(std::string_view m) {
  for (std::string_view known : {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY"}) {
    if (m == known) return true;
  }
  return false;
}

// Segments of "/a/{b}/{c+}" without the leading "/"; nothing when it is no route path: a variable fills its segment, has a
// name of its own, and a greedy one is last.
std::optional<std::vector<std::string_view>> path_segments(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  std::vector<std::string_view> segments = split(path.substr(1), '/');
  std::set<std::string_view> names;
  for (size_t i = 0; i < segments.size(); ++i) {
    std::string_view s = segments[i];
    if (s.find_first_of(" \t?#") != std::string_view::npos) return std::nullopt;
    if (!is_variable(s)) {
      if (s.find_first_of("{}") != std::string_view::npos) return std::nullopt;
      if (s.empty() && segments.size() > 1 && i + 1 < segments.size()) return std::nullopt;
      continue;
    }
    s = s.substr(1, s.size() - 2);
    if (s.ends_with('+')) {
      if (i + 1 != segments.size()) return std::nullopt;
      s.remove_suffix(1);
    }
    if (s.empty() || s.find_first_of("{}+") != std::string_view::npos || !names.insert(s).second) return std::nullopt;
  }
  return segments;
}

// The same place in the tree, but with another variable: AWS could not tell which name to give.
bool variables_conflict(std::string_view a, std::string_view b) {
  const std::optional<std::vector<std::string_view>> left = path_segments(a), right = path_segments(b);
  if (!left || !right) return false;
  for (size_t i = 0; i < left->size() && i < right->size(); ++i) {
    const std::string_view l = (*left)[i], r = (*right)[i];
    if (l == r) continue;
    const bool greedy = l.ends_with("+}") || r.ends_with("+}");  // "{proxy+}" may stand beside "{id}"
    return is_variable(l) && is_variable(r) && l.ends_with("+}") == r.ends_with("+}") && (!greedy || l != r);
  }
  return false;
}

Value render(const Item& r) {
  Value out = r.doc;
  out.set("RouteId", r.id).set("RouteKey", r.route_key);
  out.set("ApiKeyRequired", false).set("AuthorizationType", "NONE");
  return out;
}

Checked<Item> need_route(Store& store, const Api& api, const Value& in) {
  std::optional<Item> r = TRY(store.route(api.id, in.str_or("RouteId", "")));
  if (!r) return not_found("Invalid Route identifier specified");
  return *std::move(r);
}

Checked<void> check_target(Store& store, const Api& api, const Value& in) {
  const std::string target = in.str_or("Target", "");
  if (target.empty()) return {};
  constexpr std::string_view kPrefix = "integrations/";
  if (!target.starts_with(kPrefix)) return bad_request("Invalid target. Must be of the form integrations/<id>");
  if (!TRY(store.integration(api.id, target.substr(kPrefix.size())))) {
    return not_found("Invalid Integration identifier specified");
  }
  return {};
}

Checked<void> check_members(const Value& in) {
  if (in.str_or("AuthorizationType", "NONE") != "NONE") {
    return unsupported("AuthorizationType " + in.str_or("AuthorizationType", ""));
  }
  return refuse(in, {"ApiKeyRequired", "AuthorizationScopes", "AuthorizerId", "ModelSelectionExpression", "RequestModels",
                     "RequestParameters", "RouteResponseSelectionExpression"});
}

}  // namespace

Checked<void> check_route_key(std::string_view key) {
  if (key == "$default") return {};
  const size_t space = key.find(' ');
  if (space == std::string_view::npos || !is_method(key.substr(0, space)) || !path_segments(key.substr(space + 1))) {
    return bad_request(
        "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE "
        "PATH>\" or \"$default\"");
  }
  return {};
}

Checked<void> check_route_conflicts(Store& store, const Api& api, const std::string& key, std::string_view self) {
  const std::string_view path = std::string_view(key).substr(key.find(' ') + 1);
  for (const Item& other : TRY(store.routes(api.id, 0, kAll))) {
    if (other.id == self) continue;
    if (other.route_key == key) return conflict("Route with key " + key + " already exists for this API");
    const size_t space = other.route_key.find(' ');
    if (space == std::string::npos || other.route_key.substr(0, space) != key.substr(0, key.find(' '))) continue;
    if (variables_conflict(path, std::string_view(other.route_key).substr(space + 1))) {
      return conflict("The provided route key \"" + key + "\" has a conflicting variable on the same hierarchical level as \"" +
                      other.route_key + "\"");
    }
  }
  return {};
}

Item new_route(std::string id, std::string key, std::string target) {
  Item r;
  r.id = std::move(id);
  r.route_key = std::move(key);
  r.doc = Value::object();
  if (!target.empty()) r.doc.set("Target", std::move(target));
  return r;
}

Outcome CreateRoute(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    const std::string key = in.str_or("RouteKey", "");
    TRY(check_route_key(key));
    TRY(check_members(in));
    TRY(check_target(store, api, in));
    TRY(check_route_conflicts(store, api, key, ""));
    if (TRY(store.count_routes(api.id)) >= static_cast<int64_t>(limits::kApiRoutes)) return too_many("Routes", Kind::kHttp);
    Item r = new_route(TRY(new_route_id(core, store, api.id)), key, in.str_or("Target", ""));
    copy_members(r.doc, in, {"OperationName"});
    TRY(store.put_route(api.id, r));
    TRY(deploy_changes(core, store, c, api));
    return render(r);
  });
}

Outcome GetRoute(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    return render(TRY(need_route(store, api, in)));
  });
}

Outcome GetRoutes(Core& core, const CallContext& c, const Value& in) {
  const Page page = TRY(page_v2(in));
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Value::List items;
    std::vector<int64_t> seqs;
    for (const Item& r : TRY(store.routes(api.id, page.after, page.limit + 1))) {
      items.push_back(render(r));
      seqs.push_back(r.seq);
    }
    return paged("Items", "NextToken", std::move(items), seqs, page.limit);
  });
}

Outcome UpdateRoute(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Item r = TRY(need_route(store, api, in));
    TRY(check_members(in));
    TRY(check_target(store, api, in));
    if (in.has("RouteKey") && in.str("RouteKey") != r.route_key) {
      if (r.doc.bool_or("ApiGatewayManaged", false)) return bad_request("The route key of a managed route cannot be changed");
      TRY(check_route_key(in.str_or("RouteKey", "")));
      TRY(check_route_conflicts(store, api, in.str_or("RouteKey", ""), r.id));
      r.route_key = in.str_or("RouteKey", "");
    }
    copy_members(r.doc, in, {"OperationName", "Target"});
    if (r.doc.str("Target") == "") r.doc.erase("Target");
    TRY(store.put_route(api.id, r));
    TRY(deploy_changes(core, store, c, api));
    return render(r);
  });
}

Outcome DeleteRoute(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
        const Item r = TRY(need_route(store, api, in));
        TRY(store.delete_route(api.id, r.id));
        TRY(deploy_changes(core, store, c, api));
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::http

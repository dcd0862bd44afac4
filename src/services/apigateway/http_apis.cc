// HTTP APIs themselves, quick create and CORS.
#include "base/strings.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/http.h"
#include "services/apigateway/ids.h"
#include "services/apigateway/publish.h"

namespace savia::apigateway::http {

namespace {

constexpr std::string_view kRouteSelection = "$request.method $request.path";
constexpr std::string_view kApiKeySelection = "$request.header.x-api-key";

Value render(const Core& core, const Api& api) {
  Value out = api.doc;
  out.set("ApiId", api.id);
  out.set("ApiEndpoint", "http://" + api.id + ".execute-api." + core.options.edge_authority);
  out.set("ApiKeySelectionExpression", kApiKeySelection).set("RouteSelectionExpression", kRouteSelection);
  out.set("ProtocolType", "HTTP").set("CreatedDate", Timestamp{api.created_ms});
  if (!out.has("Tags")) out.set("Tags", Value::object());
  return out;
}

bool is_origin(std::string_view o) {
  if (o == "*") return true;
  const size_t scheme = o.find("://");  // http, https and others such as "chrome-extension"
  if (scheme == 0 || scheme == std::string_view::npos) return false;
  const std::string_view host = o.substr(scheme + 3);
  return !host.empty() && host.find('/') == std::string_view::npos;
}

bool is_cors_method(std::string_view m) {
  for (std::string_view known : {"*", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}) {
    if (m == known) return true;
  }
  return false;
}

Checked<void> check_cors(const Value* cors) {
  if (cors == nullptr || !cors->is_object()) return {};
  bool any_origin = false;
  if (const Value::List* origins = cors->list_at("AllowOrigins")) {
    for (const Value& o : *origins) {
      if (!o.is_string() || !is_origin(o.as_string())) {
        return bad_request("Invalid format for origin " + (o.is_string() ? o.as_string() : "null") +
                           ". Origin should be in the format scheme://host[:port] or *");
      }
      any_origin = any_origin || o.as_string() == "*";
    }
  }
  if (const Value::List* methods = cors->list_at("AllowMethods")) {
    for (const Value& m : *methods) {
      if (!m.is_string() || !is_cors_method(m.as_string())) return bad_request("Invalid HTTP method in AllowMethods");
    }
  }
  if (any_origin && cors->bool_or("AllowCredentials", false)) {
    return bad_request("AllowCredentials cannot be true when AllowOrigins contains *");
  }
  return {};
}

// What HTTP APIs cannot have, and what is not built.
Checked<void> check_settings(const Value& in) {
  if (in.str("ProtocolType") == "WEBSOCKET") return unsupported("ProtocolType WEBSOCKET");
  if (in.str_or("RouteSelectionExpression", std::string(kRouteSelection)) != kRouteSelection) {
    return bad_request("RouteSelectionExpression must be \"${request.method} ${request.path}\" for HTTP protocol");
  }
  if (in.str_or("ApiKeySelectionExpression", std::string(kApiKeySelection)) != kApiKeySelection) {
    return bad_request("ApiKeySelectionExpression is supported for WEBSOCKET protocol only");
  }
  if (in.bool_or("DisableSchemaValidation", false)) {
    return bad_request("DisableSchemaValidation is supported for WEBSOCKET protocol only");
  }
  TRY(check_cors(in.find("CorsConfiguration")));
  return check_tags(in.find("Tags"));
}

constexpr std::string_view kManaged = "ApiGatewayManaged";

// Integration, route and stage of an API that is made with a Target.
Checked<void> quick_create(Core& core, Store& store, const CallContext& c, const Api& api, const Value& in) {
  Item integration;
  integration.id = TRY(new_integration_id(core, store, api.id));
  integration.doc = TRY(integration_of_target(in.str_or("Target", ""), in.find("CredentialsArn")));
  integration.doc.set(kManaged, true);
  const std::string key = in.str_or("RouteKey", "$default");
  TRY(check_route_key(key));
  Item route = new_route(TRY(new_route_id(core, store, api.id)), key, "integrations/" + integration.id);
  route.doc.set(kManaged, true);
  Stage stage{"$default", "", true, c.now_ms, c.now_ms, Value::object()};
  stage.doc.set(kManaged, true);
  TRY(store.put_integration(api.id, integration));
  TRY(store.put_route(api.id, route));
  TRY(store.put_stage(api.id, stage));
  return {};
}

// Target, RouteKey and CredentialsArn of UpdateApi change what quick create made.
Checked<void> quick_update(Store& store, const Api& api, const Value& in) {
  if (!in.has("Target") && !in.has("RouteKey") && !in.has("CredentialsArn")) return {};
  bool found = false;
  for (Item& i : TRY(store.integrations(api.id, 0, kAll))) {
    if (!i.doc.bool_or(kManaged, false)) continue;
    found = true;
    if (in.has("Target")) {
      i.doc = TRY(integration_of_target(in.str_or("Target", ""), i.doc.find("CredentialsArn")));
      i.doc.set(kManaged, true);
    }
    copy_members(i.doc, in, {"CredentialsArn"});
    TRY(store.put_integration(api.id, i));
  }
  if (!found) return bad_request("Target, RouteKey and CredentialsArn can be updated only for an API made by quick create");
  if (!in.has("RouteKey")) return {};
  const std::string key = in.str_or("RouteKey", "");
  TRY(check_route_key(key));
  for (Item& r : TRY(store.routes(api.id, 0, kAll))) {
    if (!r.doc.bool_or(kManaged, false)) continue;
    TRY(check_route_conflicts(store, api, key, r.id));
    r.route_key = key;
    TRY(store.put_route(api.id, r));
  }
  return {};
}

void copy_settings(Value& doc, const Value& in) {
  copy_members(doc, in, {"Name", "Description", "Version", "CorsConfiguration", "DisableExecuteApiEndpoint", "IpAddressType"});
}

}  // namespace

Outcome CreateApi(Core& core, const CallContext& c, const Value& in) {
  TRY(check_settings(in));
  if (in.str_or("Name", "").empty()) return bad_request("Name cannot be empty");
  const bool quick = !in.str_or("Target", "").empty();
  if (!quick && asks_for_something(in.find("RouteKey"))) return bad_request("RouteKey requires a Target");
  if (!quick && asks_for_something(in.find("CredentialsArn"))) return bad_request("CredentialsArn requires a Target");
  Api api;
  api.account = c.account;
  api.region = c.region;
  api.kind = Kind::kHttp;
  api.created_ms = c.now_ms;
  api.doc = Value::object();
  api.doc.set("DisableExecuteApiEndpoint", false).set("IpAddressType", "ipv4");
  copy_settings(api.doc, in);
  if (asks_for_something(in.find("Tags"))) copy_members(api.doc, in, {"Tags"});
  return write(core, [&](Store& store) -> Outcome {
    api.id = TRY(new_api_id(core, store));
    TRY(store.add_api(api));
    if (quick) TRY(quick_create(core, store, c, api, in));
    TRY(deploy_changes(core, store, c, api));
    return render(core, api);
  });
}

Outcome GetApi(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    return render(core, TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp)));
  });
}

Outcome GetApis(Core& core, const CallContext& c, const Value& in) {
  const Page page = TRY(page_v2(in));
  return read(core, [&](Store& store) -> Outcome {
    Value::List items;
    std::vector<int64_t> seqs;
    for (const Api& api : TRY(store.apis(c.account, c.region, Kind::kHttp, page.after, page.limit + 1))) {
      items.push_back(render(core, api));
      seqs.push_back(api.seq);
    }
    return paged("Items", "NextToken", std::move(items), seqs, page.limit);
  });
}

Outcome UpdateApi(Core& core, const CallContext& c, const Value& in) {
  TRY(check_settings(in));
  if (in.str("Name") == "") return bad_request("Name cannot be empty");
  return write(core, [&](Store& store) -> Outcome {
    Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    copy_settings(api.doc, in);
    TRY(store.set_api_doc(api.id, api.doc));
    TRY(quick_update(store, api, in));
    TRY(deploy_changes(core, store, c, api));
    return render(core, api);
  });
}

Outcome DeleteApi(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
        TRY(store.delete_api(api.id));
        withdraw(core, store, api.id);
        return Value::object();
      },
      state::WriteKind::kFree);
}

Outcome DeleteCorsConfiguration(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
        api.doc.erase("CorsConfiguration");
        TRY(store.set_api_doc(api.id, api.doc));
        TRY(deploy_changes(core, store, c, api));
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::http

#include "services/apigateway/methods.h"

#include <set>

#include "base/strings.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/patch.h"

namespace savia::apigateway::rest {

Fault no_resource() {
  return not_found("Invalid Resource identifier specified");
}
Fault no_method() {
  return not_found("Invalid Method identifier specified");
}
Fault no_integration() {
  return not_found("Invalid Integration identifier specified");
}
Fault no_response() {
  return not_found("Invalid Response status code specified");
}

Checked<void> need_tree(Store& store, const CallContext& c, const Value& in) {
  Checked<Api> api = need_api(store, c, in.str_or("restApiId", ""), Kind::kRest);
  if (!api.ok()) return api.error().http_status == 404 ? no_resource() : api.error();
  return {};
}

Checked<Method> need_method(Store& store, const CallContext& c, const Value& in) {
  TRY(need_tree(store, c, in));
  const std::string api = in.str_or("restApiId", "");
  const std::string resource = in.str_or("resourceId", "");
  if (!TRY(store.resource(api, resource))) return no_resource();
  std::optional<Method> m = TRY(store.method(api, resource, in.str_or("httpMethod", "")));
  if (!m) return no_method();
  return *std::move(m);
}

Checked<Method> need_integration(Store& store, const CallContext& c, const Value& in) {
  Method m = TRY(need_method(store, c, in));
  if (m.doc.object_at("methodIntegration") == nullptr) return no_integration();
  return m;
}

Checked<void> check_models(const Value* models) {
  if (models == nullptr || !models->is_object()) return {};
  for (const auto& [type, name] : models->as_object()) {
    if (name.is_string() && name.as_string() != "Empty" && name.as_string() != "Error") {
      return bad_request("Invalid model identifier specified: " + name.as_string());
    }
  }
  return {};
}

Checked<void> check_content_types(const Value* templates) {
  if (templates == nullptr || !templates->is_object()) return {};
  for (const auto& [type, text] : templates->as_object()) {
    const size_t slash = type.find('/');
    if (slash == 0 || slash == std::string::npos || slash + 1 == type.size()) {
      return bad_request("Validation Result: warnings : [], errors : [Invalid content type specified: " + type + "]");
    }
  }
  return {};
}

namespace {

bool is_http_method(std::string_view m) {
  for (std::string_view known : {"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"}) {
    if (m == known) return true;
  }
  return false;
}

// "method.request.header.X" -> "X"; "" when it is not of that form.
std::string_view parameter_name(std::string_view parameter) {
  for (std::string_view prefix : {"method.request.querystring.", "method.request.header.", "method.request.path."}) {
    if (parameter.starts_with(prefix)) return parameter.substr(prefix.size());
  }
  return {};
}

Checked<void> check_parameters(const Value* parameters) {
  if (parameters == nullptr || !parameters->is_object()) return {};
  std::set<std::string_view> names;
  for (const auto& [parameter, required] : parameters->as_object()) {
    const std::string_view name = parameter_name(parameter);
    if (name.empty()) {
      return bad_request(
          "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression "
          "specified: " +
          parameter + "]");
    }
    if (!names.insert(name).second) {
      return bad_request("Parameter names must be unique across querystring, header and path");
    }
  }
  return {};
}

// No authorizer exists yet, so every one that is named is AWS's "invalid authorizer".
Checked<void> check_authorization(std::string_view type) {
  if (type == "NONE") return {};
  if (type == "CUSTOM" || type == "COGNITO_USER_POOLS") {
    return bad_request(
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid "
        "authorizer.");
  }
  if (type == "AWS_IAM") return unsupported("authorizationType AWS_IAM");
  return bad_request("Invalid authorization type specified. Must be one of: [NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS]");
}

Fault no_validator() {
  return bad_request("Invalid Request Validator identifier specified");
}

Checked<void> check_put(const Value& in) {
  if (!is_http_method(in.str_or("httpMethod", ""))) {
    return bad_request("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY");
  }
  TRY(check_authorization(in.str_or("authorizationType", "")));
  if (asks_for_something(in.find("requestValidatorId"))) return no_validator();
  TRY(check_models(in.find("requestModels")));
  TRY(check_content_types(in.find("requestModels")));
  TRY(check_parameters(in.find("requestParameters")));
  return refuse(in, {"apiKeyRequired", "authorizationScopes"});
}

constexpr std::string_view kReplaced[] = {"/authorizationType", "/authorizerId", "/apiKeyRequired", "/operationName",
                                          "/requestValidatorId"};
constexpr std::string_view kAddedOrRemoved[] = {"/authorizationScopes", "/requestParameters/", "/requestModels/"};

// Which ops does a path take? "" for a path that AWS does not know.
std::string_view ops_of(std::string_view path) {
  if (split(path, '/').size() > 3) return "";
  for (std::string_view known : kReplaced) {
    if (path.starts_with(known)) return "replace";
  }
  for (std::string_view known : kAddedOrRemoved) {
    if (path.starts_with(known)) return path.starts_with("/authorizationScopes") ? "add, remove" : "add, replace, remove";
  }
  return "";
}

Checked<void> apply_entry(Value& doc, const PatchOp& p) {
  if (std::optional<std::string> name = entry_of(p.path, "/requestParameters/")) {
    patch_entry(doc, "requestParameters", *name, p, iequals(p.value, "true"), Emptied::kRemove);
    return check_parameters(doc.find("requestParameters"));
  }
  if (std::optional<std::string> type = entry_of(p.path, "/requestModels/")) {
    patch_entry(doc, "requestModels", *type, p, p.value, Emptied::kRemove);
    TRY(check_content_types(doc.find("requestModels")));
    return check_models(doc.find("requestModels"));
  }
  if (p.op == "remove") return {};  // no scope is ever set
  return unsupported("authorizationScopes");
}

Checked<void> apply(Value& doc, const PatchOp& p) {
  const std::string_view ops = ops_of(p.path);
  if (ops.empty()) return invalid_patch_path(p);
  if (ops.find(p.op) == std::string_view::npos) return invalid_patch_op(ops);
  if (ops != "replace") return apply_entry(doc, p);
  if (p.path == "/apiKeyRequired") {
    if (iequals(p.value, "true")) return unsupported("apiKeyRequired");
    doc.set("apiKeyRequired", false);
    return {};
  }
  if (p.path == "/authorizationType") return check_authorization(p.value);
  if (p.path == "/authorizerId") return {};  // AWS ignores it unless the type asks for one
  if (p.path == "/requestValidatorId") return p.value.empty() ? Checked<void>() : Checked<void>(no_validator());
  if (p.path == "/operationName") {
    doc.set("operationName", p.value);
    return {};
  }
  return invalid_patch_path(p);
}

}  // namespace

Outcome PutMethod(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    TRY(need_tree(store, c, in));
    const std::string api = in.str_or("restApiId", "");
    Method m{in.str_or("resourceId", ""), in.str_or("httpMethod", ""), Value::object()};
    if (!TRY(store.resource(api, m.resource_id))) return no_resource();
    TRY(check_put(in));
    if (TRY(store.method(api, m.resource_id, m.http_method))) return conflict("Method already exists for this resource");
    m.doc.set("httpMethod", m.http_method).set("authorizationType", "NONE").set("apiKeyRequired", false);
    copy_members(m.doc, in, {"operationName"});
    for (std::string_view map : {"requestParameters", "requestModels"}) {
      if (asks_for_something(in.find(map))) copy_members(m.doc, in, {map});
    }
    TRY(store.put_method(api, m));
    return m.doc;
  });
}

Outcome GetMethod(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome { return TRY(need_method(store, c, in)).doc; });
}

Outcome UpdateMethod(Core& core, const CallContext& c, const Value& in) {
  const std::vector<PatchOp> patches = TRY(patch_operations(in));
  return write(core, [&](Store& store) -> Outcome {
    Method m = TRY(need_method(store, c, in));
    for (const PatchOp& p : patches) TRY(apply(m.doc, p));
    TRY(store.put_method(in.str_or("restApiId", ""), m));
    return m.doc;
  });
}

Outcome DeleteMethod(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Method m = TRY(need_method(store, c, in));
        TRY(store.delete_method(in.str_or("restApiId", ""), m.resource_id, m.http_method));
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::rest

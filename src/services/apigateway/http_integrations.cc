// Where the routes of HTTP APIs lead: a Lambda function (AWS_PROXY) or a URL (HTTP_PROXY).
#include "base/limits.h"
#include "base/strings.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/http.h"
#include "services/apigateway/ids.h"
#include "services/apigateway/integration_uri.h"

namespace savia::apigateway::http {

namespace {

Value render(const Item& i) {
  Value out = i.doc;
  out.set("IntegrationId", i.id);
  return out;
}

Checked<Item> need_integration(Store& store, const Api& api, const Value& in) {
  std::optional<Item> i = TRY(store.integration(api.id, in.str_or("IntegrationId", "")));
  if (!i) return not_found("Invalid Integration identifier specified");
  return *std::move(i);
}

Checked<void> check_method(const std::string& m) {
  for (std::string_view known : {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY"}) {
    if (m == known) return {};
  }
  return bad_request("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY");
}

Checked<void> check_lambda(const Value& i) {
  if (asks_for_something(i.find("IntegrationSubtype"))) return unsupported("IntegrationSubtype");
  const std::string version = i.str_or("PayloadFormatVersion", "");
  if (version != "1.0" && version != "2.0") {
    return bad_request("Invalid PayloadFormatVersion specified. Must be one of: [1.0, 2.0]");
  }
  const std::string uri = i.str_or("IntegrationUri", "");
  // Stage variables may stand for any part: what they make is seen when a stage is published.
  if (with_any_stage_variables(uri) == uri && !parse_lambda_uri(uri)) return bad_request("Invalid function ARN or invalid uri");
  return {};
}

Checked<void> check_url(const Value& i) {
  if (i.str_or("IntegrationMethod", "").empty()) return bad_request("Enumeration value for HttpMethod must be non-empty");
  if (i.str("PayloadFormatVersion") != "1.0")
    return bad_request("Invalid PayloadFormatVersion specified. Must be one of: [1.0]");
  if (!is_http_url(with_any_stage_variables(i.str_or("IntegrationUri", "")))) {
    return bad_request("Invalid HTTP endpoint specified for URI");
  }
  return {};
}

Checked<void> check_integration(const Value& i) {
  const std::string type = i.str_or("IntegrationType", "");
  if (type != "AWS_PROXY" && type != "HTTP_PROXY") {
    return bad_request("Integration type " + type + " is not supported for HTTP protocol APIs");
  }
  if (i.str("ConnectionType") == "VPC_LINK") return unsupported("ConnectionType VPC_LINK");
  if (i.str("PassthroughBehavior").value_or("WHEN_NO_MATCH") != "WHEN_NO_MATCH") return unsupported("PassthroughBehavior");
  TRY(refuse(i, {"ConnectionId", "ContentHandlingStrategy", "RequestParameters", "RequestTemplates", "ResponseParameters",
                 "TemplateSelectionExpression", "TlsConfig"}));
  const int64_t timeout = i.num_or("TimeoutInMillis", 0);
  if (timeout < limits::kIntegrationMinMs || timeout > limits::kHttpIntegrationMs) {
    return bad_request("Timeout should be between 50 ms and 30000 ms");
  }
  if (i.has("IntegrationMethod")) TRY(check_method(i.str_or("IntegrationMethod", "")));
  return type == "AWS_PROXY" ? check_lambda(i) : check_url(i);
}

void set_defaults(Value& i) {
  if (i.str("IntegrationType") == "AWS_PROXY" && !i.has("IntegrationMethod")) i.set("IntegrationMethod", "POST");
  if (!i.has("PayloadFormatVersion")) i.set("PayloadFormatVersion", "1.0");
  if (!i.has("ConnectionType")) i.set("ConnectionType", "INTERNET");
  if (!i.has("TimeoutInMillis")) i.set("TimeoutInMillis", limits::kHttpIntegrationMs);
}

// Takes over what the caller gives; what is only checked (and refused) does not stay.
Checked<void> take(Value& i, const Value& in) {
  Value merged = i;
  for (const auto& [name, value] : in.as_object()) {
    if (name != "ApiId" && name != "IntegrationId" && !value.is_null()) merged.set(name, value);
  }
  set_defaults(merged);
  TRY(check_integration(merged));
  i = Value::object();
  copy_members(i, merged,
               {"IntegrationType", "IntegrationUri", "IntegrationMethod", "PayloadFormatVersion", "ConnectionType",
                "TimeoutInMillis", "CredentialsArn", "Description", "ApiGatewayManaged"});
  return {};
}

}  // namespace

Checked<Value> integration_of_target(const std::string& target, const Value* credentials) {
  Value in = Value::object();
  const bool lambda = target.starts_with("arn:");
  in.set("IntegrationType", lambda ? "AWS_PROXY" : "HTTP_PROXY").set("IntegrationUri", target);
  in.set("IntegrationMethod", lambda ? "POST" : "ANY").set("PayloadFormatVersion", lambda ? "2.0" : "1.0");
  if (credentials != nullptr) in.set("CredentialsArn", *credentials);
  Value i = Value::object();
  TRY(take(i, in));
  return i;
}

Outcome CreateIntegration(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Item i;
    i.doc = Value::object();
    TRY(take(i.doc, in));
    if (TRY(store.count_integrations(api.id)) >= static_cast<int64_t>(limits::kApiRoutes)) {
      return too_many("Integrations", Kind::kHttp);
    }
    i.id = TRY(new_integration_id(core, store, api.id));
    TRY(store.put_integration(api.id, i));
    return render(i);
  });
}

Outcome GetIntegration(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    return render(TRY(need_integration(store, api, in)));
  });
}

Outcome GetIntegrations(Core& core, const CallContext& c, const Value& in) {
  const Page page = TRY(page_v2(in));
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Value::List items;
    std::vector<int64_t> seqs;
    for (const Item& i : TRY(store.integrations(api.id, page.after, page.limit + 1))) {
      items.push_back(render(i));
      seqs.push_back(i.seq);
    }
    return paged("Items", "NextToken", std::move(items), seqs, page.limit);
  });
}

Outcome UpdateIntegration(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Item i = TRY(need_integration(store, api, in));
    TRY(take(i.doc, in));
    TRY(store.put_integration(api.id, i));
    TRY(deploy_changes(core, store, c, api));
    return render(i);
  });
}

Outcome DeleteIntegration(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
        const Item i = TRY(need_integration(store, api, in));
        if (i.doc.bool_or("ApiGatewayManaged", false)) return bad_request("A managed integration cannot be deleted");
        std::vector<std::string> users;
        for (const Item& r : TRY(store.routes(api.id, 0, kAll))) {
          if (r.doc.str("Target") == "integrations/" + i.id) users.push_back(r.id);
        }
        if (!users.empty()) {
          return conflict("Cannot delete Integration because it is referenced by the following Routes with Ids: [" +
                          join(users, ", ") + "]");
        }
        TRY(store.delete_integration(api.id, i.id));
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::http

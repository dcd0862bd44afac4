// Where the methods of a REST API lead. Stored inside the method's document, as GetMethod shows it.
#include "base/limits.h"
#include "base/strings.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/integration_uri.h"
#include "services/apigateway/methods.h"
#include "services/apigateway/patch.h"

namespace savia::apigateway::rest {

namespace {

bool starts_with_any(std::string_view s, std::initializer_list<std::string_view> prefixes) {
  for (std::string_view p : prefixes) {
    if (s.size() > p.size() && s.starts_with(p)) return true;
  }
  return false;
}

Checked<void> check_uri(std::string_view type, const std::string& uri) {
  const std::string filled = with_any_stage_variables(uri);
  if (type == "HTTP" || type == "HTTP_PROXY") {
    if (!is_http_url(filled)) return bad_request("Invalid HTTP endpoint specified for URI");
    return {};
  }
  if (!filled.starts_with("arn:")) return bad_request("Invalid ARN specified in the request");
  if (filled.find(":path/") == std::string::npos && filled.find(":action/") == std::string::npos) {
    return bad_request("AWS ARN for integration must contain path or action");
  }
  if (type != "AWS_PROXY") return {};
  if (filled.find(":firehose:") != std::string::npos) return unsupported("uri of Firehose");
  if (filled.find(":lambda:path/") == std::string::npos) {
    return bad_request(
        "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.");
  }
  // Stage variables may stand for the whole ARN: what they make is seen when a stage is published.
  if (filled == uri && !parse_lambda_uri(uri)) return bad_request("Invalid function ARN or invalid uri");
  return {};
}

Checked<void> check_timeout(int64_t ms) {
  if (ms < limits::kIntegrationMinMs || ms > limits::kRestIntegrationMs) {
    return bad_request("Timeout should be between 50 ms and 29000 ms");
  }
  return {};
}

Checked<void> check_passthrough(std::string_view behavior) {
  if (behavior == "WHEN_NO_MATCH" || behavior == "WHEN_NO_TEMPLATES" || behavior == "NEVER") return {};
  return bad_request("Invalid passthrough behavior specified. Must be one of: [WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER]");
}

// integration.request.path.x <- method.request.path.y: what the edge puts into an HTTP_PROXY's URI. Sources and targets
// elsewhere come with parameter mapping.
Checked<void> check_parameters(const Value* parameters) {
  if (parameters == nullptr || !parameters->is_object()) return {};
  for (const auto& [target, source] : parameters->as_object()) {
    if (!starts_with_any(target,
                         {"integration.request.path.", "integration.request.header.", "integration.request.querystring."})) {
      return bad_request(
          "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression "
          "specified: " +
          target + "]");
    }
    const std::string from = source.is_string() ? source.as_string() : "";
    if (!target.starts_with("integration.request.path.") || !starts_with_any(from, {"method.request.path."})) {
      return unsupported("requestParameters other than integration.request.path from method.request.path");
    }
  }
  return {};
}

// MOCK reads its template; HTTP_PROXY and AWS_PROXY pass the body on and ignore theirs, as on AWS.
Checked<void> check_templates(std::string_view type, const Value* templates) {
  TRY(check_content_types(templates));
  if (type != "MOCK" || templates == nullptr || !templates->is_object()) return {};
  for (const auto& [content_type, text] : templates->as_object()) {
    if (text.is_string() && has_template_references(text.as_string())) return unsupported("references in requestTemplates");
  }
  return {};
}

// All that PutIntegration and UpdateIntegration must hold; `i` has the output's member names.
Checked<void> check_integration(const Value& i) {
  const std::string type = i.str_or("type", "");
  if (type != "MOCK") {
    if (i.str_or("httpMethod", "").empty()) return bad_request("Enumeration value for HttpMethod must be non-empty");
    TRY(check_uri(type, i.str_or("uri", "")));
  }
  if (type == "AWS" || type == "HTTP") return unsupported("type " + type);
  if (i.str("connectionType") == "VPC_LINK") return unsupported("connectionType VPC_LINK");
  if (i.str("responseTransferMode") == "STREAM") return unsupported("responseTransferMode STREAM");
  TRY(refuse(i, {"connectionId", "contentHandling", "integrationTarget"}));
  if (const Value* tls = i.object_at("tlsConfig"); tls != nullptr && tls->bool_or("insecureSkipVerification", false)) {
    return unsupported("tlsConfig");
  }
  TRY(check_timeout(i.num_or("timeoutInMillis", 0)));
  TRY(check_passthrough(i.str_or("passthroughBehavior", "")));
  if (type == "HTTP_PROXY") TRY(check_parameters(i.find("requestParameters")));
  if (type != "HTTP_PROXY") TRY(refuse(i, {"requestParameters"}));
  return check_templates(type, i.find("requestTemplates"));
}

// AWS shows the empty template as null.
void show_empty_templates(Value& doc, std::string_view member) {
  Value* templates = doc.find(member);
  if (templates == nullptr || !templates->is_object()) return;
  for (auto& [type, text] : templates->as_object()) {
    if (text == Value("")) text = nullptr;
  }
}

Value integration_of(const Value& in) {
  const std::string type = in.str_or("type", "");
  Value i = Value::object();
  i.set("type", type);
  if (in.has("integrationHttpMethod")) i.set("httpMethod", *in.find("integrationHttpMethod"));
  copy_members(i, in,
               {"uri", "connectionType", "connectionId", "credentials", "contentHandling", "tlsConfig", "responseTransferMode",
                "integrationTarget"});
  if (!i.has("connectionType") && (type == "HTTP" || type == "HTTP_PROXY")) i.set("connectionType", "INTERNET");
  for (std::string_view map : {"requestParameters", "requestTemplates"}) {
    if (asks_for_something(in.find(map))) copy_members(i, in, {map});
  }
  i.set("passthroughBehavior", in.str_or("passthroughBehavior", "WHEN_NO_MATCH"));
  i.set("timeoutInMillis", in.num_or("timeoutInMillis", limits::kRestIntegrationMs));
  i.set("cacheNamespace", in.str_or("cacheNamespace", in.str_or("resourceId", "")));
  i.set("cacheKeyParameters", in.list_at("cacheKeyParameters") != nullptr ? *in.find("cacheKeyParameters") : Value::list());
  return i;
}

Checked<void> patch_cache_keys(Value& i, const PatchOp& p, const std::string& key) {
  Value::List& keys = i.find("cacheKeyParameters")->as_list();
  std::erase(keys, Value(key));
  if (p.op == "add") keys.push_back(key);
  return {};
}

Checked<void> apply(Value& i, const PatchOp& p) {
  if (!p.adds_or_replaces() && p.op != "remove") return invalid_patch_op("add, replace, remove");
  if (std::optional<std::string> key = entry_of(p.path, "/cacheKeyParameters/")) return patch_cache_keys(i, p, *key);
  for (std::string_view map : {"requestParameters", "requestTemplates"}) {
    if (std::optional<std::string> key = entry_of(p.path, "/" + std::string(map) + "/")) {
      patch_entry(i, map, *key, p, p.value, Emptied::kRemove);
      return {};
    }
  }
  if (p.path == "/timeoutInMillis" && p.op != "remove") {
    i.set("timeoutInMillis", parse_int(p.value).value_or(0));
    return {};
  }
  if (p.path == "/tlsConfig/insecureSkipVerification") {
    return iequals(p.value, "true") ? Checked<void>(unsupported("tlsConfig")) : Checked<void>();
  }
  for (std::string_view member :
       {"type", "uri", "httpMethod", "passthroughBehavior", "connectionType", "cacheNamespace", "connectionId",
        "contentHandling", "credentials", "responseTransferMode", "integrationTarget"}) {
    if (std::string_view(p.path).substr(1) != member) continue;
    if (p.op != "remove" && !p.value.empty()) {
      i.set(member, p.value);
    } else if (member == "connectionId" || member == "contentHandling" || member == "credentials" ||
               member == "integrationTarget") {
      i.erase(member);
    } else {
      return invalid_patch_op("replace");
    }
    return {};
  }
  return invalid_patch_path(p);
}

}  // namespace

Outcome PutIntegration(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    Method m = TRY(need_method(store, c, in));
    Value i = integration_of(in);
    TRY(check_integration(i));
    show_empty_templates(i, "requestTemplates");
    m.doc.set("methodIntegration", i);
    TRY(store.put_method(in.str_or("restApiId", ""), m));
    return i;
  });
}

Outcome GetIntegration(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    const Method m = TRY(need_integration(store, c, in));
    return *m.doc.find("methodIntegration");
  });
}

Outcome UpdateIntegration(Core& core, const CallContext& c, const Value& in) {
  const std::vector<PatchOp> patches = TRY(patch_operations(in));
  return write(core, [&](Store& store) -> Outcome {
    Method m = TRY(need_integration(store, c, in));
    Value& i = *m.doc.find("methodIntegration");
    for (const PatchOp& p : patches) TRY(apply(i, p));
    TRY(check_integration(i));
    show_empty_templates(i, "requestTemplates");
    TRY(store.put_method(in.str_or("restApiId", ""), m));
    return i;
  });
}

Outcome DeleteIntegration(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        Method m = TRY(need_integration(store, c, in));
        m.doc.erase("methodIntegration");
        TRY(store.put_method(in.str_or("restApiId", ""), m));
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::rest

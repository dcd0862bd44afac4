// What a method answers for what its integration answered: by status code, chosen by selectionPattern. Stored inside the
// integration's document.
#include <re2/re2.h>

#include "services/apigateway/bodies.h"
#include "services/apigateway/integration_uri.h"
#include "services/apigateway/methods.h"
#include "services/apigateway/patch.h"

namespace savia::apigateway::rest {

namespace {

Fault mapping_fault(const std::string& what) {
  return bad_request("Invalid mapping expression specified: Validation Result: warnings : [], errors : [" + what + "]");
}

// Every target must be declared by the method's response of that status.
Checked<void> check_parameters(const Method& m, const std::string& status, const Value* parameters) {
  if (!asks_for_something(parameters)) return {};
  const Value* responses = m.doc.object_at("methodResponses");
  const Value* response = responses == nullptr ? nullptr : responses->object_at(status);
  if (response == nullptr) return mapping_fault("No method response exists for method.");
  const Value* declared = response->object_at("responseParameters");
  for (const auto& [target, source] : parameters->as_object()) {
    if (declared == nullptr || declared->find(target) == nullptr) {
      return mapping_fault("Invalid mapping expression parameter specified: " + target);
    }
    const std::string text = source.is_string() ? source.as_string() : "";
    if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') continue;
    if (!text.starts_with("integration.response.") && !text.starts_with("stageVariables.") && !text.starts_with("context.")) {
      return mapping_fault("Invalid mapping expression specified: " + text);
    }
    return unsupported("references in responseParameters");
  }
  return {};
}

Checked<void> check_response(const Method& m, const std::string& status, const Value& r) {
  TRY(refuse(r, {"contentHandling"}));
  const std::string pattern = r.str_or("selectionPattern", "");
  RE2::Options quiet;
  quiet.set_log_errors(false);
  if (!RE2(pattern, quiet).ok()) return unsupported("selectionPattern " + pattern);
  TRY(check_parameters(m, status, r.find("responseParameters")));
  const Value* templates = r.find("responseTemplates");
  TRY(check_content_types(templates));
  if (templates == nullptr || !templates->is_object()) return {};
  for (const auto& [type, text] : templates->as_object()) {
    if (text.is_string() && has_template_references(text.as_string())) return unsupported("references in responseTemplates");
  }
  return {};
}

void show_empty_templates(Value& r) {
  Value* templates = r.find("responseTemplates");
  if (templates == nullptr || !templates->is_object()) return;
  for (auto& [type, text] : templates->as_object()) {
    if (text == Value("")) text = nullptr;
  }
}

Value* find_response(Method& m, const Value& in) {
  Value* responses = m.doc.find("methodIntegration")->find("integrationResponses");
  return responses == nullptr ? nullptr : responses->find(in.str_or("statusCode", ""));
}

Checked<void> apply(Value& r, const PatchOp& p) {
  if (!p.adds_or_replaces() && p.op != "remove") return invalid_patch_op("add, replace, remove");
  for (std::string_view map : {"responseParameters", "responseTemplates"}) {
    std::optional<std::string> key = entry_of(p.path, "/" + std::string(map) + "/");
    if (!key) continue;
    const Value* now = r.object_at(map);
    if (p.op == "remove" && (now == nullptr || now->find(*key) == nullptr)) {
      return not_found(map == "responseParameters" ? "Invalid parameter name specified"
                                                   : "Content-Type specified was not found");
    }
    patch_entry(r, map, *key, p, p.value, Emptied::kRemove);
    return {};
  }
  if (p.path == "/selectionPattern" && p.op != "remove") {
    r.set("selectionPattern", p.value);
  } else if (p.path == "/contentHandling") {
    if (p.op != "remove") r.set("contentHandling", p.value);
  } else {
    return invalid_patch_path(p);
  }
  return {};
}

}  // namespace

Outcome PutIntegrationResponse(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    Method m = TRY(need_integration(store, c, in));
    const std::string status = in.str_or("statusCode", "");
    Value r = Value::object();
    copy_members(r, in, {"statusCode", "selectionPattern", "contentHandling"});
    for (std::string_view map : {"responseParameters", "responseTemplates"}) {
      if (asks_for_something(in.find(map))) copy_members(r, in, {map});
    }
    TRY(check_response(m, status, r));
    show_empty_templates(r);
    Value& i = *m.doc.find("methodIntegration");
    if (!i.has("integrationResponses")) i.set("integrationResponses", Value::object());
    i.find("integrationResponses")->set(status, r);
    TRY(store.put_method(in.str_or("restApiId", ""), m));
    return r;
  });
}

Outcome GetIntegrationResponse(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    Method m = TRY(need_integration(store, c, in));
    const Value* r = find_response(m, in);
    if (r == nullptr) return no_response();
    return *r;
  });
}

Outcome UpdateIntegrationResponse(Core& core, const CallContext& c, const Value& in) {
  const std::vector<PatchOp> patches = TRY(patch_operations(in));
  return write(core, [&](Store& store) -> Outcome {
    Method m = TRY(need_integration(store, c, in));
    Value* r = find_response(m, in);
    if (r == nullptr) return no_response();
    for (const PatchOp& p : patches) TRY(apply(*r, p));
    TRY(check_response(m, in.str_or("statusCode", ""), *r));
    show_empty_templates(*r);
    TRY(store.put_method(in.str_or("restApiId", ""), m));
    return *r;
  });
}

Outcome DeleteIntegrationResponse(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        // AWS misses the integration here where the other operations miss the method.
        Checked<Method> found = need_integration(store, c, in);
        if (!found.ok()) return found.error().message == no_method().message ? no_integration() : found.error();
        Method m = std::move(found).value();
        if (find_response(m, in) == nullptr) return no_response();
        Value& i = *m.doc.find("methodIntegration");
        Value* responses = i.find("integrationResponses");
        responses->erase(in.str_or("statusCode", ""));
        if (responses->size() == 0) i.erase("integrationResponses");
        TRY(store.put_method(in.str_or("restApiId", ""), m));
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::rest

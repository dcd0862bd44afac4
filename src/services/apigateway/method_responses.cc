// What a method says that it may answer. Stored inside the method's document.
#include "base/strings.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/methods.h"
#include "services/apigateway/patch.h"

namespace savia::apigateway::rest {

namespace {

constexpr std::string_view kHeader = "method.response.header.";

Checked<void> check_parameters(const Value* parameters) {
  if (parameters == nullptr || !parameters->is_object()) return {};
  for (const auto& [name, required] : parameters->as_object()) {
    if (name.size() <= kHeader.size() || !name.starts_with(kHeader)) {
      return bad_request(
          "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression "
          "specified: " +
          name + "]");
    }
  }
  return {};
}

Value* find_response(Method& m, const Value& in) {
  Value* responses = m.doc.find("methodResponses");
  return responses == nullptr ? nullptr : responses->find(in.str_or("statusCode", ""));
}

// An entry that `replace` or `remove` names must be there.
Checked<void> apply(Value& response, const PatchOp& p) {
  if (!p.adds_or_replaces() && p.op != "remove") return invalid_patch_op("add, replace, remove");
  if (std::optional<std::string> name = entry_of(p.path, "/responseParameters/")) {
    const Value* now = response.object_at("responseParameters");
    if (p.op != "add" && (now == nullptr || now->find(*name) == nullptr)) {
      return not_found("Invalid parameter name specified");
    }
    patch_entry(response, "responseParameters", *name, p, iequals(p.value, "true"), Emptied::kRemove);
    return check_parameters(response.find("responseParameters"));
  }
  if (std::optional<std::string> type = entry_of(p.path, "/responseModels/")) {
    const Value* now = response.object_at("responseModels");
    if (p.op != "add" && (now == nullptr || now->find(*type) == nullptr)) {
      return not_found("Content-Type specified was not found");
    }
    patch_entry(response, "responseModels", *type, p, p.value, Emptied::kRemove);
    return check_models(response.find("responseModels"));
  }
  return invalid_patch_path(p);
}

}  // namespace

Outcome PutMethodResponse(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    Method m = TRY(need_method(store, c, in));
    if (find_response(m, in) != nullptr) return conflict("Response already exists for this resource");
    TRY(check_parameters(in.find("responseParameters")));
    TRY(check_content_types(in.find("responseModels")));
    TRY(check_models(in.find("responseModels")));
    Value response = Value::object();
    copy_members(response, in, {"statusCode", "responseParameters", "responseModels"});
    if (!m.doc.has("methodResponses")) m.doc.set("methodResponses", Value::object());
    m.doc.find("methodResponses")->set(in.str_or("statusCode", ""), response);
    TRY(store.put_method(in.str_or("restApiId", ""), m));
    return response;
  });
}

Outcome GetMethodResponse(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    Method m = TRY(need_method(store, c, in));
    const Value* response = find_response(m, in);
    if (response == nullptr) return no_response();
    return *response;
  });
}

Outcome UpdateMethodResponse(Core& core, const CallContext& c, const Value& in) {
  const std::vector<PatchOp> patches = TRY(patch_operations(in));
  return write(core, [&](Store& store) -> Outcome {
    Method m = TRY(need_method(store, c, in));
    Value* response = find_response(m, in);
    if (response == nullptr) return no_response();
    for (const PatchOp& p : patches) TRY(apply(*response, p));
    TRY(store.put_method(in.str_or("restApiId", ""), m));
    return *response;
  });
}

Outcome DeleteMethodResponse(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        Method m = TRY(need_method(store, c, in));
        if (find_response(m, in) == nullptr) return no_response();
        Value* responses = m.doc.find("methodResponses");
        responses->erase(in.str_or("statusCode", ""));
        if (responses->size() == 0) m.doc.erase("methodResponses");
        TRY(store.put_method(in.str_or("restApiId", ""), m));
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::rest

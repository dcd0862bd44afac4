#include "services/apigateway/patch.h"

#include "base/strings.h"

namespace savia::apigateway {

Checked<std::vector<PatchOp>> patch_operations(const Value& in) {
  std::vector<PatchOp> out;
  const Value::List* list = in.list_at("patchOperations");
  if (list == nullptr) return out;
  for (const Value& v : *list) {
    if (!v.has("path")) return bad_request("Invalid patch path null");
    PatchOp p{v.str_or("op", ""), v.str_or("path", ""), v.str_or("value", ""), v.str_or("from", "")};
    if (p.op.empty()) return invalid_patch_op("add, remove, move, test, replace, copy");
    out.push_back(std::move(p));
  }
  return out;
}

std::string unescape_pointer(std::string_view segment) {
  return replace_all(replace_all(std::string(segment), "~1", "/"), "~0", "~");
}

std::optional<std::string> entry_of(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  if (path.empty() || path.find('/') != std::string_view::npos) return std::nullopt;
  return unescape_pointer(path);
}

Fault invalid_patch_path(const PatchOp& p) {
  return bad_request("Invalid patch path " + p.path);
}

Fault unsupported_patch(const PatchOp& p, std::string_view paths_of_op) {
  std::string message = "Invalid patch path  '" + p.path + "' specified for op '" + p.op + "'. ";
  if (paths_of_op.empty()) return bad_request(message + "Please choose supported operations");
  return bad_request(message + "Must be one of: [" + std::string(paths_of_op) + "]");
}

Fault invalid_patch_op(std::string_view ops) {
  return bad_request("Invalid patch operation specified. Must be one of: [" + std::string(ops) + "]");
}

void patch_entry(Value& doc, std::string_view map, const std::string& key, const PatchOp& p, Value value, Emptied emptied) {
  if (p.adds_or_replaces()) {
    if (doc.object_at(map) == nullptr) doc.set(map, Value::object());
    doc.find(map)->set(key, std::move(value));
    return;
  }
  Value* entries = doc.find(map);
  if (entries == nullptr) return;
  entries->erase(key);
  if (entries->size() == 0 && emptied == Emptied::kRemove) doc.erase(map);
}

}  // namespace savia::apigateway

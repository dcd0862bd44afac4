// patchOperations of REST APIs: a list of {op, path, value, from} with JSON pointers (RFC 6901: "~1" is '/', "~0" is '~').
// Each noun says which paths it takes for which op; these are the common parts and AWS's two ways of refusing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/apigateway/core.h"

namespace savia::apigateway {

struct PatchOp {
  std::string op, path, value, from;
  bool adds_or_replaces() const { return op == "add" || op == "replace"; }
};

Checked<std::vector<PatchOp>> patch_operations(const Value& in);

std::string unescape_pointer(std::string_view segment);
// ("/requestTemplates/application~1json", "/requestTemplates/") -> "application/json"; nothing when the path is another, or
// has further segments.
std::optional<std::string> entry_of(std::string_view path, std::string_view prefix);

Fault invalid_patch_path(const PatchOp& p);  // "Invalid patch path /x"
// "Invalid patch path  '/x' specified for op 'replace'. Must be one of: [/a, /b]", or "… Please choose supported operations"
// where that op has no paths. (The two spaces are AWS's.)
Fault unsupported_patch(const PatchOp& p, std::string_view paths_of_op);
Fault invalid_patch_op(std::string_view ops);  // "Invalid patch operation specified. Must be one of: [replace]"

// Sets or removes one entry of the map member `map` of `doc`; an emptied map is removed when `drop_empty`.
enum class Emptied { kKeep, kRemove };
void patch_entry(Value& doc, std::string_view map, const std::string& key, const PatchOp& p, Value value, Emptied emptied);

}  // namespace savia::apigateway

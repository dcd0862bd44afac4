#include <fmt/format.h>

#include "aws/validate.h"

namespace savia::aws {
namespace {

std::string_view kind_name(const Value& v) {
  constexpr std::string_view kNames[] = {"null", "boolean",   "integer", "double", "string",
                                         "blob", "timestamp", "list",    "object"};
  return kNames[static_cast<size_t>(v.kind())];
}

bool fits(Shape s, const Value& v) {
  switch (s.kind()) {
    case ShapeKind::kStructure:
    case ShapeKind::kMap:
      return v.is_object();
    case ShapeKind::kList:
      return v.is_list();
    case ShapeKind::kString:
      return v.is_string();
    case ShapeKind::kInteger:
    case ShapeKind::kLong:
      return v.is_int();
    case ShapeKind::kFloat:
    case ShapeKind::kDouble:
      return v.is_number();
    case ShapeKind::kBoolean:
      return v.is_bool();
    case ShapeKind::kBlob:
      return v.is_blob() || v.is_string();
    case ShapeKind::kTimestamp:
      return v.is_timestamp();
  }
  return false;
}

std::optional<std::string> walk(Shape s, const Value& v, const std::string& path) {
  if (s.document() || v.is_null()) return std::nullopt;
  if (!fits(s, v)) return fmt::format("{}: {} does not fit {}", path, kind_name(v), s.name());
  if (s.is(ShapeKind::kStructure)) {
    for (const auto& [name, e] : v.as_object()) {
      Member m = s.member(name);
      if (!m) return fmt::format("{}.{}: {} has no such member", path, name, s.name());
      if (auto why = walk(m.shape(), e, path + "." + name)) return why;
    }
  } else if (s.is(ShapeKind::kList)) {
    for (const Value& e : v.as_list()) {
      if (auto why = walk(s.element().shape(), e, path + "[]")) return why;
    }
  } else if (s.is(ShapeKind::kMap)) {
    for (const auto& [name, e] : v.as_object()) {
      if (auto why = walk(s.value().shape(), e, path + "." + name)) return why;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> mismatch(Shape shape, const Value& output) {
  if (!shape) {
    if (output.is_null() || (output.is_object() && output.size() == 0)) return std::nullopt;
    return "the operation has no output";
  }
  return walk(shape, output, std::string(shape.name()));
}

}  // namespace savia::aws

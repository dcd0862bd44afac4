// Bodies that are one document of named values: JSON, and CBOR which has the same structure with more kinds.
#include <fmt/format.h>

#include <cmath>

#include "aws/protocol/internal.h"
#include "codec/base64.h"

namespace savia::aws::protocol::internal {
namespace {

std::string_view wanted_name(Shape s) {
  switch (s.kind()) {
    case ShapeKind::kString:
      return "a String";
    case ShapeKind::kInteger:
      return "an Integer";
    case ShapeKind::kLong:
      return "a Long";
    case ShapeKind::kFloat:
      return "a Float";
    case ShapeKind::kDouble:
      return "a Double";
    case ShapeKind::kBoolean:
      return "a Boolean";
    case ShapeKind::kBlob:
      return "a Blob";
    case ShapeKind::kTimestamp:
      return "milliseconds since epoch";
    case ShapeKind::kStructure:
      return "a structure";
    case ShapeKind::kList:
      return "a list";
    case ShapeKind::kMap:
      return "a map";
  }
  return "";
}

std::string_view java_class(const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kBool:
      return "java.lang.Boolean";
    case Value::Kind::kInt:
      return "java.lang.Integer";
    case Value::Kind::kDouble:
      return "java.lang.Double";
    case Value::Kind::kList:
      return "java.util.ArrayList";
    case Value::Kind::kObject:
      return "java.util.LinkedHashMap";
    default:
      return "java.lang.String";
  }
}

std::string_view token_name(const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kBool:
      return v.as_bool() ? "TRUE_VALUE" : "FALSE_VALUE";
    case Value::Kind::kInt:
      return "NUMBER_VALUE";
    case Value::Kind::kDouble:
      return "DECIMAL_VALUE";
    case Value::Kind::kBlob:
      return "BINARY_VALUE";
    default:
      return "STRING_VALUE";
  }
}

}  // namespace

Fault wrong_kind(ServiceModel service, const Value& wire, Shape wanted) {
  // API Gateway reads its bodies with a reader of its own.
  if (service.name() == "apigateway") {
    std::string_view name = wanted_name(wanted);
    return Fault("SerializationException",
                 fmt::format("class {} can not be converted to an {}", java_class(wire), name.substr(name.find(' ') + 1)));
  }
  if (wire.is_object()) return Fault("SerializationException", "Start of structure or map found where not expected");
  if (wire.is_list()) return Fault("SerializationException", "Start of list found where not expected");
  if (wanted.is(ShapeKind::kList) || wanted.is(ShapeKind::kMap) || wanted.is(ShapeKind::kStructure)) {
    std::string_view kind = java_class(wire);
    return Fault("SerializationException", fmt::format("Unrecognized collection type class {}", kind));
  }
  return Fault("SerializationException", fmt::format("{} can not be converted to {}", token_name(wire), wanted_name(wanted)));
}

Result<Value, Fault> DocumentReader::structure(Shape shape, Value&& wire, bool body_members_only) const {
  if (shape.document()) return std::move(wire);
  if (!wire.is_object()) return wrong_kind(service, wire, shape);
  Value out = Value::object();
  for (auto& [name, v] : wire.as_object()) {
    if (v.is_null()) continue;
    for (Member m : shape.members()) {
      if (m.wire() != name) continue;
      if (body_members_only && m.location() != Location::kBody) break;
      out.as_object().emplace_back(m.name(), TRY(value(m, std::move(v))));
      break;
    }
  }
  if (shape.flag(tables::kUnion) && out.size() > 1) {
    return Fault("SerializationException", fmt::format("Multiple members of the union {} are set", shape.name()));
  }
  return out;
}

Result<Value, Fault> DocumentReader::value(Member m, Value&& wire) const {
  Shape shape = m.shape();
  if (wire.is_null()) return Value();
  switch (shape.kind()) {
    case ShapeKind::kStructure:
      return structure(shape, std::move(wire));
    case ShapeKind::kList: {
      if (!wire.is_list()) return wrong_kind(service, wire, shape);
      Value::List out;
      out.reserve(wire.size());
      for (Value& v : wire.as_list()) out.push_back(TRY(value(shape.element(), std::move(v))));
      return Value(std::move(out));
    }
    case ShapeKind::kMap: {
      if (!wire.is_object()) return wrong_kind(service, wire, shape);
      Value::Object out;
      out.reserve(wire.size());
      for (auto& [name, v] : wire.as_object()) out.emplace_back(name, TRY(value(shape.value(), std::move(v))));
      return Value(std::move(out));
    }
    case ShapeKind::kString:
      if (wire.is_string()) return std::move(wire);
      break;
    case ShapeKind::kBoolean:
      if (wire.is_bool()) return std::move(wire);
      break;
    case ShapeKind::kInteger:
    case ShapeKind::kLong: {
      if (wire.is_double() && std::trunc(wire.as_double()) == wire.as_double() && std::abs(wire.as_double()) < 9e15) {
        wire = Value(static_cast<int64_t>(wire.as_double()));
      }
      bool fits = wire.is_int() && (shape.is(ShapeKind::kLong) || (wire.as_int() >= INT32_MIN && wire.as_int() <= INT32_MAX));
      if (fits) return std::move(wire);
      break;
    }
    case ShapeKind::kFloat:
    case ShapeKind::kDouble:
      if (wire.is_number()) return Value(wire.as_double());
      if (wire.is_string() && !cbor) {
        if (wire.as_string() == "NaN" || wire.as_string() == "Infinity" || wire.as_string() == "-Infinity") {
          return Value(*parse_double(wire.as_string()));
        }
      }
      break;
    case ShapeKind::kTimestamp: {
      if (wire.is_timestamp()) return std::move(wire);
      std::optional<int64_t> ms;
      if (wire.is_number()) ms = timestamp_of_seconds(wire.as_double());
      if (wire.is_string() && !cbor) ms = parse_timestamp(wire.as_string());
      if (ms) return Value(Timestamp{*ms});
      break;
    }
    case ShapeKind::kBlob:
      if (wire.is_blob()) return std::move(wire);
      if (wire.is_string() && !cbor) {
        Result<std::string> bytes = base64_decode(wire.as_string());
        if (!bytes) return Fault("SerializationException", "blob is not valid Base64: " + bytes.error().message());
        wire = Value();  // a function's code may be 50 MB, twice is enough
        return Value(Blob{std::move(bytes).value()});
      }
      break;
  }
  return wrong_kind(service, wire, shape);
}

void write_json(JsonWriter& out, Member m, const Value& v) {
  Shape shape = m.shape();
  if (shape.is(ShapeKind::kStructure) && !shape.document() && v.is_object()) return write_json_structure(out, shape, v);
  if (shape.is(ShapeKind::kList) && v.is_list()) {
    out.begin_array();
    for (const Value& e : v.as_list()) write_json(out, shape.element(), e);
    out.end_array();
    return;
  }
  if (shape.is(ShapeKind::kMap) && v.is_object()) {
    out.begin_object();
    for (const auto& [name, e] : v.as_object()) {
      out.key(name);
      write_json(out, shape.value(), e);
    }
    out.end_object();
    return;
  }
  if (v.is_timestamp()) {
    TimestampFormat format = timestamp_format(m, TimestampFormat::kUnix);
    std::string text = timestamp_text(v.as_timestamp_ms(), format);
    if (format == TimestampFormat::kUnix) {
      out.raw(text);
    } else {
      out.value(text);
    }
    return;
  }
  if (shape.is(ShapeKind::kBlob) && v.is_string()) {
    out.base64(v.as_string());
    return;
  }
  out.value(v);
}

void write_json_structure(JsonWriter& out, Shape shape, const Value& v, bool body_members_only, std::string_view type_name) {
  out.begin_object();
  if (!type_name.empty()) out.field("__type", type_name);
  if (v.is_object()) {
    for (const auto& [name, e] : v.as_object()) {
      if (e.is_null()) continue;
      Member m = shape.member(name);
      if (!m || (body_members_only && !in_output_body(m))) continue;
      out.key(m.wire());
      write_json(out, m, e);
    }
  }
  out.end_object();
}

namespace {

Value cbor_value(Member m, const Value& v) {
  Shape shape = m.shape();
  if (shape.is(ShapeKind::kStructure) && !shape.document() && v.is_object()) return cbor_structure(shape, v);
  if (shape.is(ShapeKind::kList) && v.is_list()) {
    Value out = Value::list();
    for (const Value& e : v.as_list()) out.push(cbor_value(shape.element(), e));
    return out;
  }
  if (shape.is(ShapeKind::kMap) && v.is_object()) {
    Value out = Value::object();
    for (const auto& [name, e] : v.as_object()) out.as_object().emplace_back(name, cbor_value(shape.value(), e));
    return out;
  }
  if (shape.is(ShapeKind::kBlob) && v.is_string()) return Value(Blob{v.as_string()});
  if ((shape.is(ShapeKind::kDouble) || shape.is(ShapeKind::kFloat)) && v.is_int()) return Value(v.as_double());
  return v;
}

}  // namespace

Value cbor_structure(Shape shape, const Value& v) {
  Value out = Value::object();
  if (!v.is_object()) return out;
  for (const auto& [name, e] : v.as_object()) {
    Member m = shape.member(name);
    if (m && !e.is_null()) out.as_object().emplace_back(m.wire(), cbor_value(m, e));
  }
  return out;
}

}  // namespace savia::aws::protocol::internal

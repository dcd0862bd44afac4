// Models at run time: the same rows as tools/gen_tables.py writes, built from the published JSON grammar. The protocol
// vectors carry their own shapes in it.
#include <algorithm>
#include <map>

#include "aws/model.h"
#include "codec/value.h"

namespace savia::aws {

using tables::MemberRow;
using tables::OperationRow;
using tables::ShapeRow;
using tables::Str;

struct LoadedModel::Rep {
  std::string pool;
  std::vector<ShapeRow> shapes;
  std::vector<MemberRow> members;
  std::vector<OperationRow> operations;
  std::vector<Str> texts;
  std::vector<uint32_t> errors;
  tables::Tables tables;
  std::map<std::string, uint32_t, std::less<>> numbers;  // of shapes, by name

  Str put(std::string_view s) {
    Str r{static_cast<uint32_t>(pool.size()), static_cast<uint32_t>(s.size())};
    pool += s;
    return r;
  }
  Str put(const Value& object, std::string_view name) { return put(object.str(name).value_or("")); }
  Result<uint32_t> number(std::string_view shape) const {
    auto found = numbers.find(shape);
    if (found == numbers.end()) return Error::invalid("model: no shape " + std::string(shape));
    return found->second;
  }
  Result<void> add_member(std::string_view name, const Value& ref, bool required);
  Result<void> add_shape(std::string_view name, const Value& shape);
  Result<void> add_operation(std::string_view name, const Value& op);
};

namespace {

bool set(const Value& object, std::string_view name) {
  const Value* v = object.find(name);
  return v != nullptr && !v->is_null() && !(v->is_bool() && !v->as_bool());
}

const Value& at(const Value& object, std::string_view name) {
  static const Value kNull;
  const Value* v = object.find(name);
  return v == nullptr ? kNull : *v;
}

Location location_of(std::string_view s) {
  if (s == "uri") return Location::kUri;
  if (s == "querystring") return Location::kQuery;
  if (s == "header") return Location::kHeader;
  if (s == "headers") return Location::kHeaders;
  if (s == "statusCode") return Location::kStatusCode;
  return Location::kBody;
}

TimestampFormat format_of(std::string_view s) {
  if (s == "iso8601") return TimestampFormat::kIso8601;
  if (s == "rfc822") return TimestampFormat::kRfc822;
  if (s == "unixTimestamp") return TimestampFormat::kUnix;
  return TimestampFormat::kDefault;
}

Result<ShapeKind> kind_of(std::string_view s) {
  struct Name {
    std::string_view name;
    ShapeKind kind;
  };
  constexpr Name kNames[] = {
      {"structure", ShapeKind::kStructure}, {"list", ShapeKind::kList},        {"map", ShapeKind::kMap},
      {"string", ShapeKind::kString},       {"character", ShapeKind::kString}, {"byte", ShapeKind::kInteger},
      {"short", ShapeKind::kInteger},       {"integer", ShapeKind::kInteger},  {"long", ShapeKind::kLong},
      {"biginteger", ShapeKind::kLong},     {"float", ShapeKind::kFloat},      {"double", ShapeKind::kDouble},
      {"bigdecimal", ShapeKind::kDouble},   {"boolean", ShapeKind::kBoolean},  {"blob", ShapeKind::kBlob},
      {"timestamp", ShapeKind::kTimestamp}};
  for (const Name& n : kNames) {
    if (n.name == s) return n.kind;
  }
  return Error::invalid("model: unknown type " + std::string(s));
}

struct Trait {
  std::string_view name;
  uint16_t flag;
};

constexpr Trait kMemberTraits[] = {{"required", tables::kRequired},         {"flattened", tables::kMemberFlattened},
                                   {"xmlAttribute", tables::kXmlAttribute}, {"idempotencyToken", tables::kIdempotencyToken},
                                   {"jsonvalue", tables::kJsonValue},       {"streaming", tables::kMemberStreaming},
                                   {"eventpayload", tables::kEventPayload}, {"eventheader", tables::kEventHeader},
                                   {"hostLabel", tables::kHostLabel},       {"box", tables::kMemberBox},
                                   {"sensitive", tables::kMemberSensitive}};
constexpr Trait kShapeTraits[] = {
    {"flattened", tables::kFlattened},     {"box", tables::kBox},           {"sensitive", tables::kSensitive},
    {"streaming", tables::kStreaming},     {"document", tables::kDocument}, {"union", tables::kUnion},
    {"eventstream", tables::kEventStream}, {"event", tables::kEvent},       {"exception", tables::kException},
    {"fault", tables::kServerFault},       {"min", tables::kHasMin},        {"max", tables::kHasMax}};

template <size_t N>
uint16_t flags_of(const Value& v, const Trait (&traits)[N]) {
  uint16_t flags = 0;
  for (const Trait& t : traits) {
    if (set(v, t.name)) flags = static_cast<uint16_t>(flags | t.flag);
  }
  return flags;
}

// xmlNamespace is a text in metadata and an object elsewhere.
std::string_view namespace_uri(const Value& ns) {
  if (ns.is_string()) return ns.as_string();
  return ns.str("uri").value_or("");
}

Protocol protocol_of(std::string_view name, const Value& metadata) {
  if (name == "query") return Protocol::kQuery;
  if (name == "ec2") return Protocol::kEc2;
  if (name == "rest-json") return Protocol::kRestJson;
  if (name == "rest-xml") return Protocol::kRestXml;
  if (name == "smithy-rpc-v2-cbor") return Protocol::kCbor;
  return metadata.str_or("jsonVersion", "1.0") == "1.1" ? Protocol::kJson11 : Protocol::kJson10;
}

std::string token_list(const Value& v) {
  if (v.is_string()) return v.as_string();
  std::string out;
  if (v.is_list()) {
    for (const Value& e : v.as_list()) out += (out.empty() ? "" : ",") + (e.is_string() ? e.as_string() : "");
  }
  return out;
}

}  // namespace

Result<void> LoadedModel::Rep::add_member(std::string_view name, const Value& ref, bool required) {
  MemberRow row;
  row.name = put(name);
  row.wire = put(ref, "locationName");
  row.query_name = put(ref, "queryName");
  const Value& ns = at(ref, "xmlNamespace");
  row.xml_uri = put(namespace_uri(ns));
  row.xml_prefix = put(ns, "prefix");
  row.shape = TRY(number(ref.str("shape").value_or("")));
  row.flags = static_cast<uint16_t>(flags_of(ref, kMemberTraits) | (required ? tables::kRequired : 0));
  row.location = location_of(ref.str("location").value_or(""));
  row.timestamp = format_of(ref.str("timestampFormat").value_or(""));
  members.push_back(row);
  return {};
}

Result<void> LoadedModel::Rep::add_shape(std::string_view name, const Value& shape) {
  ShapeRow row;
  row.name = put(name);
  row.kind = TRY(kind_of(shape.str("type").value_or("")));
  row.first = static_cast<uint32_t>(members.size());
  if (const Value* list = shape.object_at("members")) {
    for (const auto& [member, ref] : list->as_object()) {
      bool required = false;
      if (const Value::List* names = shape.list_at("required")) {
        required = std::find(names->begin(), names->end(), Value(member)) != names->end();
      }
      if (shape.str("payload") == member) row.payload = static_cast<uint32_t>(members.size());
      TRY(add_member(member, ref, required));
    }
  }
  for (std::string_view part : {"member", "key", "value"}) {
    if (const Value* ref = shape.object_at(part)) TRY(add_member(part, *ref, false));
  }
  row.count = static_cast<uint32_t>(members.size()) - row.first;
  if ((row.kind == ShapeKind::kList && row.count != 1) || (row.kind == ShapeKind::kMap && row.count != 2)) {
    return Error::invalid("model: incomplete list or map " + std::string(name));
  }
  row.enum_first = static_cast<uint32_t>(texts.size());
  if (const Value::List* values = shape.list_at("enum")) {
    for (const Value& v : *values) texts.push_back(put(v.is_string() ? v.as_string() : ""));
  }
  row.enum_count = static_cast<uint32_t>(texts.size()) - row.enum_first;
  const Value& error = at(shape, "error");
  const Value& ns = at(shape, "xmlNamespace");
  row.pattern = put(shape, "pattern");
  row.error_code = put(error, "code");
  row.error_status = static_cast<uint16_t>(error.num_or("httpStatusCode", 0));
  row.xml_name = put(shape, "locationName");
  row.xml_uri = put(namespace_uri(ns));
  row.xml_prefix = put(ns, "prefix");
  row.flags = static_cast<uint16_t>(flags_of(shape, kShapeTraits) | (set(error, "senderFault") ? tables::kSenderFault : 0));
  row.timestamp = format_of(shape.str("timestampFormat").value_or(""));
  row.min = shape.real("min").value_or(0);
  row.max = shape.real("max").value_or(0);
  shapes.push_back(row);
  return {};
}

Result<void> LoadedModel::Rep::add_operation(std::string_view name, const Value& op) {
  OperationRow row;
  row.name = put(name);
  const Value& http = at(op, "http");
  std::string uri = http.str_or("requestUri", "/");
  size_t question = uri.find('?');
  row.method = put(http.str_or("method", "POST"));
  row.path = put(uri.substr(0, question));
  row.query = put(question == std::string::npos ? "" : uri.substr(question + 1));
  row.status = static_cast<uint16_t>(http.num_or("responseCode", 200));
  const Value& input = at(op, "input");
  const Value& output = at(op, "output");
  if (auto shape = input.str("shape")) row.input = TRY(number(*shape));
  if (auto shape = output.str("shape")) row.output = TRY(number(*shape));
  row.result_wrapper = put(output, "resultWrapper");
  row.xml_name = put(input, "locationName");
  row.xml_uri = put(namespace_uri(at(input, "xmlNamespace")));
  row.host_prefix = put(at(op, "endpoint"), "hostPrefix");
  row.error_first = static_cast<uint32_t>(errors.size());
  if (const Value::List* list = op.list_at("errors")) {
    for (const Value& e : *list) errors.push_back(TRY(number(e.str("shape").value_or(""))));
  }
  row.error_count = static_cast<uint32_t>(errors.size()) - row.error_first;
  row.flags = op.bool_or("listed", true) ? tables::kListed : 0;
  if (op.str("authtype") == "none") row.flags |= tables::kUnsigned;
  if (set(op, "httpChecksumRequired") || set(at(op, "httpChecksum"), "requestChecksumRequired")) {
    row.flags |= tables::kChecksumRequired;
  }
  const Value& paging = at(op, "paginator");
  row.input_token = put(token_list(at(paging, "input_token")));
  row.output_token = put(token_list(at(paging, "output_token")));
  row.limit_key = put(token_list(at(paging, "limit_key")));
  row.result_key = put(token_list(at(paging, "result_key")));
  operations.push_back(row);
  return {};
}

Result<LoadedModel> LoadedModel::load(const Value& document, std::string_view service_name) {
  auto rep = std::make_unique<Rep>();
  const Value& shapes = at(document, "shapes");
  const Value& operations = at(document, "operations");
  if (!shapes.is_object() || !operations.is_object()) return Error::invalid("model: needs shapes and operations");
  for (const auto& [name, shape] : shapes.as_object()) rep->numbers.emplace(name, rep->numbers.size());
  for (const auto& [name, shape] : shapes.as_object()) TRY(rep->add_shape(name, shape));
  std::vector<const Value::Member*> sorted;
  for (const Value::Member& m : operations.as_object()) sorted.push_back(&m);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->first < b->first; });
  for (const Value::Member* m : sorted) TRY(rep->add_operation(m->first, m->second));

  const Value& metadata = at(document, "metadata");
  tables::Tables& t = rep->tables;
  t.service = rep->put(service_name);
  t.service_id = rep->put(metadata, "serviceId");
  t.api_version = rep->put(metadata, "apiVersion");
  t.target_prefix = rep->put(metadata, "targetPrefix");
  t.endpoint_prefix = rep->put(metadata, "endpointPrefix");
  t.signing_name = rep->put(metadata.str_or("signingName", metadata.str_or("endpointPrefix", "")));
  t.xml_uri = rep->put(namespace_uri(at(metadata, "xmlNamespace")));
  t.full_name = rep->put(metadata, "serviceFullName");
  t.query_compatible = metadata.has("awsQueryCompatible");
  t.protocol = protocol_of(metadata.str("protocol").value_or(""), metadata);
  t.protocols = static_cast<uint8_t>(1U << static_cast<unsigned>(t.protocol));
  if (const Value::List* more = metadata.list_at("protocols")) {
    for (const Value& p : *more) {
      if (!p.is_string()) continue;
      t.protocols = static_cast<uint8_t>(t.protocols | 1U << static_cast<unsigned>(protocol_of(p.as_string(), metadata)));
    }
  }
  t.pool = rep->pool.data();
  t.shapes = rep->shapes.data();
  t.members = rep->members.data();
  t.operations = rep->operations.data();
  t.texts = rep->texts.data();
  t.errors = rep->errors.data();
  t.shape_count = static_cast<uint32_t>(rep->shapes.size());
  t.operation_count = static_cast<uint32_t>(rep->operations.size());
  return LoadedModel(std::move(rep));
}

LoadedModel::LoadedModel(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
LoadedModel::LoadedModel(LoadedModel&&) noexcept = default;
LoadedModel& LoadedModel::operator=(LoadedModel&&) noexcept = default;
LoadedModel::~LoadedModel() = default;
ServiceModel LoadedModel::model() const {
  return ServiceModel(&rep_->tables);
}

}  // namespace savia::aws

// rest-json and rest-xml: members travel in the path, the query string, headers, the status code and the body.
#include "aws/protocol/internal.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/form.h"

namespace savia::aws::protocol::internal {
namespace {

bool is_json(Protocol p) {
  return p == Protocol::kRestJson;
}

// Header lists (RFC 9110 5.6.1): commas separate, except inside quotes, where a backslash escapes. Dates hold one comma each.
std::vector<std::string> split_header(std::string_view text, bool dates) {
  std::vector<std::string> out;
  std::string item;
  bool quoted = false, was_quoted = false;
  int commas = 0;
  auto flush = [&] {
    out.push_back(was_quoted ? item : std::string(trim(item)));
    item.clear();
    was_quoted = false;
    commas = 0;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted) {
      if (c == '\\' && i + 1 < text.size()) {
        item += text[++i];
      } else if (c == '"') {
        quoted = false;
      } else {
        item += c;
      }
    } else if (c == '"' && trim(item).empty() && !was_quoted) {
      item.clear();
      quoted = was_quoted = true;
    } else if (c == ',' && !(dates && commas == 0)) {
      flush();
    } else if (!was_quoted || (c != ' ' && c != '\t')) {
      if (c == ',') ++commas;
      item += c;
    }
  }
  flush();
  return out;
}

std::string header_item(std::string_view text) {
  if (text.find_first_of(",\"") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// All fields of that name as one, as RFC 9110 5.3 joins them.
std::optional<std::string> header_text(const net::Headers& headers, std::string_view name) {
  std::optional<std::string> out;
  for (const auto& [field, value] : headers.fields()) {
    if (!iequals(field, name)) continue;
    if (out) {
      *out += ", " + value;
    } else {
      out = value;
    }
  }
  return out;
}

Result<Value, Fault> header_in(Member m, const std::string& text, Protocol protocol) {
  Shape shape = m.shape();
  if (m.flag(tables::kJsonValue)) {
    Result<std::string> json = base64_decode(text);
    if (!json) return malformed(protocol, "header " + std::string(m.wire()) + " is not valid Base64");
    return Value(std::move(json).value());
  }
  if (!shape.is(ShapeKind::kList)) return scalar_in(m, text, protocol);
  Value out = Value::list();
  if (trim(text).empty()) return out;
  for (const std::string& item :
       split_header(text, shape.element().shape().is(ShapeKind::kTimestamp) &&
                              timestamp_format(shape.element(), TimestampFormat::kRfc822) == TimestampFormat::kRfc822)) {
    out.push(TRY(scalar_in(shape.element(), item, protocol)));
  }
  return out;
}

// Whether a parameter belongs to another member, to the route, or to the client alone.
bool is_spoken_for(OperationModel op, std::string_view name) {
  if (name == "x-id") return true;
  for (Member m : op.input().members()) {
    if (m.location() == Location::kQuery && !m.shape().is(ShapeKind::kMap) && m.wire() == name) return true;
  }
  for (std::string_view part : split(op.query(), '&')) {
    if (!part.empty() && part.substr(0, part.find('=')) == name) return true;
  }
  return false;
}

// A map takes the parameters that nothing else takes (API Gateway's import: endpointConfigurationTypes and the like).
Result<Value, Fault> query_map_in(OperationModel op, Member m, const Fields& fields, Protocol protocol) {
  Shape shape = m.shape();
  bool lists = shape.value().shape().is(ShapeKind::kList);
  Value out;
  for (const auto& [name, text] : fields) {
    if (is_spoken_for(op, name)) continue;
    if (out.is_null()) out = Value::object();
    Value* have = out.find(name);
    if (have == nullptr) {
      out.as_object().emplace_back(name, lists ? Value::list() : Value(text));
      have = &out.as_object().back().second;
    }
    if (lists) have->push(TRY(scalar_in(shape.value().shape().element(), text, protocol)));
  }
  return out;
}

Result<Value, Fault> query_in(OperationModel op, Member m, const Fields& fields, Protocol protocol) {
  Shape shape = m.shape();
  if (shape.is(ShapeKind::kMap)) return query_map_in(op, m, fields, protocol);
  Value out;
  for (const auto& [name, text] : fields) {
    if (name != m.wire()) continue;
    if (!shape.is(ShapeKind::kList)) return scalar_in(m, text, protocol);
    out.push(TRY(scalar_in(shape.element(), text, protocol)));
  }
  return out;
}

Result<Value, Fault> prefix_headers_in(Member m, const net::Headers& headers) {
  Value out;
  std::string_view prefix = m.has_wire() ? m.wire() : std::string_view();
  for (const auto& [name, value] : headers.fields()) {
    if (name.size() <= prefix.size() || !iequals(std::string_view(name).substr(0, prefix.size()), prefix)) continue;
    if (out.is_null()) out = Value::object();
    std::string key = to_lower(std::string_view(name).substr(prefix.size()));
    out.set(key, value);
  }
  return out;
}

bool has_body_members(Shape shape) {
  for (Member m : shape.members()) {
    if (m.location() == Location::kBody) return true;
  }
  return false;
}

Result<Value, Fault> payload_in(const Addressed& to, Member m, const std::string& body) {
  Shape shape = m.shape();
  if (body.empty()) return Value();
  if (shape.is(ShapeKind::kBlob)) return Value(Blob{body});
  if (shape.is(ShapeKind::kString)) return Value(body);
  if (is_json(to.protocol)) {
    Result<Value> json = parse_json(body);
    if (!json) return malformed(to.protocol, json.error().message());
    return DocumentReader{to.service}.value(m, std::move(json).value());
  }
  Result<XmlNode> xml = parse_xml(body);
  if (!xml) return malformed(to.protocol, xml.error().message());
  return xml_value_in(m, *xml, to.protocol);
}

Result<Value, Fault> body_in(const Addressed& to, Shape shape, const std::string& body) {
  if (trim(body).empty() || !has_body_members(shape)) return Value::object();
  if (is_json(to.protocol)) {
    Result<Value> json = parse_json(body);
    if (!json) return malformed(to.protocol, json.error().message());
    if (json->is_null()) return Value::object();
    return DocumentReader{to.service}.structure(shape, std::move(json).value(), true);
  }
  Result<XmlNode> xml = parse_xml(body);
  if (!xml) return malformed(to.protocol, xml.error().message());
  return xml_structure_in(shape, *xml, to.protocol);
}

std::string header_out(Member m, const Value& v) {
  if (m.flag(tables::kJsonValue)) return base64_encode(v.is_string() ? v.as_string() : to_json(v));
  if (!v.is_list()) return scalar_out(m, v, TimestampFormat::kRfc822);
  std::string out;
  Member element = m.shape().element();
  for (const Value& e : v.as_list()) {
    std::string item = scalar_out(element, e, TimestampFormat::kRfc822);
    if (!out.empty()) out += ", ";
    out += e.is_string() ? header_item(item) : item;
  }
  return out;
}

void payload_out(const Addressed& to, Member m, const Value& v, net::HttpResponse& response) {
  Shape shape = m.shape();
  if (shape.is(ShapeKind::kBlob) || (shape.is(ShapeKind::kString) && !shape.document())) {
    response.body = v.is_blob() ? v.as_blob() : v.is_string() ? v.as_string() : std::string();
    if (response.headers.get("Content-Type").empty()) {
      // What a function answers is JSON, though to the model it is bytes.
      std::string_view bytes = to.service.name() == "lambda" ? "application/json" : "application/octet-stream";
      response.headers.add("Content-Type", shape.is(ShapeKind::kBlob) ? bytes : "text/plain");
    }
    return;
  }
  if (is_json(to.protocol)) {
    JsonWriter w(response.body);
    write_json(w, m, v);
    response.headers.add("Content-Type", "application/json");
    return;
  }
  XmlWriter w(response.body);
  w.declaration();
  std::string_view name = !shape.xml_name().empty() ? shape.xml_name() : m.has_wire() ? m.wire() : shape.name();
  write_xml_root(w, name, m, v, to.service.xml_uri());
  response.headers.add("Content-Type", "application/xml");
}

void body_out(const Addressed& to, Shape shape, const Value& output, net::HttpResponse& response) {
  if (is_json(to.protocol)) {
    JsonWriter w(response.body);
    write_json_structure(w, shape, output, true);
    response.headers.add("Content-Type", "application/json");
    return;
  }
  bool any = false;
  for (Member m : shape.members()) any = any || in_output_body(m);
  if (!any) return;
  XmlWriter w(response.body);
  w.declaration();
  w.open(shape.xml_name().empty() ? shape.name() : shape.xml_name());
  std::string_view uri = shape.xml_uri().empty() ? to.service.xml_uri() : shape.xml_uri();
  if (!uri.empty()) {
    w.attribute(shape.xml_prefix().empty() ? std::string("xmlns") : "xmlns:" + std::string(shape.xml_prefix()), uri);
  }
  for (Member m : shape.members()) {
    const Value* v = m.flag(tables::kXmlAttribute) ? output.find(m.name()) : nullptr;
    if (v != nullptr) w.attribute(m.wire(), scalar_out(m, *v, TimestampFormat::kIso8601));
  }
  write_xml_members(w, shape, output);
  w.close();
  response.headers.add("Content-Type", "application/xml");
}

}  // namespace

void write_header_members(Shape shape, const Value& v, net::HttpResponse& response) {
  for (Member m : shape.members()) {
    const Value* e = v.find(m.name());
    if (e == nullptr || e->is_null()) continue;
    if (m.location() == Location::kHeader) {
      if (e->is_list() && e->size() == 0) continue;
      response.headers.add(m.wire(), header_out(m, *e));
    } else if (m.location() == Location::kHeaders && e->is_object()) {
      for (const auto& [name, value] : e->as_object()) {
        if (value.is_string())
          response.headers.add((m.has_wire() ? std::string(m.wire()) : std::string()) + name, value.as_string());
      }
    } else if (m.location() == Location::kStatusCode && e->is_int()) {
      response.status = static_cast<int>(e->as_int());
    }
  }
}

Result<Value, Fault> parse_rest(const Addressed& to, const net::HttpRequest& request) {
  Shape shape = to.operation.input();
  Value out = Value::object();
  if (!shape) return out;
  Fields fields = TRY(request_fields(request, false, to.protocol));
  Member payload = shape.payload();
  for (Member m : shape.members()) {
    Value v;
    switch (m.location()) {
      case Location::kUri: {
        std::optional<std::string_view> text = path_label(to.operation.path(), request.path(), m.wire());
        if (text) v = TRY(scalar_in(m, percent_decode(*text), to.protocol));
        break;
      }
      case Location::kQuery:
        v = TRY(query_in(to.operation, m, fields, to.protocol));
        break;
      case Location::kHeader:
        if (std::optional<std::string> text = header_text(request.headers, m.wire())) v = TRY(header_in(m, *text, to.protocol));
        break;
      case Location::kHeaders:
        v = TRY(prefix_headers_in(m, request.headers));
        break;
      case Location::kBody:
        if (payload && m == payload) v = TRY(payload_in(to, m, request.body));
        break;
      case Location::kStatusCode:
        break;
    }
    if (!v.is_null()) out.as_object().emplace_back(m.name(), std::move(v));
  }
  if (payload) return out;
  Value body = TRY(body_in(to, shape, request.body));
  for (auto& member : body.as_object()) out.as_object().push_back(std::move(member));
  return out;
}

void render_rest(const Addressed& to, const Value& output, net::HttpResponse& response) {
  response.status = to.operation.status();
  Shape shape = to.operation.output();
  if (!shape) return;
  write_header_members(shape, output, response);
  if (response.status == 204 || response.status == 304) return;
  Member payload = shape.payload();
  if (!payload) return body_out(to, shape, output, response);
  const Value* v = output.find(payload.name());
  if (v != nullptr && !v->is_null()) payload_out(to, payload, *v, response);
}

}  // namespace savia::aws::protocol::internal

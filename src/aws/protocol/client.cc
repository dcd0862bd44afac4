#include "aws/protocol/client.h"

#include "aws/protocol/internal.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/form.h"

namespace savia::aws::protocol {
namespace {

using internal::scalar_out;

Fault client_fault(std::string message) {
  return {"ParamValidation", std::move(message), 0};
}

// --- requests ---------------------------------------------------------------------------------------------------------------

std::string header_text(Member m, const Value& v) {
  if (m.flag(tables::kJsonValue)) return base64_encode(v.is_string() ? v.as_string() : to_json(v));
  if (!v.is_list()) return scalar_out(m, v, TimestampFormat::kRfc822);
  std::string out;
  for (const Value& e : v.as_list()) {
    if (!out.empty()) out += ", ";
    out += scalar_out(m.shape().element(), e, TimestampFormat::kRfc822);
  }
  return out;
}

void add_query(std::string& query, std::string_view name, const std::string& value) {
  query += query.empty() ? '?' : '&';
  query += percent_encode(name);
  query += '=';
  query += percent_encode(value);
}

void add_query_member(std::string& query, Member m, const Value& v) {
  if (v.is_list()) {
    for (const Value& e : v.as_list())
      add_query(query, m.wire(), scalar_out(m.shape().element(), e, TimestampFormat::kIso8601));
  } else if (v.is_object()) {
    for (const auto& [name, value] : v.as_object()) {
      if (value.is_list()) {
        for (const Value& e : value.as_list()) add_query(query, name, e.is_string() ? e.as_string() : to_json(e));
      } else {
        add_query(query, name, value.is_string() ? value.as_string() : to_json(value));
      }
    }
  } else {
    add_query(query, m.wire(), scalar_out(m, v, TimestampFormat::kIso8601));
  }
}

// "/functions/{FunctionName}/{Path+}" with its labels filled in.
Result<std::string, Fault> fill_path(OperationModel operation, const Value& input) {
  std::string out;
  std::string_view rest = operation.path();
  for (;;) {
    size_t open = rest.find('{');
    out += rest.substr(0, open);
    if (open == std::string_view::npos) return out;
    size_t close = rest.find('}', open);
    std::string_view label = rest.substr(open + 1, close - open - 1);
    rest.remove_prefix(close + 1);
    bool greedy = !label.empty() && label.back() == '+';
    if (greedy) label.remove_suffix(1);
    bool filled = false;
    for (Member m : operation.input().members()) {
      const Value* v = m.location() == Location::kUri && m.wire() == label ? input.find(m.name()) : nullptr;
      if (v == nullptr || v->is_null()) continue;
      std::string text = scalar_out(m, *v, TimestampFormat::kIso8601);
      if (text.empty()) break;
      out += percent_encode(text, greedy);
      filled = true;
    }
    if (!filled) return client_fault("missing " + std::string(label) + " in the path of " + std::string(operation.name()));
  }
}

Result<net::HttpRequest, Fault> build_rest(OperationModel operation, const Value& input) {
  net::HttpRequest request;
  request.method = operation.method();
  request.target = TRY(fill_path(operation, input));
  std::string query = operation.query().empty() ? std::string() : "?" + std::string(operation.query());
  Shape shape = operation.input();
  bool body_members = false;
  for (Member m : shape.members()) {
    body_members = body_members || m.location() == Location::kBody;
    const Value* v = input.find(m.name());
    if (v == nullptr || v->is_null()) continue;
    if (m.location() == Location::kQuery) add_query_member(query, m, *v);
    if (m.location() == Location::kHeader) request.headers.add(m.wire(), header_text(m, *v));
    if (m.location() == Location::kHeaders && v->is_object()) {
      for (const auto& [name, value] : v->as_object()) {
        if (value.is_string()) request.headers.add((m.has_wire() ? std::string(m.wire()) : "") + name, value.as_string());
      }
    }
  }
  request.target += query;
  Member payload = shape ? shape.payload() : Member();
  if (payload) {
    const Value* v = input.find(payload.name());
    if (v == nullptr || v->is_null()) return request;
    if (v->is_blob() || (v->is_string() && !payload.shape().is(ShapeKind::kStructure))) {
      request.body = v->is_blob() ? v->as_blob() : v->as_string();
      request.headers.add("Content-Type", "application/octet-stream");
      return request;
    }
    JsonWriter w(request.body);
    internal::write_json(w, payload, *v);
  } else if (body_members) {
    JsonWriter w(request.body);
    internal::write_json_structure(w, shape, input, true);
  }
  if (!request.body.empty()) request.headers.add("Content-Type", "application/json");
  return request;
}

// query: the structure spelled out in names, "Tags.member.1.Key".
struct FormBuilder {
  FormPairs out;

  void structure(const std::string& prefix, Shape shape, const Value& v) {
    for (Member m : shape.members()) {
      const Value* e = v.find(m.name());
      if (e != nullptr && !e->is_null()) member(prefix, m, *e);
    }
  }
  void member(const std::string& prefix, Member m, const Value& v) {
    std::string name = prefix + std::string(m.wire());
    Shape shape = m.shape();
    if (shape.is(ShapeKind::kList) && m.flattened() && shape.element().has_wire()) {
      name = prefix + std::string(shape.element().wire());
    }
    value(name, m, v);
  }
  void value(const std::string& name, Member m, const Value& v) {
    Shape shape = m.shape();
    if (shape.is(ShapeKind::kStructure)) return structure(name + ".", shape, v);
    if (shape.is(ShapeKind::kList) && v.is_list()) return list(name, m, v);
    if (shape.is(ShapeKind::kMap) && v.is_object()) return map(name, m, v);
    out.emplace_back(name, scalar_out(m, v, TimestampFormat::kIso8601));
  }
  void list(const std::string& name, Member m, const Value& v) {
    Member element = m.shape().element();
    std::string prefix = name;
    if (!m.flattened()) prefix += "." + (element.has_wire() ? std::string(element.wire()) : std::string("member"));
    if (v.size() == 0) out.emplace_back(name, "");
    int64_t n = 0;
    for (const Value& e : v.as_list()) value(prefix + "." + std::to_string(++n), element, e);
  }
  void map(const std::string& name, Member m, const Value& v) {
    Shape shape = m.shape();
    std::string prefix = m.flattened() ? name : name + ".entry";
    int64_t n = 0;
    for (const auto& [key, e] : v.as_object()) {
      std::string entry = prefix + "." + std::to_string(++n) + ".";
      out.emplace_back(entry + (shape.key().has_wire() ? std::string(shape.key().wire()) : "key"), key);
      value(entry + (shape.value().has_wire() ? std::string(shape.value().wire()) : "value"), shape.value(), e);
    }
  }
};

net::HttpRequest build_query(OperationModel operation, const Value& input) {
  FormBuilder form;
  form.out.emplace_back("Action", std::string(operation.name()));
  form.out.emplace_back("Version", std::string(operation.service().api_version()));
  if (Shape shape = operation.input()) form.structure("", shape, input);
  net::HttpRequest request;
  request.method = "POST";
  request.target = "/";
  request.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  request.body = build_form(form.out);
  return request;
}

net::HttpRequest build_json(OperationModel operation, Protocol protocol, const Value& input) {
  net::HttpRequest request;
  request.method = "POST";
  request.target = "/";
  request.headers.add("Content-Type",
                      protocol == Protocol::kJson10 ? "application/x-amz-json-1.0" : "application/x-amz-json-1.1");
  request.headers.add("X-Amz-Target", std::string(operation.service().target_prefix()) + "." + std::string(operation.name()));
  JsonWriter w(request.body);
  if (operation.input()) {
    internal::write_json_structure(w, operation.input(), input);
  } else {
    w.begin_object().end_object();
  }
  return request;
}

// --- answers ----------------------------------------------------------------------------------------------------------------

// "com.amazonaws.lambda#ResourceNotFoundException:http://…" -> "ResourceNotFoundException"
std::string plain_code(std::string_view code) {
  code = code.substr(0, code.find(':'));
  size_t hash = code.rfind('#');
  return std::string(hash == std::string_view::npos ? code : code.substr(hash + 1));
}

Fault unreadable(const net::HttpResponse& response, std::string_view why) {
  return {"UnreadableResponse",
          "HTTP " + std::to_string(response.status) + " that is not an AWS answer (" + std::string(why) + ")", response.status};
}

Fault json_fault(const net::HttpResponse& response) {
  std::string code = plain_code(response.headers.get("x-amzn-errortype"));
  Result<Value> body = parse_json(response.body);
  if (!body.ok() && code.empty()) return unreadable(response, body.error().message());
  std::string message;
  Value extra;
  if (body.ok() && body->is_object()) {
    for (const auto& [name, v] : body->as_object()) {
      if (name == "__type" || (name == "code" && code.empty())) {
        if (code.empty() && v.is_string()) code = plain_code(v.as_string());
      } else if (iequals(name, "message") || name == "errorMessage") {
        if (v.is_string()) message = v.as_string();
      } else {
        extra.set(name, v);
      }
    }
  }
  if (code.empty()) code = "HTTP" + std::to_string(response.status);
  return {std::move(code), std::move(message), response.status, std::move(extra)};
}

Fault xml_fault(const net::HttpResponse& response) {
  Result<XmlNode> root = parse_xml(response.body);
  if (!root.ok()) return unreadable(response, root.error().message());
  const XmlNode* error = root->name == "Error" ? &*root : root->child("Error");
  if (error == nullptr) {
    const XmlNode* errors = root->child("Errors");
    error = errors != nullptr ? errors->child("Error") : nullptr;
  }
  if (error == nullptr) return unreadable(response, "no Error element");
  return {std::string(error->child_text("Code")), std::string(error->child_text("Message")), response.status};
}

Result<Value, Fault> header_value(Member m, const std::string& text, Protocol protocol) {
  if (m.flag(tables::kJsonValue)) {
    Result<std::string> json = base64_decode(text);
    return json.ok() ? Value(std::move(*json)) : Value(text);
  }
  if (!m.shape().is(ShapeKind::kList)) return internal::scalar_in(m, text, protocol);
  Value out = Value::list();
  for (std::string_view item : split(text, ',')) {
    out.push(TRY(internal::scalar_in(m.shape().element(), std::string(trim(item)), protocol)));
  }
  return out;
}

Result<Value, Fault> rest_body(OperationModel operation, const net::HttpResponse& response) {
  Shape shape = operation.output();
  Member payload = shape.payload();
  internal::DocumentReader reader{operation.service()};
  if (payload && (payload.shape().is(ShapeKind::kBlob) || payload.shape().is(ShapeKind::kString))) {
    Value out = Value::object();
    bool blob = payload.shape().is(ShapeKind::kBlob);
    out.set(payload.name(), blob ? Value(Blob{response.body}) : Value(response.body));
    return out;
  }
  if (trim(response.body).empty()) return Value::object();
  Result<Value> json = parse_json(response.body);
  if (!json.ok()) return unreadable(response, json.error().message());
  if (!payload) return reader.structure(shape, std::move(*json), true);
  Value out = Value::object();
  out.set(payload.name(), TRY(reader.value(payload, std::move(*json))));
  return out;
}

Result<Value, Fault> parse_rest_response(OperationModel operation, const net::HttpResponse& response) {
  Shape shape = operation.output();
  if (!shape) return Value::object();
  Value out = TRY(rest_body(operation, response));
  for (Member m : shape.members()) {
    if (m.location() == Location::kStatusCode) out.set(m.name(), response.status);
    if (m.location() == Location::kHeader) {
      if (const std::string* text = response.headers.find(m.wire())) {
        out.set(m.name(), TRY(header_value(m, *text, Protocol::kRestJson)));
      }
    }
    if (m.location() != Location::kHeaders) continue;
    Value map = Value::object();
    for (const auto& [name, value] : response.headers.fields()) {
      if (name.size() > m.wire().size() && iequals(name.substr(0, m.wire().size()), m.wire())) {
        map.set(name.substr(m.wire().size()), value);
      }
    }
    out.set(m.name(), std::move(map));
  }
  return out;
}

Result<Value, Fault> parse_query_response(OperationModel operation, const net::HttpResponse& response) {
  if (!operation.output()) return Value::object();
  Result<XmlNode> root = parse_xml(response.body);
  if (!root.ok()) return unreadable(response, root.error().message());
  std::string wrapper(operation.result_wrapper());
  if (wrapper.empty()) wrapper = std::string(operation.name()) + "Result";
  const XmlNode* result = root->child(wrapper);
  return internal::xml_structure_in(operation.output(), result != nullptr ? *result : *root, Protocol::kQuery);
}

}  // namespace

std::optional<Protocol> client_protocol(ServiceModel service) {
  for (Protocol p : {Protocol::kRestJson, Protocol::kJson11, Protocol::kJson10, Protocol::kQuery}) {
    if (service.speaks(p)) return p;
  }
  return std::nullopt;
}

Result<net::HttpRequest, Fault> build_request(OperationModel operation, Protocol protocol, const Value& input) {
  if (input.is_object()) {
    for (const auto& [name, v] : input.as_object()) {
      if (!operation.input() || !operation.input().member(name)) {
        return client_fault(std::string(operation.name()) + " has no argument '" + name + "'");
      }
    }
  }
  switch (protocol) {
    case Protocol::kRestJson:
      return build_rest(operation, input);
    case Protocol::kJson10:
    case Protocol::kJson11:
      return build_json(operation, protocol, input);
    case Protocol::kQuery:
      return build_query(operation, input);
    default:
      return client_fault("savia's client does not speak " + std::string(protocol_name(protocol)));
  }
}

Result<Value, Fault> parse_response(OperationModel operation, Protocol protocol, const net::HttpResponse& response) {
  const bool query = protocol == Protocol::kQuery;
  if (response.status >= 300) return query ? xml_fault(response) : json_fault(response);
  if (query) return parse_query_response(operation, response);
  if (protocol == Protocol::kRestJson) return parse_rest_response(operation, response);
  if (!operation.output() || trim(response.body).empty()) return Value::object();
  Result<Value> json = parse_json(response.body);
  if (!json.ok()) return unreadable(response, json.error().message());
  return internal::DocumentReader{operation.service()}.structure(operation.output(), std::move(*json));
}

}  // namespace savia::aws::protocol

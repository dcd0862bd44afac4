#include "aws/protocol/protocol.h"

#include <fmt/format.h>

#include "aws/protocol/internal.h"
#include "base/strings.h"
#include "codec/cbor.h"
#include "codec/form.h"

namespace savia::aws::protocol {
namespace internal {

Fault malformed(Protocol protocol, std::string message) {
  switch (protocol) {
    case Protocol::kRestXml:
      return Fault(
          "MalformedXML",
          "The XML you provided was not well-formed or did not validate against our published schema: " + std::move(message));
    case Protocol::kQuery:
      return Fault("MalformedInput", std::move(message));
    case Protocol::kEc2:
      return Fault("InvalidParameterValue", std::move(message));
    case Protocol::kJson10:
    case Protocol::kJson11:
    case Protocol::kRestJson:
    case Protocol::kCbor:
      break;
  }
  return Fault("SerializationException", std::move(message));
}

Result<Fields, Fault> request_fields(const net::HttpRequest& request, bool form_body, Protocol protocol) {
  Result<FormPairs> fields = parse_form(request.query());
  if (!fields) return malformed(protocol, fields.error().message());
  if (form_body && !request.body.empty()) {
    Result<FormPairs> body = parse_form(request.body);
    if (!body) return malformed(protocol, body.error().message());
    for (auto& pair : *body) fields->push_back(std::move(pair));
  }
  return std::move(fields).value();
}

Result<Value, Fault> parse_json_rpc(const Addressed& to, const net::HttpRequest& request) {
  Shape shape = to.operation.input();
  if (trim(request.body).empty()) return Value::object();
  Result<Value> json = parse_json(request.body);
  if (!json) return malformed(to.protocol, json.error().message());
  if (!shape) return Value::object();
  return DocumentReader{to.service}.structure(shape, std::move(json).value());
}

Result<Value, Fault> parse_cbor_rpc(const Addressed& to, const net::HttpRequest& request) {
  Shape shape = to.operation.input();
  if (request.body.empty()) return Value::object();
  Result<Value> document = parse_cbor(request.body);
  if (!document) return malformed(to.protocol, document.error().message());
  if (!shape) return Value::object();
  return DocumentReader{to.service, true}.structure(shape, std::move(document).value());
}

void render_json_rpc(const Addressed& to, const Value& output, net::HttpResponse& response) {
  JsonWriter w(response.body);
  Shape shape = to.operation.output();
  if (shape) {
    write_json_structure(w, shape, output);
  } else if (to.operation.listed()) {
    w.begin_object().end_object();
  }
  response.headers.add("Content-Type",
                       to.protocol == Protocol::kJson10 ? "application/x-amz-json-1.0" : "application/x-amz-json-1.1");
}

void render_cbor_rpc(const Addressed& to, const Value& output, net::HttpResponse& response) {
  response.headers.add("smithy-protocol", "rpc-v2-cbor");
  Shape shape = to.operation.output();
  if (!shape) return;
  response.headers.add("Content-Type", "application/cbor");
  response.body = to_cbor(cbor_structure(shape, output));
}

}  // namespace internal

using namespace internal;

namespace {

bool is_form(const net::HttpRequest& request) {
  std::string_view type = request.headers.get("Content-Type");
  return iequals(trim(type.substr(0, type.find(';'))), "application/x-www-form-urlencoded");
}

std::string action_of(const net::HttpRequest& request) {
  Result<Fields, Fault> fields = request_fields(request, true, Protocol::kQuery);
  if (!fields) return {};
  for (const auto& [name, text] : *fields) {
    if (name == "Action") return text;
  }
  return {};
}

Fault unknown_operation(ServiceModel service, Protocol protocol, std::string_view name) {
  switch (protocol) {
    case Protocol::kQuery:
      if (name.empty()) return Fault("MissingAction", "The request must contain the parameter Action");
      return Fault("InvalidAction", fmt::format("Could not find operation {} for version {}", name, service.api_version()));
    case Protocol::kEc2:
      if (name.empty()) return Fault("MissingAction", "The request must contain the parameter Action");
      return Fault("InvalidAction", fmt::format("The action {} is not valid for this web service.", name));
    case Protocol::kRestXml:
      return Fault("MethodNotAllowed", "The specified method is not allowed against this resource.", 405);
    case Protocol::kJson10:
    case Protocol::kJson11:
      return Fault("UnknownOperationException",
                   name.empty() ? "The request does not name an operation" : fmt::format("Unknown operation {}", name));
    case Protocol::kRestJson:
    case Protocol::kCbor:
      break;
  }
  return Fault("UnknownOperationException", name.empty() ? "Unknown operation" : fmt::format("Unknown operation {}", name),
               404);
}

}  // namespace

Protocol detect(ServiceModel service, const net::HttpRequest& request) {
  std::string_view smithy = request.headers.get("smithy-protocol");
  if (smithy == "rpc-v2-cbor" && service.speaks(Protocol::kCbor)) return Protocol::kCbor;
  bool json10 = service.speaks(Protocol::kJson10), json11 = service.speaks(Protocol::kJson11);
  if (request.headers.has("X-Amz-Target") && (json10 || json11)) {
    std::string_view type = request.headers.get("Content-Type");
    if (type.find("json-1.1") != std::string_view::npos) return Protocol::kJson11;
    if (type.find("json-1.0") != std::string_view::npos) return Protocol::kJson10;
    return json10 ? Protocol::kJson10 : Protocol::kJson11;
  }
  bool query = service.speaks(Protocol::kQuery), ec2 = service.speaks(Protocol::kEc2);
  bool named = request.query().find("Action=") != std::string_view::npos;
  if ((query || ec2) && (is_form(request) || named)) return ec2 ? Protocol::kEc2 : Protocol::kQuery;
  return service.protocol();
}

Result<Addressed, Fault> address(ServiceModel service, const net::HttpRequest& request, Addressed* fault_to) {
  Addressed to;
  to.service = service;
  to.protocol = detect(service, request);
  to.query_mode = iequals(request.headers.get("x-amzn-query-mode"), "true");
  std::string name;
  switch (to.protocol) {
    case Protocol::kJson10:
    case Protocol::kJson11: {
      std::string_view target = request.headers.get("X-Amz-Target");
      to.operation = service.by_target(target);
      name = target.substr(target.rfind('.') + 1);
      break;
    }
    case Protocol::kQuery:
    case Protocol::kEc2:
      name = action_of(request);
      to.operation = service.operation(name);
      break;
    case Protocol::kCbor: {  // /service/{service}/operation/{operation}, after any prefix
      std::string_view path = request.path();
      size_t at = path.rfind("/operation/");
      if (at != std::string_view::npos) name = path.substr(at + 11);
      to.operation = service.operation(name);
      break;
    }
    case Protocol::kRestJson:
    case Protocol::kRestXml:
      to.operation = service.by_route(request.method, request.path(), request.query());
      break;
  }
  if (fault_to != nullptr) *fault_to = to;
  if (!to.operation) return unknown_operation(service, to.protocol, name);
  return to;
}

Result<Value, Fault> parse(const Addressed& to, const net::HttpRequest& request) {
  switch (to.protocol) {
    case Protocol::kJson10:
    case Protocol::kJson11:
      return parse_json_rpc(to, request);
    case Protocol::kCbor:
      return parse_cbor_rpc(to, request);
    case Protocol::kQuery:
    case Protocol::kEc2:
      return parse_query(to, request);
    case Protocol::kRestJson:
    case Protocol::kRestXml:
      break;
  }
  return parse_rest(to, request);
}

namespace {

void request_id(const Addressed& to, const RenderContext& context, net::HttpResponse& response) {
  if (to.protocol == Protocol::kRestXml) {
    response.headers.add("x-amz-request-id", context.request_id);
    if (!context.host_id.empty()) response.headers.add("x-amz-id-2", context.host_id);
  } else {
    response.headers.add("x-amzn-RequestId", context.request_id);
  }
}

}  // namespace

net::HttpResponse render(const Addressed& to, const Value& output, const RenderContext& context) {
  net::HttpResponse response;
  request_id(to, context, response);
  switch (to.protocol) {
    case Protocol::kJson10:
    case Protocol::kJson11:
      render_json_rpc(to, output, response);
      break;
    case Protocol::kCbor:
      render_cbor_rpc(to, output, response);
      break;
    case Protocol::kQuery:
    case Protocol::kEc2:
      render_query(to, output, context, response);
      break;
    case Protocol::kRestJson:
    case Protocol::kRestXml:
      render_rest(to, output, response);
      break;
  }
  return response;
}

net::HttpResponse render_fault(const Addressed& to, const Fault& fault, const RenderContext& context) {
  net::HttpResponse response;
  response.status = fault.http_status;
  request_id(to, context, response);
  if (fault.retry_after_s > 0) response.headers.add("Retry-After", std::to_string(fault.retry_after_s));
  switch (to.protocol) {
    case Protocol::kJson10:
    case Protocol::kJson11:
    case Protocol::kRestJson:
      render_json_fault(to, fault, response);
      break;
    case Protocol::kCbor:
      render_cbor_fault(to, fault, response);
      break;
    case Protocol::kQuery:
    case Protocol::kEc2:
    case Protocol::kRestXml:
      render_xml_fault(to, fault, context, response);
      break;
  }
  return response;
}

Fault not_implemented(ServiceModel service, std::string_view operation) {
  return Fault("NotImplemented", fmt::format("savia does not implement {}:{} (docs/coverage.md)", service.name(), operation),
               501);
}

}  // namespace savia::aws::protocol

// Errors on the wire. Where an operation models the error, its shape names the members (Lambda spells both Message and
// message, by error); any other error has a code and a message.
#include "aws/protocol/internal.h"
#include "base/strings.h"
#include "codec/cbor.h"

namespace savia::aws::protocol::internal {
namespace {

// The shape's member that carries the message.
std::string_view message_name(Shape shape) {
  for (Member m : shape.members()) {
    if (iequals(m.name(), "message") || iequals(m.name(), "errorMessage")) return m.name();
  }
  return {};
}

std::string_view sender_or_receiver(Shape shape, int status) {
  if (shape.flag(tables::kSenderFault)) return "Sender";
  return status >= 500 ? "Receiver" : "Sender";
}

// Members that the fault brings and the shape does not have, so that they are not lost.
void write_unknown(JsonWriter& w, Shape shape, const Value& members) {
  for (const auto& [name, v] : members.as_object()) {
    if (!shape.member(name) && !v.is_null()) w.key(name).value(v);
  }
}

}  // namespace

WireFault wire_fault(const Addressed& to, const Fault& fault) {
  WireFault out;
  if (to.operation) out.shape = to.operation.error(fault.code);
  out.type = out.shape ? std::string(out.shape.name()) : fault.code;
  out.code = out.shape ? std::string(out.shape.error_code()) : fault.code;
  out.members = Value::object();
  // Lambda and its kin say in Type whose fault it was; a fault may bring an empty one, to leave it out.
  if (out.shape && out.shape.member("Type") && !fault.extra.has("Type")) {
    out.members.set("Type", fault.http_status >= 500 ? "Service" : "User");
  }
  std::string_view name = message_name(out.shape);
  if (name.empty()) name = "message";
  if (!fault.message.empty()) out.members.set(name, fault.message);
  if (fault.extra.is_object()) {
    for (const auto& [member, v] : fault.extra.as_object()) out.members.set(member, v);
  }
  return out;
}

void render_json_fault(const Addressed& to, const Fault& fault, net::HttpResponse& response) {
  WireFault wire = wire_fault(to, fault);
  bool rest = to.protocol == Protocol::kRestJson;
  if (rest) {
    response.headers.add("x-amzn-errortype", wire.type);
    response.headers.add("Content-Type", "application/json");
    write_header_members(wire.shape, wire.members, response);
    response.status = fault.http_status;
  } else {
    response.headers.add("Content-Type",
                         to.protocol == Protocol::kJson10 ? "application/x-amz-json-1.0" : "application/x-amz-json-1.1");
    if (to.service.query_compatible()) {
      response.headers.add("x-amzn-query-error",
                           wire.code + ";" + std::string(sender_or_receiver(wire.shape, fault.http_status)));
    }
  }
  JsonWriter w(response.body);
  w.begin_object();
  if (!rest) w.field("__type", wire.type);
  for (const auto& [name, v] : wire.members.as_object()) {
    Member m = wire.shape.member(name);
    if (!m || v.is_null() || (rest && m.location() != Location::kBody)) continue;
    w.key(m.wire());
    write_json(w, m, v);
  }
  write_unknown(w, wire.shape, wire.members);
  w.end_object();
}

void render_cbor_fault(const Addressed& to, const Fault& fault, net::HttpResponse& response) {
  WireFault wire = wire_fault(to, fault);
  response.headers.add("smithy-protocol", "rpc-v2-cbor");
  response.headers.add("Content-Type", "application/cbor");
  if (to.service.query_compatible()) {
    response.headers.add("x-amzn-query-error",
                         wire.code + ";" + std::string(sender_or_receiver(wire.shape, fault.http_status)));
  }
  Value body = Value::object();
  body.set("__type", "com.amazonaws." + std::string(to.service.name()) + "#" + wire.type);
  Value known = cbor_structure(wire.shape, wire.members);
  for (auto& [name, v] : known.as_object()) body.set(name, std::move(v));
  for (const auto& [name, v] : wire.members.as_object()) {
    if (!wire.shape.member(name)) body.set(name, v);
  }
  response.body = to_cbor(body);
}

// query and most of rest-xml: ErrorResponse/Error; ec2: Response/Errors/Error; S3: Error alone.
void render_xml_fault(const Addressed& to, const Fault& fault, const RenderContext& context, net::HttpResponse& response) {
  WireFault wire = wire_fault(to, fault);
  bool ec2 = to.protocol == Protocol::kEc2;
  bool s3 = to.protocol == Protocol::kRestXml && to.service.name() == "s3";
  if (to.protocol == Protocol::kRestXml) {
    write_header_members(wire.shape, wire.members, response);
    response.status = fault.http_status;
  }
  response.headers.add("Content-Type", ec2 ? "text/xml;charset=UTF-8" : s3 ? "application/xml" : "text/xml");
  XmlWriter w(response.body);
  if (ec2 || s3) w.declaration();
  if (ec2) {
    w.open("Response").open("Errors");
  } else if (!s3) {
    w.open("ErrorResponse");
    if (!to.service.xml_uri().empty()) w.attribute("xmlns", to.service.xml_uri());
  }
  w.open("Error");
  if (!ec2 && !s3) w.element("Type", sender_or_receiver(wire.shape, fault.http_status));
  w.element("Code", wire.code);
  if (!fault.message.empty()) w.element("Message", fault.message);
  if (fault.extra.is_object()) {
    Value rest = Value::object();
    for (const auto& [name, v] : fault.extra.as_object()) {
      if (iequals(name, "message") || iequals(name, "type") || iequals(name, "code")) continue;
      if (wire.shape.member(name)) {
        rest.set(name, v);
      } else if (v.is_string()) {
        w.element(name, v.as_string());  // S3 adds BucketName, Key, …
      }
    }
    write_xml_members(w, wire.shape, rest);
  }
  if (s3) {
    w.element("RequestId", context.request_id).element("HostId", context.host_id).close();
    return;
  }
  w.close();
  if (ec2) w.close();
  w.element(ec2 ? "RequestID" : "RequestId", context.request_id);
  w.close();
}

}  // namespace savia::aws::protocol::internal

// What the interpreters of the wire protocols share. Private to aws/protocol.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "aws/model.h"
#include "aws/operation.h"
#include "aws/protocol/protocol.h"
#include "codec/json.h"
#include "codec/value.h"
#include "codec/xml.h"
#include "net/http.h"

namespace savia::aws::protocol::internal {

// ---- Scalars as text (labels, query, headers, XML, forms) -------------------------------------------------------------

std::string timestamp_text(int64_t ms, TimestampFormat format);
// Any of the formats: epoch seconds with or without a fraction, ISO 8601 with an offset, RFC 7231 with or without a fraction.
std::optional<int64_t> parse_timestamp(std::string_view text);
std::optional<int64_t> timestamp_of_seconds(double seconds);
std::string double_text(double v);  // shortest; NaN, Infinity, -Infinity
std::optional<double> parse_double(std::string_view text);
TimestampFormat timestamp_format(Member m, TimestampFormat otherwise);

// Reads a scalar by the member's shape; blobs are base64.
Result<Value, Fault> scalar_in(Member m, std::string_view text, Protocol protocol);
std::string scalar_out(Member m, const Value& v, TimestampFormat otherwise);

// Answers have no path and no query: members with such a location are in the body like any other.
inline bool in_output_body(Member m) {
  return m.location() == Location::kBody || m.location() == Location::kUri || m.location() == Location::kQuery;
}

// ---- Faults --------------------------------------------------------------------------------------------------------------

// The body cannot be read as the protocol's format: SerializationException, MalformedXML, MalformedInput.
Fault malformed(Protocol protocol, std::string message);
// A value of the wrong kind, in the words of AWS: "STRING_VALUE can not be converted to an Integer".
Fault wrong_kind(ServiceModel service, const Value& wire, Shape wanted);

// ---- Bodies --------------------------------------------------------------------------------------------------------------

// JSON and CBOR: from a parsed document to the model's kinds. `cbor`: blobs and timestamps are there already.
struct DocumentReader {
  ServiceModel service;
  bool cbor = false;
  Result<Value, Fault> structure(Shape shape, Value&& wire, bool body_members_only = false) const;
  Result<Value, Fault> value(Member m, Value&& wire) const;
};
void write_json(JsonWriter& out, Member m, const Value& v);
void write_json_structure(JsonWriter& out, Shape shape, const Value& v, bool body_members_only = false,
                          std::string_view type_name = {});
// The Value that to_cbor writes: members by wire name, timestamps and blobs as they are.
Value cbor_structure(Shape shape, const Value& v);

// XML.
Result<Value, Fault> xml_structure_in(Shape shape, const XmlNode& node, Protocol protocol);
Result<Value, Fault> xml_value_in(Member m, const XmlNode& node, Protocol protocol);
void write_xml_members(XmlWriter& out, Shape shape, const Value& v);  // of an open element
// A payload's root element: attributes, members.
void write_xml_root(XmlWriter& out, std::string_view name, Member m, const Value& v, std::string_view otherwise_uri);

// ---- Protocols -------------------------------------------------------------------------------------------------------------

Result<Value, Fault> parse_json_rpc(const Addressed& to, const net::HttpRequest& request);
Result<Value, Fault> parse_cbor_rpc(const Addressed& to, const net::HttpRequest& request);
Result<Value, Fault> parse_rest(const Addressed& to, const net::HttpRequest& request);
Result<Value, Fault> parse_query(const Addressed& to, const net::HttpRequest& request);

void render_json_rpc(const Addressed& to, const Value& output, net::HttpResponse& response);
void render_cbor_rpc(const Addressed& to, const Value& output, net::HttpResponse& response);
void render_rest(const Addressed& to, const Value& output, net::HttpResponse& response);
void render_query(const Addressed& to, const Value& output, const RenderContext& context, net::HttpResponse& response);

// An error as every protocol needs it: its shape if the model has it, the code on the wire, all members.
struct WireFault {
  Shape shape;       // empty when the model does not have it
  std::string type;  // the shape's name, for __type and x-amzn-errortype
  std::string code;  // for Code and x-amzn-query-error
  Value members;     // message, Type and the fault's own, by the model's names
};
WireFault wire_fault(const Addressed& to, const Fault& fault);
void render_json_fault(const Addressed& to, const Fault& fault, net::HttpResponse& response);
void render_cbor_fault(const Addressed& to, const Fault& fault, net::HttpResponse& response);
void render_xml_fault(const Addressed& to, const Fault& fault, const RenderContext& context, net::HttpResponse& response);
// Members of an error or output that travel in headers, and the status code's member.
void write_header_members(Shape shape, const Value& v, net::HttpResponse& response);

// Query string and, for forms, body, in order. Names and values decoded.
using Fields = std::vector<std::pair<std::string, std::string>>;
Result<Fields, Fault> request_fields(const net::HttpRequest& request, bool form_body, Protocol protocol);

}  // namespace savia::aws::protocol::internal

// The rows of a service model's tables, as tools/gen_tables.py and the run-time loader write them. Everything else reads them
// through the views of model.h.
#pragma once

#include <cstdint>

namespace savia::aws {

enum class Protocol : uint8_t { kJson10, kJson11, kRestJson, kQuery, kEc2, kRestXml, kCbor };

enum class ShapeKind : uint8_t {
  kStructure,
  kList,
  kMap,
  kString,
  kInteger,
  kLong,
  kFloat,
  kDouble,
  kBoolean,
  kBlob,
  kTimestamp
};
enum class Location : uint8_t { kBody, kUri, kQuery, kHeader, kHeaders, kStatusCode };  // kHeaders: a map, by name prefix
enum class TimestampFormat : uint8_t { kDefault, kIso8601, kRfc822, kUnix };

namespace tables {
struct Str {
  uint32_t at = 0, size = 0;  // in the pool
};
inline constexpr uint32_t kNone = 0xffffffff;

enum MemberFlag : uint16_t {
  kRequired = 1,
  kMemberFlattened = 2,
  kXmlAttribute = 4,
  kIdempotencyToken = 8,
  kJsonValue = 16,
  kMemberStreaming = 32,
  kEventPayload = 64,
  kEventHeader = 128,
  kHostLabel = 256,
  kMemberBox = 512,
  kMemberSensitive = 1024,
};
struct MemberRow {
  Str name, wire, query_name, xml_uri, xml_prefix;
  uint32_t shape = kNone;
  uint16_t flags = 0;
  Location location = Location::kBody;
  TimestampFormat timestamp = TimestampFormat::kDefault;
};

enum ShapeFlag : uint16_t {
  kFlattened = 1,
  kBox = 2,
  kSensitive = 4,
  kStreaming = 8,
  kDocument = 16,
  kUnion = 32,
  kEventStream = 64,
  kEvent = 128,
  kException = 256,
  kServerFault = 512,
  kSenderFault = 1024,
  kHasMin = 2048,
  kHasMax = 4096,
};
struct ShapeRow {
  Str name, pattern, error_code, xml_name, xml_uri, xml_prefix;
  uint32_t first = 0, count = 0;            // members: structure all, list its element, map key and value
  uint32_t enum_first = 0, enum_count = 0;  // in the list of texts
  uint32_t payload = kNone;                 // member row that is the HTTP body
  uint16_t flags = 0;
  uint16_t error_status = 0;
  ShapeKind kind = ShapeKind::kStructure;
  TimestampFormat timestamp = TimestampFormat::kDefault;
  double min = 0, max = 0;
};

enum OperationFlag : uint16_t {
  kListed = 1,
  kUnsigned = 2,  // authtype none
  kChecksumRequired = 4,
  kEventStreamOutput = 8,
};
struct OperationRow {
  Str name, method, path, query, result_wrapper, xml_name, xml_uri, host_prefix;
  uint32_t input = kNone, output = kNone;     // shape rows
  uint32_t error_first = 0, error_count = 0;  // in the list of shape numbers
  uint16_t flags = 0;
  uint16_t status = 200;
  Str input_token, output_token, limit_key, result_key;  // paginator; several joined by ','
};

struct Tables {
  const char* pool = nullptr;
  const ShapeRow* shapes = nullptr;
  const MemberRow* members = nullptr;
  const OperationRow* operations = nullptr;  // sorted by name
  const Str* texts = nullptr;                // enum values
  const uint32_t* errors = nullptr;
  uint32_t shape_count = 0, operation_count = 0;
  Str service, service_id, api_version, target_prefix, endpoint_prefix, signing_name, xml_uri, full_name;
  uint8_t protocols = 0;  // bit per Protocol
  Protocol protocol = Protocol::kJson11;
  bool query_compatible = false;  // json or cbor that was query once: x-amzn-query-error
};
}  // namespace tables

}  // namespace savia::aws

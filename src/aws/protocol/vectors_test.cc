// The published protocol vectors (botocore's): 367 requests to be read, 365 answers to be written. SAVIA_VECTORS names the
// folder that holds aws-protocols/; without it the cases are counted as not run, which with CI=true is a failure.
//
// Requests: read `serialized` with the suite's shapes, expect `params`. Answers: write `result` (or the error), expect the
// document of `response`: trees are compared, with numbers and timestamps by value. What only a client does is tolerated
// where it is general (unknown members and nulls in an answer) and listed below, case by case, where it is not.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "aws/protocol/internal.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/cbor.h"

namespace savia::aws::protocol {
namespace {

using internal::parse_timestamp;

struct Exception {
  std::string_view suite, reason;
};

constexpr std::string_view kGzip = "the vector holds no body: what is tested is that a client compresses";
constexpr std::string_view kToken = "the client fills the idempotency token in";
constexpr std::string_view kEmpty = "an empty list or map of this protocol leaves no trace on the wire";
constexpr std::string_view kPrefix = "the path of the client's endpoint stands before the operation's";
constexpr std::string_view kPayload = "a client sends {} for a payload that is not set, which reads as an empty structure";
constexpr std::string_view kClient = "tests that a client passes over what the model does not have";

// Both lists may only shrink.
const std::map<std::string, Exception, std::less<>> kInputExceptions = {
    {"SDKAppliedContentEncoding_ec2Query", {"ec2", kGzip}},
    {"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_ec2Query", {"ec2", kGzip}},
    {"SDKAppliedContentEncoding_awsJson1_1", {"json", kGzip}},
    {"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1", {"json", kGzip}},
    {"SDKAppliedContentEncoding_awsJson1_0", {"json_1_0", kGzip}},
    {"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0", {"json_1_0", kGzip}},
    {"SDKAppliedContentEncoding_awsQuery", {"query", kGzip}},
    {"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery", {"query", kGzip}},
    {"SDKAppliedContentEncoding_restJson1", {"rest-json", kGzip}},
    {"SDKAppendedGzipAfterProvidedEncoding_restJson1", {"rest-json", kGzip}},
    {"SDKAppliedContentEncoding_restXml", {"rest-xml", kGzip}},
    {"SDKAppendedGzipAfterProvidedEncoding_restXml", {"rest-xml", kGzip}},
    {"Ec2ProtocolIdempotencyTokenAutoFill", {"ec2", kToken}},
    {"QueryProtocolIdempotencyTokenAutoFill", {"query", kToken}},
    {"RestJsonQueryIdempotencyTokenAutoFill", {"rest-json", kToken}},
    {"QueryIdempotencyTokenAutoFill", {"rest-xml", kToken}},
    {"Ec2EmptyQueryLists", {"ec2", kEmpty}},
    {"QueryEmptyQueryMaps", {"query", kEmpty}},
    {"RestJsonHttpPrefixHeadersAreNotPresent", {"rest-json", kEmpty}},
    {"RestJsonOmitsEmptyListQueryValues", {"rest-json", kEmpty}},
    {"HttpPrefixHeadersAreNotPresent", {"rest-xml", kEmpty}},
    {"RestJsonHostWithPath", {"rest-json", kPrefix}},
    {"RestJsonHttpWithEmptyStructurePayload", {"rest-json", kPayload}},
    {"RestJsonHttpWithHeadersButNoPayload", {"rest-json", kPayload}},
};
const std::map<std::string, Exception, std::less<>> kOutputExceptions = {
    {"AwsJson10HandlesUnexpectedJsonOutput", {"json_1_0", kClient}},
    {"handles_unexpected_json_output", {"json", kClient}},
    {"AwsJson11IntEnums", {"json", "lists a request's header among the answer's"}},
    {"SimpleScalarPropertiesWithXMLPreamble", {"rest-xml", kClient}},
    {"RpcV2CborExtraFieldsInTheBodyShouldBeSkippedByClients", {"smithy-rpc-v2-cbor", kClient}},
    {"RpcV2CborPayloadWithUnsetUnion", {"smithy-rpc-v2-cbor", kClient}},
};

constexpr int kInputCases = 367, kOutputCases = 365;

const char* vectors() {
  const char* dir = std::getenv("SAVIA_VECTORS");
  return dir != nullptr && *dir != '\0' ? dir : nullptr;
}

bool skip_without_vectors(int cases) {
  if (vectors() != nullptr) return false;
  std::printf("%d protocol vectors were not run: SAVIA_VECTORS is not set\n", cases);
  const char* ci = std::getenv("CI");
  EXPECT_FALSE(ci != nullptr && std::string_view(ci) == "true") << "SAVIA_VECTORS must be set where CI is";
  return true;
}

Value read_suites(std::string_view folder, std::string_view name) {
  std::ifstream in(std::string(vectors()) + "/aws-protocols/" + std::string(folder) + "/" + std::string(name) + ".json");
  std::stringstream text;
  text << in.rdbuf();
  Result<Value> v = parse_json(text.str());
  EXPECT_TRUE(v.ok()) << folder << "/" << name;
  return v.ok() ? std::move(v).value() : Value::list();
}

constexpr std::string_view kFiles[] = {"ec2",
                                       "json",
                                       "json_1_0-query-compatible",
                                       "json_1_0",
                                       "query",
                                       "rest-json",
                                       "rest-xml",
                                       "smithy-rpc-v2-cbor-non-query-compatible",
                                       "smithy-rpc-v2-cbor-query-compatible",
                                       "smithy-rpc-v2-cbor"};

Value value_or_null(const Value& v, std::string_view name) {
  const Value* found = v.find(name);
  return found == nullptr ? Value() : *found;
}

// The vectors' params and results as Values of the model's kinds: timestamps are seconds, blobs plain text.
Value typed(Shape s, const Value& v) {
  if (v.is_null() || s.document()) return v;
  switch (s.kind()) {
    case ShapeKind::kStructure: {
      Value out = Value::object();
      for (const auto& [name, e] : v.as_object()) {
        Member m = s.member(name);
        EXPECT_TRUE(m) << name;
        if (m && !e.is_null()) out.set(name, m.flag(tables::kJsonValue) ? e : typed(m.shape(), e));
      }
      return out;
    }
    case ShapeKind::kList: {
      Value out = Value::list();
      for (const Value& e : v.as_list()) out.push(typed(s.element().shape(), e));
      return out;
    }
    case ShapeKind::kMap: {
      Value out = Value::object();
      for (const auto& [name, e] : v.as_object()) out.set(name, typed(s.value().shape(), e));
      return out;
    }
    case ShapeKind::kFloat:
    case ShapeKind::kDouble:
      return v.is_string() ? Value(*internal::parse_double(v.as_string())) : Value(v.as_double());
    case ShapeKind::kBlob:
      return Value(Blob{v.as_string()});
    case ShapeKind::kTimestamp:
      return Value(Timestamp{*internal::timestamp_of_seconds(v.as_double())});
    default:
      return v;
  }
}

// Equality with NaN equal to itself, floats compared as such, and times with different offsets by what they mean.
bool same(const Value& a, const Value& b) {
  if (a.is_string() && b.is_string() && a.as_string() != b.as_string() && a.as_string().find('T') == 10) {
    auto t = parse_timestamp(a.as_string()), u = parse_timestamp(b.as_string());
    return t && u && *t == *u;
  }
  if (a.is_number() && b.is_number()) {
    double x = a.as_double(), y = b.as_double();
    return (std::isnan(x) && std::isnan(y)) || x == y || static_cast<float>(x) == static_cast<float>(y);
  }
  if (a.kind() != b.kind()) return false;
  if (a.is_list()) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!same(a.as_list()[i], b.as_list()[i])) return false;
    }
    return true;
  }
  if (a.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [name, v] : a.as_object()) {
      const Value* other = b.find(name);
      if (other == nullptr || !same(v, *other)) return false;
    }
    return true;
  }
  return a == b;
}

Result<LoadedModel> model_of(const Value& suite, const Value& given, std::string_view name) {
  Value document = Value::object();
  document.set("metadata", value_or_null(suite, "metadata"));
  document.set("shapes", value_or_null(suite, "shapes"));
  document.set("operations", Value::object().set(name, given));
  return LoadedModel::load(document, "vectors");
}

net::HttpRequest request_of(const Value& suite, const Value& serialized, std::string_view operation, Protocol protocol) {
  net::HttpRequest r;
  r.method = serialized.str_or("method", "POST");
  r.target = serialized.str_or("uri", "/");
  r.body = serialized.str_or("body", "");
  if (protocol == Protocol::kCbor) r.body = base64_decode(r.body).value();
  if (const Value* headers = serialized.object_at("headers")) {
    for (const auto& [name, v] : headers->as_object()) r.headers.add(name, v.as_string());
  }
  // Some cases leave out what every client sends.
  bool rpc = protocol == Protocol::kJson10 || protocol == Protocol::kJson11;
  if (rpc && !r.headers.has("X-Amz-Target")) {
    r.headers.add("X-Amz-Target", suite.object_at("metadata")->str_or("targetPrefix", "") + "." + std::string(operation));
  }
  bool form = protocol == Protocol::kQuery || protocol == Protocol::kEc2;
  if (form && !r.headers.has("Content-Type")) r.headers.add("Content-Type", "application/x-www-form-urlencoded");
  return r;
}

// A map that is bound to the query takes the parameters that no other member names; the vectors' clients put some of those in,
// too. So: what only the map has is there.
void drop_query_maps(Shape shape, Value& expected, Value& read) {
  for (Member m : shape.members()) {
    if (m.location() != Location::kQuery || !m.shape().is(ShapeKind::kMap)) continue;
    const Value* wanted = expected.find(m.name());
    Value have = value_or_null(read, m.name());
    for (const auto& [name, v] : wanted == nullptr ? Value::Object() : wanted->as_object()) {
      bool named = false;
      for (Member other : shape.members()) named = named || (other.location() == Location::kQuery && other.wire() == name);
      EXPECT_TRUE(named || (have.has(name) && same(*have.find(name), v))) << name;
    }
    expected.erase(m.name());
    read.erase(m.name());
  }
}

template <class Exceptions>
bool excepted(const Exceptions& list, std::string_view file, const std::string& id) {
  auto found = list.find(id);
  return found != list.end() && found->second.suite == file;
}

std::string input_case(std::string_view file, const Value& suite, const Value& c) {
  (void)file;
  const Value& given = *c.object_at("given");
  std::string name = given.str_or("name", "Operation");
  auto loaded = model_of(suite, given, name);
  if (!loaded.ok()) return loaded.error().message();
  ServiceModel service = loaded->model();
  net::HttpRequest request = request_of(suite, *c.object_at("serialized"), name, service.protocol());
  auto to = address(service, request);
  if (!to.ok()) return to.error().code + ": " + to.error().message;
  if (to->operation.name() != name) return "addressed " + std::string(to->operation.name());
  if (to->protocol != service.protocol()) return "read as " + std::string(protocol_name(to->protocol));
  auto input = parse(*to, request);
  if (!input.ok()) return input.error().code + ": " + input.error().message;
  Shape shape = to->operation.input();
  Value expected = shape ? typed(shape, *c.object_at("params")) : Value::object();
  drop_query_maps(shape, expected, *input);
  if (!same(*input, expected)) return "read " + to_json(*input) + "\nexpected " + to_json(expected);
  return {};
}

TEST(ProtocolVectors, RequestsAreRead) {
  if (skip_without_vectors(kInputCases)) return;
  int cases = 0;
  for (std::string_view file : kFiles) {
    Value suites = read_suites("input", file);
    for (const Value& suite : suites.as_list()) {
      for (const Value& c : *suite.list_at("cases")) {
        ++cases;
        std::string id = c.str_or("id", "");
        std::string why = input_case(file, suite, c);
        if (excepted(kInputExceptions, file, id)) {
          EXPECT_FALSE(why.empty()) << file << " " << id << " passes: take it off the list";
        } else {
          EXPECT_TRUE(why.empty()) << file << " " << id << ": " << why;
        }
      }
    }
  }
  EXPECT_EQ(cases, kInputCases);
}

// ---- Answers ---------------------------------------------------------------------------------------------------------------

bool same_text(std::string_view a, std::string_view b) {
  a = trim(a);
  b = trim(b);
  if (a == b) return true;
  auto x = internal::parse_double(a), y = internal::parse_double(b);
  if (x && y) return *x == *y;
  auto t = parse_timestamp(a), u = parse_timestamp(b);
  return t && u && *t == *u;
}

// Elements that answers carry whatever the model says.
bool is_envelope(std::string_view name) {
  return name == "ResponseMetadata" || name == "requestId" || name == "RequestId" || name == "RequestID";
}

enum class Match { kEqual, kContained };  // kContained: ours may lack elements of theirs

// The root of a rest-xml answer may have any name: no client looks at it.
enum class Root { kNo, kNamed, kAnyName };

std::string compare_xml(const XmlNode& ours, const XmlNode& theirs, Match match, Root root) {
  if (root != Root::kAnyName && ours.name != theirs.name) return "element " + ours.name + " instead of " + theirs.name;
  if (!same_text(ours.text, theirs.text)) return ours.name + ": '" + ours.text + "' instead of '" + theirs.text + "'";
  for (const auto& [name, v] : theirs.attributes) {
    if (root != Root::kNo && name == "xmlns") continue;
    const std::string* mine = ours.attribute(name);
    if (mine == nullptr || *mine != v) return "attribute " + name + " of " + theirs.name;
  }
  std::vector<const XmlNode*> left;
  for (const XmlNode& n : theirs.children) {
    if (!is_envelope(n.name)) left.push_back(&n);
  }
  for (const XmlNode& n : ours.children) {
    if (is_envelope(n.name)) continue;
    std::string why = "unexpected element " + n.name;
    for (size_t i = 0; i < left.size(); ++i) {
      if (left[i]->name != n.name) continue;
      why = compare_xml(n, *left[i], match, Root::kNo);
      if (!why.empty() && i + 1 < left.size()) continue;
      if (why.empty()) left.erase(left.begin() + static_cast<long>(i));
      break;
    }
    if (!why.empty()) return why;
  }
  if (match == Match::kEqual && !left.empty()) return "element " + left[0]->name + " is missing";
  return {};
}

// What a client passes over: nulls, and the type of a union.
Value without_nulls(const Value& v) {
  if (v.is_list()) {
    Value out = Value::list();
    for (const Value& e : v.as_list()) out.push(without_nulls(e));
    return out;
  }
  if (!v.is_object()) return v;
  Value out = Value::object();
  for (const auto& [name, e] : v.as_object()) {
    if (!e.is_null() && name != "__type" && name != "code") out.set(name, without_nulls(e));
  }
  return out;
}

std::string compare_documents(const Value& ours, const Value& theirs, Match match) {
  Value a = without_nulls(ours), b = without_nulls(theirs);
  if (match == Match::kContained && a.is_object() && b.is_object()) {
    Value common = Value::object();
    for (const auto& [name, v] : b.as_object()) {
      if (a.has(name)) common.set(name, v);
    }
    b = common;
  }
  if (same(a, b)) return {};
  return "wrote " + to_json(a) + "\nexpected " + to_json(b);
}

std::string compare_body(Protocol protocol, const std::string& ours, const std::string& theirs, Match match) {
  if (protocol == Protocol::kCbor) {
    if (theirs.empty()) return {};  // a client reads an empty body as no members
    auto a = ours.empty() ? Result<Value>(Value::object()) : parse_cbor(ours), b = parse_cbor(base64_decode(theirs).value());
    if (!a.ok() || !b.ok()) return "not CBOR";
    return compare_documents(*a, *b, match);
  }
  if (ours == theirs || trim(theirs).empty()) return {};
  if (protocol == Protocol::kQuery || protocol == Protocol::kEc2 || protocol == Protocol::kRestXml) {
    auto a = parse_xml(ours), b = parse_xml(theirs);
    if (!a.ok() || !b.ok()) return "not XML: " + ours;
    return compare_xml(*a, *b, match, protocol == Protocol::kRestXml ? Root::kAnyName : Root::kNamed);
  }
  auto a = parse_json(ours), b = parse_json(theirs);
  if (!a.ok() || !b.ok()) return "not JSON: " + ours;
  return compare_documents(*a, *b, match);
}

// "aws.protocoltests.restjson#FooError:http://…" names FooError.
std::string_view error_name(std::string_view s) {
  s = s.substr(0, s.find(':'));
  return s.substr(s.rfind('#') + 1);
}

std::string compare_headers(const net::HttpResponse& ours, const Value& theirs) {
  const Value* headers = theirs.object_at("headers");
  if (headers == nullptr) return {};
  for (const auto& [name, v] : headers->as_object()) {
    if (iequals(name, "Content-Type") || iequals(name, "Content-Length")) continue;
    // json answers name their error in __type; clients also take it from the header that rest-json has.
    if (iequals(name, "x-amzn-errortype") && !ours.headers.has(name)) continue;
    std::string_view mine = ours.headers.get(name);
    const std::string& wanted = v.as_string();
    if (iequals(name, "x-amzn-errortype") ? error_name(mine) == error_name(wanted) : same_text(mine, wanted)) continue;
    return "header " + name + ": '" + std::string(mine) + "' instead of '" + wanted + "'";
  }
  return {};
}

std::string output_case(const Value& suite, const Value& c) {
  const Value& given = *c.object_at("given");
  std::string name = given.str_or("name", "Operation");
  auto loaded = model_of(suite, given, name);
  if (!loaded.ok()) return loaded.error().message();
  Addressed to;
  to.service = loaded->model();
  to.operation = to.service.operation(name);
  to.protocol = to.service.protocol();
  const Value& response = *c.object_at("response");
  net::HttpResponse ours;
  std::string request_id = "foo-id";
  if (const Value* headers = response.object_at("headers")) request_id = headers->str_or("X-Amzn-Requestid", request_id);
  Match match = Match::kEqual;
  if (c.has("errorCode") || c.has("error")) {
    match = Match::kContained;
    Shape shape = to.operation.error(c.str_or("errorCode", ""));
    const Value* members = c.object_at("error");
    Fault fault(c.str_or("errorCode", ""), c.str_or("errorMessage", ""), static_cast<int>(response.num_or("status_code", 400)));
    if (shape && members != nullptr) fault.extra = typed(shape, *members);
    ours = render_fault(to, fault, {.request_id = request_id});
  } else {
    Shape shape = to.operation.output();
    const Value* result = c.object_at("result");
    Value output = shape && result != nullptr ? typed(shape, *result) : Value::object();
    ours = render(to, output, {.request_id = request_id});
  }
  if (ours.status != response.num_or("status_code", 200)) return "status " + std::to_string(ours.status);
  std::string why = compare_headers(ours, response);
  if (why.empty()) why = compare_body(to.protocol, ours.body, response.str_or("body", ""), match);
  if (!why.empty()) why += "\nours: " + (to.protocol == Protocol::kCbor ? base64_encode(ours.body) : ours.body);
  return why;
}

TEST(ProtocolVectors, AnswersAreWritten) {
  if (skip_without_vectors(kOutputCases)) return;
  int cases = 0;
  for (std::string_view file : kFiles) {
    Value suites = read_suites("output", file);
    for (const Value& suite : suites.as_list()) {
      for (const Value& c : *suite.list_at("cases")) {
        ++cases;
        std::string id = c.str_or("id", "");
        std::string why = output_case(suite, c);
        if (excepted(kOutputExceptions, file, id)) {
          EXPECT_FALSE(why.empty()) << file << " " << id << " passes: take it off the list";
        } else {
          EXPECT_TRUE(why.empty()) << file << " " << id << ": " << why;
        }
      }
    }
  }
  EXPECT_EQ(cases, kOutputCases);
}

}  // namespace
}  // namespace savia::aws::protocol

// One function for each protocol's fuzz target; the corpus test runs every file of fuzz/corpus/ through them, too. The input is
// a small request: "METHOD TARGET", header lines, an empty line, the body. It meets a model that has every kind of shape.
#pragma once

#include <string>
#include <string_view>

#include "aws/protocol/protocol.h"
#include "aws/validate.h"
#include "base/check.h"
#include "codec/json.h"

namespace savia::fuzz {

// Shapes of every kind, every location and a cycle; for the rpc protocols the locations mean nothing.
inline constexpr std::string_view kShapes = R"({
"In":{"type":"structure","required":["string"],"members":{
  "label":{"shape":"String","location":"uri","locationName":"label"},
  "query":{"shape":"Strings","location":"querystring","locationName":"q"},
  "times":{"shape":"Times","location":"header","locationName":"x-times"},
  "meta":{"shape":"Texts","location":"headers","locationName":"x-meta-"},
  "string":{"shape":"String"},"enum":{"shape":"Enum"},"integer":{"shape":"Integer"},"long":{"shape":"Long"},
  "float":{"shape":"Float"},"double":{"shape":"Double"},"boolean":{"shape":"Boolean"},"blob":{"shape":"Blob"},
  "time":{"shape":"Time"},"iso":{"shape":"Time","timestampFormat":"iso8601"},"date":{"shape":"Time","timestampFormat":"rfc822"},
  "list":{"shape":"Strings"},"flat":{"shape":"Strings","flattened":true,"locationName":"Flat"},
  "map":{"shape":"Texts"},"flatmap":{"shape":"Texts","flattened":true},"lists":{"shape":"Lists"},
  "nested":{"shape":"Nested"},"union":{"shape":"Union"},"document":{"shape":"Document"},
  "attribute":{"shape":"String","xmlAttribute":true,"locationName":"x:attribute"}}},
"Nested":{"type":"structure","members":{"nested":{"shape":"Nested"},"items":{"shape":"Items"},"secret":{"shape":"Secret"}}},
"Items":{"type":"list","min":1,"max":5,"member":{"shape":"Nested","locationName":"item"}},
"Lists":{"type":"list","member":{"shape":"Strings"}},
"Strings":{"type":"list","max":10,"member":{"shape":"String"}},
"Times":{"type":"list","member":{"shape":"Time"}},
"Texts":{"type":"map","key":{"shape":"Key"},"value":{"shape":"String"}},
"Key":{"type":"string","pattern":"[a-z]+"},
"Union":{"type":"structure","union":true,"members":{"a":{"shape":"String"},"b":{"shape":"Integer"}}},
"Document":{"type":"structure","members":{},"document":true},
"Secret":{"type":"string","min":3,"sensitive":true},
"String":{"type":"string","min":1,"max":20,"pattern":"[\\w ]*"},
"Enum":{"type":"string","enum":["A","B"]},
"Integer":{"type":"integer","min":-5,"max":5},"Long":{"type":"long"},"Float":{"type":"float"},"Double":{"type":"double","max":1.5},
"Boolean":{"type":"boolean"},"Blob":{"type":"blob","max":8},"Time":{"type":"timestamp"}})";

inline aws::LoadedModel sink_model(std::string_view protocol, std::string_view more) {
  std::string text = R"({"metadata":{"protocol":")" + std::string(protocol) + R"(","targetPrefix":"T","jsonVersion":"1.1")" +
                     std::string(more) +
                     R"(},"operations":{"Echo":{"http":{"method":"POST","requestUri":"/echo/{label}?fixed"},)"
                     R"("input":{"shape":"In"},"output":{"shape":"In"}}},"shapes":)" +
                     std::string(kShapes) + "}";
  auto document = parse_json(text);
  CHECK(document.ok());
  auto model = aws::LoadedModel::load(*document, "sink");
  CHECK(model.ok());
  return std::move(model).value();
}

inline net::HttpRequest small_request(std::string_view bytes) {
  net::HttpRequest r;
  auto line = [&] {
    size_t end = bytes.find('\n');
    std::string_view text = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    return text;
  };
  std::string_view first = line();
  size_t space = first.find(' ');
  r.method = first.substr(0, space);
  r.target = space == std::string_view::npos ? "/" : first.substr(space + 1);
  while (!bytes.empty()) {
    std::string_view header = line();
    if (header.empty()) break;
    size_t colon = header.find(':');
    if (colon != std::string_view::npos) r.headers.add(header.substr(0, colon), header.substr(colon + 1));
  }
  r.body = bytes;
  return r;
}

inline void request(const aws::LoadedModel& model, std::string_view bytes) {
  using namespace aws;
  static const Validator validator;
  net::HttpRequest r = small_request(bytes);
  protocol::Addressed to;
  protocol::RenderContext context{.request_id = "00000000-0000-0000-0000-000000000000", .host_id = "h"};
  auto addressed = protocol::address(model.model(), r, &to);
  if (!addressed.ok()) {
    (void)protocol::render_fault(to, addressed.error(), context);
    return;
  }
  auto in = protocol::parse(to, r);
  if (!in.ok()) {
    (void)protocol::render_fault(to, in.error(), context);
    return;
  }
  CHECK(!mismatch(to.operation.input(), *in));
  if (auto fault = validator.check(to.operation, *in)) (void)protocol::render_fault(to, *fault, context);
  net::HttpResponse out = protocol::render(to, *in, context);
  bool mirrors = to.protocol == Protocol::kJson11 || to.protocol == Protocol::kRestJson || to.protocol == Protocol::kCbor;
  if (!mirrors || out.body.empty()) return;
  // The answer's body, sent as a request, gives the same answer.
  net::HttpRequest again = r;
  again.body = out.body;
  auto second = protocol::parse(to, again);
  CHECK(second.ok());
  CHECK(protocol::render(to, *second, context).body == out.body);
}

inline void protocol_json(std::string_view bytes) {
  static const aws::LoadedModel model = sink_model("json", "");
  request(model, bytes);
}
inline void protocol_rest_json(std::string_view bytes) {
  static const aws::LoadedModel model = sink_model("rest-json", "");
  request(model, bytes);
}
inline void protocol_query(std::string_view bytes) {
  static const aws::LoadedModel model = sink_model("query", R"(,"xmlNamespace":"http://x/")");
  request(model, bytes);
}
inline void protocol_ec2(std::string_view bytes) {
  static const aws::LoadedModel model = sink_model("ec2", "");
  request(model, bytes);
}
inline void protocol_rest_xml(std::string_view bytes) {
  static const aws::LoadedModel model = sink_model("rest-xml", "");
  request(model, bytes);
}
inline void protocol_cbor(std::string_view bytes) {
  static const aws::LoadedModel model = sink_model("smithy-rpc-v2-cbor", R"(,"awsQueryCompatible":{})");
  request(model, bytes);
}

}  // namespace savia::fuzz

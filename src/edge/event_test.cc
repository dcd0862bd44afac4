// Lambda events against recordings of real AWS, where SAVIA_VECTORS names the folder that holds them, and against forms
// that AWS documents.
#include "edge/event.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/strings.h"
#include "codec/json.h"
#include "edge/api.h"
#include "os/file.h"

namespace savia::edge {
namespace {

using ports::ApiKind;
using ports::PayloadFormat;

struct Case {
  ApiKind kind = ApiKind::kRest;
  PayloadFormat format = PayloadFormat::kV1;
  std::string stage = "stage";
  std::vector<std::string> routes = {"/{proxy+}", "/hardcoded"};
  std::vector<std::string> binary;
};

std::string event_text(const Case& c, const std::string& wire, std::string body = {}) {
  auto spec = std::make_shared<ports::ApiSpec>();
  spec->api_id = "api123";
  spec->account = "111111111111";
  spec->kind = c.kind;
  spec->binary_media_types = c.binary;
  ports::StageSpec stage;
  stage.name = c.stage;
  stage.deployment_id = "dep123";
  for (const std::string& path : c.routes) {
    ports::RouteSpec r;
    r.method = "ANY";
    r.path = path;
    r.resource_id = "res123";
    r.route_key = path == "$default" ? path : "ANY " + path;
    r.integration.kind = ports::IntegrationKind::kLambdaProxy;
    r.integration.payload_format = c.format;
    stage.routes.push_back(r);
  }
  spec->stages.push_back(stage);
  auto api = Api::compile(spec);
  net::http1::HeadParser parser(net::http1::HeadParser::Kind::kRequest);
  net::http1::Head head;
  EXPECT_EQ(parser.parse(wire, head), net::http1::Parse::kDone);
  RequestIds ids;
  IdSource().fill(ids, 1'700'000'000'000);
  Request r;
  r.base = wire.data();
  r.head = &head;
  r.method = head.method.in(wire.data());
  std::string_view target = head.target.in(wire.data());
  r.raw_path = target.substr(0, target.find('?'));
  if (target.find('?') != std::string_view::npos) r.query = target.substr(target.find('?') + 1);
  r.host = head.host.in(wire.data());
  r.domain = r.host.substr(0, r.host.find(':'));
  r.domain_prefix = r.domain.substr(0, r.domain.find('.'));
  r.peer_ip = "192.0.2.1";
  r.local_port = 8080;
  r.now_ms = 1'700'000'000'000;
  r.ids = &ids;
  r.body = body;
  EXPECT_EQ(match_request(*api, r.raw_path, r), MatchResult::kRoute) << target;
  EventScratch scratch;
  return build_lambda_event(r, scratch);
}

Value event(const Case& c, const std::string& wire, std::string body = {}) {
  std::string text = event_text(c, wire, std::move(body));
  Result<Value> parsed = parse_json(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return std::move(parsed).value();
}

// Compares a recorded value with ours. "<name>" stands for a value that differs; a recorded body is the parsed one.
std::string difference(const Value& recorded, const Value& ours, const std::string& at) {
  if (recorded.is_string() && recorded.as_string().size() > 2 && recorded.as_string().front() == '<') {
    return ours.is_null() ? at + ": null\n" : "";
  }
  if (recorded.is_object() && ours.is_string()) {
    Result<Value> inner = parse_json(ours.as_string());
    return inner.ok() ? difference(recorded, *inner, at) : at + ": text\n";
  }
  if (recorded.is_object() && ours.is_object()) {
    std::string out;
    for (const auto& [name, value] : recorded.as_object()) {
      // Added by CloudFront in front of edge-optimised APIs; ours are regional.
      if (name.rfind("CloudFront-", 0) == 0 || name == "Via" || name == "X-Amz-Cf-Id") continue;
      const Value* mine = ours.find(name);
      out += mine == nullptr ? at + "." + name + ": missing\n" : difference(value, *mine, at + "." + name);
    }
    for (const auto& [name, value] : ours.as_object()) {
      if (recorded.find(name) == nullptr) out += at + "." + name + ": surplus\n";
    }
    return out;
  }
  if (recorded.is_list() && ours.is_list() && recorded.size() == ours.size()) {
    std::string out;
    for (size_t i = 0; i < recorded.size(); ++i) out += difference(recorded.as_list()[i], ours.as_list()[i], at + "[]");
    return out;
  }
  return recorded == ours ? "" : at + ": " + to_json(recorded) + " is " + to_json(ours) + "\n";
}

std::optional<Value> recordings(const char* test) {
  const char* folder = std::getenv("SAVIA_VECTORS");
  if (folder == nullptr) {
    EXPECT_EQ(std::getenv("CI"), nullptr) << "CI must run the recorded vectors";
    std::printf("%s: not run, SAVIA_VECTORS is not set\n", test);
    return std::nullopt;
  }
  Result<std::string> text = os::read_file(std::string(folder) + "/recorded/apigateway.json");
  EXPECT_TRUE(text.ok());
  Value all = parse_json(*text).value();
  const Value* scenario = all.find(test);
  EXPECT_NE(scenario, nullptr);
  return *scenario->find("replies");
}

TEST(RecordedEvents, RestProxy) {
  auto replies = recordings("apigateway/test_apigateway_lambda.py::test_lambda_aws_proxy_integration");
  if (!replies) return;
  const std::string fields =
      " HTTP/1.1\r\nHost: api123.execute-api.us-east-1.amazonaws.com\r\nUser-Agent: python-requests/testing\r\n"
      "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n";
  const std::string plain = fields + "tEsT-HEADeR: aValUE\r\nAuthorization: random-value\r\n\r\n";
  const std::pair<const char*, const char*> gets[] = {
      {"invocation-payload-without-trailing-slash", "/stage/proxy-value"},
      {"invocation-payload-with-trailing-slash", "/stage/proxy-value/"},
      {"invocation-payload-with-double-slash", "/stage/proxy-value//double-slash"},
      {"invocation-payload-with-prepended-slash-to-stage", "//stage/proxy-value"},
      {"invocation-payload-with-prepended-slash", "/stage//proxy-value"},
      {"invocation-payload-without-trailing-slash-and-query-params", "/stage/proxy-value?urlparam=test"},
      {"invocation-payload-with-trailing-slash-and-query-params", "/stage/proxy-value/?urlparam=test"},
      {"invocation-payload-with-path-encoded-email",
       "/stage/proxy-value/api/user/test%2Balias@gmail.com/plus/test+alias@gmail.com"},
      {"invocation-payload-with-params-encoding",
       "/stage/proxy-value/api?url=https%3A%2F%2Fwww.google.com%2F&whitespace=foo%20bar&zhash=abort/"
       "&email=test%2Balias@gmail.com"
       "&plus=test+alias@gmail.com&dateTimeOffset=2023-06-12T18:05:10.123456+00:00"},
      {"invocation-hardcoded", "/stage//hardcoded"},
  };
  size_t compared = 0;
  for (const auto& [label, target] : gets) {
    const Value* recorded = replies->find(label);
    ASSERT_NE(recorded, nullptr) << label;
    EXPECT_EQ(difference(*recorded, event({}, "GET " + std::string(target) + plain), label), "");
    ++compared;
  }
  std::string body = R"({"message": "hello world"})";
  std::string post =
      "POST /stage/proxy-value?category=electronics&category=books&price=10&price=20&price=30" + fields +
      "Content-Type: application/json;charset=utf-8\r\nAuthorization: Bearer token123;API key456\r\nContent-Length: 26\r\n\r\n";
  const Value* recorded = replies->find("invocation-payload-with-params-encoding-multi");
  ASSERT_NE(recorded, nullptr);
  EXPECT_EQ(difference(*recorded, event({}, post, body), "multi"), "");
  EXPECT_EQ(compared + 1, replies->size());
}

TEST(RecordedEvents, RestDropsFieldsOfTheConnection) {
  auto replies = recordings(
      "apigateway/"
      "test_apigateway_integrations.py::TestApiGatewayHeaderRemapping::test_apigateway_header_remapping_aws[AWS_PROXY]");
  if (!replies) return;
  std::string wire =
      "GET /stage/x HTTP/1.1\r\nHost: a.execute-api.localhost\r\nAccept: application/json\r\nAccept-Charset: UTF-8\r\n"
      "Accept-Encoding: br\r\nAge: request_Age\r\nAuthorization: Unauthorized\r\nConnection: close\r\n"
      "Content-Encoding: deflate\r\nContent-Length: 0\r\nContent-MD5: x\r\nContent-Type: application/json\r\nDate: d\r\n"
      "Max-Forwards: 2\r\nPragma: cache\r\nProxy-Authenticate: x\r\nRange: bytes=500-999\r\n"
      "Referer: https://example.com/\r\nServer: x\r\nTE: deflate\r\nTrailer: x\r\nUpgrade: x\r\n"
      "User-Agent: localStack/0.0\r\nVia: x\r\nWarn: 299 localStack/0.0\r\nWWW-Authenticate: x\r\n\r\n";
  const Value* recorded = replies->find("no-param-integration")->find("headers");
  Value ours = event({}, wire);
  ours.find("headers")->erase("Via");
  EXPECT_EQ(difference(*recorded, *ours.find("headers"), "headers"), "");
}

TEST(Event, KeyOrderOfRestEvents) {
  std::string text = event_text({}, "GET /stage/a?x=1 HTTP/1.1\r\nHost: h.execute-api.localhost:8080\r\nX: 1\r\nx: 2\r\n\r\n");
  EXPECT_EQ(
      text.find(
          R"({"resource":"/{proxy+}","path":"/a","httpMethod":"GET","headers":{"Host":"h.execute-api.localhost:8080","X":"2",)"),
      0u)
      << text;
  EXPECT_NE(text.find(R"("X":["1","2"])"), std::string::npos);
  EXPECT_NE(text.find(R"("requestTime":"14/Nov/2023:22:13:20 +0000")"), std::string::npos);
  EXPECT_NE(text.find(R"("domainName":"h.execute-api.localhost","deploymentId":"dep123","apiId":"api123"})"),
            std::string::npos);
  EXPECT_EQ(text.substr(text.size() - 38), R"(},"body":null,"isBase64Encoded":false})");
}

TEST(Event, RestBinaryBodies) {
  std::string wire = "POST /stage/a HTTP/1.1\r\nHost: h\r\nContent-Type: image/png; x=y\r\nContent-Length: 2\r\n\r\n";
  Value plain = event({}, wire, "hi");
  EXPECT_EQ(plain.str_or("body", ""), "hi");
  Case binary;
  binary.binary = {"image/png"};
  Value encoded = event(binary, wire, "hi");
  EXPECT_EQ(encoded.str_or("body", ""), "aGk=");
  EXPECT_TRUE(encoded.bool_or("isBase64Encoded", false));
  binary.binary = {"*/*"};
  EXPECT_TRUE(event(binary, "POST /stage/a HTTP/1.1\r\nHost: h\r\n\r\n", "hi").bool_or("isBase64Encoded", false));
}

TEST(Event, V2) {
  Case c{ApiKind::kHttp, PayloadFormat::kV2, "$default", {"/my/{id}", "$default"}, {}};
  Value e = event(
      c,
      "POST /my/a%20b?p=1&q=x%20y&p=2 HTTP/1.1\r\nHost: api123.execute-api.localhost:8080\r\nCookie: a=1; b=2\r\nX-Two: 1\r\n"
      "x-two: 2\r\nUser-Agent: agent\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n"
      "Connection: keep-alive\r\n\r\n",
      "{}");
  EXPECT_EQ(e.str_or("version", ""), "2.0");
  EXPECT_EQ(e.str_or("routeKey", ""), "ANY /my/{id}");
  EXPECT_EQ(e.str_or("rawPath", ""), "/my/a b");
  EXPECT_EQ(e.str_or("rawQueryString", ""), "p=1&q=x%20y&p=2");
  EXPECT_EQ(to_json(*e.find("cookies")), R"(["a=1","b=2"])");
  const Value& headers = *e.find("headers");
  EXPECT_EQ(headers.str_or("x-two", ""), "1,2");
  EXPECT_EQ(headers.str_or("content-length", ""), "2");
  EXPECT_EQ(headers.str_or("x-forwarded-port", ""), "8080");
  EXPECT_FALSE(headers.has("cookie"));
  EXPECT_FALSE(headers.has("connection"));
  EXPECT_EQ(to_json(*e.find("queryStringParameters")), R"({"p":"1,2","q":"x y"})");
  EXPECT_EQ(to_json(*e.find("pathParameters")), R"({"id":"a b"})");
  EXPECT_EQ(e.str_or("body", ""), "{}");
  EXPECT_FALSE(e.bool_or("isBase64Encoded", true));
  EXPECT_FALSE(e.has("stageVariables"));
  const Value& context = *e.find("requestContext");
  EXPECT_EQ(context.str_or("domainPrefix", ""), "api123");
  EXPECT_EQ(context.object_at("http")->str_or("userAgent", ""), "agent");
  EXPECT_EQ(context.object_at("http")->str_or("path", ""), "/my/a b");
  EXPECT_EQ(context.str_or("time", ""), "14/Nov/2023:22:13:20 +0000");

  Value bare = event(c, "GET /other HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(bare.str_or("routeKey", ""), "$default");
  for (const char* absent : {"cookies", "queryStringParameters", "pathParameters", "body", "stageVariables"}) {
    EXPECT_EQ(bare.find(absent), nullptr) << absent;
  }
  EXPECT_EQ(bare.find("headers")->str_or("content-length", ""), "0");
}

TEST(Event, V2BodiesThatAreNotText) {
  Case c{ApiKind::kHttp, PayloadFormat::kV2, "$default", {"$default"}, {}};
  auto encoded = [&](std::string fields, std::string body = "hi") {
    return event(c, "POST / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n", body).bool_or("isBase64Encoded", false);
  };
  EXPECT_FALSE(encoded("Content-Type: text/csv\r\n"));
  EXPECT_FALSE(encoded("Content-Type: application/json\r\n"));
  EXPECT_FALSE(encoded("Content-Type: application/XML; a=b\r\n"));
  EXPECT_FALSE(encoded("Content-Type: application/javascript\r\n"));
  EXPECT_TRUE(encoded("Content-Type: application/x-www-form-urlencoded\r\n"));
  EXPECT_TRUE(encoded("Content-Type: image/png\r\n"));
  EXPECT_TRUE(encoded(""));
  EXPECT_TRUE(encoded("Content-Type: text/plain\r\nContent-Encoding: gzip\r\n"));
  EXPECT_TRUE(encoded("Content-Type: text/plain\r\n", "\xff"));
}

TEST(Event, HttpV1KeepsTheStageInThePath) {
  Case c{ApiKind::kHttp, PayloadFormat::kV1, "dev", {"/{proxy+}"}, {}};
  Value e = event(c,
                  "GET /dev/x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Amzn-Trace-Id: "
                  "Root=1-5e66d96f-7491f09xmpl79d18acf3d050\r\n\r\n");
  EXPECT_EQ(e.str_or("version", ""), "1.0");
  EXPECT_EQ(e.str_or("path", ""), "/dev/x");
  EXPECT_EQ(e.object_at("requestContext")->str_or("path", ""), "/dev/x");
  EXPECT_EQ(e.object_at("requestContext")->str_or("resourceId", ""), "ANY /{proxy+}");
  EXPECT_EQ(e.find("headers")->str_or("X-Forwarded-For", ""), "1.1.1.1, 192.0.2.1");
  EXPECT_EQ(e.find("headers")->str_or("X-Amzn-Trace-Id", ""), "Root=1-5e66d96f-7491f09xmpl79d18acf3d050");
  EXPECT_TRUE(e.find("stageVariables")->is_null());
}

}  // namespace
}  // namespace savia::edge

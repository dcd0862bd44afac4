// The edge as a whole, over sockets, with a fake invoker and real HTTP upstreams.
#include "edge/edge.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/strings.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/socket.h"

namespace savia::edge {
namespace {

using net::HttpClient;
using net::HttpRequest;
using net::HttpResponse;
using ports::ApiKind;
using ports::ApiSpec;
using ports::IntegrationKind;
using ports::InvokeRequest;
using ports::InvokeResult;
using ports::InvokeStatus;
using ports::PayloadFormat;
using ports::RouteSpec;
using ports::StageSpec;

class FakeInvoker : public ports::FunctionInvoker {
 public:
  void invoke(InvokeRequest request, Done done) override {
    std::function<InvokeResult(const InvokeRequest&)> f;
    {
      std::lock_guard lock(mutex);
      last = request;
      f = answer;
    }
    if (!f) {  // never answers
      held.push_back(std::move(done));
      return;
    }
    done(f(request));
  }
  InvokeRequest request() {
    std::lock_guard lock(mutex);
    return last;
  }
  void set(std::function<InvokeResult(const InvokeRequest&)> f) {
    std::lock_guard lock(mutex);
    answer = std::move(f);
  }
  void set_payload(std::string payload) {
    set([payload](const InvokeRequest&) {
      InvokeResult r;
      r.status = InvokeStatus::kOk;
      r.payload = payload;
      return r;
    });
  }
  void set_status(InvokeStatus status) {
    set([status](const InvokeRequest&) {
      InvokeResult r;
      r.status = status;
      return r;
    });
  }

  std::mutex mutex;
  InvokeRequest last;
  std::function<InvokeResult(const InvokeRequest&)> answer;
  std::vector<Done> held;
};

RouteSpec lambda_route(std::string method, std::string path, PayloadFormat format = PayloadFormat::kV1) {
  RouteSpec r;
  r.method = method;
  r.path = path;
  r.resource_id = "res123";
  r.route_key = path == "$default" ? path : method + " " + path;
  r.integration.kind = IntegrationKind::kLambdaProxy;
  r.integration.payload_format = format;
  r.integration.function_name = "fn";
  return r;
}

RouteSpec proxy_route(std::string method, std::string path, std::string uri) {
  RouteSpec r = lambda_route(method, path);
  r.integration.kind = IntegrationKind::kHttpProxy;
  r.integration.uri = uri;
  return r;
}

std::shared_ptr<ApiSpec> api(ApiKind kind, std::string id, std::string stage, std::vector<RouteSpec> routes) {
  auto spec = std::make_shared<ApiSpec>();
  spec->api_id = id;
  spec->kind = kind;
  spec->account = "000000000000";
  spec->region = "eu-west-1";
  StageSpec s;
  s.name = stage;
  s.deployment_id = "dep123";
  s.routes = std::move(routes);
  spec->stages.push_back(std::move(s));
  return spec;
}

class EdgeTest : public testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(net::Loop::create()).value();
    EdgeOptions options;
    options.loops = {loop_.get()};
    options.invoker = &invoker_;
    options.metrics = &metrics_;
    options.other = [](const HttpRequest& request) {
      HttpResponse r;
      r.status = request.path() == "/_savia/health" ? 200 : 0;
      r.body = "{}";
      return r;
    };
    edge_ = std::move(Edge::create(std::move(options))).value();
    int fd = net::listen_tcp("127.0.0.1:0").value();
    address_ = net::bound_address(fd);
    ASSERT_TRUE(edge_->listen(fd).ok());
    // An upstream of our own, on the same loop.
    int upstream = net::listen_tcp("127.0.0.1:0").value();
    upstream_ = net::bound_address(upstream);
    net::HttpServerOptions server_options;
    server_ = std::move(net::HttpServer::create(*loop_, upstream, server_options,
                                                [this](HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
                                                  HttpResponse response;
                                                  ++upstream_requests_;
                                                  {
                                                    std::lock_guard lock(mutex_);
                                                    seen_ = request;
                                                  }
                                                  response.headers.add("Content-Type", "text/x-test");
                                                  response.headers.add("Server", "test");
                                                  response.headers.add("X-Own", "1");
                                                  response.headers.add("access-control-allow-origin", "backend");
                                                  if (request.path() == "/big") response.body.assign(20'000'000, 'b');
                                                  if (request.path() == "/status") response.status = 418;
                                                  if (response.body.empty())
                                                    response.body = request.body.empty() ? "hello" : request.body;
                                                  responder->respond(std::move(response));
                                                }))
                  .value();
    thread_ = std::thread([this] { loop_->run(); });
  }
  void TearDown() override {
    loop_->post([this] {
      edge_.reset();
      server_.reset();
    });
    loop_->stop();
    thread_.join();
  }

  HttpResponse send(std::string host, std::string method, std::string target, net::Headers headers = {},
                    std::string body = {}) {
    HttpRequest request;
    request.method = method;
    request.target = target;
    request.headers = headers;
    request.headers.set("Host", host);
    request.body = body;
    auto client = HttpClient::connect("http://" + address_, 10'000);
    EXPECT_TRUE(client.ok());
    auto response = (*client)->send(request);
    EXPECT_TRUE(response.ok()) << response.error().message();
    return response.ok() ? *response : HttpResponse{};
  }
  HttpResponse get(std::string host, std::string target) { return send(host, "GET", target); }
  Value event() { return parse_json(invoker_.request().payload).value(); }

  FakeInvoker invoker_;
  Metrics metrics_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<Edge> edge_;
  std::unique_ptr<net::HttpServer> server_;
  std::string address_, upstream_;
  std::thread thread_;
  std::mutex mutex_;
  HttpRequest seen_;
  std::atomic<int> upstream_requests_{0};
};

TEST_F(EdgeTest, FindsApisByHostAndPath) {
  edge_->publish(api(ApiKind::kRest, "abc123", "dev", {lambda_route("ANY", "/{proxy+}"), lambda_route("GET", "/")}));
  invoker_.set_payload(R"({"statusCode":200,"body":"hi"})");
  EXPECT_EQ(get("abc123.execute-api.localhost:8080", "/dev/x").body, "hi");
  EXPECT_EQ(get("abc123.execute-api.eu-west-1.amazonaws.com", "/dev/x").body, "hi");
  EXPECT_EQ(get("ABC123.EXECUTE-API.localhost", "/dev").body, "hi");
  EXPECT_EQ(event().object_at("requestContext")->str_or("domainName", ""), "ABC123.EXECUTE-API.localhost");
  EXPECT_EQ(get("127.0.0.1:1", "/_aws/execute-api/abc123/dev/x?a=b").body, "hi");
  EXPECT_EQ(event().str_or("path", ""), "/x");
  EXPECT_EQ(event().object_at("requestContext")->str_or("path", ""), "/dev/x");
  EXPECT_EQ(event().object_at("requestContext")->str_or("domainPrefix", ""), "abc123");
  EXPECT_EQ(get("127.0.0.1:1", "/_savia/health").status, 200);
  EXPECT_EQ(get("127.0.0.1:1", "/other").status, 404);
  EXPECT_EQ(get("nope.execute-api.localhost", "/dev/x").status, 404);
  HttpResponse r = get("abc123.execute-api.localhost", "/prod/x");
  EXPECT_EQ(r.status, 403);
  EXPECT_EQ(r.body, R"({"message":"Forbidden"})");
  EXPECT_EQ(r.headers.get("x-amzn-errortype"), "ForbiddenException");
  edge_->remove("abc123");
  EXPECT_EQ(get("abc123.execute-api.localhost", "/dev/x").status, 404);
}

TEST_F(EdgeTest, RestErrors) {
  edge_->publish(api(ApiKind::kRest, "abc", "dev", {lambda_route("GET", "/a")}));
  const std::string host = "abc.execute-api.localhost";
  for (auto [method, path] : {std::pair("GET", "/dev/b"), std::pair("POST", "/dev/a"), std::pair("GET", "/dev")}) {
    HttpResponse r = send(host, method, path);
    EXPECT_EQ(r.status, 403);
    EXPECT_EQ(r.body, R"({"message":"Missing Authentication Token"})");
    EXPECT_EQ(r.headers.get("x-amzn-errortype"), "MissingAuthenticationTokenException");
    EXPECT_EQ(r.headers.get("x-amzn-requestid").size(), 36u);
    EXPECT_EQ(r.headers.get("x-amz-apigw-id").size(), 16u);
  }
  for (const char* malformed :
       {"null", "\"x\"", "5", "[]", R"({"statusCode":"x"})", R"({"statusCode":99})", R"({"body":{}})", R"({"headers":"x"})",
        R"({"headers":{"a":[]}})", R"({"statusCode":200,"cookies":[]})", "not json", R"({"multiValueHeaders":{"a":"b"}})"}) {
    invoker_.set_payload(malformed);
    HttpResponse r = get(host, "/dev/a");
    EXPECT_EQ(r.status, 502) << malformed;
    EXPECT_EQ(r.body, R"({"message": "Internal server error"})");
    EXPECT_EQ(r.headers.get("x-amzn-errortype"), "InternalServerErrorException");
    EXPECT_EQ(r.headers.get("content-length"), "36");
  }
  invoker_.set_status(InvokeStatus::kFunctionError);
  EXPECT_EQ(get(host, "/dev/a").status, 502);
  invoker_.set_status(InvokeStatus::kNotFound);
  EXPECT_EQ(get(host, "/dev/a").status, 500);
}

TEST_F(EdgeTest, HttpErrors) {
  edge_->publish(api(ApiKind::kHttp, "abc", "$default", {lambda_route("GET", "/a", PayloadFormat::kV2)}));
  const std::string host = "abc.execute-api.localhost";
  HttpResponse r = get(host, "/b");
  EXPECT_EQ(r.status, 404);
  EXPECT_EQ(r.body, R"({"message":"Not Found"})");
  EXPECT_EQ(r.headers.get("apigw-requestid").size(), 16u);
  EXPECT_FALSE(r.headers.has("x-amzn-requestid"));
  invoker_.set_payload(R"({"statusCode":200,"body":{}})");
  r = get(host, "/a");
  EXPECT_EQ(r.status, 500);
  EXPECT_EQ(r.body, R"({"message":"Internal Server Error"})");
  invoker_.set_status(InvokeStatus::kThrottled);
  r = get(host, "/a");
  EXPECT_EQ(r.status, 503);
  EXPECT_EQ(r.body, R"({"message":"Service Unavailable"})");
}

TEST_F(EdgeTest, TimesOut) {
  RouteSpec rest = lambda_route("GET", "/a"), http = lambda_route("GET", "/a", PayloadFormat::kV2);
  rest.integration.timeout_ms = http.integration.timeout_ms = 100;
  edge_->publish(api(ApiKind::kRest, "rest", "dev", {rest}));
  edge_->publish(api(ApiKind::kHttp, "http", "$default", {http}));
  HttpResponse r = get("rest.execute-api.localhost", "/dev/a");
  EXPECT_EQ(r.status, 504);
  EXPECT_EQ(r.body, R"({"message":"Endpoint request timed out"})");
  r = get("http.execute-api.localhost", "/a");
  EXPECT_EQ(r.status, 503);
  loop_->post([this] {  // too late: nobody listens
    for (auto& done : invoker_.held) done({});
  });
  ::usleep(20'000);
}

TEST_F(EdgeTest, RestResponses) {
  auto spec = api(ApiKind::kRest, "abc", "dev", {lambda_route("ANY", "/a")});
  spec->binary_media_types = {"image/png"};
  edge_->publish(spec);
  const std::string host = "abc.execute-api.localhost";
  invoker_.set_payload(
      R"({"statusCode":"201","headers":{"Date":"x","WWW-Authenticate":"Basic","X-Num":5,"a":"1","Connection":"close",
      "Transfer-Encoding":"chunked","Content-Length":"3","x-amzn-RequestId":"q","bad name":"x","bad":"x\r\ny"},
      "multiValueHeaders":{"A":["1","2"],"Set-Cookie":["c=1","d=2"]},"body":"b","isBase64Encoded":false})");
  HttpResponse r = get(host, "/dev/a");
  EXPECT_EQ(r.status, 201);
  EXPECT_EQ(r.body, "b");
  EXPECT_EQ(r.headers.get("x-amzn-remapped-date"), "x");
  EXPECT_EQ(r.headers.get("x-amzn-remapped-www-authenticate"), "Basic");
  EXPECT_EQ(r.headers.get("x-amzn-remapped-connection"), "close");
  EXPECT_EQ(r.headers.get("x-amzn-remapped-content-length"), "3");
  EXPECT_EQ(r.headers.get("x-amzn-remapped-x-amzn-requestid"), "q");
  EXPECT_EQ(r.headers.get("x-num"), "5");
  EXPECT_EQ(r.headers.get("content-type"), "application/json");
  EXPECT_EQ(r.headers.get("x-amzn-trace-id").substr(0, 7), "Root=1-");
  EXPECT_FALSE(r.headers.has("bad"));
  std::string a, cookies;
  for (const auto& [name, value] : r.headers.fields()) {
    if (iequals(name, "a")) a += value + ";";
    if (iequals(name, "set-cookie")) cookies += value + ";";
  }
  EXPECT_EQ(a, "1;2;");
  EXPECT_EQ(cookies, "c=1;d=2;");
  invoker_.set_payload(R"({"statusCode":200,"body":"aGk=","isBase64Encoded":true})");
  EXPECT_EQ(get(host, "/dev/a").body, "aGk=");  // the client asks for no binary type
  net::Headers accept;
  accept.add("Accept", "image/png, */*");
  EXPECT_EQ(send(host, "GET", "/dev/a", accept).body, "hi");
  invoker_.set_payload("{}");
  r = get(host, "/dev/a");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "");
  invoker_.set_payload(R"({"statusCode":200,"body":"body"})");
  r = send(host, "HEAD", "/dev/a");
  EXPECT_EQ(r.headers.get("content-length"), "4");
  EXPECT_EQ(r.body, "");
}

TEST_F(EdgeTest, HttpV2Responses) {
  edge_->publish(api(ApiKind::kHttp, "abc", "$default", {lambda_route("ANY", "/a", PayloadFormat::kV2)}));
  const std::string host = "abc.execute-api.localhost";
  for (auto [payload, body] : {std::pair(R"({"a":1})", R"({"a":1})"), std::pair("\"text\"", "text"),
                               std::pair("[1, 2]", "[1, 2]"), std::pair("null", "null")}) {
    invoker_.set_payload(payload);
    HttpResponse r = get(host, "/a");
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body, body);
    EXPECT_EQ(r.headers.get("content-type"), "application/json");
  }
  invoker_.set_payload(
      R"({"statusCode":202,"cookies":["a=1","b=2"],"headers":{"X":"y"},"body":"aGk=","isBase64Encoded":true})");
  HttpResponse r = get(host, "/a");
  EXPECT_EQ(r.status, 202);
  EXPECT_EQ(r.body, "hi");
  EXPECT_EQ(r.headers.get("content-type"), "text/plain;charset=utf-8");
  int cookies = 0;
  for (const auto& field : r.headers.fields()) cookies += iequals(field.first, "set-cookie") ? 1 : 0;
  EXPECT_EQ(cookies, 2);
}

TEST_F(EdgeTest, BodiesThatComeInPieces) {
  edge_->publish(api(ApiKind::kRest, "abc", "dev", {lambda_route("POST", "/a")}));
  invoker_.set([](const InvokeRequest& request) {
    Value event = parse_json(request.payload).value();
    InvokeResult r;
    r.status = InvokeStatus::kOk;
    r.payload = to_json(Value::object().set("statusCode", 200).set("body", std::to_string(event.str_or("body", "").size())));
    return r;
  });
  const std::string host = "abc.execute-api.localhost";
  for (size_t size : {size_t{1}, size_t{1000}, size_t{100'000}, size_t{10'485'760}}) {
    EXPECT_EQ(send(host, "POST", "/dev/a", {}, std::string(size, 'x')).body, std::to_string(size));
  }
  HttpResponse r = send(host, "POST", "/dev/a", {}, std::string(10'485'761, 'x'));
  EXPECT_EQ(r.status, 413);
  EXPECT_EQ(r.body, "HTTP content length exceeded 10485760 bytes.");
  net::Headers chunked;
  chunked.add("Transfer-Encoding", "chunked");
  EXPECT_EQ(send(host, "POST", "/dev/a", chunked, "3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n").body, "8");
  net::Headers expect;
  expect.add("Expect", "100-continue");
  EXPECT_EQ(send(host, "POST", "/dev/a", expect, std::string(200'000, 'x')).body, "200000");
}

TEST_F(EdgeTest, MockAnswers) {
  RouteSpec mock = lambda_route("OPTIONS", "/a");
  mock.integration.kind = IntegrationKind::kMock;
  mock.integration.request_templates["application/json"] = "{statusCode:200}";
  ports::MethodResponseSpec ok;
  ok.status_code = "200";
  ok.headers["Access-Control-Allow-Origin"] = "*";
  ok.templates["application/json"] = R"({"id":42})";
  mock.integration.responses.push_back(ok);
  RouteSpec broken = mock;
  broken.path = "/broken";
  broken.integration.request_templates["application/json"] = "{}";
  RouteSpec never = mock;
  never.path = "/never";
  never.integration.passthrough_behavior = "NEVER";
  edge_->publish(api(ApiKind::kRest, "abc", "dev", {mock, broken, never}));
  const std::string host = "abc.execute-api.localhost";
  HttpResponse r = send(host, "OPTIONS", "/dev/a");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, R"({"id":42})");
  EXPECT_EQ(r.headers.get("access-control-allow-origin"), "*");
  EXPECT_EQ(r.headers.get("content-type"), "application/json");
  EXPECT_EQ(send(host, "OPTIONS", "/dev/broken").status, 500);
  net::Headers text;
  text.add("Content-Type", "text/plain");
  r = send(host, "OPTIONS", "/dev/never", text, "x");
  EXPECT_EQ(r.status, 415);
  EXPECT_EQ(send(host, "OPTIONS", "/dev/a", text, R"({"statusCode": 200})").status, 200);  // passed through
  EXPECT_EQ(send(host, "OPTIONS", "/dev/a", text, "x").status, 500);
}

TEST_F(EdgeTest, HttpProxy) {
  RouteSpec mapped = proxy_route("ANY", "/m/{id}", "http://" + upstream_ + "/base/{item}?fixed=1");
  mapped.integration.request_parameters = {{"integration.request.path.item", "method.request.path.id"},
                                           {"integration.request.header.X-Lit", "'literal'"},
                                           {"integration.request.querystring.q", "method.request.header.x-in"}};
  edge_->publish(api(ApiKind::kRest, "abc", "dev",
                     {proxy_route("ANY", "/p/{proxy+}", "http://" + upstream_ + "/{proxy}"), mapped,
                      proxy_route("GET", "/dead", "http://127.0.0.1:1/"), proxy_route("GET", "/bad", "ftp://x/")}));
  const std::string host = "abc.execute-api.localhost";
  net::Headers headers;
  headers.add("X-Test", "1");
  headers.add("Keep-Alive", "5");
  headers.add("Connection", "x-secret");
  headers.add("X-Secret", "s");
  headers.add("X-Forwarded-For", "9.9.9.9");
  HttpResponse r = send(host, "GET", "/dev/p/one/two?a=b%20c", headers);
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "hello");
  EXPECT_EQ(r.headers.get("content-type"), "text/x-test");
  EXPECT_EQ(r.headers.get("x-amzn-remapped-server"), "test");
  EXPECT_EQ(r.headers.get("x-amzn-remapped-content-length"), "5");
  {
    std::lock_guard lock(mutex_);
    EXPECT_EQ(seen_.target, "/one/two?a=b%20c");
    EXPECT_EQ(seen_.headers.get("host"), upstream_);
    EXPECT_EQ(seen_.headers.get("x-test"), "1");
    EXPECT_FALSE(seen_.headers.has("keep-alive"));
    EXPECT_FALSE(seen_.headers.has("x-secret"));
    EXPECT_EQ(seen_.headers.get("x-forwarded-for"), "9.9.9.9, 127.0.0.1");
    EXPECT_EQ(seen_.headers.get("x-amzn-apigateway-api-id"), "abc");
  }
  headers = {};
  headers.add("X-In", "v&w");
  send(host, "GET", "/dev/m/77?z=1", headers);
  {
    std::lock_guard lock(mutex_);
    EXPECT_EQ(seen_.target, "/base/77?fixed=1&z=1&q=v%26w");
    EXPECT_EQ(seen_.headers.get("x-lit"), "literal");
  }
  EXPECT_EQ(send(host, "POST", "/dev/p/x", {}, "body").body, "body");
  std::string large(3'000'000, 'q');
  EXPECT_EQ(send(host, "POST", "/dev/p/x", {}, large).body, large);
  net::Headers chunked;
  chunked.add("Transfer-Encoding", "chunked");
  EXPECT_EQ(send(host, "POST", "/dev/p/x", chunked, "3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n").body, "abcdefgh");
  EXPECT_EQ(get(host, "/dev/p/big").body.size(), 20'000'000u);
  EXPECT_EQ(get(host, "/dev/p/status").status, 418);
  r = send(host, "HEAD", "/dev/p/x");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "");
  r = get(host, "/dev/dead");
  EXPECT_EQ(r.status, 504);
  EXPECT_EQ(r.body, R"({"message":"Network error communicating with endpoint"})");
  EXPECT_EQ(get(host, "/dev/bad").status, 500);
}

TEST_F(EdgeTest, UpstreamConnectionsAreReusedAndReplaced) {
  edge_->publish(api(ApiKind::kRest, "abc", "dev", {proxy_route("ANY", "/{proxy+}", "http://" + upstream_ + "/{proxy}")}));
  const std::string host = "abc.execute-api.localhost";
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get(host, "/dev/x").status, 200);
  std::atomic<size_t> open{0};
  loop_->post([&] { open = server_->connections(); });
  ::usleep(20'000);
  EXPECT_EQ(open, 1u);
}

TEST_F(EdgeTest, Cors) {
  auto spec = api(ApiKind::kHttp, "abc", "$default",
                  {proxy_route("GET", "/a", "http://" + upstream_ + "/"), lambda_route("GET", "/l", PayloadFormat::kV2)});
  spec->has_cors = true;
  spec->cors.allow_origins = {"https://one.example", "http://*"};
  spec->cors.allow_methods = {"GET", "POST"};
  spec->cors.allow_headers = {"authorization"};
  spec->cors.expose_headers = {"x-own"};
  spec->cors.max_age_s = 300;
  spec->cors.allow_credentials = true;
  edge_->publish(spec);
  const std::string host = "abc.execute-api.localhost";
  net::Headers ask;
  ask.add("Origin", "https://one.example");
  ask.add("Access-Control-Request-Method", "POST");
  HttpResponse r = send(host, "OPTIONS", "/anything", ask);
  EXPECT_EQ(r.status, 204);
  EXPECT_EQ(r.headers.get("access-control-allow-origin"), "https://one.example");
  EXPECT_EQ(r.headers.get("access-control-allow-methods"), "GET,POST");
  EXPECT_EQ(r.headers.get("access-control-allow-headers"), "authorization");
  EXPECT_EQ(r.headers.get("access-control-max-age"), "300");
  EXPECT_EQ(r.headers.get("access-control-allow-credentials"), "true");
  ask.set("Origin", "https://two.example");
  r = send(host, "OPTIONS", "/anything", ask);
  EXPECT_EQ(r.status, 204);
  EXPECT_FALSE(r.headers.has("access-control-allow-origin"));
  EXPECT_EQ(send(host, "OPTIONS", "/anything").status, 404);
  net::Headers origin;
  origin.add("Origin", "http://any.example");
  for (const char* path : {"/a", "/l"}) {
    invoker_.set_payload(R"({"statusCode":200,"headers":{"Access-Control-Allow-Origin":"backend"},"body":""})");
    r = send(host, "GET", path, origin);
    EXPECT_EQ(r.status, 200);
    int count = 0;
    for (const auto& field : r.headers.fields()) count += iequals(field.first, "access-control-allow-origin") ? 1 : 0;
    EXPECT_EQ(count, 1) << path;
    EXPECT_EQ(r.headers.get("access-control-allow-origin"), "http://any.example");
    EXPECT_EQ(r.headers.get("access-control-expose-headers"), "x-own");
    EXPECT_FALSE(get(host, path).headers.has("access-control-allow-origin"));
  }
}

TEST_F(EdgeTest, PublishIsSeenByTheNextRequest) {
  const std::string host = "abc.execute-api.localhost";
  HttpRequest request;
  request.method = "GET";
  request.target = "/dev/a";
  request.headers.set("Host", host);
  auto client = HttpClient::connect("http://" + address_, 5000);
  ASSERT_TRUE(client.ok());
  invoker_.set([](const InvokeRequest& r) {
    InvokeResult result;
    result.status = InvokeStatus::kOk;
    result.payload = "{\"statusCode\":200,\"body\":\"" + r.function + "\"}";
    return result;
  });
  for (int i = 0; i < 200; ++i) {
    RouteSpec route = lambda_route("GET", "/a");
    route.integration.function_name = "fn" + std::to_string(i);
    edge_->publish(api(ApiKind::kRest, "abc", "dev", {route}));
    auto r = (*client)->send(request);
    ASSERT_TRUE(r.ok());
    EXPECT_EQ(r->body, "fn" + std::to_string(i));
  }
}

TEST_F(EdgeTest, MetricsCount) {
  get("x", "/_savia/health");
  ::usleep(10'000);
  EXPECT_NE(metrics_.prometheus().find("savia_edge_requests_total{code=\"2xx\",loop=\"0\"} 1"), std::string::npos)
      << metrics_.prometheus();
}

TEST_F(EdgeTest, HeaderTotalIsLimited) {
  edge_->publish(api(ApiKind::kRest, "abc", "dev", {lambda_route("GET", "/a")}));
  invoker_.set_payload("{}");
  net::Headers headers;
  headers.add("X", std::string(10'000, 'x'));
  EXPECT_EQ(send("abc.execute-api.localhost", "GET", "/dev/a", headers).status, 200);
  headers.add("Y", std::string(300, 'x'));
  EXPECT_EQ(send("abc.execute-api.localhost", "GET", "/dev/a", headers).status, 431);
}

TEST_F(EdgeTest, DrainLetsRequestsFinish) {
  edge_->publish(api(ApiKind::kRest, "abc", "dev", {lambda_route("GET", "/a")}));
  std::thread asker([this] { EXPECT_EQ(get("abc.execute-api.localhost", "/dev/a").body, "late"); });
  for (int i = 0; i < 200; ++i) {
    ::usleep(1000);
    std::atomic<bool> holding{false}, done{false};
    loop_->post([&] {
      holding = !invoker_.held.empty();
      done = true;
    });
    while (!done) ::usleep(100);
    if (holding) break;
  }
  std::atomic<bool> drained{false};
  edge_->drain([&] { drained = true; });
  ::usleep(20'000);
  EXPECT_FALSE(drained);
  loop_->post([this] {
    InvokeResult r;
    r.status = InvokeStatus::kOk;
    r.payload = R"({"body":"late"})";
    for (auto& d : invoker_.held) d(r);
  });
  asker.join();
  for (int i = 0; i < 100 && !drained; ++i) ::usleep(5'000);
  EXPECT_TRUE(drained);
}

}  // namespace
}  // namespace savia::edge

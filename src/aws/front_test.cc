#include "aws/front.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "aws/sigv4.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "codec/json.h"

namespace savia::aws {
namespace {

struct Reply {
  std::mutex mutex;
  std::condition_variable cv;
  std::optional<net::HttpResponse> response;
};

class TestResponder final : public net::HttpResponder {
 public:
  explicit TestResponder(std::shared_ptr<Reply> reply) : reply_(std::move(reply)) {}
  void respond(net::HttpResponse response) override {
    std::lock_guard lock(reply_->mutex);
    EXPECT_FALSE(reply_->response.has_value()) << "answered twice";
    reply_->response = std::move(response);
    reply_->cv.notify_all();
  }

 private:
  std::shared_ptr<Reply> reply_;
};

class FrontTest : public ::testing::Test {
 protected:
  FrontTest() {
    char name[] = "/tmp/savia_front_XXXXXX";
    folder_ = mkdtemp(name);
    db_ = state::Database::open(folder_ + "/state.db", Keys::migrations()).value();
    keys_ = std::make_unique<Keys>(*db_, clock_, random_, Keys::Options{.default_account = "000000000000", .builtin = true});
    start({});
  }
  ~FrontTest() override {
    front_.reset();
    keys_.reset();
    db_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start(FrontOptions options) {
    options.clock = &clock_;
    options.random = &random_;
    options.metrics = &metrics_;
    front_ = Front::create(all_models(), *keys_, options).value();
    front_->bind("sts", {{"GetCallerIdentity", [](const CallContext& c, const Value&) -> Outcome {
                            Value out;
                            out.set("Account", c.account).set("Arn", c.principal_arn).set("UserId", c.user_id);
                            return out;
                          }}});
    front_->bind("logs", {{"CreateLogGroup", [](const CallContext& c, const Value& in) -> Outcome {
                             if (in.str_or("logGroupName", "") == "there") {
                               return Fault("ResourceAlreadyExistsException", "The specified log group already exists");
                             }
                             if (in.str_or("logGroupName", "") == "throws") throw std::runtime_error("library");
                             EXPECT_EQ(c.region, "eu-west-3");
                             return Value::object();
                           }}});
    Operation invoke;
    invoke.name = "Invoke";
    invoke.async_body = [](const CallContext&, const Value& in, std::unique_ptr<Responder> r) {
      if (in.str_or("FunctionName", "") == "dropped") return;
      std::thread([in, r = std::shared_ptr<Responder>(std::move(r))] {
        Value out;
        out.set("StatusCode", 200).set("Payload", Blob{in.find("Payload") != nullptr ? in.find("Payload")->as_blob() : ""});
        r->answer(std::move(out));
      }).detach();
    };
    std::vector<Operation> lambda;
    lambda.push_back(std::move(invoke));
    lambda.push_back({"ListFunctions", [](const CallContext&, const Value&) -> Outcome {
                        Value out;
                        out.set("Functions", Value::list());
                        return out;
                      }});
    front_->bind("lambda", std::move(lambda));
  }

  net::HttpResponse send(net::HttpRequest request) {
    auto reply = std::make_shared<Reply>();
    front_->handler()(std::move(request), std::make_unique<TestResponder>(reply));
    std::unique_lock lock(reply->mutex);
    EXPECT_TRUE(reply->cv.wait_for(lock, std::chrono::seconds(10), [&] { return reply->response.has_value(); }));
    return reply->response.value_or(net::HttpResponse{.status = 0, .headers = {}, .body = {}});
  }

  net::HttpRequest request(std::string method, std::string target, std::string body = "") {
    net::HttpRequest r;
    r.method = std::move(method);
    r.target = std::move(target);
    r.headers.add("Host", "127.0.0.1:4566");
    r.peer_ip = "127.0.0.1";
    r.body = std::move(body);
    return r;
  }
  net::HttpRequest sign(net::HttpRequest r, const std::string& service, Credentials credentials = {"test", "test", ""},
                        std::string payload_hash = "") {
    SignOptions o;
    o.region = "eu-west-3";
    o.service = service;
    o.now_ms = clock_.now_ms();
    o.payload_hash = std::move(payload_hash);
    sign_headers(r, credentials, o);
    return r;
  }
  net::HttpRequest query(std::string body) {
    net::HttpRequest r = request("POST", "/", std::move(body));
    r.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    return r;
  }
  net::HttpRequest json(std::string target, std::string body) {
    net::HttpRequest r = request("POST", "/", std::move(body));
    r.headers.add("Content-Type", "application/x-amz-json-1.1");
    r.headers.add("X-Amz-Target", target);
    return r;
  }

  std::string folder_;
  FakeClock clock_;
  SeededRandom random_{11};
  Metrics metrics_;
  std::unique_ptr<state::Database> db_;
  std::unique_ptr<Keys> keys_;
  std::unique_ptr<Front> front_;
};

const char* kWhoAmI = "Action=GetCallerIdentity&Version=2011-06-15";

bool contains(const net::HttpResponse& r, std::string_view text) {
  return r.body.find(text) != std::string::npos;
}

TEST_F(FrontTest, SignedQuery) {
  auto r = send(sign(query(kWhoAmI), "sts"));
  EXPECT_EQ(r.status, 200) << r.body;
  EXPECT_TRUE(contains(r, "<Account>000000000000</Account>")) << r.body;
  EXPECT_TRUE(contains(r, "<Arn>arn:aws:iam::000000000000:root</Arn>"));
  EXPECT_EQ(r.headers.get("x-amzn-requestid").size(), 36u);
  r = send(sign(query(kWhoAmI), "sts", {"111122223333", "test", "some token"}));
  EXPECT_TRUE(contains(r, "<Account>111122223333</Account>")) << r.body;
  EXPECT_NE(metrics_.prometheus().find("savia_aws_requests_total{service=\"sts\",operation=\"GetCallerIdentity\"} 2\n"),
            std::string::npos)
      << metrics_.prometheus();
}

TEST_F(FrontTest, RefusalsOfQuery) {
  auto r = send(query(kWhoAmI));
  EXPECT_EQ(r.status, 403);
  EXPECT_TRUE(contains(r, "<Code>MissingAuthenticationToken</Code>")) << r.body;
  r = send(sign(query(kWhoAmI), "sts", {"AKIAIOSFODNN7EXAMPLE", "x", ""}));
  EXPECT_EQ(r.status, 403);
  EXPECT_TRUE(contains(r, "<Code>InvalidClientTokenId</Code>")) << r.body;
  EXPECT_TRUE(contains(r, "The security token included in the request is invalid."));
  r = send(sign(query(kWhoAmI), "sts", {"test", "wrong", ""}));
  EXPECT_EQ(r.status, 403);
  EXPECT_TRUE(contains(r, "<Code>SignatureDoesNotMatch</Code>")) << r.body;
  auto old = sign(query(kWhoAmI), "sts");
  clock_.advance_ms(16 * 60'000);
  r = send(old);
  EXPECT_EQ(r.status, 403);
  EXPECT_TRUE(contains(r, "<Code>SignatureDoesNotMatch</Code>")) << r.body;
  EXPECT_TRUE(contains(r, "Signature expired: ")) << r.body;
  r = send(sign(query("Action=Nonsense&Version=2011-06-15"), "sts"));
  EXPECT_EQ(r.status, 400);
  EXPECT_TRUE(contains(r, "<Code>InvalidAction</Code>")) << r.body;
  r = send(sign(query("Action=GetFederationToken&Version=2011-06-15&Name=x"), "sts"));
  EXPECT_EQ(r.status, 501);
  EXPECT_TRUE(contains(r, "<Code>NotImplemented</Code>")) << r.body;
  EXPECT_TRUE(contains(r, "savia does not implement sts:GetFederationToken (docs/coverage.md)")) << r.body;
}

TEST_F(FrontTest, Json) {
  auto r = send(sign(json("Logs_20140328.CreateLogGroup", R"({"logGroupName":"a"})"), "logs"));
  EXPECT_EQ(r.status, 200) << r.body;
  r = send(sign(json("Logs_20140328.CreateLogGroup", R"({"logGroupName":"there"})"), "logs"));
  EXPECT_EQ(r.status, 400);
  EXPECT_TRUE(contains(r, R"("__type":"ResourceAlreadyExistsException")")) << r.body;
  r = send(sign(json("Logs_20140328.CreateLogGroup", R"({"logGroupName":""})"), "logs"));
  EXPECT_EQ(r.status, 400);
  EXPECT_TRUE(contains(
      r, "Value '' at 'logGroupName' failed to satisfy constraint: Member must have length greater than or equal to 1"))
      << r.body;
  r = send(sign(json("Logs_20140328.CreateLogGroup", "{"), "logs"));
  EXPECT_EQ(r.status, 400);
  EXPECT_TRUE(contains(r, "SerializationException")) << r.body;
  r = send(sign(json("Logs_20140328.Nonsense", "{}"), "logs"));
  EXPECT_TRUE(contains(r, "UnknownOperationException")) << r.body;
  r = send(sign(json("Logs_20140328.CreateLogGroup", R"({"logGroupName":"throws"})"), "logs"));
  EXPECT_EQ(r.status, 500);
  EXPECT_TRUE(contains(r, "InternalFailure")) << r.body;
  r = send(json("Logs_20140328.CreateLogGroup", R"({"logGroupName":"a"})"));
  EXPECT_TRUE(contains(r, "MissingAuthenticationTokenException")) << r.body;
  r = send(sign(json("Logs_20140328.CreateLogGroup", R"({"logGroupName":"a"})"), "logs", {"nobody", "x", ""}));
  EXPECT_TRUE(contains(r, "UnrecognizedClientException")) << r.body;
}

TEST_F(FrontTest, RestJsonAndAsync) {
  auto r = send(sign(request("GET", "/2015-03-31/functions/"), "lambda"));
  EXPECT_EQ(r.status, 200) << r.body;
  EXPECT_EQ(r.body, R"({"Functions":[]})");
  r = send(sign(request("POST", "/2015-03-31/functions/f/invocations", R"({"a":1})"), "lambda"));
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, R"({"a":1})");
  std::string large(1'000'000, ' ');
  r = send(sign(request("POST", "/2015-03-31/functions/f/invocations", large), "lambda"));
  EXPECT_EQ(r.body, large);
  r = send(sign(request("POST", "/2015-03-31/functions/dropped/invocations", "{}"), "lambda"));
  EXPECT_EQ(r.status, 500);
  r = send(request("GET", "/2015-03-31/functions"));
  EXPECT_EQ(r.status, 403);
  EXPECT_EQ(r.headers.get("x-amzn-errortype"), "MissingAuthenticationTokenException");
  r = send(sign(request("GET", "/2015-03-31/functions"), "lambda", {"test", "wrong", ""}));
  EXPECT_EQ(r.status, 403);
  EXPECT_EQ(r.headers.get("x-amzn-errortype"), "InvalidSignatureException");
  r = send(sign(request("GET", "/2015-03-31/nonsense"), "lambda"));
  EXPECT_EQ(r.headers.get("x-amzn-errortype"), "UnknownOperationException") << r.body;
  r = send(sign(request("GET", "/v2/apis"), "apigateway"));
  EXPECT_EQ(r.status, 501);
  EXPECT_TRUE(contains(r, "apigatewayv2:GetApis")) << r.body;
}

TEST_F(FrontTest, UnknownServiceAndPath) {
  auto r = send(sign(request("GET", "/"), "nosuchservice"));
  EXPECT_EQ(r.status, 501);
  EXPECT_TRUE(contains(r, "savia does not implement nosuchservice")) << r.body;
  r = send(request("GET", "/favicon.ico"));
  EXPECT_EQ(r.status, 404);
  r = send(json("Nobody_2020.Do", "{}"));
  EXPECT_EQ(r.status, 501);
  EXPECT_TRUE(contains(r, R"("__type":"NotImplemented")")) << r.body;
}

TEST_F(FrontTest, StoredAndTemporaryKeys) {
  AccessKey key = keys_->create("444455556666", "ci").value();
  auto r = send(sign(query(kWhoAmI), "sts", {key.id, key.secret, ""}));
  EXPECT_TRUE(contains(r, "<Account>444455556666</Account>")) << r.body;
  r = send(sign(query(kWhoAmI), "sts", {key.id, key.secret, "token"}));
  EXPECT_TRUE(contains(r, "InvalidClientTokenId")) << r.body;
  AccessKey t = keys_->create_temporary({"444455556666", "arn:aws:sts::444455556666:assumed-role/r/s", "AROA:s", 900}).value();
  r = send(sign(query(kWhoAmI), "sts", {t.id, t.secret, t.token}));
  EXPECT_TRUE(contains(r, "<Arn>arn:aws:sts::444455556666:assumed-role/r/s</Arn>")) << r.body;
  r = send(sign(query(kWhoAmI), "sts", {t.id, t.secret, "other"}));
  EXPECT_TRUE(contains(r, "InvalidClientTokenId")) << r.body;
  clock_.advance_ms(901'000);
  r = send(sign(query(kWhoAmI), "sts", {t.id, t.secret, t.token}));
  EXPECT_TRUE(contains(r, "<Code>ExpiredToken</Code>")) << r.body;
  EXPECT_TRUE(keys_->remove(key.id).ok());
  r = send(sign(query(kWhoAmI), "sts", {key.id, key.secret, ""}));
  EXPECT_TRUE(contains(r, "InvalidClientTokenId")) << r.body;
}

TEST_F(FrontTest, OpenMode) {
  front_.reset();
  start({.mode = AuthMode::kOpen});
  auto r = send(query(kWhoAmI));
  EXPECT_TRUE(contains(r, "<Account>000000000000</Account>")) << r.body;
  r = send(sign(query(kWhoAmI), "sts", {"111122223333", "whatever", ""}));
  EXPECT_TRUE(contains(r, "<Account>111122223333</Account>")) << r.body;
  auto odd = query(kWhoAmI);
  odd.headers.add("Authorization", "Bearer nonsense");
  EXPECT_EQ(send(odd).status, 200);
  odd.headers.set("Authorization", "AWS4-HMAC-SHA256 Credential=mock_access_key/20220311/eu-west-3/sts/aws4_request");
  EXPECT_EQ(send(odd).status, 200);
  odd.headers.add("Origin", "http://127.0.0.1:4566");
  EXPECT_EQ(send(odd).status, 200);
  odd.headers.set("Origin", "https://example.com");
  EXPECT_EQ(send(odd).status, 403);
  odd.headers.set("Origin", "null");
  EXPECT_EQ(send(odd).status, 403);
}

TEST_F(FrontTest, TooLargeIsRefusedByItsHead) {
  auto head = sign(request("POST", "/2015-03-31/functions"), "lambda");
  EXPECT_FALSE(front_->on_head()(head, 70'167'211).has_value());
  EXPECT_FALSE(front_->on_head()(head, std::nullopt).has_value());
  auto r = front_->on_head()(head, 70'167'212);
  ASSERT_TRUE(r.has_value());
  EXPECT_EQ(r->status, 413);
  EXPECT_EQ(r->headers.get("x-amzn-errortype"), "RequestEntityTooLargeException");
  EXPECT_TRUE(contains(*r, "Request must be smaller than 70167211 bytes for the CreateFunction operation")) << r->body;
  EXPECT_EQ(send(sign(request("POST", "/2015-03-31/functions", std::string(70'167'212, ' ')), "lambda")).status, 413);
}

TEST_F(FrontTest, EnforceNeedsAnAuthorizer) {
  auto refused = Front::create(all_models(), *keys_, {.mode = AuthMode::kEnforce});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("IAM policies"), std::string::npos);
  struct NoLogs final : Authorizer {
    std::optional<Fault> authorize(const CallContext& c, const Value&) const override {
      if (c.service != "logs") return std::nullopt;
      return Fault("AccessDeniedException", "no", 400);
    }
  } no_logs;
  front_.reset();
  start({.mode = AuthMode::kEnforce, .authorizer = &no_logs});
  EXPECT_EQ(send(sign(query(kWhoAmI), "sts")).status, 200);
  auto r = send(sign(json("Logs_20140328.CreateLogGroup", R"({"logGroupName":"a"})"), "logs"));
  EXPECT_TRUE(contains(r, "AccessDeniedException")) << r.body;
}

TEST_F(FrontTest, ChunkedBodyAndTrailer) {
  auto chunked = [&](std::string sum) {
    auto r = request("POST", "/2015-03-31/functions/f/invocations");
    r.headers.add("Content-Encoding", "aws-chunked");
    r.headers.add("X-Amz-Content-Sha256", kStreamingUnsignedTrailer);
    r.headers.add("X-Amz-Decoded-Content-Length", "7");
    r.headers.add("X-Amz-Trailer", "x-amz-checksum-crc32");
    r = sign(r, "lambda", {"test", "test", ""}, std::string(kStreamingUnsignedTrailer));
    r.body = "7\r\n{\"a\":1}\r\n0\r\nx-amz-checksum-crc32:" + sum + "\r\n\r\n";
    return r;
  };
  auto r = send(chunked(base64_encode(big_endian(crc32(R"({"a":1})")))));
  EXPECT_EQ(r.status, 200) << r.body;
  EXPECT_EQ(r.body, R"({"a":1})");
  r = send(chunked("AAAAAA=="));
  EXPECT_EQ(r.status, 400) << r.body;
  EXPECT_TRUE(contains(r, "The CRC32 you specified did not match the calculated checksum.")) << r.body;
}

TEST_F(FrontTest, PresignedDownload) {
  std::ofstream(folder_ + "/code") << "zip bytes";
  front_->add_download("/_savia/code", [this](std::string_view path) -> Result<Download> {
    if (path != "fn/one two") return Error::not_found("no");
    return Download{.bytes = "", .file = folder_ + "/code", .content_type = "application/zip"};
  });
  CallContext context = front_->internal_context("000000000000", "us-east-1", "lambda", "GetFunction");
  context.host = "127.0.0.1:4566";
  std::string url = front_->presign_get("/_savia/code/fn/one two", 600, context).value();
  EXPECT_EQ(url.rfind("http://127.0.0.1:4566/_savia/code/fn/one%20two?X-Amz-Algorithm=", 0), 0u) << url;
  auto r = send(request("GET", url.substr(21)));
  EXPECT_EQ(r.status, 200) << r.body;
  EXPECT_EQ(r.body, "zip bytes");
  EXPECT_EQ(r.headers.get("content-type"), "application/zip");
  EXPECT_EQ(send(request("HEAD", url.substr(21))).headers.get("content-length"), "9");
  EXPECT_EQ(send(request("POST", url.substr(21))).status, 405);
  EXPECT_EQ(send(request("GET", "/_savia/code/fn/one%20two")).status, 403);
  r = send(request("GET", replace_all(url.substr(21), "one", "two")));
  EXPECT_EQ(r.status, 403);
  EXPECT_TRUE(contains(r, "<Code>SignatureDoesNotMatch</Code>")) << r.body;
  clock_.advance_ms(601'000);
  r = send(request("GET", url.substr(21)));
  EXPECT_EQ(r.status, 403);
  EXPECT_TRUE(contains(r, "<Message>Request has expired</Message>")) << r.body;
}

TEST_F(FrontTest, StandardRoutes) {
  int resets = 0;
  StandardRoutes routes{"1.2.3", [&]() -> Result<void> {
                          ++resets;
                          return {};
                        }};
  add_standard_routes(*front_, &metrics_, routes);
  auto r = send(request("GET", "/_localstack/health"));
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(parse_json(r.body).value().object_at("services")->str_or("lambda", ""), "running") << r.body;
  EXPECT_EQ(send(request("POST", "/_savia/reset")).status, 403);
  EXPECT_EQ(send(request("GET", "/_savia/metrics")).status, 200);
  EXPECT_EQ(resets, 0);
  front_.reset();
  start({.mode = AuthMode::kOpen});
  add_standard_routes(*front_, &metrics_, routes);
  for (const char* path : {"/_savia/reset", "/moto-api/reset", "/_localstack/state/reset", "/_ministack/reset"}) {
    EXPECT_EQ(send(request("GET", path)).status, 405);
    EXPECT_EQ(send(request("POST", path)).status, 200) << path;
  }
  EXPECT_EQ(resets, 4);
}

TEST_F(FrontTest, InProcessCall) {
  CallContext c = front_->internal_context("444455556666", "eu-west-3", "sts", "GetCallerIdentity");
  EXPECT_EQ(front_->call(c, Value::object()).value().str_or("Account", ""), "444455556666");
  c = front_->internal_context("444455556666", "eu-west-3", "lambda", "Invoke");
  EXPECT_EQ(front_->call(c, Value::object()).error().code, "ValidationException");
  Value in;
  in.set("FunctionName", "f").set("Payload", Blob{"{}"});
  EXPECT_EQ(front_->call(c, in).value().num_or("StatusCode", 0), 200);
  in.set("FunctionName", "dropped");
  EXPECT_EQ(front_->call(c, in).error().http_status, 500);
  c.operation = "DeleteFunction";
  EXPECT_EQ(front_->call(c, in).error().code, "NotImplemented");
}

TEST_F(FrontTest, FullQueueIs503) {
  front_.reset();
  start({.threads = 1, .queue = 1});
  std::mutex gate;
  gate.lock();
  front_->bind("logs", {});
  front_->bind("lambda", {{"GetFunction", [&](const CallContext&, const Value&) -> Outcome {
                             std::lock_guard wait(gate);
                             return Value::object();
                           }}});
  std::vector<std::shared_ptr<Reply>> replies;
  auto send_one = [&] {
    replies.push_back(std::make_shared<Reply>());
    front_->handler()(sign(request("GET", "/2015-03-31/functions/f"), "lambda"),
                      std::make_unique<TestResponder>(replies.back()));
  };
  for (int i = 0; i < 4; ++i) send_one();
  int busy = 0;
  for (auto& reply : replies) {
    std::lock_guard lock(reply->mutex);
    if (reply->response && reply->response->status == 503) ++busy;
  }
  EXPECT_GE(busy, 1);
  gate.unlock();
  front_->stop();
  for (auto& reply : replies) EXPECT_TRUE(reply->response.has_value());
}

}  // namespace
}  // namespace savia::aws

#include "services/sts/sts.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "aws/client.h"
#include "aws/front.h"
#include "aws/sigv4.h"
#include "base/strings.h"
#include "codec/json.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace savia::services {
namespace {

using aws::AuthMode;
using aws::CallContext;

// A server as users have it: a listener on loopback, the front, STS.
class StsTest : public ::testing::Test {
 protected:
  StsTest() {
    char name[] = "/tmp/savia_sts_XXXXXX";
    folder_ = mkdtemp(name);
    db_ = state::Database::open(folder_ + "/state.db", aws::Keys::migrations()).value();
    keys_ = std::make_unique<aws::Keys>(*db_, real_clock(), secure_random(), aws::Keys::Options{.builtin = true});
    loop_ = net::Loop::create().value();
    start(AuthMode::kVerify);
  }
  ~StsTest() override {
    stop();
    keys_.reset();
    db_.reset();
    std::filesystem::remove_all(folder_);
  }
  void start(AuthMode mode) {
    sts_ = std::make_unique<Sts>(*keys_, Sts::Options{.any_account = mode == AuthMode::kOpen});
    front_ = aws::Front::create(aws::all_models(), *keys_, {.mode = mode, .loop = loop_.get(), .metrics = &metrics_}).value();
    front_->bind("sts", sts_->operations());
    front_->add_download("/_savia/code", [this](std::string_view path) -> Result<aws::Download> {
      if (path != "abc") return Error::not_found("");
      return aws::Download{.bytes = "", .file = folder_ + "/zip"};
    });
    aws::add_standard_routes(*front_, &metrics_, {"test", [] { return Result<void>(); }});
    int fd = net::listen_tcp("127.0.0.1:0").value();
    endpoint_ = "http://" + net::bound_address(fd);
    server_ = net::HttpServer::create(*loop_, fd, server_options(), front_->handler()).value();
    thread_ = std::thread([this] { loop_->run(); });
  }
  net::HttpServerOptions server_options() {
    net::HttpServerOptions options;
    options.on_head = front_->on_head();
    options.on_bad_request = &aws::Front::bad_request;
    return options;
  }
  void stop() {
    loop_->stop();
    thread_.join();
    front_->stop();
    server_.reset();
    front_.reset();
  }

  struct Output {
    int status;
    std::string text;  // both streams
  };
  Output run(const std::string& command) {
    std::string full =
        "cd " + folder_ + " && HOME=" + folder_ +
        " AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true " +
        command + " 2>&1";
    FILE* pipe = popen(full.c_str(), "r");
    std::string text;
    std::array<char, 4096> buffer{};
    while (size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), n);
    return {pclose(pipe), text};
  }
  // aws sts ARGUMENTS
  Output sts(const std::string& arguments, const std::string& environment = "") {
    return run(environment + " /usr/bin/aws --endpoint-url " + endpoint_ + " --output json sts " + arguments);
  }
  bool have(const char* program) { return std::filesystem::exists(program); }

  CallContext caller(std::string arn = "arn:aws:iam::000000000000:root") {
    CallContext c = front_->internal_context("000000000000", "us-east-1", "sts", "");
    c.principal_arn = std::move(arn);
    return c;
  }
  aws::Outcome call(std::string operation, Value in, CallContext c) {
    c.operation = std::move(operation);
    return front_->call(c, in);
  }

  std::string folder_, endpoint_;
  Metrics metrics_;
  std::unique_ptr<state::Database> db_;
  std::unique_ptr<aws::Keys> keys_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<Sts> sts_;
  std::unique_ptr<aws::Front> front_;
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
};

TEST_F(StsTest, AwsCli) {
  if (!have("/usr/bin/aws")) GTEST_SKIP() << "/usr/bin/aws is not installed";
  Output out = sts("get-caller-identity");
  ASSERT_EQ(out.status, 0) << out.text;
  Value v = parse_json(out.text).value();
  EXPECT_EQ(v.str_or("Account", ""), "000000000000");
  EXPECT_EQ(v.str_or("Arn", ""), "arn:aws:iam::000000000000:root");

  out = sts("get-caller-identity", "AWS_ACCESS_KEY_ID=123456789012");
  EXPECT_EQ(parse_json(out.text).value().str_or("Account", ""), "123456789012") << out.text;

  out = sts("get-caller-identity", "AWS_SECRET_ACCESS_KEY=wrong");
  EXPECT_NE(out.text.find("(SignatureDoesNotMatch)"), std::string::npos) << out.text;
  out = sts("get-caller-identity", "AWS_ACCESS_KEY_ID=nobody");
  EXPECT_NE(
      out.text.find("(InvalidClientTokenId) when calling the GetCallerIdentity operation: The security token included in the "
                    "request is invalid"),
      std::string::npos)
      << out.text;

  out = sts("assume-role --role-arn arn:aws:iam::000000000000:role/path/deployer --role-session-name me");
  ASSERT_EQ(out.status, 0) << out.text;
  v = parse_json(out.text).value();
  const Value& c = *v.object_at("Credentials");
  EXPECT_EQ(v.object_at("AssumedRoleUser")->str_or("Arn", ""), "arn:aws:sts::000000000000:assumed-role/deployer/me");
  std::string environment = "AWS_ACCESS_KEY_ID=" + c.str_or("AccessKeyId", "") +
                            " AWS_SECRET_ACCESS_KEY=" + c.str_or("SecretAccessKey", "") +
                            " AWS_SESSION_TOKEN=" + c.str_or("SessionToken", "");
  out = sts("get-caller-identity", environment);
  EXPECT_EQ(parse_json(out.text).value().str_or("Arn", ""), "arn:aws:sts::000000000000:assumed-role/deployer/me") << out.text;
  out = sts("get-session-token", environment);
  EXPECT_NE(out.text.find("(AccessDenied)"), std::string::npos) << out.text;
  out = sts("get-session-token");
  EXPECT_EQ(out.status, 0) << out.text;
  out = sts("decode-authorization-message --encoded-message x");
  EXPECT_NE(out.text.find("savia does not implement sts:DecodeAuthorizationMessage"), std::string::npos) << out.text;
}

TEST_F(StsTest, Curl) {
  if (!have("/usr/bin/curl")) GTEST_SKIP() << "curl is not installed";
  // curl's own signer.
  Output out =
      run("curl -s --aws-sigv4 aws:amz:eu-west-3:sts --user test:test -d 'Action=GetCallerIdentity&Version=2011-06-15' " +
          endpoint_ + "/");
  EXPECT_NE(out.text.find("<Arn>arn:aws:iam::000000000000:root</Arn>"), std::string::npos) << out.text;
  out = run("curl -s -d 'Action=GetCallerIdentity&Version=2011-06-15' " + endpoint_ + "/");
  EXPECT_NE(out.text.find("MissingAuthenticationToken"), std::string::npos) << out.text;
  out = run("curl -s " + endpoint_ + "/_localstack/health");
  EXPECT_NE(out.text.find(R"("sts":"running")"), std::string::npos) << out.text;

  std::ofstream(folder_ + "/zip") << "bytes";
  CallContext c = caller();
  c.host = endpoint_.substr(7);
  out = run("curl -s '" + front_->presign_get("/_savia/code/abc", 60, c).value() + "'");
  EXPECT_EQ(out.text, "bytes");
  out = run("curl -s " + endpoint_ + "/_savia/code/abc");
  EXPECT_NE(out.text.find("<Code>AccessDenied</Code>"), std::string::npos) << out.text;
}

TEST_F(StsTest, OwnClient) {
  aws::Client client({.endpoint = endpoint_});
  auto r = client.call("sts", "GetCallerIdentity", Value::object());
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(r->str_or("Account", ""), "000000000000");
  r = client.call("sts", "AssumeRole", Value::object().set("RoleArn", "nothing-valid-in-here").set("RoleSessionName", "me"));
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code, "ValidationError");
  EXPECT_EQ(r.error().message, "nothing-valid-in-here is invalid");
  r = client.call("lambda", "ListFunctions", Value::object());
  EXPECT_EQ(r.error().code, "NotImplemented") << r.error().message;
  EXPECT_EQ(client.call("sts", "Nonsense", Value::object()).error().code, "UnknownOperation");
  aws::Client stranger({.endpoint = endpoint_, .credentials = {"test", "wrong", ""}});
  EXPECT_EQ(stranger.call("sts", "GetCallerIdentity", Value::object()).error().code, "SignatureDoesNotMatch");
  stop();
  EXPECT_EQ(client.call("sts", "GetCallerIdentity", Value::object()).error().code, "Unreachable");
  loop_ = net::Loop::create().value();
  start(AuthMode::kVerify);
}

// What AWS answers, word for word (recorded from AWS).
TEST_F(StsTest, RecordedErrors) {
  struct Case {
    const char* arn;
    const char* message;
  };
  for (const Case& c : {Case{"nothing-valid-in-here", "nothing-valid-in-here is invalid"},
                        Case{"arn::b:::something/test-role", "arn::b:::something/test-role is invalid"},
                        Case{"arn:a::::something/test-role", "arn:a::::something/test-role is invalid"},
                        Case{"arn:a:::something/test-role", "arn:a:::something/test-role is invalid"},
                        Case{"arn:a:a::aaaaaaaaaa:", "arn:a:a::aaaaaaaaaa: is invalid"}}) {
    Value in;
    in.set("RoleArn", c.arn).set("RoleSessionName", "Session1");
    auto r = call("AssumeRole", in, caller());
    ASSERT_FALSE(r.ok());
    EXPECT_EQ(r.error().code, "ValidationError");
    EXPECT_EQ(r.error().message, c.message);
    EXPECT_EQ(r.error().http_status, 400);
  }
  Value in;
  in.set("RoleArn", "arn:aws:iam::000000000000:role/test-role").set("RoleSessionName", "Session1:2");
  EXPECT_EQ(
      call("AssumeRole", in, caller()).error().message,
      "1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: Member must satisfy "
      "regular expression pattern: [\\w+=,.@-]*");
  auto tag = [](const char* key) { return Value::object().set("Key", key).set("Value", "v"); };
  in.set("RoleSessionName", "Session1").set("Tags", Value::list().push(tag("name")).push(tag("NAME")));
  EXPECT_EQ(call("AssumeRole", in, caller()).error().message,
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.");
  in.set("Tags", Value::list().push(tag("name"))).set("TransitiveTagKeys", Value::list().push("other"));
  EXPECT_EQ(call("AssumeRole", in, caller()).error().message,
            "The specified transitive tag key must be included in the requested tags.");
  EXPECT_EQ(call("AssumeRole", in, caller()).error().code, "InvalidParameterValue");
}

TEST_F(StsTest, AssumeRoleLimits) {
  Value in;
  in.set("RoleArn", "arn:aws:iam::111122223333:role/other").set("RoleSessionName", "me");
  auto r = call("AssumeRole", in, caller());
  EXPECT_EQ(r.error().code, "AccessDenied");
  EXPECT_EQ(r.error().message,
            "User: arn:aws:iam::000000000000:root is not authorized to perform: sts:AssumeRole on resource: "
            "arn:aws:iam::111122223333:role/other");
  in.set("RoleArn", "arn:aws:iam::000000000000:role/mine").set("Policy", "{}");
  r = call("AssumeRole", in, caller());
  EXPECT_EQ(r.error().http_status, 501);
  EXPECT_NE(r.error().message.find("Policy of sts:AssumeRole"), std::string::npos);
  in.set("Policy", Value()).set("DurationSeconds", 7200);
  EXPECT_TRUE(call("AssumeRole", in, caller()).ok());
  EXPECT_FALSE(call("AssumeRole", in, caller("arn:aws:sts::000000000000:assumed-role/a/b")).ok());
  in.set("DurationSeconds", 10);
  EXPECT_EQ(call("AssumeRole", in, caller()).error().code, "ValidationError");
}

TEST_F(StsTest, AccessKeyInfo) {
  std::string id = keys_->create("123456789012", "").value().id;
  EXPECT_EQ(call("GetAccessKeyInfo", Value::object().set("AccessKeyId", id), caller()).value().str_or("Account", ""),
            "123456789012");
  EXPECT_EQ(call("GetAccessKeyInfo", Value::object().set("AccessKeyId", "ASIAQNZGKIQY56JQ7WML"), caller())
                .value()
                .str_or("Account", ""),
            "029608264753");
  EXPECT_FALSE(call("GetAccessKeyInfo", Value::object().set("AccessKeyId", "AKIAIOSFODNN7EXAMPLE"), caller()).ok());
}

// One connection, a signed read after the other: prints what a request costs.
TEST_F(StsTest, SignedReadLatency) {
  auto client = net::HttpClient::connect(endpoint_, 5000).value();
  std::vector<int64_t> us;
  for (int i = 0; i < 2000; ++i) {
    net::HttpRequest r;
    r.method = "POST";
    r.target = "/";
    r.headers.add("Host", endpoint_.substr(7));
    r.headers.add("Content-Type", "application/x-www-form-urlencoded");
    r.body = "Action=GetCallerIdentity&Version=2011-06-15";
    aws::SignOptions o;
    o.region = "us-east-1";
    o.service = "sts";
    o.now_ms = real_clock().now_ms();
    aws::sign_headers(r, {"test", "test", ""}, o);
    int64_t start = real_clock().monotonic_us();
    auto response = client->send(r);
    us.push_back(real_clock().monotonic_us() - start);
    ASSERT_TRUE(response.ok());
    ASSERT_EQ(response->status, 200);
  }
  std::sort(us.begin(), us.end());
  std::printf("signed read: p50 %lld us, p99 %lld us\n", static_cast<long long>(us[us.size() / 2]),
              static_cast<long long>(us[us.size() * 99 / 100]));
}

}  // namespace
}  // namespace savia::services

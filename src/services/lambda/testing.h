// The control plane as the front drives it: real database and blobs in a temporary folder, inputs validated and answers checked
// against the service model, and an engine that keeps what it was told and answers as the test says.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "aws/model.h"
#include "aws/validate.h"
#include "codec/json.h"
#include "codec/zip.h"
#include "os/file.h"
#include "services/lambda/lambda.h"

namespace savia::lambda {

class FakeEngine final : public FunctionEngine {
 public:
  void invoke(ports::InvokeRequest request, Done done) override {
    std::function<ports::InvokeResult(const ports::InvokeRequest&)> handler;
    {
      std::lock_guard lock(mutex_);
      invoked_.push_back(request);
      handler = handler_;
      changed_.notify_all();
    }
    done(handler ? handler(request)
                 : ports::InvokeResult{ports::InvokeStatus::kOk, request.payload, "", "", "$LATEST", "tail"});
  }
  void put(FunctionSpec spec) override {
    std::lock_guard lock(mutex_);
    specs_[spec.account + "/" + spec.region + "/" + spec.name + ":" + spec.version] = std::move(spec);
  }
  void remove(const std::string& account, const std::string& region, const std::string& name,
              const std::string& version) override {
    std::string key = account + "/" + region + "/" + name + ":";
    std::vector<FunctionSpec> gone;  // holds are let go outside of the lock
    std::lock_guard lock(mutex_);
    for (auto it = specs_.begin(); it != specs_.end();) {
      bool match = version.empty() ? it->first.starts_with(key) : it->first == key + version;
      if (match) gone.push_back(std::move(it->second));
      it = match ? specs_.erase(it) : std::next(it);
    }
    if (version.empty()) std::erase_if(aliases_, [&](const auto& a) { return a.first.starts_with(key); });
  }
  void set_alias(const std::string& account, const std::string& region, const std::string& name, const std::string& alias,
                 std::vector<WeightedVersion> versions) override {
    std::lock_guard lock(mutex_);
    std::string key = account + "/" + region + "/" + name + ":" + alias;
    if (versions.empty()) {
      aliases_.erase(key);
    } else {
      aliases_[key] = std::move(versions);
    }
  }
  void set_reserved_concurrency(const std::string&, const std::string&, const std::string& name,
                                std::optional<int64_t> concurrency) override {
    std::lock_guard lock(mutex_);
    reserved_[name] = concurrency;
  }
  RuntimeStatus runtime_status(const std::string& runtime) const override {
    bool known = runtime.starts_with("nodejs") || runtime.starts_with("python") || runtime.starts_with("provided");
    return {known, known, "", "", "savia runtime install " + runtime};
  }
  void fill_pool() override {}
  void rescan_runtimes() override {}
  void reset(std::function<void()> done) override { done(); }
  void drain(int64_t, std::function<void()> done) override { done(); }
  EngineStats stats() const override { return {}; }
  void append_metrics(std::string&) const override {}

  FunctionSpec spec(const std::string& name_and_version) const {
    std::lock_guard lock(mutex_);
    auto it = specs_.find("111111111111/us-east-1/" + name_and_version);
    return it == specs_.end() ? FunctionSpec{} : it->second;
  }
  std::vector<WeightedVersion> alias(const std::string& name) const {
    std::lock_guard lock(mutex_);
    auto it = aliases_.find("111111111111/us-east-1/" + name);
    return it == aliases_.end() ? std::vector<WeightedVersion>{} : it->second;
  }
  size_t specs() const {
    std::lock_guard lock(mutex_);
    return specs_.size();
  }
  std::optional<int64_t> reserved(const std::string& name) {
    std::lock_guard lock(mutex_);
    return reserved_[name];
  }
  void answer(std::function<ports::InvokeResult(const ports::InvokeRequest&)> handler) {
    std::lock_guard lock(mutex_);
    handler_ = std::move(handler);
  }
  bool wait_invoked(size_t n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return invoked_.size() >= n; });
  }
  std::vector<ports::InvokeRequest> invoked() const {
    std::lock_guard lock(mutex_);
    return invoked_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, FunctionSpec> specs_;
  std::map<std::string, std::vector<WeightedVersion>> aliases_;
  std::map<std::string, std::optional<int64_t>> reserved_;
  std::vector<ports::InvokeRequest> invoked_;
  std::function<ports::InvokeResult(const ports::InvokeRequest&)> handler_;
};

class LambdaTest : public ::testing::Test {
 protected:
  LambdaTest() : dir_(os::TempDir::create("savia-lambda").value()) { open(); }
  ~LambdaTest() override { close(); }

  // As a restart of the program: other objects over the same files.
  void open() {
    close();
    engine_ = std::make_unique<FakeEngine>();
    database_ = state::Database::open(dir_.path() + "/state.db", Lambda::migrations()).value();
    blobs_ = state::Blobs::open(dir_.path() + "/blobs").value();
    LambdaOptions options;
    options.data_dir = dir_.path();
    options.clock = &clock_;
    options.presign = [](std::string_view path, const aws::CallContext& c) -> Result<std::string> {
      return "http://" + c.host + std::string(path) + "?X-Amz-Signature=x";
    };
    auto lambda = Lambda::create(*database_, *blobs_, *engine_, std::move(options));
    ASSERT_TRUE(lambda.ok()) << lambda.error().message();
    lambda_ = std::move(lambda).value();
    operations_.clear();
    for (aws::Operation& o : lambda_->operations()) operations_.emplace(o.name, o);
    auto started = lambda_->start();
    ASSERT_TRUE(started.ok()) << started.error().message();
  }
  void close() {
    operations_.clear();
    lambda_.reset();
    engine_.reset();
    blobs_.reset();
    database_.reset();
  }

  class TestResponder final : public aws::Responder {
   public:
    struct Reply {
      std::mutex mutex;
      std::condition_variable cv;
      std::optional<aws::Outcome> outcome;
    };
    explicit TestResponder(std::shared_ptr<Reply> reply) : reply_(std::move(reply)) {}
    void answer(aws::Outcome outcome) override {
      std::lock_guard lock(reply_->mutex);
      EXPECT_FALSE(reply_->outcome.has_value()) << "answered twice";
      reply_->outcome.emplace(std::move(outcome));
      reply_->cv.notify_all();
    }

   private:
    std::shared_ptr<Reply> reply_;
  };

  aws::Outcome call(const std::string& operation, const Value& in) {
    aws::OperationModel model = aws::find_model("lambda").operation(operation);
    EXPECT_TRUE(static_cast<bool>(model)) << operation;
    auto found = operations_.find(operation);
    if (found == operations_.end()) return aws::Fault("NotImplemented", operation, 501);
    if (auto fault = validator_.check(model, in)) return *fault;
    aws::CallContext c;
    c.service = "lambda";
    c.operation = operation;
    c.account = account_;
    c.region = region_;
    c.principal_arn = "arn:aws:iam::" + account_ + ":root";
    c.request_id = "00000000-0000-4000-8000-000000000001";
    c.host = "127.0.0.1:4566";
    c.now_ms = clock_.now_ms();
    aws::Outcome out = run(found->second, c, in);
    if (out.ok() && model.output()) {
      auto wrong = aws::mismatch(model.output(), out.value());
      EXPECT_FALSE(wrong) << operation << ": " << *wrong;
    }
    return out;
  }
  static aws::Outcome run(const aws::Operation& o, const aws::CallContext& c, const Value& in) {
    if (!o.async_body) return o.body(c, in);
    auto reply = std::make_shared<TestResponder::Reply>();
    o.async_body(c, in, std::make_unique<TestResponder>(reply));
    std::unique_lock lock(reply->mutex);
    if (!reply->cv.wait_for(lock, std::chrono::seconds(10), [&] { return reply->outcome.has_value(); })) {
      return aws::Fault("NoAnswer", "dropped", 500);
    }
    return *reply->outcome;
  }

  static Value doc(const std::string& json) {
    auto v = parse_json(json);
    EXPECT_TRUE(v.ok()) << json;
    return v.ok() ? std::move(v).value() : Value::object();
  }
  Value ok(const std::string& operation, const Value& in) {
    aws::Outcome out = call(operation, in);
    EXPECT_TRUE(out.ok()) << operation << ": " << (out.ok() ? "" : out.error().code + ": " + out.error().message);
    return out.ok() ? std::move(out).value() : Value::object();
  }
  Value ok(const std::string& operation, const char* json) { return ok(operation, doc(json)); }
  Value ok(const std::string& operation, const std::string& json) { return ok(operation, doc(json)); }
  // "404 ResourceNotFoundException Function not found: …", or "ok".
  std::string said(const std::string& operation, const Value& in) {
    aws::Outcome out = call(operation, in);
    if (out.ok()) return "ok";
    return std::to_string(out.error().http_status) + " " + out.error().code + " " + out.error().message;
  }
  std::string said(const std::string& operation, const char* json) { return said(operation, doc(json)); }
  std::string said(const std::string& operation, const std::string& json) { return said(operation, doc(json)); }

  static std::string zip(const std::map<std::string, std::string>& files) {
    ZipWriter w(1);  // quick: some tests pack hundreds of megabytes
    for (const auto& [name, bytes] : files) EXPECT_TRUE(w.add_file(name, bytes).ok());
    return w.finish().value();
  }
  Value create_input(const std::string& name, const std::string& more = "{}") {
    Value in = doc(R"({"Runtime":"nodejs22.x","Role":"arn:aws:iam::111111111111:role/r","Handler":"index.handler"})");
    in.set("FunctionName", name);
    in.set("Code", Value::object().set("ZipFile", Blob{zip({{"index.js", "exports.handler = async () => 1; // " + name}})}));
    Value extra = doc(more);
    for (const Value::Member& m : extra.as_object()) in.set(m.first, m.second);
    return in;
  }
  Value create(const std::string& name, const std::string& more = "{}") {
    return ok("CreateFunction", create_input(name, more));
  }
  Value layer(const std::string& name, const std::map<std::string, std::string>& files) {
    Value in = Value::object();
    in.set("LayerName", name).set("Content", Value::object().set("ZipFile", Blob{zip(files)}));
    return ok("PublishLayerVersion", in);
  }
  static std::string content(const std::string& path) { return os::read_file(path).value_or("(none)"); }

  os::TempDir dir_;
  FakeClock clock_;
  std::string account_ = "111111111111", region_ = "us-east-1";
  aws::Validator validator_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<state::Blobs> blobs_;
  std::unique_ptr<FakeEngine> engine_;
  std::unique_ptr<Lambda> lambda_;
  std::map<std::string, aws::Operation, std::less<>> operations_;
};

}  // namespace savia::lambda

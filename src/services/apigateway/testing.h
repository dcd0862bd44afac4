// The module under test as the front drives it: real database in a temporary folder, inputs validated and answers checked
// against the service models, and a sink that keeps what it was handed.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "aws/model.h"
#include "aws/validate.h"
#include "codec/json.h"
#include "os/file.h"
#include "services/apigateway/apigateway.h"

namespace savia::apigateway {

class FakeSink final : public ports::RouteSink {
 public:
  void publish(std::shared_ptr<const ports::ApiSpec> api) override {
    std::lock_guard lock(mutex_);
    apis_[api->api_id] = std::move(api);
    ++published_;
  }
  void remove(const std::string& api_id) override {
    std::lock_guard lock(mutex_);
    apis_.erase(api_id);
  }
  std::shared_ptr<const ports::ApiSpec> api(const std::string& id) const {
    std::lock_guard lock(mutex_);
    auto it = apis_.find(id);
    return it == apis_.end() ? nullptr : it->second;
  }
  const ports::StageSpec* stage(const std::string& id, const std::string& name) const {
    auto a = api(id);
    if (!a) return nullptr;
    for (const ports::StageSpec& s : a->stages) {
      if (s.name == name) return &s;  // the sink keeps the picture alive until the next one
    }
    return nullptr;
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return apis_.size();
  }
  int published() const { return published_; }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const ports::ApiSpec>> apis_;
  int published_ = 0;
};

class ApiGatewayTest : public ::testing::Test {
 protected:
  ApiGatewayTest() : dir_(os::TempDir::create("savia-apigw").value()) { open(); }

  // As a restart of the program: other objects over the same files.
  void open() {
    gateway_.reset();
    database_.reset();
    sink_ = std::make_unique<FakeSink>();
    auto db = state::Database::open(dir_.path() + "/state.db", ApiGateway::migrations());
    ASSERT_TRUE(db.ok()) << db.error().message();
    database_ = std::move(db).value();
    gateway_ = std::make_unique<ApiGateway>(*database_, *sink_, Options{"localhost:8080"});
    bodies_.clear();
    for (aws::Operation& o : gateway_->operations_v1()) bodies_["apigateway." + std::string(o.name)] = o.body;
    for (aws::Operation& o : gateway_->operations_v2()) bodies_["apigatewayv2." + std::string(o.name)] = o.body;
  }

  aws::Outcome call(const std::string& service, const std::string& operation, const Value& in) {
    aws::OperationModel model = aws::find_model(service).operation(operation);
    EXPECT_TRUE(static_cast<bool>(model)) << operation;
    auto body = bodies_.find(service + "." + operation);
    if (body == bodies_.end()) return aws::Fault("NotImplemented", operation, 501);
    if (auto fault = aws::validate(model, in)) return *fault;
    aws::CallContext c;
    c.service = service;
    c.operation = operation;
    c.account = account_;
    c.region = region_;
    c.now_ms = now_ms_;
    aws::Outcome out = body->second(c, in);
    if (out.ok() && model.output()) {
      auto wrong = aws::mismatch(model.output(), out.value());
      EXPECT_FALSE(wrong) << operation << ": " << *wrong;
    }
    return out;
  }

  static Value doc(const std::string& json) {
    auto v = parse_json(json);
    EXPECT_TRUE(v.ok()) << json;
    return v.ok() ? std::move(v).value() : Value::object();
  }

  // v1("GetRestApi", R"({"restApiId":"…"})"): the answer; a fault fails the test.
  Value answer(const std::string& service, const std::string& operation, const Value& in) {
    aws::Outcome out = call(service, operation, in);
    EXPECT_TRUE(out.ok()) << operation << ": " << (out.ok() ? "" : out.error().code + ": " + out.error().message);
    return out.ok() ? std::move(out).value() : Value::object();
  }
  Value v1(const std::string& operation, const std::string& json) { return answer("apigateway", operation, doc(json)); }
  Value v2(const std::string& operation, const std::string& json) { return answer("apigatewayv2", operation, doc(json)); }

  // "404 NotFoundException Invalid …", or "ok".
  std::string said(const std::string& service, const std::string& operation, const std::string& json) {
    aws::Outcome out = call(service, operation, doc(json));
    if (out.ok()) return "ok";
    return std::to_string(out.error().http_status) + " " + out.error().code + " " + out.error().message;
  }
  std::string fault1(const std::string& operation, const std::string& json) { return said("apigateway", operation, json); }
  std::string fault2(const std::string& operation, const std::string& json) { return said("apigatewayv2", operation, json); }

  // Replaces $NAME by what `vars_` holds.
  std::string fill(std::string text) const {
    for (const auto& [name, value] : vars_) {
      for (size_t at; (at = text.find("$" + name + "$")) != std::string::npos;) text.replace(at, name.size() + 2, value);
    }
    return text;
  }

  os::TempDir dir_;
  std::string account_ = "111111111111";
  std::string region_ = "us-east-1";
  int64_t now_ms_ = 1'700'000'000'000;
  std::map<std::string, std::string> vars_;
  std::unique_ptr<FakeSink> sink_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<ApiGateway> gateway_;
  std::map<std::string, aws::Body> bodies_;
};

}  // namespace savia::apigateway

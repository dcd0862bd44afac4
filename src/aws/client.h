// A small AWS client for savia's own commands: one endpoint, one connection, credentials from its caller. It never reads AWS
// profiles, environment variables or instance metadata, so it cannot talk to real AWS by accident.
//
//   auto client = aws::Client(options);
//   auto answer = client.call("lambda", "GetFunction", Value::object().set(lambda::k::FunctionName, name));
//   if (!answer.ok() && answer.error().code == "ResourceNotFoundException") …
//
// Not thread-safe. Connects at the first call and again after a broken connection.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "aws/operation.h"
#include "aws/sigv4.h"
#include "codec/value.h"
#include "net/http_client.h"

namespace savia::aws {

struct ClientOptions {
  std::string endpoint = "http://127.0.0.1:4566";
  Credentials credentials = {"test", "test", ""};
  std::string region = "us-east-1";
  int64_t timeout_ms = 60'000;  // of one exchange
  std::string user_agent = "savia/" SAVIA_VERSION;
  std::shared_ptr<net::TlsContext> tls = nullptr;  // null: the system's authorities
};

class Client {
 public:
  explicit Client(ClientOptions options) : options_(std::move(options)) {}

  // Faults of our side: "Unreachable" (no connection, http_status 0), "ParamValidation", "UnknownOperation".
  Outcome call(std::string_view service, std::string_view operation, const Value& input);
  // Any request to the endpoint, signed when `sign_for` names a service ("/_savia/reset", downloads).
  Result<net::HttpResponse> send(net::HttpRequest request, std::string_view sign_for = {});

  const ClientOptions& options() const { return options_; }
  void set_region(std::string region) { options_.region = std::move(region); }

 private:
  ClientOptions options_;
  std::unique_ptr<net::HttpClient> http_;
};

}  // namespace savia::aws

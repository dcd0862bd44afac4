#include "cli/commands/session.h"

#include <cstdlib>

#include "aws/client.h"
#include "base/strings.h"
#include "codec/json.h"
#include "net/http_client.h"

namespace savia::cli {
namespace {

constexpr int64_t kTimeoutMs = 120'000;
constexpr int64_t kProbeTimeoutMs = 40'000;

std::string from_env(const char* name, std::string otherwise) {
  const char* v = std::getenv(name);
  return v != nullptr && *v != '\0' ? std::string(v) : std::move(otherwise);
}

class HttpSession final : public Session {
 public:
  explicit HttpSession(SessionOptions options) : options_(std::move(options)) {}

  const SessionOptions& options() const override { return options_; }

  aws::Outcome call(std::string_view service, std::string_view operation, const Value& input,
                    std::string_view region) override {
    if (!client_) {
      aws::ClientOptions o;
      o.endpoint = options_.endpoint;
      o.credentials = {options_.access_key, options_.secret_key, ""};
      o.timeout_ms = kTimeoutMs;
      client_ = std::make_unique<aws::Client>(std::move(o));
    }
    client_->set_region(std::string(region));
    aws::Outcome out = client_->call(service, operation, input);
    if (!out.ok() && out.error().code == "Unreachable")
      return aws::Fault("ConnectionFailed", "cannot connect to " + options_.endpoint, 503);
    return out;
  }

  Result<int> get(const std::string& host, const std::string& path) override {
    if (!edge_ || edge_port_ != edge_port()) {
      edge_port_ = edge_port();
      std::string endpoint = options_.endpoint;
      size_t slashes = endpoint.find("://");
      size_t colon = endpoint.rfind(':');
      std::string machine = colon > slashes ? endpoint.substr(0, colon) : endpoint;
      edge_ = TRY(net::HttpClient::connect(machine + ":" + edge_port_, kProbeTimeoutMs));
    }
    net::HttpRequest request;
    request.method = "GET";
    request.target = path;
    request.headers.add("Host", host);
    request.headers.add("User-Agent", "savia");
    net::HttpResponse response = TRY(edge_->send(request));
    return response.status;
  }

  std::string edge_port() override {
    if (known_edge_port_.empty()) {
      auto status = get_json("/_savia/status");
      known_edge_port_ = status.ok() ? status->str_or("edge_port", "8080") : "8080";
    }
    return known_edge_port_;
  }

  Result<Value> get_json(const std::string& path) override { return json("GET", path, {}); }
  Result<Value> post_json(const std::string& path, const Value& body) override { return json("POST", path, to_json(body)); }
  Result<std::string> get_text(const std::string& path) override {
    net::HttpResponse response = TRY(exchange("GET", path, {}));
    if (response.status != 200) return Error::invalid(path + ": " + std::to_string(response.status));
    return std::move(response.body);
  }

 private:
  Result<net::HttpResponse> exchange(const std::string& method, const std::string& path, std::string body) {
    auto http = TRY_CONTEXT(net::HttpClient::connect(options_.endpoint, kTimeoutMs), "connect to " + options_.endpoint);
    net::HttpRequest request;
    request.method = method;
    request.target = path;
    request.body = std::move(body);
    return http->send(request);
  }
  Result<Value> json(const std::string& method, const std::string& path, std::string body) {
    net::HttpResponse response = TRY_CONTEXT(exchange(method, path, std::move(body)), "connect to " + options_.endpoint);
    Value answer = TRY_CONTEXT(parse_json(response.body), options_.endpoint + path);
    if (response.status != 200) return Error::invalid(path + ": " + answer.str_or("message", std::to_string(response.status)));
    return answer;
  }

  SessionOptions options_;
  std::unique_ptr<aws::Client> client_;
  std::unique_ptr<net::HttpClient> edge_;
  std::string edge_port_, known_edge_port_;
};

}  // namespace

SessionOptions complete(SessionOptions o) {
  if (o.endpoint.empty()) o.endpoint = from_env("SAVIA_ENDPOINT", "http://127.0.0.1:4566");
  if (o.endpoint.find("://") == std::string::npos) o.endpoint = "http://" + o.endpoint;
  while (!o.endpoint.empty() && o.endpoint.back() == '/') o.endpoint.pop_back();
  if (o.access_key.empty()) o.access_key = from_env("SAVIA_ACCESS_KEY_ID", "test");
  if (o.secret_key.empty()) o.secret_key = from_env("SAVIA_SECRET_ACCESS_KEY", "test");
  if (o.region.empty()) o.region = from_env("SAVIA_REGION", "us-east-1");
  return o;
}

std::unique_ptr<Session> Session::create(SessionOptions options) {
  return std::make_unique<HttpSession>(std::move(options));
}

}  // namespace savia::cli

#include "aws/client.h"

#include "aws/model.h"
#include "aws/protocol/client.h"
#include "base/clock.h"
#include "base/random.h"

namespace savia::aws {
namespace {

// "http://host:port/…" -> "host:port"
std::string authority(std::string_view endpoint) {
  size_t at = endpoint.find("://");
  if (at != std::string_view::npos) endpoint.remove_prefix(at + 3);
  return std::string(endpoint.substr(0, endpoint.find('/')));
}

// Members that make a repeated call harmless are filled in by clients, not by their users.
Value with_tokens(OperationModel operation, const Value& input) {
  Value out = input.is_null() ? Value::object() : input;
  if (!operation.input()) return out;
  for (Member m : operation.input().members()) {
    if (m.flag(tables::kIdempotencyToken) && !out.has(m.name())) out.set(m.name(), new_uuid(secure_random()));
  }
  return out;
}

}  // namespace

Result<net::HttpResponse> Client::send(net::HttpRequest request, std::string_view sign_for) {
  if (http_ == nullptr) http_ = TRY(net::HttpClient::connect(options_.endpoint, options_.timeout_ms, options_.tls));
  if (!request.headers.has("Host")) request.headers.add("Host", authority(options_.endpoint));
  request.headers.set("User-Agent", options_.user_agent);
  if (!sign_for.empty()) {
    SignOptions sign;
    sign.region = options_.region;
    sign.service = sign_for;
    sign.now_ms = real_clock().now_ms();
    sign.add_content_sha256 = sign_for == "s3";
    sign_headers(request, options_.credentials, sign);
  }
  auto response = http_->send(request);
  if (!response.ok()) http_.reset();  // the next call connects anew
  return response;
}

Outcome Client::call(std::string_view service, std::string_view operation, const Value& input) {
  ServiceModel model = find_model(service);
  OperationModel op = model ? model.operation(operation) : OperationModel();
  if (!op || !op.listed()) {
    return Fault("UnknownOperation", "this program knows no " + std::string(service) + ":" + std::string(operation), 0);
  }
  std::optional<Protocol> protocol = protocol::client_protocol(model);
  if (!protocol) return Fault("UnknownOperation", "savia's client does not speak the protocol of " + std::string(service), 0);
  net::HttpRequest request = TRY(protocol::build_request(op, *protocol, with_tokens(op, input)));
  auto response = send(std::move(request), model.signing_name());
  if (!response.ok()) return Fault("Unreachable", options_.endpoint + ": " + response.error().message(), 0);
  return protocol::parse_response(op, *protocol, *response);
}

}  // namespace savia::aws

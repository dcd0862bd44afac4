// What happens to a request, in order. The list below is all of it: authorizers, API keys and throttles have their places
// between matching and integrating.
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "edge/client.h"
#include "edge/cors.h"
#include "edge/lambda_answer.h"
#include "edge/response_fields.h"
#include "edge/worker.h"

namespace savia::edge {

using net::http1::Framing;
using net::http1::Name;

namespace {

constexpr size_t kHeaderBytes = 10'240;  // AWS: "Total combined size of request line and header values"

constexpr std::string_view kByPath = "/_aws/execute-api/";

// The API's id when the host is "{id}.execute-api…".
std::string_view api_of_host(std::string_view host) {
  size_t dot = host.find('.');
  if (dot == std::string_view::npos) return {};
  constexpr std::string_view kService = "execute-api";
  std::string_view rest = host.substr(dot + 1);
  if (rest.size() < kService.size() || !iequals(rest.substr(0, kService.size()), kService)) return {};
  if (rest.size() > kService.size() && rest[kService.size()] != '.' && rest[kService.size()] != ':') return {};
  return host.substr(0, dot);
}

std::string_view without_port(std::string_view host) {
  size_t colon = host.rfind(':');
  if (colon == std::string_view::npos || host.find(']', colon) != std::string_view::npos) return host;
  return host.substr(0, colon);
}

}  // namespace

void Client::run_pipeline(Request& r) {
  using Phase = bool (Client::*)(Request&);
  static constexpr Phase kPipeline[] = {
      &Client::find_api,      // Host or path names the API
      &Client::check_limits,  // headers, body
      &Client::match,         // stage, route
      &Client::preflight,     // CORS of HTTP APIs
      &Client::await_body,    // functions and mocks need all of it
      &Client::integrate,     // function, upstream or mock; the answer is counted when it has been sent
  };
  for (Phase phase : kPipeline) {
    if (!(this->*phase)(r)) return;
  }
}

bool Client::find_api(Request& r) {
  r.domain = without_port(r.host);
  r.domain_prefix = r.domain.substr(0, r.domain.find('.'));
  std::string_view id = api_of_host(r.host);
  if (id.empty() && r.raw_path.substr(0, kByPath.size()) == kByPath) {
    std::string_view rest = r.raw_path.substr(kByPath.size());
    id = rest.substr(0, rest.find('/'));
    r.domain_prefix = id;
    r.raw_path = rest.size() > id.size() ? rest.substr(id.size()) : std::string_view("/");
    // "$default" is written out here, since something must name the stage.
    for (std::string_view stage : {std::string_view("/$default"), std::string_view("/%24default")}) {
      if (r.raw_path.substr(0, stage.size()) != stage || (r.raw_path.size() > stage.size() && r.raw_path[stage.size()] != '/'))
        continue;
      r.raw_path = r.raw_path.size() > stage.size() ? r.raw_path.substr(stage.size()) : std::string_view("/");
      break;
    }
  }
  if (id.empty()) return answer_other(r), false;
  const std::shared_ptr<const Api>* api = worker_.apis.find(id);
  if (api == nullptr) {
    std::string lower = to_lower(id);  // host names fold case
    if (lower != id) api = worker_.apis.find(lower);
  }
  if (api == nullptr) {
    std::string body = "{\"message\":\"No API '" + std::string(is_utf8(id) ? id : "?") + "' is deployed here\"}";
    answer(404, "Content-Type: application/json\r\n", replace_all(std::move(body), "\\", ""));
    return false;
  }
  api_ = *api;
  r.api = api_.get();
  if (r.api->http() && r.api->spec().has_cors) origin_ = r.header(Name::kOrigin);
  if (r.api->spec().execute_api_disabled) {
    answer_message(403, R"({"message":"Forbidden"})", "ForbiddenException", 404, R"({"message":"Not Found"})");
    return false;
  }
  return true;
}

bool Client::check_limits(Request& r) {
  size_t total = r.head->target.size;
  for (const net::http1::Field& f : r.head->fields) total += f.value.size;
  if (total > kHeaderBytes) {
    answer_message(431, R"({"message":"Request Header Fields Too Large"})", "", 431,
                   R"({"message":"Request Header Fields Too Large"})");
    return false;
  }
  if (r.head->framing == Framing::kLength && static_cast<uint64_t>(r.head->content_length) > limits::kEdgeBodyBytes) {
    refuse(413, "content too large");
    return false;
  }
  return true;
}

bool Client::match(Request& r) {
  switch (match_request(*r.api, r.raw_path, r)) {
    case MatchResult::kRoute:
      route_ = r.route;
      return true;
    case MatchResult::kNoStage:
      answer_message(403, R"({"message":"Forbidden"})", "ForbiddenException", 404, R"({"message":"Not Found"})");
      return false;
    case MatchResult::kNoRoute:
      if (r.api->http() && r.api->spec().has_cors && r.method == "OPTIONS") return true;  // maybe a preflight
      answer_message(403, R"({"message":"Missing Authentication Token"})", "MissingAuthenticationTokenException", 404,
                     R"({"message":"Not Found"})");
      return false;
  }
  return false;
}

bool Client::preflight(Request& r) {
  if (!r.api->http() || !r.api->spec().has_cors || r.method != "OPTIONS") return true;
  bool asks = false;
  for (const net::http1::Field& f : r.head->fields) asks = asks || iequals(r.name(f), "access-control-request-method");
  if (asks && !origin_.empty()) {
    std::string fields;
    append_preflight_fields(fields, r.api->spec().cors, origin_);
    origin_.clear();  // the fields above are all
    answer(204, fields, {});
    return false;
  }
  if (r.route != nullptr) return true;
  answer_message(403, "", "", 404, R"({"message":"Not Found"})");
  return false;
}

bool Client::await_body(Request& r) {
  if (body_ready_ || r.route->spec->integration.kind == ports::IntegrationKind::kHttpProxy) return true;
  continue_pending_ = r.head->expect_continue && rest_.empty();
  collect_body(buffer_, rest_);
  return false;
}

bool Client::integrate(Request& r) {
  switch (r.route->spec->integration.kind) {
    case ports::IntegrationKind::kMock:
      answer_mock(r);
      break;
    case ports::IntegrationKind::kLambdaProxy:
      invoke(r);
      break;
    case ports::IntegrationKind::kHttpProxy:
      relay(r);
      break;
  }
  return false;
}

void Client::answer_other(Request& r) {
  net::HttpResponse response;
  response.status = 0;
  if (worker_.shared->other) {
    net::HttpRequest request;
    request.method = r.method;
    request.target = r.head->target.in(r.base);
    request.minor_version = r.head->minor_version;
    for (const net::http1::Field& f : r.head->fields) request.headers.add(r.name(f), r.value(f));
    request.body = r.body;
    request.peer_ip = peer_ip_;
    request.secure = r.secure;
    response = worker_.shared->other(request);
  }
  if (response.status == 0) {
    return answer(
        404, "Content-Type: application/json\r\n",
        R"({"message":"No API here: use Host {api-id}.execute-api.localhost or path /_aws/execute-api/{api-id}/{stage}/"})");
  }
  std::string fields;
  for (const auto& [name, value] : response.headers.fields()) append_http_field(fields, name, value);
  answer(response.status, fields, response.body);
}

void Client::answer_mock(Request& r) {
  MockPlan::Choice choice = r.route->mock->choose(r.header(Name::kContentType), r.header(Name::kAccept), r.body);
  switch (choice.error) {
    case MockPlan::Choice::Error::kUnsupportedMediaType:
      return answer_message(415, R"({"message":"Unsupported Media Type"})", "BadRequestException", 415,
                            R"({"message":"Unsupported Media Type"})");
    case MockPlan::Choice::Error::kInternal:
      return internal_error(500);
    case MockPlan::Choice::Error::kNone:
      return answer(choice.status, choice.variant->fields, choice.variant->body);
  }
}

void Client::invoke(Request& r) {
  const ports::IntegrationSpec& integration = r.route->spec->integration;
  if (!r.route->lambda_method_ok || worker_.shared->invoker == nullptr) return internal_error(500);
  ports::InvokeRequest call;
  call.account = integration.function_account.empty() ? r.api->spec().account : integration.function_account;
  call.region = integration.function_region.empty() ? r.api->spec().region : integration.function_region;
  call.function = r.route->function;
  call.qualifier = r.route->qualifier;
  call.payload = build_lambda_event(r, worker_.events);
  call.trace_id = r.trace_header();
  call.deadline_ms = r.now_ms + r.route->timeout_ms;
  decode_base64_ = !r.api->http() && r.api->is_binary(r.header(Name::kAccept));
  state_ = State::kWaiting;
  partial_.reset();  // the request is in the payload now
  set_deadline(r.route->timeout_ms);
  auto done = [worker = worker_.shared_from_this(), id = id_, sequence = sequence_](ports::InvokeResult result) {
    auto deliver = [worker, id, sequence](ports::InvokeResult& answer) {
      auto it = worker->clients.find(id);
      if (it != worker->clients.end()) it->second->invoked(sequence, std::move(answer));
    };
    if (worker->closed.load(std::memory_order_acquire)) return;
    if (worker->loop.in_loop()) return deliver(result);
    auto moved = std::make_shared<ports::InvokeResult>(std::move(result));
    worker->loop.post([deliver, moved] { deliver(*moved); });
  };
  worker_.shared->invoker->invoke(std::move(call), std::move(done));
}

void Client::invoked(uint64_t sequence, ports::InvokeResult result) {
  if (state_ != State::kWaiting || sequence != sequence_) return;  // answered in the meantime, as timed out
  answer_lambda(result);
  pump();
}

void Client::answer_lambda(ports::InvokeResult& result) {
  if (result.status != ports::InvokeStatus::kOk) return lambda_failed(result);
  std::optional<LambdaAnswer> read =
      read_lambda_answer(result.payload, api_->spec().kind, route_->spec->integration.payload_format, decode_base64_);
  if (!read) return internal_error(502);
  if (!api_->http()) {
    append_field(read->fields, "X-Amzn-Trace-Id", ids_.trace());
  } else if (api_->spec().has_cors) {
    remove_cors_fields(read->fields);
  }
  answer(read->status, read->fields, read->body);
}

void Client::lambda_failed(const ports::InvokeResult& result) {
  if (!result.message.empty()) {
    log_warn("edge.invoke_failed", {{"api", api_->spec().api_id}, {"function", route_->function}, {"why", result.message}});
  }
  switch (result.status) {
    case ports::InvokeStatus::kFunctionError:
      return internal_error(502);
    case ports::InvokeStatus::kTooLarge:
      return answer_message(413, R"({"message":"Request Too Long"})", "RequestTooLargeException", 413,
                            R"({"message":"Request Entity Too Large"})");
    case ports::InvokeStatus::kThrottled:
      return answer_message(500, R"({"message":"Internal server error"})", "InternalServerErrorException", 503,
                            R"({"message":"Service Unavailable"})");
    default:
      return internal_error(500);
  }
}

}  // namespace savia::edge

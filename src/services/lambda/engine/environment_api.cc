// What an environment says and hears over the Runtime API (2018-06-01), and how an invocation ends.
#include <cstdio>

#include "base/clock.h"
#include "base/strings.h"
#include "codec/json.h"
#include "net/http1.h"
#include "services/lambda/engine/environment.h"
#include "services/lambda/engine/report.h"

namespace savia::lambda {
namespace {

constexpr std::string_view kInvocation = "/2018-06-01/runtime/invocation/";

ApiReply error_reply(int status, std::string_view type, std::string_view message) {
  ApiReply reply;
  reply.status = status;
  JsonWriter(reply.body).begin_object().field("errorMessage", message).field("errorType", type).end_object();
  return reply;
}

ApiReply accepted() {
  return {false, 202, "{\"status\":\"OK\"}"};
}

// Values from callers must not be able to add header lines.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (char c : value) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  out += "\r\n";
}

}  // namespace

ApiReply Environment::on_control_request(ApiRequest request) {
  if (request.method == "GET" && request.path == "/savia/adopt") {
    if (state_ != State::kStarting) return error_reply(403, "InvalidStateTransition", "this runtime has a function");
    clear_deadline();
    control_next_ = true;
    state_ = State::kPooled;
    was_pooled_ = true;
    since_us_ = c_.loop.monotonic_us();
    host_.on_pooled(*this);
    return {true, 0, ""};
  }
  return on_api(request, true);
}

// The process closed its end or broke the protocol. If it is ending, on_exit() follows and says more; if it lives on, it can
// serve nothing.
void Environment::on_control_closed() {
  if (state_ == State::kDying || state_ == State::kGone) return;
  if (runtime_.kind != RuntimeKind::kProvided) {
    c_.loop.after(200, [self = weak_from_this()] {
      if (auto e = self.lock(); e && e->state_ != State::kGone && e->spawned_) e->c_.spawner.kill(e->id_);
    });
  }
}

ApiReply Environment::on_api(ApiRequest& request, bool control) {
  const bool get = request.method == "GET", post = request.method == "POST";
  if (get && request.path == "/2018-06-01/runtime/invocation/next") {
    control_next_ = control;
    return on_next();
  }
  if (post && request.path.substr(0, kInvocation.size()) == kInvocation) {
    const std::string_view rest = request.path.substr(kInvocation.size());
    const size_t slash = rest.find('/');
    if (slash != std::string_view::npos) {
      const std::string id = percent_decode(rest.substr(0, slash));
      if (rest.substr(slash) == "/response") return on_response(request, id);
      if (rest.substr(slash) == "/error") return on_error(request, id);
    }
  }
  if (post && request.path == "/2018-06-01/runtime/init/error") return on_init_error(request);
  if (request.path.substr(0, 12) == "/2020-01-01/" || request.path.substr(0, 12) == "/2022-07-01/" ||
      request.path.substr(0, 12) == "/2020-08-15/") {
    log_.add_platform(c_.loop.now_ms(), "savia: extensions and the telemetry API are not built: " +
                                            std::string(request.method) + " " + std::string(request.path));
    return error_reply(501, "Extension.NotImplemented", "Savia does not run Lambda extensions");
  }
  if (request.path.substr(0, 28) == "/2018-06-01/runtime/restore/")
    return error_reply(403, "SnapStart.NotEnabled", "the function has no SnapStart");
  return error_reply(404, "UnknownPath", "no such path in the Runtime API: " + std::string(request.path.substr(0, 200)));
}

ApiReply Environment::on_next() {
  switch (state_) {
    case State::kInit: {
      clear_deadline();
      init_us_ = c_.loop.monotonic_us() - init_started_us_;
      c_.counters.init_us.add(init_us_);
      ask_memory();
      if (current_) {  // it has waited inside this start
        const int64_t left = spec_->timeout_s * 1000 - (c_.loop.monotonic_us() - started_us_) / 1000;
        set_deadline(std::max<int64_t>(left, 1));
        state_ = State::kBusy;
        send_event();
      } else {
        become_idle();
      }
      return {true, 0, ""};
    }
    case State::kSettling:
      clear_deadline();
      become_idle();
      return {true, 0, ""};
    case State::kDying:
    case State::kGone:
      return {true, 0, ""};
    default:
      return error_reply(403, "InvalidStateTransition",
                         "State transition from Invoking to Ready failed: the invocation has not been answered");
  }
}

void Environment::run(Invocation invocation) {
  if (state_ == State::kFrozen) c_.spawner.thaw(id_);
  state_ = State::kBusy;
  current_ = std::move(invocation);
  log_start();
  set_deadline(spec_->timeout_s * 1000);
  send_event();
}

void Environment::log_start() {
  started_us_ = c_.loop.monotonic_us();
  const ports::InvokeRequest& request = current_->request;
  log_.begin_invocation(request.want_log_tail);
  std::string line = start_line(*spec_, c_.loop.now_ms(), request.request_id);
  if (!line.empty()) log_.add_platform(c_.loop.now_ms(), std::move(line));
}

void Environment::send_event() {
  const ports::InvokeRequest& request = current_->request;
  const int64_t deadline = c_.loop.now_ms() + spec_->timeout_s * 1000 - (c_.loop.monotonic_us() - started_us_) / 1000;
  head_.clear();
  append_field(head_, "Lambda-Runtime-Aws-Request-Id", request.request_id);
  append_field(head_, "Lambda-Runtime-Deadline-Ms", std::to_string(deadline));
  head_ += "Lambda-Runtime-Invoked-Function-Arn: ";
  head_ += spec_->arn;
  if (!request.qualifier.empty()) {
    head_ += ':';
    head_ += request.qualifier;
  }
  head_ += "\r\n";
  if (!request.trace_id.empty()) append_field(head_, "Lambda-Runtime-Trace-Id", request.trace_id);
  if (!request.client_context.empty()) append_field(head_, "Lambda-Runtime-Client-Context", request.client_context);
  answer_parked(head_, request.payload);
}

void Environment::answer_parked(std::string_view fields, std::string_view body) {
  if (control_next_) {
    control_next_ = false;
    if (channel_) channel_->answer(fields, body);
    return;
  }
  if (!tcp_next_) return;
  net::HttpResponse response;
  for (std::string_view line : split(fields, '\n')) {
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos) response.headers.add(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
  response.headers.add("Content-Type", "application/json");
  response.body = body;
  std::unique_ptr<net::HttpResponder> responder = std::move(tcp_next_);
  responder->respond(std::move(response));
}

void Environment::serve_tcp(net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
  ApiRequest api;
  const std::string target = request.target;
  api.method = request.method;
  api.path = std::string_view(target).substr(0, target.find('?'));
  api.header = [&request](std::string_view name) { return request.headers.get(name); };
  api.body_size = request.body.size();
  api.too_large = api.body_size > limits::kRuntimeResponseBytes;
  // Mid-stream failures of streaming runtimes come as trailers.
  const std::string* late_error = request.trailers.find("Lambda-Runtime-Function-Error-Type");
  if (late_error != nullptr)
    api.body = "{\"errorType\":" + to_json(Value(*late_error)) + ",\"errorMessage\":\"the response stream failed\"}";
  else
    api.body = std::move(request.body);
  if (request.method == "GET" && api.path == "/2018-06-01/runtime/invocation/next") {
    // Kept before the call, since the event may be at hand and leave at once.
    if (tcp_next_) return responder->respond({403, {}, "{\"errorType\":\"InvalidStateTransition\"}"});
    tcp_next_ = std::move(responder);
    tcp_next_->on_abort([self = weak_from_this()] {
      if (auto e = self.lock(); e && e->state_ == State::kIdle && !e->control_next_) e->kill();
    });
    const ApiReply reply = on_api(api, false);
    if (!reply.parked && tcp_next_) {
      std::unique_ptr<net::HttpResponder> back = std::move(tcp_next_);
      net::HttpResponse response;
      response.status = reply.status;
      response.body = reply.body;
      back->respond(std::move(response));
    }
    return;
  }
  const ApiReply reply = on_api(api, false);
  net::HttpResponse response;
  response.status = reply.status;
  response.headers.add("Content-Type", "application/json");
  response.body = reply.body;
  responder->respond(std::move(response));
}

ApiReply Environment::on_response(ApiRequest& request, std::string_view id) {
  if (!current_ || state_ != State::kBusy) return error_reply(403, "InvalidStateTransition", "no invocation is being served");
  if (id != current_->request.request_id) return error_reply(400, "InvalidRequestID", "Invalid request ID");
  if (request.too_large) {
    const std::string what = "Response payload size exceeded maximum allowed payload size (" +
                             std::to_string(limits::kRuntimeResponseBytes) + " bytes).";
    std::string payload;
    JsonWriter(payload)
        .begin_object()
        .field("errorType", "Function.ResponseSizeTooLarge")
        .field("errorMessage", what)
        .end_object();
    finish(ports::InvokeStatus::kFunctionError, std::move(payload), "");
    return error_reply(413, "RequestEntityTooLarge",
                       "Exceeded maximum allowed payload size (" + std::to_string(limits::kRuntimeResponseBytes) + " bytes).");
  }
  finish(ports::InvokeStatus::kOk, std::move(request.body), "");
  return accepted();
}

ApiReply Environment::on_error(ApiRequest& request, std::string_view id) {
  if (!current_ || state_ != State::kBusy) return error_reply(403, "InvalidStateTransition", "no invocation is being served");
  if (id != current_->request.request_id) return error_reply(400, "InvalidRequestID", "Invalid request ID");
  if (request.too_large || request.body.empty()) {
    std::string_view type = request.header("Lambda-Runtime-Function-Error-Type");
    request.body.clear();
    JsonWriter(request.body)
        .begin_object()
        .field("errorType", type.empty() ? "Runtime.Unknown" : type)
        .field("errorMessage", "")
        .end_object();
  }
  finish(ports::InvokeStatus::kFunctionError, std::move(request.body), "");
  return accepted();
}

ApiReply Environment::on_init_error(ApiRequest& request) {
  if (state_ != State::kInit) return error_reply(403, "InvalidStateTransition", "the runtime is initialised");
  std::string type(request.header("Lambda-Runtime-Function-Error-Type"));
  if (type.empty()) type = "Runtime.Unknown";
  if (request.too_large || request.body.empty()) {
    request.body.clear();
    JsonWriter(request.body).begin_object().field("errorType", type).field("errorMessage", "").end_object();
  }
  // After the answer, since it may end the connection that is being answered.
  c_.loop.post([self = weak_from_this(), type, body = std::move(request.body)] {
    if (auto e = self.lock(); e && e->state_ == State::kInit) e->init_failed({body, type}, "error");
  });
  return accepted();
}

void Environment::log_end(std::string_view report_status) {
  const int64_t now = c_.loop.now_ms();
  c_.counters.dropped_log_lines.add(log_.end_invocation());
  if (std::string line = end_line(*spec_, current_->request.request_id); !line.empty()) log_.add_platform(now, std::move(line));
  Report report;
  report.request_id = current_->request.request_id;
  report.duration_us = c_.loop.monotonic_us() - started_us_;
  if (!init_reported_ && !init_in_invoke_) report.init_us = init_us_;
  init_reported_ = true;
  report.memory_peak_bytes = memory_peak_;
  const size_t colon = report_status.find(':');
  report.status = report_status.substr(0, colon);
  if (colon != std::string_view::npos) report.error_type = report_status.substr(colon + 1);
  if (std::string line = report_line(*spec_, now, report); !line.empty()) log_.add_platform(now, std::move(line));
}

// Answers the invocation. The caller decides about the environment's next state; here it becomes "answered, not back yet".
void Environment::finish(ports::InvokeStatus status, std::string payload, std::string_view report_status) {
  last_duration_us_ = c_.loop.monotonic_us() - started_us_;
  c_.counters.duration_us.add(last_duration_us_);
  if (status == ports::InvokeStatus::kFunctionError) c_.counters.errors.add();
  ports::InvokeResult result;
  result.status = status;
  result.payload = std::move(payload);
  result.executed_version = spec_->version;
  drain_pipes();
  log_end(report_status);
  if (current_->request.want_log_tail) result.log_tail = log_.take_tail();
  Invocation answered = std::move(*current_);
  current_.reset();
  if (state_ == State::kBusy) {
    state_ = State::kSettling;
    set_deadline(spec_->timeout_s * 1000);
  }
  ask_memory();
  answered.answer(std::move(result));
  log_.flush();
}

void Environment::fail_running(Failed failed) {
  if (!failed.log_line.empty()) {
    drain_pipes();
    log_.add_platform(c_.loop.now_ms(), failed.log_line);
  }
  std::string status = failed.status;
  if (!failed.error_type.empty()) status += ":" + failed.error_type;
  finish(ports::InvokeStatus::kFunctionError, std::move(failed.payload), status);
}

}  // namespace savia::lambda

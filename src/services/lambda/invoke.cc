// Invoke, on the front's loop: nothing here waits. What must be known of the store (is there such a function?) is in names_.
#include "base/limits.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "services/lambda/control.h"

namespace savia::lambda {
namespace {

Fault too_large(size_t size, std::string_view type, size_t limit) {
  return user_fault("RequestEntityTooLargeException",
                    std::to_string(size) + " byte payload is too large for the " + std::string(type) +
                        " invocation type (limit " + std::to_string(limit) + " bytes)",
                    413);
}

Fault not_ready(const ports::InvokeResult& r) {
  int status = r.error_code == "ResourceConflictException" ? 409 : r.error_code == "TooManyRequestsException" ? 429 : 502;
  if (r.error_code.empty()) return user_fault("ServiceException", r.message, 500);
  return user_fault(r.error_code, r.message, status);
}

Outcome answer_of(const FunctionRef& f, const ports::InvokeResult& r) {
  switch (r.status) {
    case ports::InvokeStatus::kOk:
    case ports::InvokeStatus::kFunctionError:
      break;
    case ports::InvokeStatus::kNotFound:
      return function_not_found(f.arn() + ":" + (f.qualifier.empty() ? std::string(kLatest) : f.qualifier));
    case ports::InvokeStatus::kThrottled: {
      Fault fault = user_fault("TooManyRequestsException", "Rate Exceeded.", 429);
      fault.extra.set(k::Reason, "ReservedFunctionConcurrentInvocationLimitExceeded");
      return fault;
    }
    case ports::InvokeStatus::kTooLarge:
      return user_fault("RequestEntityTooLargeException", r.message, 413);
    case ports::InvokeStatus::kNotReady:
      return not_ready(r);
    case ports::InvokeStatus::kInternal:
      return Fault("ServiceException", r.message, 500);
  }
  Value out = Value::object();
  out.set(k::StatusCode, 200).set(k::ExecutedVersion, r.executed_version).set(k::Payload, Blob{r.payload});
  if (r.status == ports::InvokeStatus::kFunctionError) out.set(k::FunctionError, "Unhandled");
  return out;
}

std::string payload_of(const Value& in) {
  const Value* p = in.find(k::Payload);
  std::string payload = p == nullptr ? "" : p->is_blob() ? p->as_blob() : p->is_string() ? p->as_string() : "";
  return payload.empty() ? "{}" : payload;
}

}  // namespace

Control::Known Control::known(const FunctionRef& f) const {
  return names_.with([&](const auto& names) {
    auto it = names.find(f.key());
    if (it == names.end()) return Known::kNoFunction;
    std::string_view qualifier = f.qualifier.empty() ? kLatest : std::string_view(f.qualifier);
    return it->second.find(qualifier) == it->second.end() ? Known::kNoQualifier : Known::kYes;
  });
}

void Control::invoke(const CallContext& c, Value in, std::unique_ptr<aws::Responder> responder) {
  for (std::string_view member : {k::DurableExecutionName, k::TenantId}) {
    if (in.has(member)) return responder->answer(unsupported(member));
  }
  auto f = parse_function_ref(c, in.str_or(k::FunctionName, ""), in.str(k::Qualifier));
  if (!f.ok()) return responder->answer(std::move(f).error());
  if (known(*f) != Known::kYes) {
    return responder->answer(function_not_found(f->arn() + ":" + (f->qualifier.empty() ? std::string(kLatest) : f->qualifier)));
  }
  std::string type = in.str_or(k::InvocationType, "RequestResponse");
  ports::InvokeRequest request;
  request.account = f->account;
  request.region = f->region;
  request.function = f->name;
  request.qualifier = f->qualifier;
  request.request_id = c.request_id;
  request.payload = payload_of(in);
  request.want_log_tail = in.str(k::LogType) == "Tail";
  size_t limit = type == "Event" ? limits::kAsyncPayloadBytes : limits::kInvokePayloadBytes;
  if (request.payload.size() > limit) return responder->answer(too_large(request.payload.size(), type, limit));
  if (auto json = check_json(request.payload); !json.ok()) {
    return responder->answer(
        user_fault("InvalidRequestContentException", "Could not parse request body into json: " + json.error().message()));
  }
  if (auto context = in.str(k::ClientContext); context && !context->empty()) {
    auto decoded = base64_decode(*context);
    if (!decoded.ok() || !check_json(*decoded).ok()) {
      return responder->answer(
          user_fault("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object."));
    }
    request.client_context = std::move(decoded).value();
  }
  if (type == "DryRun") {
    Value out = Value::object();
    out.set(k::StatusCode, 204);
    return responder->answer(std::move(out));
  }
  if (type == "Event") return invoke_later(std::move(request), std::move(responder));
  invoke_now(*f, std::move(request), std::move(responder));
}

void Control::invoke_now(const FunctionRef& f, ports::InvokeRequest request, std::unique_ptr<aws::Responder> responder) {
  bool tail = request.want_log_tail;
  // std::function wants its callable copyable.
  auto shared = std::make_shared<std::unique_ptr<aws::Responder>>(std::move(responder));
  engine_.invoke(std::move(request), [f, tail, shared](ports::InvokeResult r) {
    Outcome out = answer_of(f, r);
    if (out.ok() && tail) out->set(k::LogResult, base64_encode(r.log_tail));
    (*shared)->answer(std::move(out));
  });
}

void Control::invoke_later(ports::InvokeRequest request, std::unique_ptr<aws::Responder> responder) {
  EventRow event;
  event.account = std::move(request.account);
  event.region = std::move(request.region);
  event.name = std::move(request.function);
  event.qualifier = std::move(request.qualifier);
  event.request_id = std::move(request.request_id);
  event.client_context = std::move(request.client_context);
  event.payload = std::move(request.payload);
  auto shared = std::make_shared<std::unique_ptr<aws::Responder>>(std::move(responder));
  events_.submit(std::move(event), [shared](Result<void> stored) {
    if (!stored.ok()) return (*shared)->answer(Fault(stored.error()));
    Value out = Value::object();
    out.set(k::StatusCode, 202).set(k::Payload, Blob{});
    (*shared)->answer(std::move(out));
  });
}

}  // namespace savia::lambda

// Where whoever has an event (edge, control plane, later schedulers) meets whoever runs functions (services/lambda).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace savia::ports {

struct InvokeRequest {
  std::string account;
  std::string region;
  std::string function;        // name, without ARN
  std::string qualifier;       // "", "$LATEST", a version number or an alias
  std::string payload;         // JSON text
  std::string request_id;      // empty: the invoker makes one
  std::string trace_id;        // X-Amzn-Trace-Id value, may be empty
  std::string client_context;  // decoded JSON, may be empty
  bool want_log_tail = false;
  int64_t deadline_ms = 0;  // wall clock after which the caller no longer listens; 0: the function's timeout alone
};

enum class InvokeStatus {
  kOk,             // the handler returned: payload is its JSON
  kFunctionError,  // the function failed: payload is {"errorMessage":…,"errorType":…}
  kNotFound,       // no such function or qualifier
  kThrottled,      // no concurrency left
  kTooLarge,       // request payload over the limit
  kNotReady,       // State is Pending or Failed, or its runtime is not installed: `message` says what to do
  kInternal,       // our fault
};

struct InvokeResult {
  InvokeStatus status = InvokeStatus::kInternal;
  std::string payload;
  std::string message;           // for kNotFound … kInternal
  std::string error_code;        // AWS's code for kNotReady: "ResourceConflictException", "InvalidRuntimeException", …
  std::string executed_version;  // "$LATEST" or a number
  std::string log_tail;          // last 4 KiB, raw text, when asked for
};

class FunctionInvoker {
 public:
  using Done = std::function<void(InvokeResult)>;
  virtual ~FunctionInvoker() = default;
  // Any thread. `done` runs exactly once, on the invoker's loop thread; it must not block. Called on that loop with an idle
  // environment at hand, the event leaves for the function before invoke() returns.
  virtual void invoke(InvokeRequest request, Done done) = 0;
};

}  // namespace savia::ports

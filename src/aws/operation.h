// What a service hands to the AWS front: one row an operation (name, body), and what a body receives and answers.
//
//   std::vector<aws::Operation> Logs::operations() {
//     return {
//         {"CreateLogGroup", [this](const CallContext& c, const Value& in) { return create_log_group(c, in); }},
//         ...
//     };
//   }
//
// The front has parsed and validated `in` against the service model before a body runs: required members are there,
// kinds, enums, lengths and patterns hold. A body checks what the model cannot say and answers a Value shaped by the
// operation's output, or a Fault. It never sees wire text, protocols, signatures or HTTP.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/value.h"

namespace savia::aws {

// An AWS error. `code` as AWS spells it without a suffix ("ResourceNotFoundException"), `http_status` as AWS sends it.
struct Fault {
  std::string code;
  std::string message;
  int http_status = 400;
  Value extra;                // further members of the error shape ({"Type": "User", "Reason": …}), null when none
  int64_t retry_after_s = 0;  // Retry-After header when > 0

  Fault(std::string code_, std::string message_, int http_status_ = 400, Value extra_ = {})
      : code(std::move(code_)), message(std::move(message_)), http_status(http_status_), extra(std::move(extra_)) {}
  // An error of our own machinery: kExhausted (disk full) -> 507 InsufficientStorage-like ServiceException, kUnavailable ->
  // 503 ServiceUnavailable, kUnimplemented -> 501 NotImplemented, others -> 500 InternalFailure with the text.
  explicit Fault(const Error& error);
  Fault context(std::string_view) && { return std::move(*this); }
};

using Outcome = Result<Value, Fault>;

// Who calls, and for which account and region. Immutable during the call.
struct CallContext {
  std::string service;        // model name: "lambda", "apigateway", "apigatewayv2", "logs", "sts", ...
  std::string operation;      // "CreateFunction"
  std::string account;        // 12 digits
  std::string region;         // "us-east-1"; any name is accepted
  std::string access_key;     // "" when unsigned in open mode
  std::string principal_arn;  // arn:aws:iam::000000000000:root for the account's own key
  std::string user_id;
  std::string request_id;
  std::string source_ip;
  std::string user_agent;
  std::string host;     // Host header as sent, "127.0.0.1:4566": for URLs that the answer contains
  bool secure = false;  // https
  int64_t now_ms = 0;

  std::string arn(std::string_view arn_service, std::string_view resource) const {
    return "arn:aws:" + std::string(arn_service) + ":" + region + ":" + account + ":" + std::string(resource);
  }
};

// Answers an asynchronous operation once, from any thread. Dropped unanswered, it answers 500 and logs.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void answer(Outcome outcome) = 0;
};

using Body = std::function<Outcome(const CallContext&, const Value& in)>;
// Runs on the front's loop and must not block; answers through the responder, now or later.
using AsyncBody = std::function<void(const CallContext&, Value in, std::unique_ptr<Responder>)>;

struct Operation {
  std::string_view name;
  Body body;                  // runs on a control-plane thread; may block on the store
  AsyncBody async_body = {};  // set instead of `body` where an answer may take long (Invoke)
};

// An output member that the model maps to the HTTP status code (Lambda Invoke: StatusCode) is set like any other member.

}  // namespace savia::aws

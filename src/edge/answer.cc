// Answering: heads as each kind of API writes them, AWS's own error bodies, and getting bytes to the client.
#include <sys/socket.h>

#include <charconv>

#include "base/limits.h"
#include "edge/client.h"
#include "edge/cors.h"
#include "edge/response_fields.h"
#include "edge/worker.h"

namespace savia::edge {
namespace {

constexpr std::string_view kJsonField = "Content-Type: application/json\r\n";
constexpr int64_t kLingerMs = 2'000;  // reading on after a final answer, so that a reset does not destroy it

void append_number(std::string& out, uint64_t n) {
  char text[20];
  auto end = std::to_chars(text, text + sizeof text, n);
  out.append(text, static_cast<size_t>(end.ptr - text));
}

}  // namespace

// worker_.out: "HTTP/1.1 200 OK" and Date. The caller appends its fields, then calls end_head().
void Client::begin_head(int status) {
  status_ = status;
  std::string& out = worker_.out;
  if (status == 200) {
    out.assign("HTTP/1.1 200 OK\r\n");
  } else {
    out.assign("HTTP/1.1 ");
    append_number(out, static_cast<uint64_t>(status));
    out.append(" ").append(net::http1::reason_phrase(status)).append("\r\n");
  }
  out.append(worker_.date_line());
}

void Client::end_head(Length length, uint64_t bytes) {
  std::string& out = worker_.out;
  if (worker_.draining) keep_alive_ = false;
  if (length == Length::kKnown) {
    out.append("Content-Length: ");
    append_number(out, bytes);
    out.append("\r\n");
  } else if (length == Length::kChunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (length == Length::kUntilClose) {
    keep_alive_ = false;
  }
  out.append(keep_alive_ ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
  if (api_ && api_->http()) {
    out.append("Apigw-Requestid: ").append(ids_.extended()).append("\r\n\r\n");
  } else if (api_) {
    out.append("x-amzn-RequestId: ")
        .append(ids_.request())
        .append("\r\nx-amz-apigw-id: ")
        .append(ids_.extended())
        .append("\r\n\r\n");
  } else {
    out.append("\r\n");
  }
}

void Client::append_cors(std::string& out) const {
  if (api_ && api_->http() && api_->spec().has_cors) append_cors_fields(out, api_->spec().cors, origin_);
}

void Client::answer(int status, std::string_view fields, std::string_view body) {
  bool bodiless = status < 200 || status == 204 || status == 304;
  if (!body_.done()) keep_alive_ = false;  // the rest of the body is not read: the connection cannot go on
  begin_head(status);
  worker_.out.append(fields);
  append_cors(worker_.out);
  end_head(bodiless ? Length::kNone : Length::kKnown, body.size());
  state_ = State::kWriting;
  send(worker_.out, head_request_ || bodiless ? std::string_view() : body);
}

// The gateway's own answers. `rest_error` is x-amzn-ErrorType.
void Client::answer_message(int rest_status, std::string_view rest_body, std::string_view rest_error, int http_status,
                            std::string_view http_body) {
  if (api_ && api_->http()) return answer(http_status, kJsonField, http_body);
  std::string fields(kJsonField);
  if (!rest_error.empty()) append_field(fields, "x-amzn-ErrorType", rest_error);
  answer(rest_status, fields, rest_body);
}

void Client::internal_error(int rest_status) {
  // With a space after the colon, unlike the bodies of gateway responses: recorded at AWS with a length of 36.
  constexpr const char* body = R"({"message": "Internal server error"})";
  answer_message(rest_status, body, "InternalServerErrorException", 500, R"({"message":"Internal Server Error"})");
}

void Client::timed_out() {
  release_upstream();
  answer_message(504, R"({"message":"Endpoint request timed out"})", "InternalServerErrorException", 503,
                 R"({"message":"Service Unavailable"})");
}

void Client::unreachable() {
  answer_message(504, R"({"message":"Network error communicating with endpoint"})", "InternalServerErrorException", 503,
                 R"({"message":"Service Unavailable"})");
}

// A message that cannot be understood, is too large or too slow. No API is known yet, or its framing is broken: the
// connection ends.
void Client::refuse(int status, const char* reason) {
  keep_alive_ = false;
  release_upstream();
  if (status == 413) {
    if (api_ && api_->http()) return answer(413, kJsonField, R"({"message":"Request Entity Too Large"})");
    return answer(413, "Content-Type: text/plain\r\n", "HTTP content length exceeded 10485760 bytes.");
  }
  std::string body = "{\"message\":\"" + std::string(net::http1::reason_phrase(status)) + ": " + reason + "\"}";
  answer(status, kJsonField, body);
}

// Writes what the socket takes now and keeps the rest. step_write(), or for relays step_relay(), goes on.
void Client::send(std::string_view head, std::string_view body) {
  if (out_.empty() && writable_) {
    ssize_t n = stream_.write(head, body);
    if (n == net::Stream::kFailed) return close();
    if (n == net::Stream::kAgain) {
      writable_ = false;
      n = 0;
    }
    size_t taken = static_cast<size_t>(n);
    if (taken >= head.size() + body.size()) return;
    size_t of_head = std::min(taken, head.size());
    head.remove_prefix(of_head);
    body.remove_prefix(taken - of_head);
  }
  out_.append(head).append(body);
}

// True when nothing is left to write.
bool Client::flush() {
  while (out_at_ < out_.size()) {
    if (!writable_) return set_deadline(limits::kBodyTimeoutMs), false;
    ssize_t n = stream_.write(std::string_view(out_).substr(out_at_));
    if (n == net::Stream::kFailed) return close(), false;
    if (n == net::Stream::kAgain) {
      writable_ = false;
      continue;
    }
    out_at_ += static_cast<size_t>(n);
  }
  if (!out_.empty()) std::string().swap(out_);
  out_at_ = 0;
  return true;
}

void Client::finish_answer() {
  worker_.count(status_, began_us_);
  api_.reset();
  route_ = nullptr;
  origin_.clear();
  partial_.reset();
  parser_.reset();
  if (keep_alive_ && !worker_.draining) {
    state_ = State::kHead;
    set_deadline(worker_.shared->idle_ms);
    if (!next_.empty()) {
      partial_ = std::make_unique<Partial>();
      partial_->in.swap(next_);
    }
    return;
  }
  // Closing with unread bytes in the socket sends a reset, which may overtake the answer (RFC 9112 9.6).
  if (body_.done() && next_.empty() && !readable_) return close();
  if (!stream_.secure()) ::shutdown(stream_.fd(), SHUT_WR);
  std::string().swap(next_);
  state_ = State::kLingering;
  set_deadline(kLingerMs);
}

}  // namespace savia::edge

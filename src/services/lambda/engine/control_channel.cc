#include "services/lambda/engine/control_channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "base/limits.h"
#include "base/strings.h"

namespace savia::lambda {
namespace {

constexpr size_t kHeldBytes = 64 * 1024;  // answers that a client may leave unread; beyond it is broken

std::string_view status_line(int status) {
  switch (status) {
    case 200:
      return "HTTP/1.1 200 OK\r\n";
    case 202:
      return "HTTP/1.1 202 Accepted\r\n";
    case 400:
      return "HTTP/1.1 400 Bad Request\r\n";
    case 403:
      return "HTTP/1.1 403 Forbidden\r\n";
    case 404:
      return "HTTP/1.1 404 Not Found\r\n";
    case 413:
      return "HTTP/1.1 413 Payload Too Large\r\n";
    case 501:
      return "HTTP/1.1 501 Not Implemented\r\n";
    default:
      return "HTTP/1.1 500 Internal Server Error\r\n";
  }
}

void append_head(std::string& out, int status, std::string_view fields, size_t body_size) {
  out += status_line(status);
  out += fields;
  out += "Content-Type: application/json\r\nContent-Length: ";
  out += std::to_string(body_size);
  out += "\r\n\r\n";
}

}  // namespace

ControlChannel::ControlChannel(net::Loop& loop, os::Fd fd, Owner& owner, std::string& scratch)
    : loop_(loop), fd_(std::move(fd)), owner_(owner), scratch_(scratch), parser_(net::http1::HeadParser::Kind::kRequest) {}

ControlChannel::~ControlChannel() {
  close();
}

void ControlChannel::close() {
  if (!fd_) return;
  loop_.remove(fd_.get());
  fd_.reset();
}

Result<void> ControlChannel::start() {
  return loop_.add(fd_.get(), this);
}

void ControlChannel::on_io(uint32_t) {
  if (closed_) return;
  if (parked_) {
    edge_missed_ = true;
    return;
  }
  if (!out_.empty()) flush();
  read_all();
}

void ControlChannel::drain() {
  if (closed_) return;
  parked_ = false;
  read_all();
}

void ControlChannel::answer(std::string_view fields, std::string_view body) {
  if (!parked_ || closed_) return;
  parked_ = false;
  append_head(out_, 200, fields, body.size());
  flush(body);
  // What came while it was parked: rare, since a client that waits for `next` has nothing to say.
  if ((edge_missed_ || !in_.empty()) && !busy_) {
    edge_missed_ = false;
    read_all();
  }
}

void ControlChannel::flush(std::string_view more) {
  if (!fd_) return;
  iovec parts[2] = {{out_.data(), out_.size()}, {const_cast<char*>(more.data()), more.size()}};  // NOLINT: iovec has no const
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = more.empty() ? 1 : 2;
  ssize_t n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0) n = 0;  // EAGAIN waits for the next edge; on anything else the read side tells that the process has gone
  size_t sent = static_cast<size_t>(n);
  if (sent >= out_.size()) {
    sent -= out_.size();
    out_.assign(more.substr(sent));
  } else {
    out_.erase(0, sent);
    out_.append(more);
  }
}

void ControlChannel::read_all() {
  if (busy_ || closed_) return;
  busy_ = true;
  bool ended = false;
  if (!in_.empty() && !parked_) {
    const std::string rest = std::move(in_);
    in_.clear();
    ended = !consume(rest);
  }
  while (!ended && !parked_ && fd_) {
    const ssize_t n = ::recv(fd_.get(), scratch_.data(), scratch_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      ended = errno != EAGAIN && errno != EWOULDBLOCK;
      break;
    }
    ended = n == 0 || !consume({scratch_.data(), static_cast<size_t>(n)});
    if (!ended && static_cast<size_t>(n) < scratch_.size()) break;  // emptied: what comes later brings an edge
  }
  // Parked: the answers so far wait for the one that the client waits for.
  if (!parked_ && !out_.empty()) flush();
  if (out_.size() > kHeldBytes && !parked_ && in_body_) ended = true;
  busy_ = false;
  if (ended && !closed_) {
    closed_ = true;
    close();
    owner_.on_control_closed();
  }
}

bool ControlChannel::consume(std::string_view bytes) {
  while (!bytes.empty() || in_body_) {
    if (parked_) {
      in_.append(bytes);
      return in_.size() <= kHeldBytes;
    }
    if (!in_body_ && !take_head(bytes)) return false;
    if (in_body_ && !take_body(bytes)) return false;
    if (in_body_ || bytes.empty()) return true;
  }
  return true;
}

// Afterwards `in_body_` tells that a head is complete; else all bytes are in `in_`.
bool ControlChannel::take_head(std::string_view& bytes) {
  std::string_view whole = bytes;
  if (!in_.empty()) {
    in_.append(bytes);
    whole = in_;
  }
  switch (parser_.parse(whole, head_)) {
    case net::http1::Parse::kError:
      return false;
    case net::http1::Parse::kMore:
      if (in_.empty()) in_.assign(bytes);
      bytes = {};
      return in_.size() <= limits::kHeadBytes;
    case net::http1::Parse::kDone:
      break;
  }
  head_text_.assign(whole.substr(0, head_.bytes));
  bytes = bytes.substr(bytes.size() - (whole.size() - head_.bytes));
  in_.clear();
  reader_.start(head_.framing, head_.content_length);
  body_.clear();
  body_size_ = 0;
  if (head_.framing == net::http1::Framing::kLength &&
      static_cast<size_t>(head_.content_length) <= limits::kRuntimeResponseBytes) {
    body_.reserve(static_cast<size_t>(head_.content_length));
  }
  in_body_ = true;
  parser_.reset();
  return true;
}

bool ControlChannel::take_body(std::string_view& bytes) {
  for (;;) {
    std::string_view data;
    switch (reader_.next(bytes, data)) {
      case net::http1::BodyReader::Event::kMore:
        return true;
      case net::http1::BodyReader::Event::kError:
        return false;
      case net::http1::BodyReader::Event::kData:
        body_size_ += data.size();
        if (body_size_ <= limits::kRuntimeResponseBytes) body_.append(data);
        break;
      case net::http1::BodyReader::Event::kDone:
        in_body_ = false;
        dispatch();
        return true;
    }
  }
}

void ControlChannel::dispatch() {
  ApiRequest request;
  const char* base = head_text_.data();
  request.method = head_.method.in(base);
  request.path = head_.target.in(base);
  request.path = request.path.substr(0, request.path.find('?'));
  request.header = [this](std::string_view name) -> std::string_view {
    for (const net::http1::Field& field : head_.fields) {
      if (iequals(field.name.in(head_text_.data()), name)) return field.value.in(head_text_.data());
    }
    return {};
  };
  request.too_large = body_size_ > limits::kRuntimeResponseBytes;
  request.body_size = body_size_;
  request.body = std::move(body_);
  body_.clear();
  // Parked before the call, since the owner may answer inside it.
  parked_ = true;
  const ApiReply reply = owner_.on_control_request(std::move(request));
  if (reply.parked) return;
  parked_ = false;
  append_head(out_, reply.status, "", reply.body.size());
  out_ += reply.body;
}

}  // namespace savia::lambda

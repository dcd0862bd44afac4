// Reading: from bytes to a request that the pipeline can run, and the life of the connection around it.
#include "edge/client.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "edge/worker.h"
#include "net/socket.h"

namespace savia::edge {

using net::http1::BodyReader;
using net::http1::Framing;
using net::http1::Head;
using net::http1::Parse;

namespace {

constexpr size_t kLingerBytes = 16 * 1024 * 1024;  // read and forgotten after a final answer
constexpr size_t kTrustedLength = 1024 * 1024;     // memory reserved on the word of a Content-Length alone

}  // namespace

Client::Client(Worker& worker, uint64_t id, net::Stream stream, int local_port)
    : worker_(worker),
      id_(id),
      stream_(std::move(stream)),
      local_port_(local_port),
      parser_(net::http1::HeadParser::Kind::kRequest, {limits::kHeadBytes, limits::kHeaders}) {}

Client::~Client() {
  worker_.loop.cancel(timer_);
  if (upstream_) worker_.bury(std::move(upstream_));
  if (stream_.open()) worker_.loop.remove(stream_.fd());
}

bool Client::start() {
  peer_ip_ = net::peer_of(stream_.fd()).ip;
  if (peer_ip_ == "unix") peer_ip_ = "127.0.0.1";  // sandboxes reach the edge by a Unix socket; events need an address
  set_deadline(worker_.shared->idle_ms);
  return worker_.loop.add(stream_.fd(), this).ok();
}

void Client::on_io(uint32_t events) {
  worker_.empty_graveyard();
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  if (stream_.secure()) readable_ = writable_ = true;  // TLS may read in order to write
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) half_closed_ = true;
  if (events & (EPOLLHUP | EPOLLERR)) gone_ = true;  // both directions are gone: nobody will read an answer
  pump();
}

void Client::pump() {
  if (pumping_) return;
  pumping_ = true;
  if (gone_ && (state_ == State::kWaiting || state_ == State::kRelay)) close();
  while (state_ != State::kClosed && step()) {
  }
  pumping_ = false;
  if (state_ != State::kClosed) return;
  Worker& worker = worker_;
  worker.clients.erase(id_);  // destroys *this
  worker.client_closed();
}

bool Client::step() {
  switch (state_) {
    case State::kHead:
      return step_head();
    case State::kBody:
      return step_body();
    case State::kRelay:
      return step_relay();
    case State::kWriting:
      return step_write();
    case State::kLingering:
      return step_linger();
    case State::kWaiting:
    case State::kClosed:
      return false;
  }
  return false;
}

// Bytes just read, in the scratch buffer; empty at the end of the stream; nothing when none are there.
std::optional<std::string_view> Client::receive() {
  if (!readable_) return std::nullopt;
  ssize_t n = stream_.read(worker_.scratch.data(), worker_.scratch.size());
  if (n == net::Stream::kAgain) {
    readable_ = false;
    return std::nullopt;
  }
  if (n <= 0) return std::string_view();
  // A short read has emptied the socket. The end of the stream makes an edge of its own, unless it came with this one.
  if (!stream_.secure() && static_cast<size_t>(n) < worker_.scratch.size() && !half_closed_) readable_ = false;
  return std::string_view(worker_.scratch.data(), static_cast<size_t>(n));
}

bool Client::step_head() {
  std::string_view buffer;
  bool was_started = parser_.started();
  Parse parsed = Parse::kMore;
  if (partial_ && !partial_->in.empty()) {
    buffer = partial_->in;
    parsed = parser_.parse(buffer, partial_->head);
    if (parsed == Parse::kMore && !was_started && parser_.started()) set_deadline(limits::kHeadTimeoutMs);
  }
  if (parsed == Parse::kMore) {
    if (worker_.draining && !parser_.started()) return close(), false;
    std::optional<std::string_view> got = receive();
    if (!got) return false;
    if (got->empty()) return close(), false;
    bool first = !partial_;
    buffer = *got;
    if (!first) buffer = partial_->in.append(*got);
    parsed = parser_.parse(buffer, first ? worker_.head : partial_->head);
    if (parsed == Parse::kMore) {
      if (first) {
        partial_ = std::make_unique<Partial>();
        std::swap(partial_->head, worker_.head);
        partial_->in = buffer;
      }
      if (!was_started && parser_.started()) set_deadline(limits::kHeadTimeoutMs);
      return true;
    }
  }
  if (parsed == Parse::kError) return refuse(parser_.error_status(), parser_.error_text()), true;
  parser_.reset();
  begin(buffer, partial_ ? partial_->head : worker_.head);
  return true;
}

void Client::fill_request(Request& r, const char* base, const Head& head) {
  r.base = base;
  r.head = &head;
  r.method = head.method.in(base);
  std::string_view target = head.target.in(base);
  size_t question = target.find('?');
  r.raw_path = target.substr(0, question);
  r.query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  r.host = head.host.in(base);
  r.peer_ip = peer_ip_;
  r.local_port = local_port_;
  r.secure = stream_.secure();
  r.now_ms = worker_.loop.now_ms();
  r.ids = &ids_;
  r.api = nullptr;
  r.stage = nullptr;
  r.route = nullptr;
  r.body = {};
}

// A complete head stands in `buffer`, which is the scratch memory or partial_->in.
void Client::begin(std::string_view buffer, Head& head) {
  ++sequence_;
  began_us_ = worker_.loop.monotonic_us();
  keep_alive_ = head.keep_alive;
  old_version_ = head.minor_version == 0;
  body_ready_ = false;
  status_ = 0;
  body_bytes_ = 0;
  body_.start(head.framing, head.content_length);
  worker_.ids.fill(ids_, worker_.loop.now_ms());
  Request& r = worker_.request;
  fill_request(r, buffer.data(), head);
  head_request_ = r.method == "HEAD";
  buffer_ = buffer;
  rest_ = buffer.substr(head.bytes);
  body_ready_ = take_whole_body(rest_, r);
  run_pipeline(r);
  buffer_ = rest_ = {};
}

// The usual case: no body, or all of it behind the head. What follows it belongs to the next request.
bool Client::take_whole_body(std::string_view rest, Request& r) {
  const Head& head = *r.head;
  size_t length = 0;
  if (head.framing == Framing::kLength) {
    if (static_cast<uint64_t>(head.content_length) > rest.size()) return false;
    length = static_cast<size_t>(head.content_length);
  } else if (head.framing != Framing::kNone) {
    return false;
  }
  r.body = rest.substr(0, length);
  if (rest.size() > length) next_.assign(rest.substr(length));
  body_.start(Framing::kNone, 0);
  return true;
}

// The body is on its way: keep the head, and collect.
void Client::collect_body(std::string_view buffer, std::string_view rest) {
  state_ = State::kBody;
  auto kept = std::make_unique<Partial>();
  const Head& head = *worker_.request.head;
  kept->in = buffer.substr(0, head.bytes);
  kept->head = head;
  if (head.framing == Framing::kLength)
    kept->body.reserve(std::min<size_t>(static_cast<size_t>(head.content_length), kTrustedLength));
  std::string behind;  // `rest` may lie in the old partial_
  if (partial_) {
    behind = rest;
    rest = behind;
  }
  partial_ = std::move(kept);
  take_body(rest);
}

void Client::take_body(std::string_view bytes) {
  for (;;) {
    std::string_view piece;
    switch (body_.next(bytes, piece)) {
      case BodyReader::Event::kData:
        if (partial_->body.size() + piece.size() > limits::kEdgeBodyBytes) return refuse(413, "content too large");
        partial_->body.append(piece);
        break;
      case BodyReader::Event::kMore:
        return;
      case BodyReader::Event::kError:
        return refuse(400, body_.error_text());
      case BodyReader::Event::kDone:
        next_.assign(bytes);
        return rerun();
    }
  }
}

// The collected request runs through the pipeline again, from the kept copy of its head and with its whole body.
void Client::rerun() {
  body_ready_ = true;
  Request& r = worker_.request;
  fill_request(r, partial_->in.data(), partial_->head);
  r.body = partial_->body;
  run_pipeline(r);
}

bool Client::step_body() {
  if (continue_pending_) {
    continue_pending_ = false;
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    // A socket that takes no 25 bytes right after a request is broken or malicious.
    if (stream_.write(kContinue) != static_cast<ssize_t>(kContinue.size())) return close(), false;
  }
  std::optional<std::string_view> got = receive();
  if (!got) return set_deadline(limits::kBodyTimeoutMs), false;
  if (got->empty()) return close(), false;
  take_body(*got);
  return true;
}

bool Client::step_write() {
  if (!flush()) return false;
  finish_answer();
  return true;
}

bool Client::step_linger() {
  std::optional<std::string_view> got = receive();
  if (!got) return false;
  lingered_ += got->size();
  if (got->empty() || lingered_ > kLingerBytes) close();
  return true;
}

void Client::drain() {
  if (state_ == State::kHead && !partial_) {  // idle: nothing of a next request has come
    close();
    pump();
  } else {
    keep_alive_ = false;
  }
}

// One timer a connection. Moving the deadline further away costs nothing: the timer finds out when it fires. So a request
// that is answered in time never touches the wheel.
void Client::set_deadline(int64_t delay_ms) {
  deadline_us_ = worker_.loop.monotonic_us() + delay_ms * 1000;
  if (timer_ != 0 && timer_us_ <= deadline_us_) return;
  worker_.loop.cancel(timer_);
  timer_us_ = deadline_us_;
  timer_ = worker_.loop.after(delay_ms, [this] { on_timer(); });
}

void Client::on_timer() {
  timer_ = 0;
  int64_t now_us = worker_.loop.monotonic_us();
  if (deadline_us_ > now_us) return set_deadline((deadline_us_ - now_us + 999) / 1000);
  switch (state_) {
    case State::kHead:
      if (parser_.started()) {
        refuse(408, "request was not complete in time");
        break;
      }
      close();
      break;
    case State::kBody:
      refuse(408, "request was not complete in time");
      break;
    case State::kWaiting:
      timed_out();
      break;
    case State::kRelay:
      if (status_ != 0) {
        close();  // in the middle of the answer: only an end of the connection tells the client
      } else {
        timed_out();
      }
      break;
    case State::kWriting:
    case State::kLingering:
    case State::kClosed:
      close();
      break;
  }
  pump();
}

}  // namespace savia::edge

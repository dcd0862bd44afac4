#include "edge/upstream.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "edge/client.h"
#include "edge/worker.h"
#include "net/socket.h"

namespace savia::edge {

using net::http1::BodyReader;
using net::http1::Parse;

namespace {

constexpr size_t kResendBytes = 16 * 1024;  // a request this long is kept in case a reused connection turns out closed

}  // namespace

Upstream::Upstream(Worker& worker, const ProxyTarget& target)
    : worker_(worker),
      key_(target.pool_key),
      host_(target.host),
      port_(target.port),
      tls_(target.tls),
      parser_(net::http1::HeadParser::Kind::kResponse, {64 * 1024, 256}),
      alive_(std::make_shared<bool>(true)) {}

Upstream::~Upstream() {
  *alive_ = false;
  shut();
}

void Upstream::shut() {
  client_ = nullptr;
  state_ = State::kDead;
  if (!stream_.open()) return;
  worker_.loop.remove(stream_.fd());
  stream_.close();
}

void Upstream::start(Client* client, std::string_view head, std::string_view body, bool head_request) {
  client_ = client;
  ++exchanges_;
  head_request_ = head_request;
  head_done_ = any_byte_ = false;
  parser_.reset();
  if (reused() && head.size() + body.size() <= kResendBytes) {
    sent_.assign(head).append(body);
  } else {
    sent_.clear();
  }
  write(head, body);
  if (state_ == State::kUnconnected) connect();
}

void Upstream::connect() {
  if (std::optional<std::string> ip = worker_.shared->resolver.known(host_)) return connect_to(*ip);
  state_ = State::kResolving;
  worker_.shared->resolver.resolve(host_, worker_.loop, [this, alive = alive_](Result<std::string> ip) {
    if (!*alive) return;
    if (ip.ok()) return connect_to(*ip);
    log_warn("edge.upstream", {{"host", host_}, {"why", ip.error().message()}});
    fail(UpstreamFailure::kConnect);
  });
}

void Upstream::connect_to(const std::string& ip) {
  Result<os::Fd> fd = net::connect_nonblocking(ip, port_);
  if (!fd.ok()) return fail_later(UpstreamFailure::kConnect);
  stream_ = net::Stream(std::move(fd).value());
  if (tls_) {
    if (!worker_.upstream_tls) {
      Result<std::shared_ptr<net::TlsContext>> made = net::TlsContext::client();
      if (!made.ok()) return fail_later(UpstreamFailure::kConnect);
      worker_.upstream_tls = std::move(made).value();
    }
    if (!stream_.start_client_tls(*worker_.upstream_tls, host_).ok()) return fail_later(UpstreamFailure::kConnect);
  }
  state_ = State::kConnecting;
  if (!worker_.loop.add(stream_.fd(), this).ok()) fail_later(UpstreamFailure::kConnect);
}

void Upstream::fail_later(UpstreamFailure failure) {
  state_ = State::kDead;
  worker_.loop.post([this, alive = alive_, failure] {
    if (*alive) fail(failure);
  });
}

void Upstream::fail(UpstreamFailure failure) {
  state_ = State::kDead;
  Client* client = std::exchange(client_, nullptr);
  if (client != nullptr) client->upstream_failed(failure);  // buries this object
}

bool Upstream::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(stream_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return false;
  state_ = State::kOpen;
  return true;
}

void Upstream::on_io(uint32_t events) {
  worker_.empty_graveyard();
  if (client_ == nullptr) {
    if (events & EPOLLOUT) writable_ = true;
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) return;
    // Idle: whatever is there, be it the end of the stream, makes the connection useless. Nothing: a stale event.
    char byte;
    if (stream_.read(&byte, 1) != net::Stream::kAgain) worker_.drop_idle(this);
    return;
  }
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  if (tls_) readable_ = writable_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) half_closed_ = true;
  if (state_ == State::kConnecting) {
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) == 0) return;
    if (!connected()) return fail(UpstreamFailure::kConnect);
  }
  pump();
}

void Upstream::resume() {
  pump();
}

// Sends what waits and reads while the client can take more. Calls into the client may end the exchange (client_ is null
// then) or ask to go on (resume()), which the running call picks up.
void Upstream::pump() {
  if (pumping_) {
    again_ = true;
    return;
  }
  if (state_ != State::kOpen) return;
  pumping_ = true;
  do {
    again_ = false;
    bool was_congested = congested();
    if (!flush()) {
      pumping_ = false;
      return fail(any_byte_ ? UpstreamFailure::kBroken : UpstreamFailure::kClosed);
    }
    if (was_congested && !congested() && client_ != nullptr) client_->upstream_drained();
    while (client_ != nullptr && !client_->congested() && read()) {
    }
  } while (again_ && client_ != nullptr && state_ == State::kOpen);
  pumping_ = false;
}

void Upstream::write(std::string_view a, std::string_view b) {
  if (state_ == State::kOpen && out_.empty() && writable_) {
    ssize_t n = stream_.write(a, b);
    if (n == net::Stream::kAgain) {
      writable_ = false;
      n = 0;
    }
    // A broken connection shows itself to the reader, who knows whether an answer came before the end.
    if (n == net::Stream::kFailed) {
      readable_ = true;
      return fail_if_silent();
    }
    size_t taken = static_cast<size_t>(n);
    if (taken >= a.size() + b.size()) return;
    size_t of_a = std::min(taken, a.size());
    a.remove_prefix(of_a);
    b.remove_prefix(taken - of_a);
  }
  out_.append(a).append(b);
}

void Upstream::fail_if_silent() {
  worker_.loop.post([this, alive = alive_] {
    if (*alive && client_ != nullptr) pump();
  });
}

void Upstream::send(std::string_view bytes) {
  write(bytes, {});
}

// False when the connection is broken.
bool Upstream::flush() {
  while (out_at_ < out_.size() && writable_) {
    ssize_t n = stream_.write(std::string_view(out_).substr(out_at_));
    if (n == net::Stream::kFailed) return false;
    if (n == net::Stream::kAgain) {
      writable_ = false;
      break;
    }
    out_at_ += static_cast<size_t>(n);
  }
  if (out_at_ == out_.size() && out_at_ != 0) {
    out_.clear();
    out_at_ = 0;
    if (out_.capacity() > kBuffered) out_.shrink_to_fit();
  }
  return true;
}

// One read and what follows from it; false when there is nothing more to do now.
bool Upstream::read() {
  if (!readable_) return false;
  ssize_t n = stream_.read(worker_.scratch.data(), worker_.scratch.size());
  if (n == net::Stream::kAgain) {
    readable_ = false;
    return false;
  }
  if (n <= 0) {
    if (n == 0 && head_done_ && body_.complete_at_close()) {
      finish(false);
    } else {
      fail(head_done_ ? UpstreamFailure::kBroken : any_byte_ ? UpstreamFailure::kMalformed : UpstreamFailure::kClosed);
    }
    return false;
  }
  any_byte_ = true;
  if (!tls_ && static_cast<size_t>(n) < worker_.scratch.size() && !half_closed_) readable_ = false;
  return take(std::string_view(worker_.scratch.data(), static_cast<size_t>(n)));
}

bool Upstream::take(std::string_view bytes) {
  if (!head_done_) {
    if (!take_head(bytes)) return false;
    if (!head_done_) return true;  // more of it must come
  }
  return take_body(bytes);
}

// Consumes the head, interim answers included; on return `bytes` is what follows it.
bool Upstream::take_head(std::string_view& bytes) {
  bool kept = !in_.empty();
  if (kept) bytes = in_.append(bytes);
  for (;;) {
    Parse parsed = parser_.parse(bytes, head_, head_request_);
    if (parsed == Parse::kError) return fail(UpstreamFailure::kMalformed), false;
    if (parsed == Parse::kMore) {
      if (!kept) {
        in_.assign(bytes);
      } else if (bytes.size() < in_.size()) {
        in_.erase(0, in_.size() - bytes.size());
      }
      return true;
    }
    if (head_.status >= 200) break;
    if (head_.status == 101) return fail(UpstreamFailure::kMalformed), false;  // nobody asked for it
    bytes.remove_prefix(head_.bytes);
    parser_.reset();
  }
  head_done_ = true;
  parser_.reset();
  body_.start(head_.framing, head_.content_length);
  client_->upstream_head(head_, bytes.data());
  bytes.remove_prefix(head_.bytes);
  return true;
}

bool Upstream::take_body(std::string_view bytes) {
  for (;;) {
    std::string_view piece;
    switch (body_.next(bytes, piece)) {
      case BodyReader::Event::kData:
        client_->upstream_body(piece);
        break;
      case BodyReader::Event::kMore:
        in_.clear();
        client_->upstream_batch_end();
        return true;
      case BodyReader::Event::kError:
        return fail(UpstreamFailure::kBroken), false;
      case BodyReader::Event::kDone: {
        bool clean = bytes.empty();
        in_.clear();
        finish(clean && head_.keep_alive && out_.empty());
        return false;
      }
    }
  }
}

void Upstream::finish(bool reusable) {
  Client* client = std::exchange(client_, nullptr);
  client->upstream_done(reusable && !half_closed_);  // gives this object to the pool or the graveyard
}

}  // namespace savia::edge

// A connection is a small state machine: head -> body -> handling -> writing -> head ... , or -> lingering -> closed.
// step() does one piece of work and says whether there may be more; pump() repeats it. Answers given inside pump() (the
// handler answered at once) are picked up by the same pump(), so a pipelining client cannot make the stack grow, and a
// connection is destroyed in one place only, when nothing of it is on the stack.
#include "net/http_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <unordered_map>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "net/http1.h"

namespace savia::net {
namespace {

constexpr size_t kReadBytes = 64 * 1024;        // one read
constexpr size_t kTrustedLength = 1024 * 1024;  // memory reserved on the word of a Content-Length alone
constexpr size_t kKeepBuffer = 4 * 1024;        // receive memory that an idle connection may keep
constexpr int64_t kLingerMs = 2'000;            // reading on after a final answer, so that a reset does not destroy it
// Clients send a body in one go and look for the answer afterwards: what is refused by its head is read on, within that time.
constexpr size_t kLingerBytes = 128 * 1024 * 1024;

class Connection;

// What the server, its connections and the responders still out share. Owners: the server and every responder.
struct Core {
  Core(Loop& l, HttpServerOptions o, HttpHandler h)
      : loop(l), options(std::move(o)), handler(std::move(h)), scratch(kReadBytes, '\0') {}
  Loop& loop;
  HttpServerOptions options;
  HttpHandler handler;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections;
  std::string scratch;  // every read lands here; only an incomplete head is copied into its connection
  bool draining = false;
  std::function<void()> on_closed;
  int64_t date_s = -1;
  std::string date;

  void deliver(uint64_t id, uint64_t sequence, HttpResponse response);
  const std::string& date_now() {
    if (int64_t s = loop.now_ms() / 1000; s != date_s) {
      date_s = s;
      date = format_rfc7231(loop.now_ms());
    }
    return date;
  }
};

class Responder final : public HttpResponder {
 public:
  Responder(std::shared_ptr<Core> core, uint64_t id, uint64_t sequence)
      : core_(std::move(core)), id_(id), sequence_(sequence) {}
  ~Responder() override {
    if (answered_) return;
    log_error("http.unanswered", {{"connection", std::to_string(id_)}});
    HttpResponse response;
    response.status = 500;
    response.headers.add("Content-Type", "text/plain");
    response.body = "Internal Server Error\n";
    respond(std::move(response));
  }
  void respond(HttpResponse response) override {
    if (answered_) return;
    answered_ = true;
    if (core_->loop.in_loop()) return core_->deliver(id_, sequence_, std::move(response));
    auto moved = std::make_shared<HttpResponse>(std::move(response));
    core_->loop.post([core = core_, id = id_, sequence = sequence_, moved] { core->deliver(id, sequence, std::move(*moved)); });
  }
  void on_abort(std::function<void()> fn) override;

 private:
  std::shared_ptr<Core> core_;
  uint64_t id_, sequence_;
  bool answered_ = false;
};

class Connection final : public IoHandler {
 public:
  Connection(std::shared_ptr<Core> core, uint64_t id, Stream stream)
      : core_(std::move(core)),
        id_(id),
        stream_(std::move(stream)),
        parser_(http1::HeadParser::Kind::kRequest, head_limits(*core_)) {}
  ~Connection() override {
    core_->loop.cancel(timer_);
    if (stream_.open()) core_->loop.remove(stream_.fd());
  }

  bool start() {
    Peer peer = peer_of(stream_.fd());
    peer_ip_ = std::move(peer.ip);
    peer_port_ = peer.port;
    set_deadline(core_->options.idle_ms);
    return core_->loop.add(stream_.fd(), this).ok();
  }
  void on_io(uint32_t events) override;
  void answer(uint64_t sequence, HttpResponse response);
  void drain();
  void set_abort(uint64_t sequence, std::function<void()> fn) {
    if (sequence == sequence_ && state_ == State::kHandling) on_abort_ = std::move(fn);
  }

 private:
  enum class State { kHead, kBody, kHandling, kWriting, kLingering, kClosed };

  static http1::Limits head_limits(const Core& core) { return {core.options.head_bytes, limits::kHeaders}; }
  void pump();
  bool step();
  bool step_head();
  bool step_body();
  bool step_write();
  bool step_linger();
  std::optional<std::string_view> receive();
  void begin_request(std::string_view buffer);
  void after_head(std::string_view rest);
  void take_body(std::string_view bytes);
  void keep(std::string_view rest);
  void dispatch();
  void refuse(int status, const char* reason);
  void send(HttpResponse response);
  void finish_answer();
  void close();
  void set_deadline(int64_t delay_ms);
  void on_timer();

  std::shared_ptr<Core> core_;
  uint64_t id_;
  Stream stream_;
  std::string peer_ip_;
  int peer_port_ = 0;
  State state_ = State::kHead;
  bool pumping_ = false, readable_ = true, writable_ = true, gone_ = false, half_closed_ = false;
  bool keep_alive_ = true, head_method_ = false, old_version_ = false, continue_pending_ = false;
  uint64_t sequence_ = 0;  // of the request being handled
  http1::HeadParser parser_;
  http1::Head head_;
  http1::BodyReader body_;
  HttpRequest request_;
  std::string in_;  // received and not yet used
  std::string out_head_, out_body_;
  size_t written_ = 0, lingered_ = 0;
  std::function<void()> on_abort_;
  TimerId timer_ = 0;
  int64_t deadline_us_ = 0, timer_us_ = 0;
};

void Core::deliver(uint64_t id, uint64_t sequence, HttpResponse response) {
  auto it = connections.find(id);
  if (it != connections.end()) it->second->answer(sequence, std::move(response));
}

void Responder::on_abort(std::function<void()> fn) {
  auto it = core_->connections.find(id_);
  if (it != core_->connections.end()) it->second->set_abort(sequence_, std::move(fn));
}

void Connection::on_io(uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  if (stream_.secure()) readable_ = writable_ = true;  // TLS may read in order to write
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) half_closed_ = true;
  if (events & (EPOLLHUP | EPOLLERR)) gone_ = true;  // both directions are gone: nobody will read an answer
  pump();
}

void Connection::pump() {
  if (pumping_) return;
  pumping_ = true;
  if (gone_ && state_ == State::kHandling) close();
  while (state_ != State::kClosed && step()) {
  }
  pumping_ = false;
  if (state_ != State::kClosed) return;
  std::function<void()> abort = std::move(on_abort_);
  std::shared_ptr<Core> core = core_;
  core->connections.erase(id_);  // destroys *this
  if (abort) abort();
  if (core->on_closed) core->on_closed();
}

bool Connection::step() {
  switch (state_) {
    case State::kHead:
      return step_head();
    case State::kBody:
      return step_body();
    case State::kWriting:
      return step_write();
    case State::kLingering:
      return step_linger();
    case State::kHandling:
    case State::kClosed:
      return false;
  }
  return false;
}

// Bytes just read; empty at the end of the stream; nothing when none are there.
std::optional<std::string_view> Connection::receive() {
  if (!readable_) return std::nullopt;
  ssize_t n = stream_.read(core_->scratch.data(), core_->scratch.size());
  if (n == Stream::kAgain) {
    readable_ = false;
    return std::nullopt;
  }
  if (n <= 0) return std::string_view();
  // A short read has emptied the socket. The end of the stream makes an edge of its own, unless it came with this one.
  if (!stream_.secure() && static_cast<size_t>(n) < core_->scratch.size() && !half_closed_) readable_ = false;
  return std::string_view(core_->scratch.data(), static_cast<size_t>(n));
}

bool Connection::step_head() {
  std::string_view buffer = in_;
  bool was_started = parser_.started();
  http1::Parse parsed = in_.empty() ? http1::Parse::kMore : parser_.parse(in_, head_);
  if (parsed == http1::Parse::kMore) {
    if (!was_started && parser_.started()) set_deadline(core_->options.head_ms);  // pipelined behind the last request
    if (core_->draining && !parser_.started()) return close(), false;
    std::optional<std::string_view> got = receive();
    if (!got) return false;
    if (got->empty()) return close(), false;
    bool first = in_.empty();
    if (!first) in_.append(*got);
    buffer = first ? *got : std::string_view(in_);
    parsed = parser_.parse(buffer, head_);
    if (parsed == http1::Parse::kMore) {
      if (first) in_.assign(buffer);
      if (!was_started && parser_.started()) set_deadline(core_->options.head_ms);
      return true;
    }
  }
  if (parsed == http1::Parse::kError) return refuse(parser_.error_status(), parser_.error_text()), true;
  begin_request(buffer);
  return true;
}

void Connection::begin_request(std::string_view buffer) {
  request_ = HttpRequest();
  request_.method = head_.method.in(buffer.data());
  request_.target = head_.target.in(buffer.data());
  request_.minor_version = head_.minor_version;
  for (const http1::Field& f : head_.fields) request_.headers.add(f.name.in(buffer.data()), f.value.in(buffer.data()));
  if (head_.absolute_target) request_.headers.set("Host", head_.host.in(buffer.data()));
  request_.peer_ip = peer_ip_;
  request_.peer_port = peer_port_;
  request_.secure = stream_.secure();
  keep_alive_ = head_.keep_alive;
  head_method_ = request_.method == "HEAD";
  old_version_ = head_.minor_version == 0;
  body_.start(head_.framing, head_.content_length);
  ++sequence_;
  // `buffer` may be in_ itself; the rest of it is moved to the front once the body has been taken.
  after_head(buffer.substr(head_.bytes));
}

void Connection::after_head(std::string_view rest) {
  state_ = State::kBody;
  std::optional<int64_t> length;
  if (head_.framing == http1::Framing::kLength) length = head_.content_length;
  if (head_.framing == http1::Framing::kNone) length = 0;
  if (core_->options.on_head) {
    if (std::optional<HttpResponse> early = core_->options.on_head(request_, length)) {
      if (!body_.done()) keep_alive_ = false;  // the body is not read: the connection cannot go on
      keep(rest);
      return send(std::move(*early));
    }
  }
  if (length && static_cast<uint64_t>(*length) > core_->options.body_bytes) {
    keep(rest);
    return refuse(413, "content too large");
  }
  if (length) request_.body.reserve(std::min<size_t>(static_cast<size_t>(*length), kTrustedLength));
  continue_pending_ = head_.expect_continue && !body_.done();
  take_body(rest);
}

void Connection::keep(std::string_view rest) {
  // `rest` is the end of in_, or lies in the scratch buffer.
  if (rest.empty()) {
    in_.clear();
    if (in_.capacity() > kKeepBuffer) in_.shrink_to_fit();
  } else if (rest.data() >= in_.data() && rest.data() <= in_.data() + in_.size()) {
    in_.erase(0, in_.size() - rest.size());
  } else {
    in_.assign(rest);
  }
}

void Connection::take_body(std::string_view bytes) {
  for (;;) {
    std::string_view piece;
    switch (body_.next(bytes, piece)) {
      case http1::BodyReader::Event::kData:
        if (request_.body.size() + piece.size() > core_->options.body_bytes) return keep({}), refuse(413, "content too large");
        request_.body.append(piece);
        break;
      case http1::BodyReader::Event::kMore:
        return keep({});
      case http1::BodyReader::Event::kError:
        return keep({}), refuse(400, body_.error_text());
      case http1::BodyReader::Event::kDone:
        for (auto& [name, value] : body_.take_trailers()) request_.trailers.add(name, value);
        keep(bytes);
        return dispatch();
    }
  }
}

bool Connection::step_body() {
  if (continue_pending_) {
    continue_pending_ = false;
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    // A socket that takes no 25 bytes right after a request is broken or malicious.
    if (stream_.write(kContinue) != static_cast<ssize_t>(kContinue.size())) return close(), false;
  }
  std::optional<std::string_view> got = receive();
  if (!got) return set_deadline(core_->options.body_ms), false;
  if (got->empty()) return close(), false;
  take_body(*got);
  return true;
}

void Connection::dispatch() {
  state_ = State::kHandling;
  parser_.reset();
  core_->handler(std::move(request_), std::make_unique<Responder>(core_, id_, sequence_));
  request_ = HttpRequest();
}

void Connection::answer(uint64_t sequence, HttpResponse response) {
  if (state_ != State::kHandling || sequence != sequence_) return;
  on_abort_ = nullptr;
  send(std::move(response));
  pump();
}

void Connection::refuse(int status, const char* reason) {
  keep_alive_ = false;
  HttpResponse response;
  if (core_->options.on_bad_request) {
    response = core_->options.on_bad_request(status, reason);
  } else {
    response.headers.add("Content-Type", "text/plain");
    response.body = std::string(reason) + "\n";
  }
  response.status = status;
  send(std::move(response));
}

void Connection::send(HttpResponse response) {
  if (response.close || core_->draining) keep_alive_ = false;
  bool bodiless = response.status < 200 || response.status == 204 || response.status == 304;
  std::string& out = out_head_;
  out = "HTTP/1.1 ";
  out += std::to_string(response.status);
  out += ' ';
  out += http1::reason_phrase(response.status);
  out += "\r\n";
  bool length_given = false, date_given = false;
  for (const auto& [name, value] : response.headers.fields()) {
    http1::Name id = http1::known_name(name);
    // Framing is the server's. A HEAD answer alone may tell a length of a body that is not there.
    if (id == http1::Name::kContentLength && !(head_method_ && response.body.empty())) continue;
    if (id == http1::Name::kConnection || id == http1::Name::kTransferEncoding || id == http1::Name::kKeepAlive) continue;
    if (!http1::is_sendable(name, value)) {
      log_warn("http.header_dropped", {{"name", name}});
      continue;
    }
    length_given = length_given || id == http1::Name::kContentLength;
    date_given = date_given || id == http1::Name::kDate;
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (!date_given) out.append("Date: ").append(core_->date_now()).append("\r\n");
  if (!core_->options.server_name.empty()) out.append("Server: ").append(core_->options.server_name).append("\r\n");
  if (!length_given && !bodiless) out.append("Content-Length: ").append(std::to_string(response.body.size())).append("\r\n");
  if (!keep_alive_) {
    out += "Connection: close\r\n";
  } else if (old_version_) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  out_body_ = head_method_ || bodiless ? std::string() : std::move(response.body);
  written_ = 0;
  state_ = State::kWriting;
}

bool Connection::step_write() {
  size_t total = out_head_.size() + out_body_.size();
  while (written_ < total) {
    if (!writable_) return set_deadline(core_->options.body_ms), false;
    std::string_view head = out_head_, body = out_body_;
    if (written_ < head.size()) {
      head.remove_prefix(written_);
    } else {
      head = body.substr(written_ - head.size());
      body = {};
    }
    ssize_t n = stream_.write(head, body);
    if (n == Stream::kFailed) return close(), false;
    if (n == Stream::kAgain) {
      writable_ = false;
      continue;
    }
    written_ += static_cast<size_t>(n);
  }
  finish_answer();
  return state_ != State::kClosed;
}

void Connection::finish_answer() {
  out_head_.clear();
  std::string().swap(out_body_);
  parser_.reset();
  if (keep_alive_ && !core_->draining) {
    state_ = State::kHead;
    set_deadline(core_->options.idle_ms);
    return;
  }
  // Closing with unread bytes in the socket sends a reset, which may overtake the answer (RFC 9112 9.6).
  if (body_.done() && in_.empty() && !readable_) return close();
  if (!stream_.secure()) ::shutdown(stream_.fd(), SHUT_WR);
  std::string().swap(in_);
  state_ = State::kLingering;
  set_deadline(kLingerMs);
}

bool Connection::step_linger() {
  std::optional<std::string_view> got = receive();
  if (!got) return false;
  lingered_ += got->size();
  if (got->empty() || lingered_ > kLingerBytes) close();
  return true;
}

void Connection::drain() {
  // Idle: nothing of a next request has come.
  if (state_ == State::kHead && in_.empty()) {
    close();
    pump();
  } else {
    keep_alive_ = false;
  }
}

void Connection::close() {
  state_ = State::kClosed;
}

// One timer a connection. Moving the deadline further away costs nothing: the timer finds out when it fires.
void Connection::set_deadline(int64_t delay_ms) {
  deadline_us_ = core_->loop.monotonic_us() + delay_ms * 1000;
  if (timer_ != 0 && timer_us_ <= deadline_us_) return;
  core_->loop.cancel(timer_);
  timer_us_ = deadline_us_;
  timer_ = core_->loop.after(delay_ms, [this] { on_timer(); });
}

void Connection::on_timer() {
  timer_ = 0;
  int64_t now_us = core_->loop.monotonic_us();
  if (state_ == State::kHandling) deadline_us_ = now_us + core_->options.idle_ms * 1000;  // the handler has its own limits
  if (deadline_us_ > now_us) return set_deadline((deadline_us_ - now_us + 999) / 1000);
  if ((state_ == State::kHead && parser_.started()) || state_ == State::kBody) {
    refuse(408, "request was not complete in time");
    set_deadline(kLingerMs);
  } else {
    close();
  }
  pump();
}

// ---- the listener ----------------------------------------------------------------------------------------------------

class Server final : public HttpServer, public IoHandler {
 public:
  Server(std::shared_ptr<Core> core, os::Fd listener) : core_(std::move(core)), listener_(std::move(listener)) {}
  ~Server() override {
    core_->on_closed = nullptr;
    stop_listening();
    core_->loop.cancel(retry_);
    core_->connections.clear();
    core_->handler = nullptr;
  }

  Result<void> start() {
    core_->on_closed = [this] { on_closed(); };
    return core_->loop.add(listener_.get(), this);
  }
  void on_io(uint32_t) override { accept(); }
  void drain(std::function<void()> done) override;
  size_t connections() const override { return core_->connections.size(); }
  void adopt(int fd) override {
    os::Fd owned(fd);
    if (!listener_ || core_->connections.size() >= core_->options.connections) return;
    take(Stream(std::move(owned)));
  }

 private:
  void accept();
  void take(Stream stream);
  void on_closed();
  void stop_listening() {
    if (!listener_) return;
    core_->loop.remove(listener_.get());
    listener_.reset();
  }

  std::shared_ptr<Core> core_;
  os::Fd listener_;
  uint64_t next_id_ = 1;
  bool waiting_ = false;  // connections may be in the backlog that no edge will announce again
  TimerId retry_ = 0;
  std::function<void()> drained_;
};

void Server::accept() {
  waiting_ = false;
  while (listener_) {
    if (core_->connections.size() >= core_->options.connections) {
      waiting_ = true;
      return;
    }
    Accepted accepted = accept_one(listener_.get());
    if (!accepted.fd) {
      if (!accepted.exhausted) return;
      // Out of descriptors: those who wait stay in the backlog until one is free.
      waiting_ = true;
      constexpr int64_t kRetryMs = 100;
      if (retry_ == 0) {
        retry_ = core_->loop.after(kRetryMs, [this] {
          retry_ = 0;
          accept();
        });
      }
      return;
    }
    Stream stream(std::move(accepted.fd));
    if (core_->options.tls && !stream.start_server_tls(*core_->options.tls).ok()) continue;
    take(std::move(stream));
  }
}

void Server::take(Stream stream) {
  uint64_t id = next_id_++;
  auto connection = std::make_unique<Connection>(core_, id, std::move(stream));
  if (!connection->start()) return;
  core_->connections.emplace(id, std::move(connection));  // its first edge comes with the next turn
}

void Server::on_closed() {
  if (waiting_) accept();
  if (drained_ && core_->connections.empty()) std::exchange(drained_, nullptr)();
}

void Server::drain(std::function<void()> done) {
  core_->draining = true;
  stop_listening();
  std::vector<uint64_t> ids;
  for (const auto& [id, connection] : core_->connections) ids.push_back(id);
  for (uint64_t id : ids) {
    auto it = core_->connections.find(id);
    if (it != core_->connections.end()) it->second->drain();
  }
  if (core_->connections.empty()) {
    done();
  } else {
    drained_ = std::move(done);
  }
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::create(Loop& loop, int listen_fd, HttpServerOptions options,
                                                       HttpHandler handler) {
  os::Fd listener(listen_fd);
  if (options.head_bytes == 0) options.head_bytes = limits::kHeadBytes;
  if (options.body_bytes == 0) options.body_bytes = limits::kApiBodyBytes;
  if (options.connections == 0) options.connections = limits::kConnections;
  if (options.idle_ms == 0) options.idle_ms = limits::kIdleConnectionMs;
  if (options.head_ms == 0) options.head_ms = limits::kHeadTimeoutMs;
  if (options.body_ms == 0) options.body_ms = limits::kBodyTimeoutMs;
  auto server =
      std::make_unique<Server>(std::make_shared<Core>(loop, std::move(options), std::move(handler)), std::move(listener));
  TRY(server->start());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace savia::net

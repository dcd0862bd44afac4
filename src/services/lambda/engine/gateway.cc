#include "services/lambda/engine/gateway.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/limits.h"
#include "base/log.h"
#include "net/socket.h"

namespace savia::lambda {
namespace {

constexpr int kRelayTurns = 32;  // reads of one direction before the loop looks after others

}  // namespace

GatewayListener::GatewayListener(net::Loop& loop, os::Fd listener, std::function<void(int fd)> take)
    : loop_(loop), fd_(std::move(listener)), take_(std::move(take)) {}

GatewayListener::~GatewayListener() {
  if (fd_) loop_.remove(fd_.get());
}

Result<void> GatewayListener::start() {
  return loop_.add(fd_.get(), this);
}

void GatewayListener::on_io(uint32_t) {
  while (true) {
    net::Accepted accepted = net::accept_one(fd_.get());
    if (!accepted.fd) return;
    take_(accepted.fd.release());
  }
}

TcpApi::TcpApi(net::Loop& loop, os::Fd listener, net::HttpHandler handler)
    : loop_(loop), fd_(std::move(listener)), handler_(std::move(handler)) {}

TcpApi::~TcpApi() {
  if (fd_) loop_.remove(fd_.get());
}

Result<void> TcpApi::start() {
  return loop_.add(fd_.get(), this);
}

void TcpApi::on_io(uint32_t) {
  if (!fd_) return;
  loop_.remove(fd_.get());
  net::HttpServerOptions options;
  // A little over the limit is taken whole, so that the answer (413) can be told apart from a broken connection.
  options.body_bytes = 2 * limits::kRuntimeResponseBytes;
  options.idle_ms = 24 * 3600 * 1000;  // runtimes keep one connection for their life; frozen ones are silent for long
  Result<std::unique_ptr<net::HttpServer>> server =
      net::HttpServer::create(loop_, fd_.release(), std::move(options), std::move(handler_));
  if (server.ok()) {
    server_ = std::move(server).value();
  } else {
    log_error("lambda.runtime_api", {{"error", server.error().message()}});
  }
}

// Two sockets, one buffer a direction. A side that is not drained stops its counterpart from being read.
class Gateway::Relay {
 public:
  Relay(Gateway& gateway, uint64_t id, os::Fd client, os::Fd host)
      : gateway_(gateway),
        id_(id),
        client_(*this, gateway.loop_, std::move(client)),
        host_(*this, gateway.loop_, std::move(host)) {}

  bool start() {
    return gateway_.loop_.add(client_.fd.get(), &client_).ok() && gateway_.loop_.add(host_.fd.get(), &host_).ok();
  }

  // Either socket is ready for something: move what can be moved both ways; edges do not repeat.
  void pump() {
    const Moved a = move(client_, host_);
    const Moved b = move(host_, client_);
    if (a == Moved::kBroken || b == Moved::kBroken || (client_.ended && host_.ended)) return gateway_.remove(id_);
    if (a == Moved::kMore || b == Moved::kMore) gateway_.later(id_);
  }

 private:
  struct Side final : net::IoHandler {
    Side(Relay& r, net::Loop& l, os::Fd f) : relay(r), loop(l), fd(std::move(f)) {}
    ~Side() override { loop.remove(fd.get()); }
    void on_io(uint32_t) override { relay.pump(); }
    Relay& relay;
    net::Loop& loop;
    os::Fd fd;
    std::string pending;  // read from here, not yet taken by the other side
    bool ended = false;   // read to its end, and the other side told
  };

  enum class Moved { kAll, kMore, kBroken };

  static Moved move(Side& from, Side& to) {
    if (from.ended) return Moved::kAll;
    const auto waits = [] { return errno == EAGAIN || errno == ENOTCONN; };  // ENOTCONN: the connection is still being made
    for (int turns = 0; turns < kRelayTurns; ++turns) {
      while (!from.pending.empty()) {
        const ssize_t n = ::send(to.fd.get(), from.pending.data(), from.pending.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return waits() ? Moved::kAll : Moved::kBroken;
        from.pending.erase(0, static_cast<size_t>(n));
      }
      char buffer[16 * 1024];
      const ssize_t n = ::recv(from.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return waits() ? Moved::kAll : Moved::kBroken;
      if (n == 0) {
        from.ended = true;
        ::shutdown(to.fd.get(), SHUT_WR);
        return Moved::kAll;
      }
      from.pending.assign(buffer, static_cast<size_t>(n));
    }
    return Moved::kMore;
  }

  Gateway& gateway_;
  const uint64_t id_;
  Side client_, host_;
};

Gateway::Gateway(net::Loop& loop) : loop_(loop) {}
Gateway::~Gateway() = default;

void Gateway::relay(int client_fd, uint16_t host_port) {
  os::Fd client(client_fd);
  if (relays_.size() >= limits::kHostRelays) {
    log_warn("lambda.host_port.full", {{"port", std::to_string(host_port)}, {"limit", std::to_string(limits::kHostRelays)}});
    return;
  }
  Result<os::Fd> host = net::connect_nonblocking("127.0.0.1", host_port);
  if (!host.ok()) {
    log_warn("lambda.host_port", {{"port", std::to_string(host_port)}, {"error", host.error().message()}});
    return;
  }
  const uint64_t id = next_id_++;
  auto made = std::make_unique<Relay>(*this, id, std::move(client), std::move(host).value());
  Relay* relay = made.get();
  relays_.emplace(id, std::move(made));
  if (!relay->start()) relays_.erase(id);
}

void Gateway::later(uint64_t id) {
  loop_.after(0, [this, id, life = std::weak_ptr<int>(life_)] {
    if (life.expired()) return;
    if (auto it = relays_.find(id); it != relays_.end()) it->second->pump();
  });
}

void Gateway::remove(uint64_t id) {
  // Its handler is on the stack.
  auto it = relays_.find(id);
  if (it == relays_.end()) return;
  std::shared_ptr<Relay> gone(std::move(it->second));
  relays_.erase(it);
  loop_.post([gone] {});
}

}  // namespace savia::lambda

#include "sandbox/dns_relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/strings.h"

namespace savia::sandbox {

namespace {

constexpr uint16_t kDnsPort = 53;
constexpr size_t kDatagram = 4096;  // EDNS sizes in use are 1232 and 4096

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

bool parse_address(const std::string& text, Address& out) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(kDnsPort);
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
    return true;
  }
  if (::inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(kDnsPort);
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
    return true;
  }
  return false;
}

// Is this one of the machine's own addresses? Only those can be bound.
bool is_local(const Address& a) {
  Address any_port = a;
  reinterpret_cast<sockaddr_in*>(&any_port.storage)->sin_port = 0;  // the same place in sockaddr_in6
  os::Fd sock(::socket(a.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return sock && ::bind(sock.get(), any_port.get(), any_port.size) == 0;
}

class Relay;

// One UDP question on its way: its own socket upstream, so that nobody else's answer can be taken for it.
class Question final : public net::IoHandler {
 public:
  Question(Relay& relay, uint64_t id, os::Fd sock, const sockaddr_in& from)
      : relay_(relay), id_(id), sock_(std::move(sock)), from_(from) {}
  void on_io(uint32_t events) override;
  int fd() const { return sock_.get(); }
  const sockaddr_in& from() const { return from_; }
  net::TimerId timer = 0;

 private:
  Relay& relay_;
  uint64_t id_;
  os::Fd sock_;
  sockaddr_in from_;
};

// One TCP connection: two sockets and what waits to be written to each.
class Pipe final {
 public:
  Pipe(Relay& relay, uint64_t id, os::Fd inside, os::Fd upstream);
  void pump();
  int fd(int side) const { return side_[side].sock.get(); }
  net::IoHandler* handler(int side) { return &side_[side]; }
  net::TimerId timer = 0;

 private:
  struct Side final : net::IoHandler {
    Pipe* pipe = nullptr;
    os::Fd sock;
    std::string pending;  // read here, to be written on the other side
    bool ended = false;
    void on_io(uint32_t) override { pipe->pump(); }
  };
  enum class Flow { kIdle, kFailed };
  Flow move(Side& from, Side& to);

  Relay& relay_;
  uint64_t id_;
  Side side_[2];
};

class Relay final : public DnsRelay {
 public:
  Relay(net::Loop& loop, os::Fd udp, os::Fd tcp, Address upstream)
      : loop_(loop), udp_(std::move(udp)), tcp_(std::move(tcp)), upstream_(upstream) {
    on_udp_.relay = this;
    on_tcp_.relay = this;
  }
  ~Relay() override;
  Result<void> begin();
  void read_questions();
  void accept_all();
  void answer(Question& q, const char* bytes, size_t size);
  void end_question(uint64_t id);
  void end_pipe(uint64_t id);

 private:
  struct UdpHandler final : net::IoHandler {
    Relay* relay = nullptr;
    void on_io(uint32_t) override { relay->read_questions(); }
  };
  struct TcpHandler final : net::IoHandler {
    Relay* relay = nullptr;
    void on_io(uint32_t) override { relay->accept_all(); }
  };
  void ask(const char* bytes, size_t size, const sockaddr_in& from);
  size_t open_count() const { return questions_.size() + pipes_.size(); }
  // An object whose callback may still be on the stack dies on the next turn of the loop.
  template <class T>
  void bury(std::unique_ptr<T> dead) {
    std::shared_ptr<T> keep(std::move(dead));  // owned by the posted function alone
    loop_.post([keep] {});
  }

  net::Loop& loop_;
  os::Fd udp_, tcp_;
  Address upstream_;
  UdpHandler on_udp_;
  TcpHandler on_tcp_;
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::unique_ptr<Question>> questions_;
  std::map<uint64_t, std::unique_ptr<Pipe>> pipes_;
};

void Question::on_io(uint32_t) {
  char buffer[kDatagram];
  ssize_t n = ::recv(sock_.get(), buffer, sizeof buffer, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) relay_.answer(*this, buffer, static_cast<size_t>(n));
  relay_.end_question(id_);
}

Pipe::Pipe(Relay& relay, uint64_t id, os::Fd inside, os::Fd upstream) : relay_(relay), id_(id) {
  side_[0].sock = std::move(inside);
  side_[1].sock = std::move(upstream);
  for (Side& s : side_) s.pipe = this;
}

Pipe::Flow Pipe::move(Side& from, Side& to) {
  char buffer[kDatagram];
  while (true) {
    while (!from.pending.empty()) {
      ssize_t n = ::send(to.sock.get(), from.pending.data(), from.pending.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) return Flow::kIdle;
      if (n < 0) return Flow::kFailed;
      from.pending.erase(0, static_cast<size_t>(n));
    }
    if (from.ended) return Flow::kIdle;
    ssize_t n = ::recv(from.sock.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) return Flow::kIdle;
    if (n < 0) return Flow::kFailed;
    if (n == 0) {
      from.ended = true;
      ::shutdown(to.sock.get(), SHUT_WR);
      return Flow::kIdle;
    }
    from.pending.assign(buffer, static_cast<size_t>(n));
  }
}

void Pipe::pump() {
  bool failed = move(side_[0], side_[1]) == Flow::kFailed;
  failed = move(side_[1], side_[0]) == Flow::kFailed || failed;
  if (failed || side_[1].ended) relay_.end_pipe(id_);
}

Relay::~Relay() {
  loop_.remove(udp_.get());
  loop_.remove(tcp_.get());
  while (!questions_.empty()) end_question(questions_.begin()->first);
  while (!pipes_.empty()) end_pipe(pipes_.begin()->first);
}

Result<void> Relay::begin() {
  TRY(loop_.add(udp_.get(), &on_udp_));
  return loop_.add(tcp_.get(), &on_tcp_);
}

void Relay::read_questions() {
  char buffer[kDatagram];
  while (true) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t n = ::recvfrom(udp_.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    if (n > 0 && open_count() < limits::kDnsQueries) ask(buffer, static_cast<size_t>(n), from);
  }
}

void Relay::ask(const char* bytes, size_t size, const sockaddr_in& from) {
  os::Fd sock(::socket(upstream_.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!sock || ::connect(sock.get(), upstream_.get(), upstream_.size) != 0) return;
  if (::send(sock.get(), bytes, size, MSG_NOSIGNAL) < 0) return;
  uint64_t id = next_id_++;
  auto q = std::make_unique<Question>(*this, id, std::move(sock), from);
  if (!loop_.add(q->fd(), q.get()).ok()) return;
  q->timer = loop_.after(limits::kDnsTimeoutMs, [this, id] { end_question(id); });
  questions_[id] = std::move(q);
}

void Relay::answer(Question& q, const char* bytes, size_t size) {
  (void)::sendto(udp_.get(), bytes, size, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&q.from()), sizeof q.from());
}

void Relay::accept_all() {
  while (true) {
    os::Fd inside(::accept4(tcp_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!inside && errno == EINTR) continue;
    if (!inside) return;
    if (open_count() >= limits::kDnsQueries) continue;
    os::Fd up(::socket(upstream_.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!up || (::connect(up.get(), upstream_.get(), upstream_.size) != 0 && errno != EINPROGRESS)) continue;
    uint64_t id = next_id_++;
    auto p = std::make_unique<Pipe>(*this, id, std::move(inside), std::move(up));
    if (!loop_.add(p->fd(0), p->handler(0)).ok()) continue;
    if (!loop_.add(p->fd(1), p->handler(1)).ok()) {
      loop_.remove(p->fd(0));
      continue;
    }
    p->timer = loop_.after(limits::kDnsTimeoutMs, [this, id] { end_pipe(id); });
    pipes_[id] = std::move(p);
  }
}

void Relay::end_question(uint64_t id) {
  auto it = questions_.find(id);
  if (it == questions_.end()) return;
  loop_.remove(it->second->fd());
  loop_.cancel(it->second->timer);
  bury(std::move(it->second));
  questions_.erase(it);
}

void Relay::end_pipe(uint64_t id) {
  auto it = pipes_.find(id);
  if (it == pipes_.end()) return;
  loop_.remove(it->second->fd(0));
  loop_.remove(it->second->fd(1));
  loop_.cancel(it->second->timer);
  bury(std::move(it->second));
  pipes_.erase(it);
}

}  // namespace

ResolverPlan plan_resolver(std::string_view host_resolv_conf, const std::string& gateway) {
  ResolverPlan plan;
  std::string direct, other, first;
  for (std::string_view line : split(host_resolv_conf, '\n')) {
    std::string_view text = trim(line);
    if (text.substr(0, 7) == "search " || text.substr(0, 8) == "options ") other += std::string(text) + "\n";
    if (text.substr(0, 11) != "nameserver ") continue;
    std::string address(trim(text.substr(11)));
    Address a;
    if (!parse_address(address, a)) continue;
    if (first.empty()) first = address;
    if (a.family() == AF_INET && address.substr(0, 4) != "127." && !is_local(a)) direct += "nameserver " + address + "\n";
  }
  if (first.empty()) first = "127.0.0.1";  // resolv.conf(5): what an empty file means
  if (direct.empty()) {
    plan.relay = true;
    plan.upstream = first;
    direct = "nameserver " + gateway + "\n";
  }
  plan.resolv_conf = direct + other;
  return plan;
}

Result<std::unique_ptr<DnsRelay>> DnsRelay::create(net::Loop& loop, os::Fd udp, os::Fd tcp, const std::string& upstream) {
  Address address;
  if (!parse_address(upstream, address)) return Error::invalid("resolver address " + upstream);
  auto relay = std::make_unique<Relay>(loop, std::move(udp), std::move(tcp), address);
  TRY(relay->begin());
  return std::unique_ptr<DnsRelay>(std::move(relay));
}

}  // namespace savia::sandbox

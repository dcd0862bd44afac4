// The server's side of the sandbox: numbered requests to the helper, answers and endings back, all on one loop.
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/limits.h"
#include "base/log.h"
#include "sandbox/check_spec.h"
#include "sandbox/dns_relay.h"
#include "sandbox/helper.h"
#include "sandbox/sandbox.h"
#include "sandbox/sys.h"
#include "sandbox/wire.h"

namespace savia::sandbox {

namespace {

constexpr int kHelloTimeoutMs = 10'000;
constexpr int kHelperExitMs = 4'000;  // it waits 2 s for its sandboxes, then removes groups and network

class SpawnerImpl final : public Spawner, public net::IoHandler {
 public:
  SpawnerImpl(pid_t helper, os::Fd pidfd, os::Fd sock) : helper_(helper), pidfd_(std::move(pidfd)), sock_(std::move(sock)) {}
  ~SpawnerImpl() override;

  const Facilities& facilities() const override;
  Result<void> attach(net::Loop& loop) override;
  void start(Spec spec, std::function<void(Result<Started>)> done, std::function<void(Exit)> on_exit) override;
  void mount_into(const std::string& id, std::vector<Mount> mounts, std::function<void(Result<void>)> done) override;
  void set_limits(const std::string& id, int64_t memory_mib, int64_t cpu_milli,
                  std::function<void(Result<void>)> done) override;
  void freeze(const std::string& id) override { set_frozen(id, true); }
  void thaw(const std::string& id) override { set_frozen(id, false); }
  void kill(const std::string& id) override;
  void usage(const std::string& id, std::function<void(Result<Usage>)> done) override;
  size_t living() const override { return living_.size(); }
  void on_io(uint32_t events) override;

 private:
  struct Living {
    std::string id;
    bool started = false;
    std::function<void(Result<Started>)> done;
    std::function<void(Exit)> on_exit;
    std::string upstream;  // resolver behind the relay; empty: none
    std::unique_ptr<DnsRelay> dns;
    os::Fd freezer;
    FreezeFile freeze_words;
  };
  using Answered = std::function<void(Result<Message>)>;

  void await_hello() const;
  void take_hello(const Message& m) const;
  Error gone() const;
  void give(uint64_t number, Spec spec);
  void send(Op op, uint64_t number, std::string body);
  void flush();
  void receive();
  void on_message(Message m);
  void on_started(uint64_t number, Message m);
  void on_exited(uint64_t number, const Message& m);
  void on_failed(uint64_t number, const Error& error);
  void lost();
  void set_frozen(const std::string& id, bool frozen);
  void ask(Op op, const std::string& id, Writer body, Answered answered);
  // On a next turn of the loop; not at all when the spawner is gone by then.
  void later(std::function<void()> fn) const {
    loop_->post([alive = std::weak_ptr<int>(alive_), fn = std::move(fn)] {
      if (!alive.expired()) fn();
    });
  }
  Living* find(const std::string& id, uint64_t* number);

  pid_t helper_;
  os::Fd pidfd_, sock_;
  net::Loop* loop_ = nullptr;
  bool lost_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // owned here alone; what was posted holds it weakly
  uint64_t next_ = 1;
  std::unordered_map<uint64_t, Living> living_;
  std::unordered_map<std::string, uint64_t> numbers_;
  std::unordered_map<uint64_t, Answered> asked_;
  std::map<uint64_t, Spec> early_;  // started before the hello, in order
  const std::function<void()> start_early_ = [this] {
    auto early = std::move(early_);
    early_.clear();
    for (auto& [number, spec] : early) give(number, std::move(spec));
  };
  std::deque<std::pair<Op, std::pair<uint64_t, std::string>>> outbox_;
  // Filled by the helper's first message; the helper sets itself up beside the server.
  mutable bool greeted_ = false;
  mutable Facilities facilities_;
};

SpawnerImpl::~SpawnerImpl() {
  if (loop_ != nullptr && sock_) loop_->remove(sock_.get());
  living_.clear();
  sock_.reset();  // the helper sees the end, kills what lives and cleans up
  if (!wait_by_fd(pidfd_.get(), kHelperExitMs)) {
    log_warn("sandbox.helper.slow", {{"ms", std::to_string(kHelperExitMs)}});
    kill_by_fd(pidfd_.get(), SIGKILL);
  }
  while (::waitpid(helper_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// Blocks until the helper has set itself up (some 30 ms, most of it nft). Only for who asks for facilities() so early; a start
// waits without blocking.
void SpawnerImpl::await_hello() const {
  if (greeted_ || lost_) return;
  std::optional<Message> hello;
  if (wait_by_fd(sock_.get(), kHelloTimeoutMs)) {
    auto m = receive_message(sock_.get());
    if (m.ok()) hello = std::move(*m);
  }
  Message none;
  take_hello(hello ? *hello : none);
}

void SpawnerImpl::take_hello(const Message& m) const {
  greeted_ = true;
  if (loop_ != nullptr) later(start_early_);
  if (m.op == Op::kHello) {
    facilities_ = decode_facilities(m.body);
    return;
  }
  Error why = m.op == Op::kFailed ? decode_error(m.body) : Error::unavailable("the sandbox helper did not answer");
  facilities_.weaker.push_back("sandboxes do not work here: " + why.message());
}

const Facilities& SpawnerImpl::facilities() const {
  await_hello();
  return facilities_;
}

Result<void> SpawnerImpl::attach(net::Loop& loop) {
  int flags = ::fcntl(sock_.get(), F_GETFL);
  if (::fcntl(sock_.get(), F_SETFL, flags | O_NONBLOCK) != 0) return Error::from_errno(errno, "O_NONBLOCK");
  TRY(loop.add(sock_.get(), this));
  loop_ = &loop;
  send(Op::kPrepare, 0, "");
  return {};
}

// ------------------------------------------------------------------------------------------------------------- requests

void SpawnerImpl::start(Spec spec, std::function<void(Result<Started>)> done, std::function<void(Exit)> on_exit) {
  auto refuse = [&](Error error) { later([done, error] { done(error); }); };
  if (lost_) return refuse(gone());
  if (auto good = check_spec(spec); !good.ok()) return refuse(std::move(good).error());
  if (numbers_.count(spec.id) != 0) return refuse(Error::conflict("a sandbox named " + spec.id + " lives"));
  uint64_t number = next_++;
  Living l;
  l.id = spec.id;
  l.done = std::move(done);
  l.on_exit = std::move(on_exit);
  numbers_[l.id] = number;
  living_[number] = std::move(l);
  if (greeted_) return give(number, std::move(spec));
  early_[number] = std::move(spec);  // until the helper has said what this machine can do
}

void SpawnerImpl::give(uint64_t number, Spec spec) {
  auto refuse = [&](Error error) { later([this, number, error] { on_failed(number, error); }); };
  if (!facilities_.user_namespaces) return refuse(gone());
  WireSpec wire;
  wire.spec = std::move(spec);
  if (wire.spec.outgoing == Outgoing::kAllowed && facilities_.outgoing_network) {
    // Read at every start: laptops change their resolver.
    auto host = read_small("/etc/resolv.conf");
    ResolverPlan plan = plan_resolver(host.ok() ? *host : "", to_text(kGatewayAddress));
    wire.resolv_conf = plan.resolv_conf;
    wire.dns_relay = plan.relay;
    if (plan.relay) living_.at(number).upstream = plan.upstream;
  }
  std::string body = encode_spec(wire);
  if (body.size() > limits::kSandboxSpecBytes)
    return refuse(Error::invalid("arguments, environment and mounts exceed 160 KiB"));
  send(Op::kStart, number, std::move(body));
}

Error SpawnerImpl::gone() const {
  if (greeted_ && !facilities_.user_namespaces && !facilities_.weaker.empty())
    return Error::unavailable(facilities_.weaker.back());
  return Error::unavailable("the sandbox helper is gone; restart the server");
}

SpawnerImpl::Living* SpawnerImpl::find(const std::string& id, uint64_t* number) {
  auto it = numbers_.find(id);
  if (it == numbers_.end()) return nullptr;
  *number = it->second;
  return &living_.at(it->second);
}

void SpawnerImpl::ask(Op op, const std::string& id, Writer body, Answered answered) {
  uint64_t target = 0;
  Living* l = find(id, &target);
  if (l == nullptr || !l->started || lost_) {
    later([answered, id] { answered(Error::not_found("no sandbox named " + id + " runs")); });
    return;
  }
  uint64_t number = next_++;
  asked_[number] = std::move(answered);
  send(op, number, Writer().num(static_cast<int64_t>(target)).bytes() + body.bytes());
}

void SpawnerImpl::mount_into(const std::string& id, std::vector<Mount> mounts, std::function<void(Result<void>)> done) {
  if (auto good = check_mounts(mounts); !good.ok()) {
    later([done, error = std::move(good).error()] { done(error); });
    return;
  }
  Writer body;
  encode_mounts(body, mounts);
  ask(Op::kMountInto, id, std::move(body),
      [done](Result<Message> r) { done(r.ok() ? Result<void>() : Result<void>(r.error())); });
}

void SpawnerImpl::set_limits(const std::string& id, int64_t memory_mib, int64_t cpu_milli,
                             std::function<void(Result<void>)> done) {
  if (memory_mib < 1 || cpu_milli < 1) {
    later([done] { done(Error::invalid("sandbox limits must be positive")); });
    return;
  }
  Writer body;
  body.num(memory_mib).num(cpu_milli);
  ask(Op::kSetLimits, id, std::move(body),
      [done](Result<Message> r) { done(r.ok() ? Result<void>() : Result<void>(r.error())); });
}

void SpawnerImpl::usage(const std::string& id, std::function<void(Result<Usage>)> done) {
  ask(Op::kUsage, id, {}, [done](Result<Message> r) {
    if (!r.ok()) return done(r.error());
    Reader in(r->body);
    Usage u;
    u.memory_bytes = in.num();
    u.memory_peak_bytes = in.num();
    u.cpu_us = in.num();
    u.pids = in.num();
    done(u);
  });
}

void SpawnerImpl::kill(const std::string& id) {
  uint64_t number = 0;
  if (find(id, &number) == nullptr) return;
  if (early_.erase(number) == 0) return send(Op::kKill, number, "");
  later([this, number] { on_failed(number, Error::conflict("killed before it had started")); });
}

// With a freezer group this is one write from here, done when the call returns: an invocation does not wait for the helper.
void SpawnerImpl::set_frozen(const std::string& id, bool frozen) {
  uint64_t number = 0;
  Living* l = find(id, &number);
  if (l == nullptr || !l->started) return;
  if (l->freezer) {
    std::string_view word = frozen ? l->freeze_words.frozen() : l->freeze_words.thawed();
    if (::pwrite(l->freezer.get(), word.data(), word.size(), 0) == static_cast<ssize_t>(word.size())) return;
  }
  send(frozen ? Op::kFreeze : Op::kThaw, number, "");
}

void SpawnerImpl::send(Op op, uint64_t number, std::string body) {
  if (lost_) return;
  outbox_.emplace_back(op, std::pair{number, std::move(body)});
  flush();
}

void SpawnerImpl::flush() {
  while (!outbox_.empty()) {
    auto& [op, rest] = outbox_.front();
    auto sent = send_message(sock_.get(), op, rest.first, rest.second);
    if (!sent.ok() && sent.error().kind() == ErrorKind::kUnavailable) return;  // the next EPOLLOUT goes on
    outbox_.pop_front();  // a broken socket is seen, and reported once, by receive()
  }
}

// -------------------------------------------------------------------------------------------------------------- answers

void SpawnerImpl::on_io(uint32_t events) {
  if ((events & EPOLLOUT) != 0) flush();
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) receive();
}

void SpawnerImpl::receive() {
  while (!lost_) {
    auto m = receive_message(sock_.get());
    if (!m.ok()) return lost();
    if (!m->has_value()) return;
    on_message(std::move(**m));
  }
}

void SpawnerImpl::on_message(Message m) {
  uint64_t number = m.number;
  if (!greeted_) return take_hello(m);
  if (m.op == Op::kStarted) return on_started(number, std::move(m));
  if (m.op == Op::kExited) return on_exited(number, m);
  if (m.op == Op::kFailed && living_.count(number) != 0) return on_failed(number, decode_error(m.body));
  auto it = asked_.find(number);
  if (it == asked_.end()) return;
  Answered answered = std::move(it->second);
  asked_.erase(it);
  if (m.op == Op::kFailed) return answered(decode_error(m.body));
  answered(std::move(m));
}

void SpawnerImpl::on_started(uint64_t number, Message m) {
  auto it = living_.find(number);
  if (it == living_.end()) return;
  Living& l = it->second;
  Reader in(m.body);
  Started s;
  s.pid = static_cast<pid_t>(in.num());
  bool control = in.num() != 0;
  auto listeners = static_cast<size_t>(in.num());
  bool freezer = in.num() != 0, v2 = in.num() != 0;
  size_t expected = 2 + (control ? 1 : 0) + listeners + (freezer ? 1 : 0);
  if (!in.ok() || m.fds.size() != expected) {
    send(Op::kKill, number, "");
    return on_failed(number,
                     Error::internal("the sandbox helper passed " + std::to_string(m.fds.size()) + " descriptors, not " +
                                     std::to_string(expected) + "; is the limit of open files reached?"));
  }
  size_t next = 0;
  s.stdout_fd = m.fds[next++].release();
  s.stderr_fd = m.fds[next++].release();
  if (control) s.control_fd = m.fds[next++].release();
  size_t own = l.upstream.empty() ? 0 : 2;  // the relay's two come last
  for (size_t i = 0; i + own < listeners; ++i) s.listener_fds.push_back(m.fds[next++].release());
  if (own != 0) {
    auto relay = DnsRelay::create(*loop_, std::move(m.fds[next]), std::move(m.fds[next + 1]), l.upstream);
    if (relay.ok()) l.dns = std::move(*relay);
    if (!relay.ok()) log_warn("sandbox.dns", {{"error", relay.error().message()}});
    next += 2;
  }
  if (freezer) {
    l.freezer = std::move(m.fds[next]);
    l.freeze_words = {"", v2};
  }
  l.started = true;
  auto done = std::move(l.done);
  done(std::move(s));
}

void SpawnerImpl::on_failed(uint64_t number, const Error& error) {
  auto it = living_.find(number);
  if (it == living_.end()) return;
  auto done = std::move(it->second.done);
  std::string id = it->second.id;
  numbers_.erase(id);
  living_.erase(it);
  if (done) done(Error(error).context("sandbox " + id));
}

void SpawnerImpl::on_exited(uint64_t number, const Message& m) {
  auto it = living_.find(number);
  if (it == living_.end()) return;
  Reader in(m.body);
  Exit e;
  e.signaled = in.num() != 0;
  e.status = static_cast<int>(in.num());
  e.out_of_memory = in.num() != 0;
  auto on_exit = std::move(it->second.on_exit);
  numbers_.erase(it->second.id);
  living_.erase(it);
  if (on_exit) on_exit(e);
}

// The helper is gone, and with it every sandbox: the kernel kills them with it.
void SpawnerImpl::lost() {
  if (lost_) return;
  lost_ = true;
  log_error("sandbox.helper.gone", {{"sandboxes", std::to_string(living_.size())}});
  loop_->remove(sock_.get());
  outbox_.clear();
  auto living = std::move(living_);
  auto asked = std::move(asked_);
  living_.clear();
  numbers_.clear();
  asked_.clear();
  early_.clear();
  for (auto& [number, answered] : asked) answered(gone());
  for (auto& [number, l] : living) {
    if (!l.started && l.done) l.done(gone());
    if (l.started && l.on_exit) l.on_exit(Exit{true, SIGKILL, false});
  }
}

}  // namespace

Result<std::unique_ptr<Spawner>> Spawner::start_helper(const std::string& state_dir) {
  if (::mkdir(state_dir.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, "mkdir " + state_dir);
  auto pair = TRY(make_pair());
  int pidfd = -1;
  pid_t server = ::getpid();
  pid_t pid = fork_with(0, &pidfd);
  if (pid < 0) return Error::from_errno(errno, "start the sandbox helper");
  if (pid == 0) {
    // Its own session: Ctrl-C at the server's terminal is the server's business, which then closes our socket.
    ::setsid();
    ::prctl(PR_SET_NAME, "savia-helper", 0, 0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (::getppid() != server) ::_exit(1);
    keep_only(pair.second.get(), {});
    int status = 1;
    {
      Helper helper(os::Fd(pair.second.release()), state_dir);
      status = helper.run();
    }
    ::_exit(status);
  }
  return std::unique_ptr<Spawner>(std::make_unique<SpawnerImpl>(pid, os::Fd(pidfd), std::move(pair.first)));
}

}  // namespace savia::sandbox

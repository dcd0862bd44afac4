#include "sandbox/helper.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "os/memory.h"
#include "sandbox/init.h"
#include "sandbox/process_tree.h"
#include "sandbox/rootfs.h"
#include "sandbox/sys.h"

namespace savia::sandbox {

namespace {

enum Kind : uint32_t { kServer = 1, kSignals, kInitSocket, kInitPid, kMemory };

constexpr int64_t kRefillDelayMs = 15;  // after a start: its own first steps come before the next one's preparation
constexpr int64_t kRetryMs = 1000;      // after a sandbox could not be prepared
constexpr int kCleanUpMs = 2000;
constexpr int64_t kTmpStep = limits::kSandboxTmpStepMib << 20;

int64_t now_ms() {
  return real_clock().monotonic_us() / 1000;
}

// What a tmpfs holds.
int64_t used_bytes(const os::Fd& fs) {
  struct statfs st {};
  if (!fs || ::fstatfs(fs.get(), &st) != 0) return 0;
  return static_cast<int64_t>(st.f_blocks - st.f_bfree) * static_cast<int64_t>(st.f_bsize);
}

GroupLimits limits_of(const Spec& spec) {
  return {spec.memory_mib * 1024 * 1024 + limits::kSandboxInitBytes, spec.cpu_milli, spec.pids};
}

}  // namespace

int Helper::run() {
  if (auto done = set_up(); !done.ok()) {
    // The server is told in place of the hello, and every later start is answered by the end of the stream.
    (void)send_message(server_.get(), Op::kFailed, 0, encode_error(done.error()));
    clean_up();
    return 1;
  }
  watch(server_.get(), 0, kServer);
  watch(signals_.get(), 0, kSignals);
  say_hello();
  serve();
  clean_up();
  return 0;
}

void Helper::watch(int fd, uint32_t index, uint32_t kind) {
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.u64 = (static_cast<uint64_t>(kind) << 32) | index;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e);
}

void Helper::serve() {
  epoll_event events[64];
  bool settled = false;
  while (!stop_) {
    int timeout_ms = next_timeout_ms();
    if (!settled && keep_warm_ && timeout_ms < 0) {  // set up, warm sandboxes begun: a long wait follows
      settled = true;
      os::release_unused_memory();
    }
    int n = ::epoll_wait(epoll_.get(), events, 64, timeout_ms);
    for (int i = 0; i < n && !stop_; ++i) {
      auto kind = static_cast<uint32_t>(events[i].data.u64 >> 32);
      auto index = static_cast<uint32_t>(events[i].data.u64);
      if (kind == kServer) {
        on_server();
      } else if (kind == kSignals) {
        stop_ = true;
      } else if (auto it = sandboxes_.find(index); it != sandboxes_.end()) {
        if (kind == kInitSocket) on_init(*it->second);
        if (kind == kMemory) on_memory(*it->second);
        if (kind == kInitPid) on_end(*it->second);
      }
    }
    if (stop_) return;
    if (!errands_.empty()) end_errands();
    int64_t now = now_ms();
    if (refill_at_ms_ != 0 && now >= refill_at_ms_) refill();
    if (poll_at_ms_ != 0 && now >= poll_at_ms_) poll_memory();
  }
}

int Helper::next_timeout_ms() const {
  int64_t next = 0;
  for (int64_t at : {refill_at_ms_, poll_at_ms_}) {
    if (at != 0 && (next == 0 || at < next)) next = at;
  }
  if (next == 0) return -1;
  return static_cast<int>(std::max<int64_t>(0, next - now_ms()));
}

// ------------------------------------------------------------------------------------------------------------ requests

void Helper::on_server() {
  auto m = receive_message(server_.get());
  if (!m.ok() || !m->has_value()) {
    stop_ = true;  // the server is gone
    return;
  }
  on_request(std::move(**m));
}

void Helper::on_request(Message m) {
  switch (m.op) {
    case Op::kPrepare:
      keep_warm_ = true;
      refill_at_ms_ = now_ms();
      return;
    case Op::kStart:
      return start(std::move(m));
    case Op::kMountInto:
      return mount_into(m);
    case Op::kSetLimits:
      return set_limits(m);
    case Op::kUsage:
      return usage(m);
    case Op::kFreeze:
    case Op::kThaw:
      return freeze(m.number, m.op == Op::kFreeze);
    case Op::kKill:
      if (Sandbox* s = find(m.number)) return kill(*s);
      // Still waiting for a sandbox: it never starts.
      for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
        if (it->number != m.number) continue;
        waiting_.erase(it);
        return fail(m.number, Error::conflict("killed before it had started"));
      }
      return;
    default:
      log_warn("sandbox.helper.unknown_request", {{"op", std::to_string(static_cast<uint32_t>(m.op))}});
  }
}

Helper::Sandbox* Helper::find(uint64_t number) {
  auto it = by_number_.find(number);
  return it == by_number_.end() ? nullptr : sandboxes_.at(it->second).get();
}

void Helper::answer(Op op, uint64_t number, std::string_view body, const std::vector<int>& fds) {
  if (!send_message(server_.get(), op, number, body, fds).ok()) stop_ = true;
}

void Helper::fail(uint64_t number, const Error& error) {
  answer(Op::kFailed, number, encode_error(error));
}

void Helper::start(Message m) {
  for (auto& [index, s] : sandboxes_) {
    if (s->phase != Phase::kWarm) continue;
    return give_spec(*s, std::move(m));
  }
  waiting_.push_back(std::move(m));
  refill();
}

void Helper::give_spec(Sandbox& s, Message m) {
  s.number = m.number;
  by_number_[s.number] = s.index;
  s.phase = Phase::kStarting;
  if (keep_warm_) refill_at_ms_ = now_ms() + kRefillDelayMs;
  auto wire = decode_spec(m.body);
  Result<void> done = wire.ok() ? Result<void>() : Result<void>(wire.error());
  std::vector<os::Fd> mounts;
  std::vector<int> fds;
  if (done.ok()) {
    s.limits = limits_of(wire->spec);
    done = s.group->set_limits(s.limits);
    if (done.ok()) done = s.group->set_memory(memory_limit(s));
    for (const Mount& mount : wire->spec.mounts) {
      if (!done.ok()) break;
      auto tree = clone_mount(mount.source, mount.read_only);
      if (!tree.ok()) {
        done = std::move(tree).error();
        break;
      }
      fds.push_back(tree->get());
      mounts.push_back(std::move(*tree));
    }
  }
  if (done.ok()) done = send_message(s.sock.get(), Op::kRun, m.number, m.body, fds);
  if (done.ok()) return;
  s.failure = encode_error(done.error());
  kill(s);
}

void Helper::mount_into(const Message& m) {
  auto done = do_mount_into(m);
  if (done.ok()) {
    answer(Op::kDone, m.number);
  } else {
    fail(m.number, done.error());
  }
}

Result<void> Helper::do_mount_into(const Message& m) {
  Reader in(m.body);
  Sandbox* s = find(static_cast<uint64_t>(in.num()));
  std::vector<Mount> mounts = decode_mounts(in);
  if (s == nullptr || s->phase != Phase::kRunning) return Error::not_found("the sandbox does not run");
  // Sources are opened out here, targets in there. All or nothing as far as sources go.
  std::vector<os::Fd> trees;
  trees.reserve(mounts.size());
  for (const Mount& mount : mounts) trees.push_back(TRY(clone_mount(mount.source, mount.read_only)));
  if (::setns(s->mounts.get(), CLONE_NEWNS) != 0) return Error::from_errno(errno, "enter the sandbox's mounts");
  Result<void> done;
  for (size_t i = 0; i < mounts.size() && done.ok(); ++i) done = attach_mount(trees[i].get(), mounts[i].target);
  if (::setns(home_mounts_.get(), CLONE_NEWNS) != 0) {
    // A helper that stays inside a sandbox must not go on.
    log_error("sandbox.helper.lost", {{"error", "cannot return to the own mount name space"}});
    stop_ = true;
  }
  return done;
}

void Helper::set_limits(const Message& m) {
  Reader in(m.body);
  Sandbox* s = find(static_cast<uint64_t>(in.num()));
  int64_t memory_mib = in.num(), cpu_milli = in.num();
  if (s == nullptr) return fail(m.number, Error::not_found("the sandbox does not run"));
  GroupLimits next{memory_mib * 1024 * 1024 + limits::kSandboxInitBytes, cpu_milli, 0};
  if (auto done = s->group->set_limits(next); !done.ok()) return fail(m.number, done.error());
  s->limits.memory_bytes = next.memory_bytes;
  s->limits.cpu_milli = next.cpu_milli;
  if (auto done = s->group->set_memory(memory_limit(*s)); !done.ok()) return fail(m.number, done.error());
  watch_memory(*s);
  answer(Op::kDone, m.number);
}

void Helper::freeze(uint64_t number, bool frozen) {
  Sandbox* s = find(number);
  if (s == nullptr || s->phase != Phase::kRunning) return;
  s->frozen = frozen;
  if (!s->group->freeze_file().path.empty()) {
    s->group->freeze(frozen);
  } else {
    signal_tree(s->pid, frozen ? SIGSTOP : SIGCONT);
  }
}

void Helper::usage(const Message& m) {
  Reader in(m.body);
  Sandbox* s = find(static_cast<uint64_t>(in.num()));
  if (s == nullptr) return fail(m.number, Error::not_found("the sandbox does not run"));
  Usage u = s->group->usage();
  if (cgroups_.memory()) {
    u.memory_bytes = std::max<int64_t>(0, u.memory_bytes - used_bytes(s->tmp));
    u.memory_peak_bytes = std::max(u.memory_bytes, std::min(u.memory_peak_bytes, s->limits.memory_bytes));
  }
  if (!cgroups_.memory() || !cgroups_.pids()) {
    TreeUsage tree = measure_tree(s->pid);
    if (!cgroups_.memory()) {
      u.memory_bytes = tree.memory_bytes;
      u.memory_peak_bytes = std::max(s->memory_peak, tree.memory_bytes);
    }
    if (u.cpu_us == 0) u.cpu_us = tree.cpu_us;
    u.pids = tree.processes;
  }
  answer(Op::kUsageReply, m.number, Writer().num(u.memory_bytes).num(u.memory_peak_bytes).num(u.cpu_us).num(u.pids).bytes());
}

// ----------------------------------------------------------------------------------------------------------- sandboxes

Result<void> Helper::prepare_one() {
  if (sandboxes_.size() >= limits::kSandboxes) return Error::exhausted("too many sandboxes");
  while (sandboxes_.count(next_index_) != 0) next_index_ = (next_index_ + 1) % (2 * limits::kSandboxes);
  auto s = std::make_unique<Sandbox>();
  s->index = next_index_;
  // Not the lowest free one: the kernel takes a while to remove the network of the last user of an index.
  next_index_ = (next_index_ + 1) % (2 * limits::kSandboxes);
  s->group = TRY(cgroups_.make(next_group_++));
  std::vector<os::Fd> procs = TRY(s->group->open_procs());
  auto pair = TRY(make_pair());
  InitContext context;
  context.sock = pair.second.get();
  context.root = facilities_.root;
  context.index = s->index;
  context.uplink = network_.outgoing();
  context.mtu = network_.mtu();
  context.be_nice = !cgroups_.cpu();
  context.root_dir = root_dir_;
  context.cgroup_procs = &procs;
  context.seccomp = &seccomp_;
  int pidfd = -1;
  pid_t pid = fork_with(CLONE_NEWPID, &pidfd);
  if (pid < 0) return Error::from_errno(errno, "clone3");
  if (pid == 0) {
    // Other sandboxes' sockets and the server's must not live on in here. The numbers stay valid for the few we keep.
    keep_only(context.sock, procs);
    run_init(context);
  }
  s->pid = pid;
  s->pidfd.reset(pidfd);
  s->sock = std::move(pair.first);
  (void)::fcntl(s->sock.get(), F_SETFL, O_NONBLOCK);
  watch(s->sock.get(), s->index, kInitSocket);
  watch(s->pidfd.get(), s->index, kInitPid);
  sandboxes_[s->index] = std::move(s);
  return {};
}

void Helper::refill() {
  refill_at_ms_ = 0;
  size_t ready = 0;
  for (const auto& [index, s] : sandboxes_) ready += s->phase == Phase::kPreparing || s->phase == Phase::kWarm ? 1 : 0;
  size_t wanted = waiting_.size() + (keep_warm_ && waiting_.empty() ? limits::kWarmSandboxes : 0);
  for (; ready < wanted; ++ready) {
    auto done = prepare_one();
    if (done.ok()) continue;
    while (!waiting_.empty() && ready < wanted) {
      fail(waiting_.back().number, done.error());
      waiting_.pop_back();
      --wanted;
    }
    if (keep_warm_) refill_at_ms_ = now_ms() + kRetryMs;
    return;
  }
}

void Helper::on_init(Sandbox& s) {
  auto received = receive_message(s.sock.get());
  if (!received.ok() || !received->has_value()) {
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, s.sock.get(), nullptr);  // the end is reported by the pidfd
    return;
  }
  on_init_says(s, **received);
}

void Helper::on_init_says(Sandbox& s, Message& m) {
  Reader in(m.body);
  switch (m.op) {
    case Op::kWarm:
      s.phase = Phase::kWarm;
      if (!m.fds.empty()) s.mounts = std::move(m.fds[0]);
      if (!waiting_.empty()) {
        Message next = std::move(waiting_.front());
        waiting_.pop_front();
        give_spec(s, std::move(next));
      }
      return;
    case Op::kReady: {
      s.phase = Phase::kRunning;
      if (!m.fds.empty()) s.tmp = std::move(m.fds.back());
      if (!m.fds.empty()) m.fds.pop_back();
      FreezeFile file = s.group->freeze_file();
      os::Fd freezer;
      if (!file.path.empty()) freezer.reset(::open(file.path.c_str(), O_WRONLY | O_CLOEXEC));
      Writer out;
      out.num(s.pid).num(in.num()).num(in.num()).num(freezer ? 1 : 0).num(file.v2 ? 1 : 0);
      std::vector<int> fds;
      for (const os::Fd& fd : m.fds) fds.push_back(fd.get());
      if (freezer) fds.push_back(freezer.get());
      answer(Op::kStarted, s.number, out.bytes(), fds);
      watch_memory(s);
      if (poll_memory_ && poll_at_ms_ == 0) poll_at_ms_ = now_ms() + limits::kSandboxPollMs;
      return;
    }
    case Op::kFailed:
      if (s.failure.empty()) s.failure = m.body;
      return;
    case Op::kExit:
      s.has_exit = true;
      s.status = static_cast<int>(in.num());
      return;
    default:
      kill(s);
  }
}

void Helper::kill(Sandbox& s) {
  // The kernel ends every process of a pid name space with its first. v1 freezes so hard that even this waits for a thaw.
  kill_by_fd(s.pidfd.get(), SIGKILL);
  s.group->kill_all();
  if (FreezeFile file = s.group->freeze_file(); !file.path.empty() && !file.v2) s.group->freeze(false);
}

void Helper::on_end(Sandbox& s) {
  // What the init still said stands in the socket; the end of the process may be seen before it.
  while (true) {
    auto m = receive_message(s.sock.get());
    if (!m.ok() || !m->has_value()) break;
    on_init_says(s, **m);
  }
  siginfo_t info{};
  (void)::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(s.pidfd.get()), &info, WEXITED);
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, s.sock.get(), nullptr);
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, s.pidfd.get(), nullptr);
  report_end(s);
  by_number_.erase(s.number);
  sandboxes_.erase(s.index);  // and with it the groups
}

void Helper::report_end(Sandbox& s) {
  bool out_of_memory = s.killed_for_memory || s.group->oom_kills() > 0;
  switch (s.phase) {
    case Phase::kPreparing: {
      Error why = s.failure.empty() ? Error::internal("the sandbox died while it was prepared") : decode_error(s.failure);
      log_warn("sandbox.prepare", {{"error", why.message()}});
      if (!waiting_.empty()) {
        fail(waiting_.front().number, why);
        waiting_.pop_front();
      }
      if (keep_warm_) refill_at_ms_ = now_ms() + kRetryMs;
      if (!waiting_.empty()) refill_at_ms_ = now_ms();
      return;
    }
    case Phase::kWarm:
      if (keep_warm_) refill_at_ms_ = now_ms() + kRetryMs;
      return;
    case Phase::kStarting: {
      Error why = !s.failure.empty() ? decode_error(s.failure)
                  : out_of_memory    ? Error::exhausted("its memory limit does not suffice to start it")
                                     : Error::conflict("killed before it had started");
      return fail(s.number, why);
    }
    case Phase::kRunning: {
      bool signaled = !s.has_exit || WIFSIGNALED(s.status);
      int status = !s.has_exit ? SIGKILL : signaled ? WTERMSIG(s.status) : WEXITSTATUS(s.status);
      answer(Op::kExited, s.number, Writer().num(signaled ? 1 : 0).num(status).num(out_of_memory ? 1 : 0).bytes());
    }
  }
}

// Files in /tmp are memory to the kernel, but not to the sandbox: tmp_mib is granted on top of memory_mib. So the group's limit
// follows what /tmp holds, one step ahead of it, and half a step below the limit we are woken to look: has /tmp grown, the
// limit grows; hold the processes more than their own limit without /tmp, they are killed; is it only cache, nothing happens.
// What was granted is taken back when files go, which only looking tells (poll_memory).
//
// A limit of memory_mib + tmp_mib from the start would instead let every process have its /tmp as memory.
int64_t Helper::memory_limit(Sandbox& s) {
  s.granted = used_bytes(s.tmp);
  if (s.granted > 0 && poll_at_ms_ == 0) poll_at_ms_ = now_ms() + limits::kSandboxPollMs;
  return s.limits.memory_bytes + s.granted + kTmpStep;
}

void Helper::watch_memory(Sandbox& s) {
  if (!cgroups_.memory()) return;
  int64_t bytes = s.limits.memory_bytes + s.granted + kTmpStep / 2;
  auto made = s.group->make_watch();
  if (made.ok()) {
    s.memory_watch = std::move(*made);
    watch(s.memory_watch.get(), s.index, kMemory);
  }
  Result<void> armed = made.ok() ? Result<void>() : Result<void>(made.error());
  if (armed.ok() && !s.group->arming_is_slow()) armed = s.group->arm_watch(s.memory_watch.get(), bytes);
  if (armed.ok() && s.group->arming_is_slow()) {
    pid_t pid = fork_with(0, nullptr);
    if (pid == 0) {
      (void)s.group->arm_watch(s.memory_watch.get(), bytes);
      // Whatever passed the threshold before it was one is looked at now.
      uint64_t one = 1;
      (void)!::write(s.memory_watch.get(), &one, sizeof one);
      ::_exit(0);
    }
    if (pid > 0) errands_.push_back(pid);
  }
  // Strict at least: what lies in /tmp then counts as memory.
  if (!armed.ok()) (void)s.group->set_memory(s.limits.memory_bytes);
}

void Helper::on_memory(Sandbox& s) {
  char event[512];
  while (s.memory_watch && ::read(s.memory_watch.get(), event, sizeof event) > 0) {
  }
  int64_t before = s.granted, limit = memory_limit(s);
  if (s.group->held_bytes() - s.granted > s.limits.memory_bytes) {
    s.killed_for_memory = true;
    return kill(s);
  }
  if (s.granted == before) return;
  if (auto done = s.group->set_memory(limit); !done.ok()) log_warn("sandbox.memory", {{"error", done.error().message()}});
  watch_memory(s);
}

void Helper::end_errands() {
  errands_.erase(
      std::remove_if(errands_.begin(), errands_.end(), [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; }),
      errands_.end());
}

// Looks at who needs it every kSandboxPollMs. Where there is no memory cgroup: the sum over the process tree, which is weaker,
// because a fast allocation is over the limit until the next look, and `weaker` says so. Where there is one: whether files in
// /tmp, for which the limit was raised, are gone.
void Helper::poll_memory() {
  poll_at_ms_ = 0;
  for (auto& [index, s] : sandboxes_) {
    if (s->phase != Phase::kRunning || (!poll_memory_ && s->granted == 0)) continue;
    poll_at_ms_ = now_ms() + limits::kSandboxPollMs;
    if (s->frozen) continue;
    if (!poll_memory_) {
      if (used_bytes(s->tmp) < s->granted) on_memory(*s);
      continue;
    }
    int64_t now = measure_tree(s->pid).memory_bytes;
    s->memory_peak = std::max(s->memory_peak, now);
    if (now <= s->limits.memory_bytes) continue;
    s->killed_for_memory = true;
    kill(*s);
  }
}

void Helper::clean_up() {
  for (auto& [index, s] : sandboxes_) kill(*s);
  int64_t until = now_ms() + kCleanUpMs;
  for (auto& [index, s] : sandboxes_) {
    if (!wait_by_fd(s->pidfd.get(), static_cast<int>(std::max<int64_t>(0, until - now_ms())))) continue;
    siginfo_t info{};
    (void)::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(s->pidfd.get()), &info, WEXITED);
  }
  sandboxes_.clear();
  cgroups_.close();
  network_.tear_down();
}

}  // namespace savia::sandbox

#include "sandbox/init.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "os/argv.h"
#include "sandbox/network.h"
#include "sandbox/rootfs.h"
#include "sandbox/seccomp.h"
#include "sandbox/sys.h"
#include "sandbox/wire.h"

namespace savia::sandbox {

namespace {

// Host user ids of sandboxes: behind everything that distributions, systemd and /etc/subuid hand out.
constexpr uint32_t kHostIdBase = 2'000'000'000;
constexpr int kControlFd = 3;  // inside
constexpr int kNiceness = 5;

// What the main process and the server get.
struct Pipes {
  os::Fd stdout_read, stdout_write, stderr_read, stderr_write;
  os::Fd control_server, control_inside;
};

Result<void> set_nonblocking(int fd) {
  int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return Error::from_errno(errno, "O_NONBLOCK");
  return {};
}

Result<void> join_cgroups(const InitContext& c) {
  for (const os::Fd& fd : *c.cgroup_procs) {
    if (::write(fd.get(), "0", 1) != 1) return Error::from_errno(errno, "join cgroup");
  }
  return {};
}

// A user name space in which exactly one user and one group exist, mapped to an unprivileged pair on the machine. Made by
// a child, because only somebody outside of it may write its maps; entered at the very end.
Result<os::Fd> make_user_namespace(const InitContext& c) {
  auto pipe = make_pipe();
  if (!pipe.ok()) return std::move(pipe).error();
  pid_t child = fork_with(CLONE_NEWUSER, nullptr);
  if (child < 0) return Error::from_errno(errno, "user name space");
  if (child == 0) {
    pipe->second.reset();
    char byte = 0;
    (void)!::read(pipe->first.get(), &byte, 1);
    ::_exit(0);
  }
  std::string proc = "/proc/" + std::to_string(child);
  std::string host_id = std::to_string(c.root ? kHostIdBase + c.index : 0);
  Result<void> mapped = write_small(proc + "/uid_map", std::to_string(kInnerUid) + " " + host_id + " 1");
  if (mapped.ok()) mapped = write_small(proc + "/gid_map", std::to_string(kInnerGid) + " " + host_id + " 1");
  os::Fd ns(::open((proc + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  int open_error = errno;
  pipe->second.reset();
  pipe->first.reset();
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  if (!mapped.ok()) return std::move(mapped).error();
  if (!ns) return Error::from_errno(open_error, "user name space");
  return ns;
}

// Everything that does not depend on the spec.
Result<os::Fd> prepare(const InitContext& c) {
  TRY(join_cgroups(c));
  if (c.be_nice) (void)::setpriority(PRIO_PROCESS, 0, kNiceness);
  if (c.root && ::setgroups(0, nullptr) != 0) return Error::from_errno(errno, "setgroups");
  TRY_CONTEXT(enter_new_network(c.index, c.uplink, c.mtu), "sandbox network");
  if (::unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) != 0) return Error::from_errno(errno, "unshare");
  (void)::unshare(CLONE_NEWCGROUP);  // absent from kernels without cgroups, where there is nothing to hide
  // The first to die when memory runs out, before the server and the machine's own services.
  (void)write_small("/proc/self/oom_score_adj", "900");
  TRY_CONTEXT(build_root(c.root_dir), "sandbox root");
  os::Fd user = TRY(make_user_namespace(c));
  (void)::syscall(SYS_keyctl, 1L /* KEYCTL_JOIN_SESSION_KEYRING */, 0L);  // an empty one
  ::setsid();
  ::umask(022);
  return user;
}

Result<os::Fd> make_listener(const std::string& address, uint16_t port, int type) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  std::string what = "listen inside on " + address + ":" + std::to_string(port);
  if (::inet_pton(AF_INET, address.c_str(), &at.sin_addr) != 1) return Error::invalid(what + ": not an IPv4 address");
  os::Fd sock(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!sock) return Error::from_errno(errno, what);
  if (::bind(sock.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return Error::from_errno(errno, what);
  if (type == SOCK_STREAM && ::listen(sock.get(), limits::kListenBacklog) != 0) return Error::from_errno(errno, what);
  return sock;
}

Result<std::vector<os::Fd>> make_listeners(const WireSpec& wire) {
  std::vector<os::Fd> out;
  for (const InnerListener& l : wire.spec.listeners) out.push_back(TRY(make_listener(l.address, l.port, SOCK_STREAM)));
  if (wire.dns_relay) {
    out.push_back(TRY(make_listener(to_text(kGatewayAddress), 53, SOCK_DGRAM)));
    out.push_back(TRY(make_listener(to_text(kGatewayAddress), 53, SOCK_STREAM)));
  }
  return out;
}

Result<Pipes> make_pipes(const Spec& spec) {
  Pipes p;
  auto out = TRY(make_pipe());
  auto err = TRY(make_pipe());
  p.stdout_read = std::move(out.first);
  p.stdout_write = std::move(out.second);
  p.stderr_read = std::move(err.first);
  p.stderr_write = std::move(err.second);
  TRY(set_nonblocking(p.stdout_read.get()));
  TRY(set_nonblocking(p.stderr_read.get()));
  if (spec.control_socket) {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return Error::from_errno(errno, "control socket");
    p.control_server.reset(fds[0]);
    p.control_inside.reset(fds[1]);
    TRY(set_nonblocking(fds[0]));
  }
  return p;
}

// Lowers a limit, soft and hard; one above what we may have is clamped to that.
void limit(__rlimit_resource resource, rlim_t value) {
  rlimit now{};
  if (::getrlimit(resource, &now) != 0) return;
  if (now.rlim_max != RLIM_INFINITY) value = std::min(value, now.rlim_max);
  rlimit set{value, value};
  (void)::setrlimit(resource, &set);
}

void set_rlimits(const Spec& spec) {
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, static_cast<rlim_t>(spec.open_files));
  limit(RLIMIT_MEMLOCK, 8u << 20);
  limit(RLIMIT_MSGQUEUE, 819'200);
  limit(RLIMIT_RTPRIO, 0);
  // Counted per user of the sandbox's own user name space (Linux 5.14), so it holds where there is no pids cgroup as well.
  limit(RLIMIT_NPROC, static_cast<rlim_t>(spec.pids + 1));
}

Result<void> drop_privileges(const InitContext& c, int user_ns) {
  if (::setns(user_ns, CLONE_NEWUSER) != 0) return Error::from_errno(errno, "enter user name space");
  constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                  SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (::prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) != 0) return Error::from_errno(errno, "securebits");
  for (int cap = 0; ::prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; ++cap) {
    if (::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) return Error::from_errno(errno, "capability bounding set");
  }
  // Raw calls: libc's would look for threads to tell.
  if (::syscall(SYS_setresgid, kInnerGid, kInnerGid, kInnerGid) != 0) return Error::from_errno(errno, "setresgid");
  if (::syscall(SYS_setresuid, kInnerUid, kInnerUid, kInnerUid) != 0) return Error::from_errno(errno, "setresuid");
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &head, none) != 0) return Error::from_errno(errno, "capset");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return Error::from_errno(errno, "dumpable");
  // Cleared by the change of ids, so it is set here; that the helper still lives is seen when we send to it.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return Error::from_errno(errno, "pdeathsig");
  return install_seccomp(*c.seccomp);
}

// The child that becomes the workload. Its failure goes up as text through `report`, which closes itself on success.
[[noreturn]] void exec_main(const Spec& spec, const Pipes& pipes, int report) {
  auto give_up = [&](const char* what) {
    std::string text = encode_error(Error::from_errno(errno, what));
    (void)!::write(report, text.data(), text.size());
    ::_exit(127);
  };
  ::setsid();
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0) give_up("open /dev/null");
  // Up and out of the way first: any of them may itself be 0, 1, 2 or 3.
  int in = ::fcntl(null, F_DUPFD_CLOEXEC, 10), out = ::fcntl(pipes.stdout_write.get(), F_DUPFD_CLOEXEC, 10);
  int err = ::fcntl(pipes.stderr_write.get(), F_DUPFD_CLOEXEC, 10), up = ::fcntl(report, F_DUPFD_CLOEXEC, 10);
  int control = pipes.control_inside ? ::fcntl(pipes.control_inside.get(), F_DUPFD_CLOEXEC, 10) : -1;
  if (::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) give_up("standard streams");
  if (control >= 0 && ::dup2(control, kControlFd) < 0) give_up("control socket");
  report = up;
  for (int fd = control >= 0 ? kControlFd + 1 : kControlFd; fd < up; ++fd) ::close(fd);
  close_from(up + 1);

  for (int s = 1; s < NSIG; ++s) ::signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::chdir(spec.cwd.c_str()) != 0) give_up(("chdir " + spec.cwd).c_str());

  std::vector<std::string> argv = spec.argv, env = spec.env;
  ::execve(argv[0].c_str(), os::exec_pointers(argv).data(), os::exec_pointers(env).data());
  give_up(("exec " + spec.argv[0]).c_str());
  ::_exit(127);
}

Result<pid_t> start_main(const Spec& spec, const Pipes& pipes) {
  auto report = TRY(make_pipe());
  pid_t pid = ::fork();  // not clone3: our own filter refuses it by now
  if (pid < 0) return Error::from_errno(errno, "fork inside the sandbox");
  if (pid == 0) exec_main(spec, pipes, report.second.get());
  report.second.reset();
  std::string text;
  char buffer[1024];
  while (true) {
    ssize_t n = ::read(report.first.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  if (!text.empty()) return decode_error(text);
  return pid;
}

// From the spec to a running main process and a report of success. Returns its pid inside.
Result<pid_t> run_spec(const InitContext& c, const Message& run, int user_ns) {
  WireSpec wire = TRY(decode_spec(run.body));
  const Spec& spec = wire.spec;
  if (spec.outgoing == Outgoing::kDenied && c.uplink) TRY(cut_off());
  TRY(furnish(wire, run.fds));
  os::Fd tmp(::open("/tmp", O_PATH | O_CLOEXEC));  // by which the helper asks how full it is
  if (!tmp) return Error::from_errno(errno, "open /tmp");
  std::vector<os::Fd> listeners = TRY(make_listeners(wire));
  Pipes pipes = TRY(make_pipes(spec));
  set_rlimits(spec);
  TRY(drop_privileges(c, user_ns));
  pid_t main = TRY(start_main(spec, pipes));
  std::vector<int> fds = {pipes.stdout_read.get(), pipes.stderr_read.get()};
  if (pipes.control_server) fds.push_back(pipes.control_server.get());
  for (const os::Fd& l : listeners) fds.push_back(l.get());
  fds.push_back(tmp.get());
  std::string body = Writer().num(pipes.control_server ? 1 : 0).num(static_cast<int64_t>(listeners.size())).bytes();
  TRY(send_message(c.sock, Op::kReady, run.number, body, fds));
  return main;
}

[[noreturn]] void fail_and_exit(const InitContext& c, const Error& error) {
  (void)send_message(c.sock, Op::kFailed, 0, encode_error(error));
  ::_exit(1);
}

[[noreturn]] void reap(const InitContext& c, pid_t main) {
  while (true) {
    int status = 0;
    pid_t pid = ::waitpid(-1, &status, __WALL);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) ::_exit(1);
    if (pid != main) continue;
    (void)send_message(c.sock, Op::kExit, 0, Writer().num(status).bytes());
    ::_exit(0);
  }
}

}  // namespace

void run_init(const InitContext& c) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::prctl(PR_SET_NAME, "savia-init", 0, 0, 0);
  pid_t main = -1;
  {
    auto user = prepare(c);
    if (!user.ok()) fail_and_exit(c, user.error());
    // The helper could not open this later: an init that is not dumpable shows its name spaces to real root only.
    os::Fd mounts(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    if (!mounts || !send_message(c.sock, Op::kWarm, 0, "", {mounts.get()}).ok()) ::_exit(1);
    mounts.reset();
    auto run = receive_message(c.sock);
    if (!run.ok() || !run->has_value() || (*run)->op != Op::kRun) ::_exit(1);
    auto started = run_spec(c, **run, user->get());
    if (!started.ok()) fail_and_exit(c, started.error());
    main = *started;
  }  // closes what belongs to the workload or the server
  reap(c, main);
}

}  // namespace savia::sandbox

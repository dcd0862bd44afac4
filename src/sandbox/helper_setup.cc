// What the helper does before it serves: its own name spaces, the facilities of the machine, the router, the filter.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "sandbox/helper.h"
#include "sandbox/sys.h"

namespace savia::sandbox {

namespace {

Result<void> signals_as_descriptor(os::Fd& out) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  if (::sigprocmask(SIG_SETMASK, &set, nullptr) != 0) return Error::from_errno(errno, "sigprocmask");
  out.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!out) return Error::from_errno(errno, "signalfd");
  // SIGINT and SIGHUP of a terminal are the server's to handle; the helper goes when the server has gone.
  for (int s : {SIGPIPE, SIGINT, SIGHUP, SIGQUIT}) ::signal(s, SIG_IGN);
  return {};
}

// Can this kernel copy mounts (open_tree: Linux 5.2) and set their attributes (mount_setattr: 5.12)?
Result<void> probe_mount_calls() {
  auto tree = clone_mount("/usr", true);
  if (tree.ok()) return {};
  return std::move(tree).error().context("sandboxes need Linux 5.12 or newer, and mounts that may be copied");
}

}  // namespace

// As a user: one user name space around all sandboxes, in which the helper is root. From then on the code is the same as for
// real root, with two differences: only one host id can be mapped, and supplementary groups cannot be dropped.
Result<void> Helper::enter_own_namespaces() {
  if (facilities_.root) {
    if (::unshare(CLONE_NEWNS) != 0) return Error::from_errno(errno, "mount name space");
  } else {
    std::string uid = std::to_string(::getuid()), gid = std::to_string(::getgid());
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
      return Error::from_errno(
          errno,
          "user name spaces are off for users here (kernel.unprivileged_userns_clone, user.max_user_namespaces, AppArmor)");
    }
    TRY(write_small("/proc/self/setgroups", "deny"));
    TRY(write_small("/proc/self/uid_map", "0 " + uid + " 1"));
    TRY(write_small("/proc/self/gid_map", "0 " + gid + " 1"));
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return Error::from_errno(errno, "mount propagation");
  home_mounts_.reset(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  if (!home_mounts_) return Error::from_errno(errno, "open /proc/self/ns/mnt");
  return {};
}

void Helper::probe_cgroups(bool root) {
  auto mounts = read_small("/proc/self/mountinfo");
  auto self = read_small("/proc/self/cgroup");
  cgroups_ = Cgroups::probe(mounts.ok() ? *mounts : "", self.ok() ? *self : "", root, !root);
  cgroups_.sweep();
  if (auto opened = cgroups_.open(process_identity(::getpid())); !opened.ok()) {
    facilities_.weaker.push_back("control groups cannot be made: " + opened.error().message());
    cgroups_ = Cgroups();
  }
  facilities_.cgroups = cgroups_.kind();
  facilities_.memory_limit = cgroups_.memory();
  facilities_.cpu_share = cgroups_.cpu();
  facilities_.pids_limit = cgroups_.pids();
  facilities_.freezer = cgroups_.freezer();
  poll_memory_ = !cgroups_.memory();
  for (const std::string& note : cgroups_.notes()) facilities_.weaker.push_back(note);
  if (!facilities_.memory_limit) {
    facilities_.weaker.emplace_back(
        "memory limits: no memory control group here, so a sandbox over its limit is found by looking every 50 ms and then "
        "killed");
  }
  if (!facilities_.cpu_share) {
    facilities_.weaker.emplace_back(
        "CPU shares: no cpu control group here, so sandboxes only run at a lower priority than the server");
  }
  if (!facilities_.pids_limit) {
    facilities_.weaker.emplace_back(
        "process limits: no pids control group here, so RLIMIT_NPROC limits processes and threads instead");
  }
  if (!facilities_.freezer) {
    facilities_.weaker.emplace_back(
        "freezing: no freezer here, so idle sandboxes are stopped with SIGSTOP, which they can notice");
  }
}

Result<void> Helper::set_up() {
  facilities_.root = ::geteuid() == 0;
  TRY(signals_as_descriptor(signals_));
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return Error::from_errno(errno, "epoll_create1");
  root_dir_ = state_dir_ + "/root";
  if (::mkdir(root_dir_.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, "mkdir " + root_dir_);

  probe_cgroups(facilities_.root);
  auto slirp = start_slirp_waiter(facilities_.root);
  TRY(enter_own_namespaces());
  TRY(probe_mount_calls());
  facilities_.user_namespaces = true;
  facilities_.late_mounts = true;
  network_ = Network::set_up(facilities_.root, slirp.ok() ? slirp->get() : -1);
  facilities_.outgoing_network = network_.outgoing();
  if (!network_.outgoing()) {
    facilities_.weaker.push_back("outgoing network: none, sandboxes reach only Savia itself (" + network_.why() + ")");
  }
  auto program = compile_seccomp();
  if (program.ok()) {
    seccomp_ = std::move(*program);
    facilities_.seccomp = true;
  } else {
    facilities_.weaker.push_back("system call filter: none (" + program.error().message() + ")");
  }
  if (!facilities_.root) {
    facilities_.weaker.emplace_back(
        "identity: without root all sandboxes have the server's own user id on the machine, in separate name spaces");
  }
  return {};
}

void Helper::say_hello() {
  answer(Op::kHello, 0, encode_facilities(facilities_));
}

}  // namespace savia::sandbox

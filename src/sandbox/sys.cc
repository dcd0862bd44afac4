#include "sandbox/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/strings.h"

// glibc 2.36 wraps these, but <sys/mount.h> and <linux/mount.h> cannot be included together; the numbers are enough.
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

namespace savia::sandbox {

Result<std::string> read_small(const std::string& path) {
  os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "open " + path);
  std::string text;
  char buffer[8192];
  while (text.size() < 65'536) {
    ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read " + path);
    if (n == 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

Result<void> write_small(const std::string& path, std::string_view text) {
  os::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "open " + path);
  if (::write(fd.get(), text.data(), text.size()) < 0) return Error::from_errno(errno, "write " + path);
  return {};
}

Result<void> put_file(const std::string& path, std::string_view text, mode_t mode) {
  os::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return Error::from_errno(errno, "create " + path);
  while (!text.empty()) {
    ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "write " + path);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<void> make_dirs(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0755) != 0) {
      int err = errno;
      // EROFS: below a read-only mount, where an existing directory is as good.
      struct stat st {};
      if (::lstat(part.c_str(), &st) != 0 || (!S_ISDIR(st.st_mode) && !(S_ISLNK(st.st_mode) && end != std::string::npos))) {
        return Error::from_errno(err, "mkdir " + part);
      }
    }
    if (end == std::string::npos) return {};
  }
}

pid_t fork_with(uint64_t flags, int* pidfd) {
  clone_args args{};
  args.flags = flags | (pidfd != nullptr ? static_cast<uint64_t>(CLONE_PIDFD) : 0);
  args.pidfd = reinterpret_cast<uint64_t>(pidfd);
  args.exit_signal = SIGCHLD;
  return static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
}

Result<os::Fd> clone_mount(const std::string& source, bool read_only) {
  os::Fd fd(
      static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)));
  if (!fd) return Error::from_errno(errno, "mount " + source);
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0);
  attr.propagation = 1UL << 18;  // MS_PRIVATE, whose header excludes linux/mount.h
  if (::syscall(SYS_mount_setattr, fd.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0) {
    return Error::from_errno(errno, "mount attributes of " + source);
  }
  return fd;
}

Result<void> attach_mount(int mount_fd, const std::string& target) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  os::Fd at(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, target.c_str(), &how, sizeof how)));
  if (!at) return Error::from_errno(errno, "mount point " + target);
  if (::syscall(SYS_move_mount, mount_fd, "", at.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return Error::from_errno(errno, "mount at " + target);
  }
  return {};
}

Result<std::pair<os::Fd, os::Fd>> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
  return std::pair{os::Fd(fds[0]), os::Fd(fds[1])};
}

void kill_by_fd(int pidfd, int signal) {
  (void)::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
}

bool wait_by_fd(int pidfd, int timeout_ms) {
  pollfd p{pidfd, POLLIN, 0};
  while (true) {
    int n = ::poll(&p, 1, timeout_ms);
    if (n < 0 && errno == EINTR) continue;
    return n > 0;
  }
}

void keep_only(int one, const std::vector<os::Fd>& more) {
  std::vector<int> keep = {2, one};
  for (const os::Fd& fd : more) keep.push_back(fd.get());
  std::sort(keep.begin(), keep.end());
  for (size_t i = 0; i + 1 < keep.size(); ++i) {
    if (keep[i] + 1 > keep[i + 1] - 1) continue;
    auto first = static_cast<unsigned>(keep[i] + 1), last = static_cast<unsigned>(keep[i + 1] - 1);
    if (::syscall(SYS_close_range, first, last, 0U) == 0) continue;  // Linux 5.9
    for (unsigned fd = first; fd <= last; ++fd) ::close(static_cast<int>(fd));
  }
  close_from(keep.back() + 1);
}

void close_from(int first) {
  if (::syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0U) == 0) return;  // Linux 5.9
  if (DIR* d = ::opendir("/proc/self/fd")) {
    while (const dirent* e = ::readdir(d)) {
      int fd = std::atoi(e->d_name);
      if (fd >= first && fd != ::dirfd(d)) ::close(fd);
    }
    ::closedir(d);
  }
}

}  // namespace savia::sandbox

// The few system calls and file jobs that only this module needs. Nothing here allocates more than its result.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "os/fd.h"

namespace savia::sandbox {

// Kernel files (/proc, /sys): one read of at most 64 KiB, one write without O_CREAT.
Result<std::string> read_small(const std::string& path);
Result<void> write_small(const std::string& path, std::string_view text);
// An ordinary small file, made or replaced.
Result<void> put_file(const std::string& path, std::string_view text, mode_t mode = 0644);
// Makes every missing directory of `path` (mode 0755). Does not follow a link that is in the way.
Result<void> make_dirs(const std::string& path);

// Forks with clone3 and `flags` (CLONE_NEWPID ...). In the child the pid is 0. `pidfd` receives a close-on-exec descriptor.
// Like fork, but unknown to libc: the caller must be single-threaded.
pid_t fork_with(uint64_t flags, int* pidfd);

// A detached, recursive copy of the mount at `source`: nosuid, nodev and, unless `read_only` is false, read-only. Linux 5.12.
Result<os::Fd> clone_mount(const std::string& source, bool read_only);
// Attaches it at `target`, which must exist and must not pass through any link.
Result<void> attach_mount(int mount_fd, const std::string& target);

// Close-on-exec; first is the read end.
Result<std::pair<os::Fd, os::Fd>> make_pipe();

void kill_by_fd(int pidfd, int signal);
// Waits for the end of the process behind `pidfd`; false when it still lives after `timeout_ms`.
bool wait_by_fd(int pidfd, int timeout_ms);
// Closes everything from `first` up.
void close_from(int first);
// Closes everything but 0, 1, 2, `one` and `more`.
void keep_only(int one, const std::vector<os::Fd>& more);

}  // namespace savia::sandbox

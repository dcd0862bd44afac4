// What a sandbox sees as its file system: a tmpfs of a few kilobytes with read-only mounts of the machine's programs and
// libraries in it, a few files of /etc, an own /proc with its dangerous entries masked, six devices, a private /tmp. No
// /sys, no /var, /run, /home, /root of the machine. Everything is nosuid and nodev (but the devices), the root read-only.
//
// Built in two phases by the init inside, which is root there until it has finished: build_root before anyone asked for a
// sandbox, furnish when the spec is known.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "os/fd.h"
#include "sandbox/wire.h"

namespace savia::sandbox {

inline constexpr unsigned kInnerUid = 993;  // what Lambda's own environments use
inline constexpr unsigned kInnerGid = 990;

// In a new mount name space: builds the root at `dir` (an empty directory) and makes it the root. Needs a new pid name
// space too, for /proc.
Result<void> build_root(const std::string& dir);
// Hosts, names, /tmp, mounts (descriptors of clone_mount, in the order of the spec's mounts); then nothing is writable
// but /tmp and /dev/shm.
Result<void> furnish(const WireSpec& spec, const std::vector<os::Fd>& mounts);
// The directory or empty file that `mount_fd` can be mounted on; parents are made.
Result<void> make_mount_point(int mount_fd, const std::string& target);

}  // namespace savia::sandbox

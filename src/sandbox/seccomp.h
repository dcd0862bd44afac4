// The system calls that a sandbox may make. An allow-list: what a kernel newer than this list adds answers ENOSYS, and
// programs fall back; what the list knows and refuses answers EPERM.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/result.h"

namespace savia::sandbox {

// Compiled once; every init installs the same program.
Result<std::vector<sock_filter>> compile_seccomp();
// Also sets no_new_privs, without which an unprivileged process may not install a filter.
Result<void> install_seccomp(const std::vector<sock_filter>& program);

}  // namespace savia::sandbox

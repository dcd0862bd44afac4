// Process 1 of a sandbox. It makes its own prison from the inside, in this order, and can undo none of it:
//
//   while nobody waits: cgroup, network, mount, ipc, uts and cgroup name spaces, the root, a user name space held ready
//   when a spec comes:  mounts, /tmp, listeners, limits; user name space, ids, capabilities, no_new_privs, seccomp; then it
//                       forks the main process, which executes argv
//
// Afterwards it only reaps and, when the main process ends, reports how and goes, which ends everything else inside. Signals
// from inside cannot touch it (the kernel spares a pid 1 without handlers), it is not dumpable, and hidepid hides it.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "os/fd.h"

namespace savia::sandbox {

struct InitContext {
  int sock = -1;       // to the helper
  bool root = false;   // real root on the machine, or only in the helper's own user name space
  uint32_t index = 0;  // unique among the living: tells the host user id and the addresses
  bool uplink = false;
  int mtu = 1500;
  bool be_nice = false;  // no cpu control group: give way to the server at least
  std::string root_dir;  // an empty directory, to mount the new root on
  const std::vector<os::Fd>* cgroup_procs = nullptr;
  const std::vector<sock_filter>* seccomp = nullptr;
};

// In the child of clone3(CLONE_NEWPID). Only the descriptors 0-2, `sock` and those of the cgroups survive.
[[noreturn]] void run_init(const InitContext& context);

}  // namespace savia::sandbox

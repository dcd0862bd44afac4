// A sandbox's processes as seen from the machine, by walking /proc: the fallback where control groups are missing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace savia::sandbox {

// All descendants of the init (orphans become its children), without itself.
std::vector<pid_t> tree_of(pid_t init);

struct TreeUsage {
  int64_t memory_bytes = 0;  // anonymous and tmpfs pages; pages shared by fork count once for each process
  int64_t cpu_us = 0;        // of the living
  int64_t processes = 0;
};
TreeUsage measure_tree(pid_t init);

// Signals every descendant, again until no new ones appear. For SIGSTOP and SIGCONT.
void signal_tree(pid_t init, int signal);

}  // namespace savia::sandbox

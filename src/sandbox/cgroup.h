// Control groups of the sandboxes, in whichever shape the machine has them:
//
//   v2      one tree; as root `savia.<pid>.<start>` at its top, otherwise below our own group if that is delegated to us
//   v1      one directory per controller (memory, cpu, cpuacct, pids, freezer)
//   hybrid  v1 controllers plus a v2 tree without any: limits through v1, freezing and killing through v2
//   none    nothing writable: the helper falls back to rlimits, polling and SIGSTOP
//
// `<pid>.<start>` names the helper that owns the groups, so that a later start finds and sweeps what a killed one left.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/fd.h"
#include "sandbox/sandbox.h"

namespace savia::sandbox {

struct GroupLimits {
  int64_t memory_bytes = 0;
  int64_t cpu_milli = 1000;
  int64_t pids = 1024;
};

// How to freeze without asking anybody: write `frozen` or `thawed` to a file. The server keeps the descriptor.
struct FreezeFile {
  std::string path;  // empty: no freezer
  bool v2 = false;
  std::string_view frozen() const { return v2 ? "1" : "FROZEN"; }
  std::string_view thawed() const { return v2 ? "0" : "THAWED"; }
};

// The directories of one sandbox. Destroyed: they are removed (the processes must be gone).
class Group {
 public:
  struct Dirs {
    std::string memory, cpu, cpuacct, pids, freezer;  // v1 directories, or the same v2 directory; empty: not there
    std::string v2;                                   // the v2 directory, with or without controllers
    bool memory_v2 = false, cpu_v2 = false;
  };
  explicit Group(Dirs dirs) : dirs_(std::move(dirs)) {}
  ~Group() { remove(); }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  // The cgroup.procs files; a process joins all by writing "0" to each.
  Result<std::vector<os::Fd>> open_procs() const;
  Result<void> set_limits(const GroupLimits& limits);  // cpu, and pids when > 0
  Result<void> set_memory(int64_t bytes);
  // A descriptor that becomes readable when memory use passes what arm_watch said last. v2: an inotify on memory.events, with
  // memory.high there (what is above is slowed until somebody acts). v1: an eventfd on a usage threshold; arming waits for the
  // kernel's readers (synchronize_rcu, 10 ms and more), hence arming_is_slow: it belongs in a process of its own.
  Result<os::Fd> make_watch() const;
  Result<void> arm_watch(int watch, int64_t bytes) const;
  bool arming_is_slow() const { return !dirs_.memory_v2; }
  int64_t held_bytes() const;  // anonymous and tmpfs memory: what reclaim cannot take back
  FreezeFile freeze_file() const;
  void freeze(bool frozen) const;
  void kill_all() const;  // cgroup.kill (Linux 5.14) where there is one; otherwise nothing
  Usage usage() const;
  int64_t oom_kills() const;
  void remove();

 private:
  std::vector<std::string> all() const;
  Dirs dirs_;
};

class Cgroups {
 public:
  // `mountinfo` and `self_cgroup` are the contents of /proc/self/mountinfo and /proc/self/cgroup; given, so that tests can
  // show another machine. `may_move_self`: on a delegated v2 tree the own process steps aside into a leaf group, because a
  // group with controllers may hold no process.
  static Cgroups probe(std::string_view mountinfo, std::string_view self_cgroup, bool root, bool may_move_self);

  Facilities::Cgroups kind() const { return kind_; }
  bool memory() const { return !memory_.empty(); }
  bool cpu() const { return !cpu_.empty(); }
  bool pids() const { return !pids_.empty(); }
  bool freezer() const { return !freezer_.empty() || !v2_.empty(); }
  bool any() const { return memory() || cpu() || pids() || freezer(); }
  const std::vector<std::string>& notes() const { return notes_; }  // what is weaker, in words

  Result<void> open(const std::string& owner);  // makes the parent directories `savia.<owner>`
  Result<std::unique_ptr<Group>> make(uint64_t number) const;
  void close();  // removes what open made
  // Removes groups whose owner (`savia.<pid>.<start>`) no longer lives; processes still in them are killed.
  void sweep() const;

 private:
  void choose_v1(const std::vector<std::pair<std::string, std::string>>& v1);
  void choose_v2(const std::string& mount, std::string_view self_cgroup, bool root, bool may_move_self);
  std::vector<std::string> bases() const;

  Facilities::Cgroups kind_ = Facilities::Cgroups::kNone;
  // Directories below which `savia.<owner>` is made; empty: not to be had. The v2 tree stands in all that it serves.
  std::string memory_, cpu_, cpuacct_, pids_, freezer_, v2_;
  bool v2_controllers_ = false;
  std::string name_;  // "savia.<owner>" once open
  std::vector<std::string> notes_;
};

// Removes a directory of control groups with all below it, killing what is still in there.
void remove_groups_below(const std::string& dir);

// "<pid>.<start time in clock ticks>", or "" when no such process lives. The pair is never used twice.
std::string process_identity(int pid);

}  // namespace savia::sandbox

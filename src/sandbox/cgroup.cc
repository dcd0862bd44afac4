#include "sandbox/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.h"
#include "base/strings.h"
#include "sandbox/sys.h"

namespace savia::sandbox {

namespace {

constexpr int64_t kPeriodUs = 100'000;  // of the cpu quota; the kernel's default

bool writable_dir(const std::string& dir) {
  return ::access(dir.c_str(), W_OK | X_OK) == 0;
}

int64_t read_number(const std::string& path) {
  auto text = read_small(path);
  if (!text.ok()) return 0;
  return parse_int(trim(*text)).value_or(0);
}

// The number after `key` in a file of "key value" lines.
int64_t read_keyed(const std::string& path, std::string_view key) {
  auto text = read_small(path);
  if (!text.ok()) return 0;
  for (std::string_view line : split(*text, '\n')) {
    if (line.size() > key.size() && line.substr(0, key.size()) == key && line[key.size()] == ' ') {
      return parse_int(trim(line.substr(key.size() + 1))).value_or(0);
    }
  }
  return 0;
}

// Whole cores, rounded up: see Spec::cpu_milli.
int64_t quota_us(int64_t cpu_milli) {
  return (cpu_milli + 999) / 1000 * kPeriodUs;
}

}  // namespace

std::string process_identity(int pid) {
  auto stat = read_small("/proc/" + std::to_string(pid) + "/stat");
  if (!stat.ok()) return "";
  // The name in parentheses may hold spaces and parentheses; fields are counted from behind it (proc(5): 22 is starttime).
  size_t end = stat->rfind(')');
  if (end == std::string::npos) return "";
  auto fields = split(std::string_view(*stat).substr(end + 2), ' ');
  if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") return "";
  return std::to_string(pid) + "." + std::string(fields[19]);
}

// ---------------------------------------------------------------------------------------------------------------- Group

std::vector<std::string> Group::all() const {
  std::vector<std::string> dirs = {dirs_.memory, dirs_.cpu, dirs_.cpuacct, dirs_.pids, dirs_.freezer, dirs_.v2};
  std::sort(dirs.begin(), dirs.end());
  dirs.erase(std::unique(dirs.begin(), dirs.end()), dirs.end());
  dirs.erase(std::remove(dirs.begin(), dirs.end(), std::string()), dirs.end());
  return dirs;
}

Result<std::vector<os::Fd>> Group::open_procs() const {
  std::vector<os::Fd> fds;
  for (const std::string& dir : all()) {
    std::string path = dir + "/cgroup.procs";
    os::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return Error::from_errno(errno, "open " + path);
    fds.push_back(std::move(fd));
  }
  return fds;
}

Result<void> Group::set_memory(int64_t bytes) {
  if (dirs_.memory.empty()) return {};
  std::string text = std::to_string(bytes);
  if (dirs_.memory_v2) {
    TRY(write_small(dirs_.memory + "/memory.max", text));
    (void)write_small(dirs_.memory + "/memory.swap.max", "0");  // absent without swap accounting
    (void)write_small(dirs_.memory + "/memory.oom.group", "1");
    return {};
  }
  // v1 keeps limit <= memsw: lowering starts with the limit, raising with memsw. memsw is absent without swap accounting.
  if (!write_small(dirs_.memory + "/memory.limit_in_bytes", text).ok()) {
    (void)write_small(dirs_.memory + "/memory.memsw.limit_in_bytes", text);
    TRY(write_small(dirs_.memory + "/memory.limit_in_bytes", text));
  }
  (void)write_small(dirs_.memory + "/memory.memsw.limit_in_bytes", text);
  (void)write_small(dirs_.memory + "/memory.swappiness", "0");
  return {};
}

Result<os::Fd> Group::make_watch() const {
  if (dirs_.memory.empty()) return Error::unimplemented("no memory control group");
  os::Fd watch(dirs_.memory_v2 ? ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!watch) return Error::from_errno(errno, "watch memory");
  std::string events = dirs_.memory + "/memory.events";
  if (dirs_.memory_v2 && ::inotify_add_watch(watch.get(), events.c_str(), IN_MODIFY) < 0)
    return Error::from_errno(errno, "watch " + events);
  return watch;
}

Result<void> Group::arm_watch(int watch, int64_t bytes) const {
  if (dirs_.memory_v2) return write_small(dirs_.memory + "/memory.high", std::to_string(bytes));
  std::string file = dirs_.memory + "/memory.usage_in_bytes";
  os::Fd use(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!use) return Error::from_errno(errno, "open " + file);
  return write_small(dirs_.memory + "/cgroup.event_control",
                     std::to_string(watch) + " " + std::to_string(use.get()) + " " + std::to_string(bytes));
}

int64_t Group::held_bytes() const {
  std::string stat = dirs_.memory + "/memory.stat";
  if (dirs_.memory_v2) return read_keyed(stat, "anon") + read_keyed(stat, "shmem");
  return read_keyed(stat, "total_rss") + read_keyed(stat, "total_shmem");
}

Result<void> Group::set_limits(const GroupLimits& limits) {
  if (!dirs_.cpu.empty() && dirs_.cpu_v2) {
    int64_t weight = std::clamp<int64_t>(limits.cpu_milli / 10, 1, 10'000);
    TRY(write_small(dirs_.cpu + "/cpu.weight", std::to_string(weight)));
    (void)write_small(dirs_.cpu + "/cpu.max", std::to_string(quota_us(limits.cpu_milli)) + " " + std::to_string(kPeriodUs));
  } else if (!dirs_.cpu.empty()) {
    TRY(write_small(dirs_.cpu + "/cpu.shares", std::to_string(std::max<int64_t>(2, limits.cpu_milli * 1024 / 1000))));
    // Absent in kernels without CONFIG_CFS_BANDWIDTH; the weight alone then holds.
    (void)write_small(dirs_.cpu + "/cpu.cfs_quota_us", std::to_string(quota_us(limits.cpu_milli)));
  }
  if (!dirs_.pids.empty() && limits.pids > 0) {
    TRY(write_small(dirs_.pids + "/pids.max", std::to_string(limits.pids + 1)));  // one more for the init inside
  }
  return {};
}

FreezeFile Group::freeze_file() const {
  if (!dirs_.v2.empty()) return {dirs_.v2 + "/cgroup.freeze", true};
  if (!dirs_.freezer.empty()) return {dirs_.freezer + "/freezer.state", false};
  return {};
}

void Group::freeze(bool frozen) const {
  FreezeFile file = freeze_file();
  if (!file.path.empty()) (void)write_small(file.path, frozen ? file.frozen() : file.thawed());
}

void Group::kill_all() const {
  if (!dirs_.v2.empty()) (void)write_small(dirs_.v2 + "/cgroup.kill", "1");
}

Usage Group::usage() const {
  Usage u;
  if (!dirs_.memory.empty() && dirs_.memory_v2) {
    u.memory_bytes = read_number(dirs_.memory + "/memory.current") - read_keyed(dirs_.memory + "/memory.stat", "inactive_file");
    u.memory_peak_bytes = read_number(dirs_.memory + "/memory.peak");  // Linux 5.19
  } else if (!dirs_.memory.empty()) {
    u.memory_bytes =
        read_number(dirs_.memory + "/memory.usage_in_bytes") - read_keyed(dirs_.memory + "/memory.stat", "total_inactive_file");
    u.memory_peak_bytes = read_number(dirs_.memory + "/memory.max_usage_in_bytes");
  }
  u.memory_bytes = std::max<int64_t>(0, u.memory_bytes);
  u.memory_peak_bytes = std::max(u.memory_peak_bytes, u.memory_bytes);
  if (!dirs_.v2.empty()) u.cpu_us = read_keyed(dirs_.v2 + "/cpu.stat", "usage_usec");
  if (u.cpu_us == 0 && !dirs_.cpuacct.empty()) u.cpu_us = read_number(dirs_.cpuacct + "/cpuacct.usage") / 1000;
  if (!dirs_.pids.empty()) u.pids = std::max<int64_t>(0, read_number(dirs_.pids + "/pids.current") - 1);
  return u;
}

int64_t Group::oom_kills() const {
  if (dirs_.memory.empty()) return 0;
  if (dirs_.memory_v2) return read_keyed(dirs_.memory + "/memory.events", "oom_kill");
  return read_keyed(dirs_.memory + "/memory.oom_control", "oom_kill");  // Linux 4.13
}

void Group::remove() {
  for (const std::string& dir : all()) (void)::rmdir(dir.c_str());
  dirs_ = {};
}

// -------------------------------------------------------------------------------------------------------------- Cgroups

Cgroups Cgroups::probe(std::string_view mountinfo, std::string_view self_cgroup, bool root, bool may_move_self) {
  Cgroups c;
  std::vector<std::pair<std::string, std::string>> v1;  // controller list, mount point
  std::string v2_mount;
  for (std::string_view line : split(mountinfo, '\n')) {
    // proc(5): id parent major:minor root MOUNTPOINT options optional... - TYPE source SUPEROPTIONS
    size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    auto left = split(line.substr(0, dash), ' ');
    auto right = split(line.substr(dash + 3), ' ');
    if (left.size() < 5 || right.size() < 3) continue;
    if (right[0] == "cgroup") v1.emplace_back(std::string(right[2]), std::string(left[4]));
    if (right[0] == "cgroup2") v2_mount = left[4];
  }
  c.choose_v1(v1);
  if (!v2_mount.empty()) c.choose_v2(v2_mount, self_cgroup, root, may_move_self);
  bool any_v1 = !v1.empty();
  if (!c.any()) {
    c.kind_ = Facilities::Cgroups::kNone;
  } else if (c.v2_controllers_) {
    c.kind_ = Facilities::Cgroups::kV2;
  } else {
    c.kind_ = any_v1 && !c.v2_.empty() ? Facilities::Cgroups::kHybrid
              : any_v1                 ? Facilities::Cgroups::kV1
                                       : Facilities::Cgroups::kV2;
  }
  return c;
}

void Cgroups::choose_v1(const std::vector<std::pair<std::string, std::string>>& v1) {
  for (const auto& [options, mount] : v1) {
    if (!writable_dir(mount)) continue;
    for (std::string_view option : split(options, ',')) {
      if (option == "memory") memory_ = mount;
      if (option == "cpu") cpu_ = mount;
      if (option == "cpuacct") cpuacct_ = mount;
      if (option == "pids") pids_ = mount;
      if (option == "freezer") freezer_ = mount;
    }
  }
}

void Cgroups::choose_v2(const std::string& mount, std::string_view self_cgroup, bool root, bool may_move_self) {
  std::string base = mount;
  if (!root) {
    for (std::string_view line : split(self_cgroup, '\n')) {
      if (line.substr(0, 3) == "0::" && line != "0::/") base += line.substr(3);
    }
  }
  if (!writable_dir(base) || ::access((base + "/cgroup.procs").c_str(), W_OK) != 0) {
    if (!root) notes_.emplace_back("the cgroup of this process is not delegated to its user (systemd: Delegate=yes)");
    return;
  }
  v2_ = base;
  auto controllers = read_small(base + "/cgroup.controllers");
  std::string offered = controllers.ok() ? " " + std::string(trim(*controllers)) + " " : "";
  auto enable = [&](std::string_view controller) {
    std::string name(controller);
    if (offered.find(" " + name + " ") == std::string::npos) return false;
    std::string file = base + "/cgroup.subtree_control";
    auto done = write_small(file, "+" + name);
    if (!done.ok() && may_move_self) {
      // EBUSY: "no internal processes". Everything in the group, which is us alone when it was delegated to us, steps aside.
      (void)::mkdir((base + "/savia.main").c_str(), 0755);
      auto procs = read_small(base + "/cgroup.procs");
      if (procs.ok()) {
        for (std::string_view pid : split(*procs, '\n')) {
          if (!pid.empty()) (void)write_small(base + "/savia.main/cgroup.procs", pid);
        }
      }
      done = write_small(file, "+" + name);
    }
    if (!done.ok()) notes_.push_back("cgroup v2 controller " + name + " cannot be enabled: " + done.error().message());
    return done.ok();
  };
  if (enable("memory")) memory_ = v2_, v2_controllers_ = true;
  if (enable("cpu")) cpu_ = v2_, v2_controllers_ = true;
  if (enable("pids")) pids_ = v2_, v2_controllers_ = true;
}

std::vector<std::string> Cgroups::bases() const {
  std::vector<std::string> b = {memory_, cpu_, cpuacct_, pids_, freezer_, v2_};
  std::sort(b.begin(), b.end());
  b.erase(std::unique(b.begin(), b.end()), b.end());
  b.erase(std::remove(b.begin(), b.end(), std::string()), b.end());
  return b;
}

Result<void> Cgroups::open(const std::string& owner) {
  name_ = "savia." + owner;
  for (const std::string& base : bases()) {
    std::string dir = base + "/" + name_;
    if (::mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) return Error::from_errno(errno, "mkdir " + dir);
    if (base == memory_ && base != v2_) (void)write_small(dir + "/memory.use_hierarchy", "1");
    if (base != v2_) continue;
    for (const auto& [controller, at] : {std::pair{"+memory", memory_}, {"+cpu", cpu_}, {"+pids", pids_}}) {
      if (at == v2_) TRY(write_small(dir + "/cgroup.subtree_control", controller));
    }
  }
  return {};
}

Result<std::unique_ptr<Group>> Cgroups::make(uint64_t number) const {
  auto below = [&](const std::string& base) {
    return base.empty() ? std::string() : base + "/" + name_ + "/" + std::to_string(number);
  };
  for (const std::string& base : bases()) {
    if (base == freezer_ && !v2_.empty()) continue;  // see below: what a group does not keep, it does not remove
    std::string dir = below(base);
    if (::mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) return Error::from_errno(errno, "mkdir " + dir);
  }
  Group::Dirs d{below(memory_), below(cpu_), below(cpuacct_), below(pids_), below(freezer_), below(v2_), false, false};
  d.memory_v2 = !memory_.empty() && memory_ == v2_;
  d.cpu_v2 = !cpu_.empty() && cpu_ == v2_;
  if (!d.v2.empty()) d.freezer.clear();  // one freezer is enough, and v2's lets a frozen process be killed
  return std::make_unique<Group>(std::move(d));
}

void Cgroups::close() {
  if (name_.empty()) return;
  for (const std::string& base : bases()) remove_groups_below(base + "/" + name_);
  name_.clear();
}

void Cgroups::sweep() const {
  for (const std::string& base : bases()) {
    std::vector<std::string> stale;
    if (DIR* d = ::opendir(base.c_str())) {
      while (const dirent* e = ::readdir(d)) {
        std::string_view name = e->d_name;
        if (name.substr(0, 6) != "savia." || name == "savia.main") continue;
        std::string owner(name.substr(6));
        auto pid = parse_int(owner.substr(0, owner.find('.')));
        if (pid && process_identity(static_cast<int>(*pid)) != owner) stale.push_back(base + "/" + std::string(name));
      }
      ::closedir(d);
    }
    for (const std::string& dir : stale) remove_groups_below(dir);
  }
}

void remove_groups_below(const std::string& dir) {
  std::vector<std::string> children;
  if (DIR* d = ::opendir(dir.c_str())) {
    while (const dirent* e = ::readdir(d)) {
      if (e->d_type == DT_DIR && e->d_name[0] != '.') children.push_back(dir + "/" + e->d_name);
    }
    ::closedir(d);
  }
  for (const std::string& child : children) remove_groups_below(child);
  if (::rmdir(dir.c_str()) == 0 || errno == ENOENT) return;
  // Still populated: its owner was killed, and so are its processes, now. They are gone after some milliseconds.
  for (int attempt = 0; attempt < 50; ++attempt) {
    (void)write_small(dir + "/freezer.state", "THAWED");
    auto procs = read_small(dir + "/cgroup.procs");
    if (procs.ok()) {
      for (std::string_view pid : split(*procs, '\n')) {
        if (auto p = parse_int(pid); p && *p > 1) (void)::kill(static_cast<pid_t>(*p), SIGKILL);
      }
    }
    ::usleep(2000);
    if (::rmdir(dir.c_str()) == 0 || errno == ENOENT) return;
  }
}

}  // namespace savia::sandbox

#include "sandbox/process_tree.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>

#include "base/strings.h"
#include "sandbox/sys.h"

namespace savia::sandbox {

namespace {

void add_children(pid_t pid, std::vector<pid_t>& out) {
  std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* d = ::opendir(tasks.c_str());
  if (d == nullptr) return;
  while (const dirent* e = ::readdir(d)) {
    if (e->d_name[0] == '.') continue;
    auto text = read_small(tasks + "/" + e->d_name + "/children");  // CONFIG_PROC_CHILDREN, in every distribution's kernel
    if (!text.ok()) continue;
    for (std::string_view word : split(*text, ' ')) {
      if (auto child = parse_int(trim(word))) out.push_back(static_cast<pid_t>(*child));
    }
  }
  ::closedir(d);
}

// "RssAnon:     123 kB" and the like.
int64_t status_kib(std::string_view status, std::string_view key) {
  size_t at = status.find(key);
  if (at == std::string_view::npos) return 0;
  return std::atoll(std::string(status.substr(at + key.size(), 32)).c_str());
}

}  // namespace

std::vector<pid_t> tree_of(pid_t init) {
  std::vector<pid_t> all;
  add_children(init, all);
  for (size_t i = 0; i < all.size(); ++i) add_children(all[i], all);
  return all;
}

TreeUsage measure_tree(pid_t init) {
  TreeUsage u;
  const auto ticks = static_cast<int64_t>(::sysconf(_SC_CLK_TCK));
  for (pid_t pid : tree_of(init)) {
    std::string proc = "/proc/" + std::to_string(pid);
    auto status = read_small(proc + "/status");
    if (!status.ok()) continue;
    ++u.processes;
    u.memory_bytes += (status_kib(*status, "RssAnon:") + status_kib(*status, "RssShmem:")) * 1024;
    auto stat = read_small(proc + "/stat");
    if (!stat.ok()) continue;
    size_t end = stat->rfind(')');
    if (end == std::string::npos) continue;
    auto f = split(std::string_view(*stat).substr(end + 2), ' ');
    if (f.size() > 12) u.cpu_us += (parse_int(f[11]).value_or(0) + parse_int(f[12]).value_or(0)) * 1'000'000 / ticks;
  }
  return u;
}

void signal_tree(pid_t init, int signal) {
  std::set<pid_t> done;
  for (bool more = true; more;) {
    more = false;
    for (pid_t pid : tree_of(init)) {
      if (!done.insert(pid).second) continue;
      (void)::kill(pid, signal);
      more = true;
    }
  }
}

}  // namespace savia::sandbox

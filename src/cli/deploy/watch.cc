#include <dirent.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <set>

#include "cli/deploy/deploy.h"
#include "os/fd.h"

namespace savia::cli {
namespace {

constexpr int kQuietMs = 40;  // editors write a file in several steps; one deploy follows the last
constexpr uint32_t kMask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;

bool ignored(std::string_view name) {
  return name == "node_modules" || name == ".git" || name == ".serverless" || name.starts_with(".#") || name.ends_with("~") ||
         name.ends_with(".swp") || name.ends_with(".swx") || name == "4913";
}

class Watches {
 public:
  explicit Watches(int fd) : fd_(fd) {}

  void add_tree(const std::string& dir, size_t index) {
    int wd = inotify_add_watch(fd_, dir.c_str(), kMask);
    if (wd < 0) return;  // gone meanwhile, or not a folder
    dirs_[wd] = {dir, index};
    DIR* d = opendir(dir.c_str());
    if (d == nullptr) return;
    while (dirent* e = readdir(d)) {
      std::string name = e->d_name;
      if (name == "." || name == ".." || ignored(name)) continue;
      struct stat st {};
      std::string path = dir + "/" + name;
      if (lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) add_tree(path, index);
    }
    closedir(d);
  }

  // Reads what is pending into `changed`; new folders are watched too.
  Result<void> drain(std::set<size_t>& changed) {
    alignas(inotify_event) std::array<char, 16384> buf{};
    for (;;) {
      ssize_t n = read(fd_, buf.data(), buf.size());
      if (n < 0 && errno == EAGAIN) return {};
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return Error::from_errno(errno, "inotify");
      for (char* p = buf.data(); p < buf.data() + n;) {
        auto* e = reinterpret_cast<inotify_event*>(p);
        p += sizeof(inotify_event) + e->len;
        auto at = dirs_.find(e->wd);
        if (at == dirs_.end() || (e->len > 0 && ignored(e->name))) continue;
        if ((e->mask & IN_ISDIR) != 0 && (e->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
          add_tree(at->second.first + "/" + e->name, at->second.second);
        }
        changed.insert(at->second.second);
      }
    }
  }

 private:
  int fd_;
  std::map<int, std::pair<std::string, size_t>> dirs_;
};

}  // namespace

Result<void> watch(const std::vector<std::string>& dirs, const std::function<void()>& ready,
                   const std::function<bool(const std::vector<size_t>&)>& changed) {
  os::Fd fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "inotify");
  Watches watches(fd.get());
  for (size_t i = 0; i < dirs.size(); ++i) watches.add_tree(dirs[i], i);
  ready();
  std::set<size_t> pending;
  for (;;) {
    pollfd p{fd.get(), POLLIN, 0};
    int n = poll(&p, 1, pending.empty() ? -1 : kQuietMs);
    if (n < 0 && errno != EINTR) return Error::from_errno(errno, "poll");
    if (n < 0) return {};  // a signal: the command is being ended
    if (n > 0) {
      TRY(watches.drain(pending));
      continue;
    }
    std::vector<size_t> list(pending.begin(), pending.end());
    pending.clear();
    if (!changed(list)) return {};
  }
}

}  // namespace savia::cli

#include "services/logs/file_cache.h"

#include <fcntl.h>

#include <cerrno>

namespace savia::logs {

Result<std::shared_ptr<os::Fd>> FileCache::open(const std::string& path, OpenMode mode) {
  {
    std::lock_guard lock(mutex_);
    auto it = by_path_.find(path);
    if (it != by_path_.end()) {
      recent_.splice(recent_.begin(), recent_, it->second);
      return it->second->second;
    }
  }
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (mode == OpenMode::kCreate ? O_CREAT | O_EXCL : 0);
  auto file = std::make_shared<os::Fd>(::open(path.c_str(), flags, 0600));
  if (file->get() < 0) return Error::from_errno(errno, "open " + path);
  std::lock_guard lock(mutex_);
  auto it = by_path_.find(path);
  if (it != by_path_.end()) return it->second->second;  // another thread was quicker
  recent_.emplace_front(path, file);
  by_path_[path] = recent_.begin();
  while (recent_.size() > capacity_) {
    by_path_.erase(recent_.back().first);
    recent_.pop_back();
  }
  return file;
}

void FileCache::forget(const std::string& path) {
  std::lock_guard lock(mutex_);
  auto it = by_path_.find(path);
  if (it == by_path_.end()) return;
  recent_.erase(it->second);
  by_path_.erase(it);
}

}  // namespace savia::logs

#include "state/disk_guard.h"

#include <sys/statvfs.h>

#include "base/clock.h"

namespace savia::state {

DiskGuard::DiskGuard(std::string directory, int64_t reserve_bytes)
    : directory_(std::move(directory)), reserve_bytes_(reserve_bytes) {}

int64_t DiskGuard::free_bytes() {
  const int64_t now_us = real_clock().monotonic_us();
  const int64_t checked_us = checked_us_.load(std::memory_order_acquire);
  if (checked_us >= 0 && now_us - checked_us < limits::kDiskCheckMs * 1000) return free_bytes_.load(std::memory_order_relaxed);
  struct statvfs fs {};
  // A file system that does not answer is not called full: the write itself will tell.
  int64_t free = INT64_MAX / 2;
  if (statvfs(directory_.c_str(), &fs) == 0) free = static_cast<int64_t>(fs.f_bavail) * static_cast<int64_t>(fs.f_frsize);
  free_bytes_.store(free, std::memory_order_relaxed);
  checked_us_.store(now_us, std::memory_order_release);
  return free;
}

Result<void> DiskGuard::check(int64_t bytes) {
  if (reserve_bytes_ <= 0) return {};
  const int64_t free = free_bytes();
  if (free - bytes >= reserve_bytes_) return {};
  return Error::exhausted("disk is full: " + std::to_string(free >> 20) + " MiB free at " + directory_ + ", " +
                          std::to_string(reserve_bytes_ >> 20) + " MiB are kept in reserve");
}

}  // namespace savia::state

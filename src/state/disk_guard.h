// Says whether there is room to grow state, without asking the kernel each time. Writers ask it before they write, so that
// a disk never fills to the last block: the write-ahead log, deletions and the log's counters need some room to end well.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/limits.h"
#include "base/result.h"

namespace savia::state {

class DiskGuard {
 public:
  // `directory` is any existing folder of the file system that is watched.
  explicit DiskGuard(std::string directory, int64_t reserve_bytes = limits::kDiskReserveBytes);
  // Any thread. Error kExhausted "disk is full: …" when fewer than the reserve plus `bytes` are free. The answer of the
  // kernel is believed for limits::kDiskCheckMs.
  Result<void> check(int64_t bytes = 0);

 private:
  int64_t free_bytes();
  const std::string directory_;
  const int64_t reserve_bytes_;
  std::atomic<int64_t> checked_us_{-1};
  std::atomic<int64_t> free_bytes_{0};
};

}  // namespace savia::state

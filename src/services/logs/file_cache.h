// Open files of segments, the least recently used closed first. A file in use stays open with its user.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "base/result.h"
#include "os/fd.h"

namespace savia::logs {

enum class OpenMode { kExisting, kCreate };

class FileCache {
 public:
  explicit FileCache(size_t capacity = limits::kLogOpenFiles) : capacity_(capacity) {}
  Result<std::shared_ptr<os::Fd>> open(const std::string& path, OpenMode mode);  // read and write
  void forget(const std::string& path);

 private:
  using Entry = std::pair<std::string, std::shared_ptr<os::Fd>>;
  const size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> recent_;  // newest in front
  std::unordered_map<std::string, std::list<Entry>::iterator> by_path_;
};

}  // namespace savia::logs

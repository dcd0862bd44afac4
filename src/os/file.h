// Files as whole values, and the few directory jobs that every module needs. Nothing here follows a path on behalf of a
// user; paths from users are resolved from directory descriptors (openat2) by whoever takes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/fd.h"

namespace savia::os {

// The whole file; an error when it is longer than `max_bytes`.
Result<std::string> read_file(const std::string& path, size_t max_bytes = 256u << 20);

// Either the old content or the new one is there after a crash: temporary file beside it, fsync, rename, fsync of the folder.
Result<void> write_file_atomic(const std::string& path, std::string_view content, uint32_t mode = 0644);

// The same for what is worth nothing after a boot: whole at any moment, but not synced.
Result<void> write_file_until_boot(const std::string& path, std::string_view content, uint32_t mode = 0644);

// Another one each time that the machine starts; "unknown" where /proc does not tell.
std::string boot_id();

Result<void> write_all(int fd, std::string_view bytes);
Result<std::string> read_all(int fd, size_t max_bytes);

Result<void> make_dirs(const std::string& path, uint32_t mode = 0755);  // like mkdir -p
Result<void> remove_tree(const std::string& path);                      // follows no link; fine when it does not exist
bool exists(const std::string& path);                                   // of any kind; links are not followed

// A folder under $TMPDIR or /tmp that is removed with all in it.
class TempDir {
 public:
  static Result<TempDir> create(std::string_view prefix = "savia");
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~TempDir();
  const std::string& path() const { return path_; }

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace savia::os

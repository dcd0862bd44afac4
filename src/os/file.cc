#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

namespace savia::os {
namespace {

Fd open_dir_at(int dir, const char* name) {
  return Fd(::openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Result<void> remove_at(int dir, const char* name, int depth) {
  constexpr int kDepth = 512;  // deeper trees come only from somebody who wants to hurt
  if (::unlinkat(dir, name, 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return Error::from_errno(errno, std::string("unlink ") + name);
  if (depth > kDepth) return Error::exhausted("folders nested too deep to remove");
  Fd self = open_dir_at(dir, name);
  if (!self && errno == EACCES && ::fchmodat(dir, name, 0700, 0) == 0) self = open_dir_at(dir, name);
  if (!self) return Error::from_errno(errno, std::string("open ") + name);
  std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(::fcntl(self.get(), F_DUPFD_CLOEXEC, 0)), ::closedir);
  if (!entries) return Error::from_errno(errno, std::string("read ") + name);
  while (const dirent* e = ::readdir(entries.get())) {
    std::string_view n = e->d_name;
    if (n == "." || n == "..") continue;
    TRY(remove_at(self.get(), e->d_name, depth + 1));
  }
  if (::unlinkat(dir, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
    return Error::from_errno(errno, std::string("rmdir ") + name);
  return {};
}

}  // namespace

Result<std::string> read_all(int fd, size_t max_bytes) {
  std::string out;
  struct stat st {};
  if (::fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) out.reserve(static_cast<size_t>(st.st_size) + 1);
  char chunk[65536];
  for (;;) {
    ssize_t n = ::read(fd, chunk, sizeof chunk);
    if (n == 0) return out;
    if (n < 0) {
      if (errno == EINTR) continue;
      return Error::from_errno(errno, "read");
    }
    if (out.size() + static_cast<size_t>(n) > max_bytes)
      return Error::exhausted("longer than " + std::to_string(max_bytes) + " bytes");
    out.append(chunk, static_cast<size_t>(n));
  }
}

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "open " + path);
  return TRY_CONTEXT(read_all(fd.get(), max_bytes), path);
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return Error::from_errno(errno, "write");
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

namespace {

enum class Durable { kNo, kYes };

Result<void> replace_file(const std::string& path, std::string_view content, uint32_t mode, Durable durable) {
  std::string temporary = path + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "create beside " + path);
  auto done = [&]() -> Result<void> {
    TRY(write_all(fd.get(), content));
    if (::fchmod(fd.get(), mode) != 0) return Error::from_errno(errno, "chmod");
    if (durable == Durable::kYes && ::fsync(fd.get()) != 0) return Error::from_errno(errno, "fsync");
    if (::rename(temporary.c_str(), path.c_str()) != 0) return Error::from_errno(errno, "rename");
    return {};
  }();
  if (!done.ok()) {
    ::unlink(temporary.c_str());
    return std::move(done).error().context(path);
  }
  if (durable == Durable::kNo) return {};
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  Fd dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || ::fsync(dir.get()) != 0) return Error::from_errno(errno, "fsync " + folder);
  return {};
}

}  // namespace

Result<void> write_file_atomic(const std::string& path, std::string_view content, uint32_t mode) {
  return replace_file(path, content, mode, Durable::kYes);
}

Result<void> write_file_until_boot(const std::string& path, std::string_view content, uint32_t mode) {
  return replace_file(path, content, mode, Durable::kNo);
}

std::string boot_id() {
  return read_file("/proc/sys/kernel/random/boot_id", 128).value_or("unknown");
}

Result<void> make_dirs(const std::string& path, uint32_t mode) {
  for (size_t at = 1; at <= path.size(); ++at) {
    if (at < path.size() && path[at] != '/') continue;
    std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) return Error::from_errno(errno, "mkdir " + part);
  }
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return Error::from_errno(errno, "mkdir " + path);
  if (!S_ISDIR(st.st_mode)) return Error::conflict(path + " is not a folder");
  return {};
}

Result<void> remove_tree(const std::string& path) {
  return remove_at(AT_FDCWD, path.c_str(), 0);
}

bool exists(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0;
}

Result<TempDir> TempDir::create(std::string_view prefix) {
  const char* base = ::getenv("TMPDIR");
  std::string path = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/" + std::string(prefix) + ".XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return Error::from_errno(errno, "mkdtemp " + path);
  return TempDir(std::move(path));
}

TempDir::~TempDir() {
  if (!path_.empty()) (void)remove_tree(path_);
}

}  // namespace savia::os

// Layout: <root>/tmp/<pid>.<n> while being written, <root>/<2 hex>/<62 hex> for ever after.
//
// A crash leaves either no blob, or a temporary file that the next open() removes, or the whole blob: the name appears by
// rename, after the bytes are on disk, and the folder is synced before put() returns. A blob whose put() was answered but
// that no row names yet is protected from collect() by its age; putting it again makes it young again.
#include "state/blobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "codec/digest.h"
#include "os/fd.h"
#include "os/file.h"
#include "state/disk_guard.h"

namespace savia::state {
namespace {

constexpr size_t kDigestDigits = 64;

bool is_digest(std::string_view d) {
  return d.size() == kDigestDigits && d.find_first_not_of("0123456789abcdef") == d.npos;
}

Result<void> make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, "mkdir " + path);
  return {};
}

Result<void> sync_folder(const std::string& path) {
  const os::Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return Error::from_errno(errno, "open " + path);
  if (::fsync(fd.get()) != 0) return Error::from_errno(errno, "fsync " + path);
  return {};
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* e = ::readdir(dir)) {
    if (e->d_name[0] != '.') out.emplace_back(e->d_name);
  }
  ::closedir(dir);
  return out;
}

class BlobsImpl final : public Blobs {
 public:
  explicit BlobsImpl(std::string root) : root_(std::move(root)), guard_(root_) {}

  Result<std::string> put(std::string_view bytes) override {
    std::string digest = sha256_hex(bytes);
    if (refresh(digest, bytes.size())) return digest;
    TRY(guard_.check(static_cast<int64_t>(bytes.size())));
    const std::string temp = root_ + "/tmp/" + std::to_string(::getpid()) + "." + std::to_string(next_temp_.fetch_add(1));
    Result<void> stored = store(temp, digest, bytes);
    if (!stored.ok()) {
      ::unlink(temp.c_str());
      return std::move(stored).error().context("store a blob of " + std::to_string(bytes.size()) + " bytes");
    }
    return digest;
  }

  Result<std::string> get(std::string_view digest) const override {
    const std::string name = path(digest);
    const os::Fd fd(name.empty() ? -1 : ::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) {
      if (name.empty() || errno == ENOENT) return Error::not_found("no blob " + std::string(digest));
      return Error::from_errno(errno, "open " + name);
    }
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return Error::from_errno(errno, "stat " + name);
    std::string out(static_cast<size_t>(st.st_size), '\0');
    size_t got = 0;
    while (got < out.size()) {
      const ssize_t n = ::read(fd.get(), out.data() + got, out.size() - got);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Error::from_errno(errno, "read " + name);
      if (n == 0) break;
      got += static_cast<size_t>(n);
    }
    out.resize(got);
    if (sha256_hex(out) != digest) return Error::internal("blob " + std::string(digest) + " is damaged on disk");
    return out;
  }

  bool has(std::string_view digest) const override { return size(digest).ok(); }

  // "" for what is not a digest, so that no name can lead out of the store.
  std::string path(std::string_view digest) const override {
    if (!is_digest(digest)) return {};
    return folder(digest) + "/" + std::string(digest.substr(2));
  }

  Result<int64_t> size(std::string_view digest) const override {
    const std::string name = path(digest);
    struct stat st {};
    if (name.empty() || ::stat(name.c_str(), &st) != 0) return Error::not_found("no blob " + std::string(digest));
    return static_cast<int64_t>(st.st_size);
  }

  Result<int64_t> collect(const std::function<bool(std::string_view digest)>& keep, int64_t min_age_s) override {
    int64_t removed = 0;
    const int64_t now_s = real_clock().now_ms() / 1000;
    TRY(each_blob([&](const std::string& digest) -> Result<void> {
      if (keep(digest)) return {};
      const std::string name = path(digest);
      std::lock_guard lock(age_mutex_);  // against a put() that makes it young between the look and the removal
      struct stat st {};
      if (::stat(name.c_str(), &st) != 0 || now_s - st.st_mtim.tv_sec < min_age_s) return {};
      if (::unlink(name.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, "unlink " + name);
      ++removed;
      return {};
    }));
    return removed;
  }

  Result<void> wipe() override {
    std::lock_guard lock(age_mutex_);
    return each_blob([&](const std::string& digest) -> Result<void> {
      const std::string name = path(digest);
      if (::unlink(name.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, "unlink " + name);
      return {};
    });
  }

  Result<void> prepare() {
    TRY(make_folder(root_));
    TRY(make_folder(root_ + "/tmp"));
    for (const std::string& name : names_in(root_ + "/tmp")) ::unlink((root_ + "/tmp/" + name).c_str());
    return sync_folder(root_);
  }

 private:
  std::string folder(std::string_view digest) const { return root_ + "/" + std::string(digest.substr(0, 2)); }

  // True when the blob is there with the right size; it is young again then.
  bool refresh(const std::string& digest, size_t bytes) {
    std::lock_guard lock(age_mutex_);
    const Result<int64_t> there = size(digest);
    if (!there.ok() || *there != static_cast<int64_t>(bytes)) return false;
    return ::utimensat(AT_FDCWD, path(digest).c_str(), nullptr, 0) == 0;
  }

  Result<void> store(const std::string& temp, const std::string& digest, std::string_view bytes) {
    {
      const os::Fd fd(::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      if (fd.get() < 0) return Error::from_errno(errno, "open " + temp);
      TRY_CONTEXT(os::write_all(fd.get(), bytes), temp);
      if (::fsync(fd.get()) != 0) return Error::from_errno(errno, "fsync " + temp);
    }
    const std::string to = folder(digest);
    if (::mkdir(to.c_str(), 0700) == 0) {
      TRY(sync_folder(root_));
    } else if (errno != EEXIST) {
      return Error::from_errno(errno, "mkdir " + to);
    }
    const std::string name = path(digest);
    if (::rename(temp.c_str(), name.c_str()) != 0) return Error::from_errno(errno, "rename to " + name);
    return sync_folder(to);
  }

  template <class F>
  Result<void> each_blob(F&& visit) {
    for (const std::string& two : names_in(root_)) {
      if (two.size() != 2) continue;
      for (const std::string& rest : names_in(root_ + "/" + two)) {
        if (is_digest(two + rest)) TRY(visit(two + rest));
      }
    }
    return {};
  }

  const std::string root_;
  DiskGuard guard_;
  std::atomic<uint64_t> next_temp_{0};
  std::mutex age_mutex_;
};

}  // namespace

Result<std::unique_ptr<Blobs>> Blobs::open(const std::string& root) {
  auto blobs = std::make_unique<BlobsImpl>(root);
  TRY_CONTEXT(blobs->prepare(), "open the blob store " + root);
  return std::unique_ptr<Blobs>(std::move(blobs));
}

}  // namespace savia::state

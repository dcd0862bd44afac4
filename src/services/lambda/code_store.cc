#include "services/lambda/code_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "codec/digest.h"
#include "codec/zip.h"
#include "os/file.h"

namespace savia::lambda {
namespace {

Error errno_at(std::string_view doing, const std::string& path) {
  return Error::from_errno(errno, std::string(doing) + " " + path);
}

Result<void> make_dir(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return errno_at("mkdir", path);
  // Whatever the umask is: other identities read these folders inside sandboxes.
  if (::chmod(path.c_str(), 0755) != 0) return errno_at("chmod", path);
  return {};
}

std::string list_key(const std::vector<std::string>& digests) {
  return "opt/" + sha256_hex(join(digests, "\n"));
}

Result<std::vector<std::string>> list_dir(const std::string& path) {
  DIR* d = ::opendir(path.c_str());
  if (d == nullptr) return errno_at("opendir", path);
  std::vector<std::string> out;
  while (const dirent* e = ::readdir(d)) {
    std::string_view name = e->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  ::closedir(d);
  std::sort(out.begin(), out.end());
  return out;
}

Result<void> write_entry(ZipReader& zip, const ZipEntry& e, const std::string& path) {
  os::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return errno_at("create", path);
  TRY(zip.read(e, [&](std::string_view piece) { return os::write_all(fd.get(), piece); }));
  // Readable for the sandbox's identity whatever the archive says; never set-id.
  if (::fchmod(fd.get(), (e.mode & 0777) | 0444) != 0) return errno_at("chmod", path);
  return {};
}

}  // namespace

struct CodeStore::State {
  std::string data;
  std::mutex mutex;
  std::unordered_map<std::string, std::weak_ptr<const Tree>> trees;  // key: "code/<digest>" or "opt/<digest>"
  std::set<std::string> released;                                    // keys whose last holder went
  std::vector<std::string> fresh;                                    // keys made and not yet settled
  std::atomic<uint64_t> next_temp{0};

  std::string path(const std::string& key) const { return data + "/" + key; }
  std::string temp(std::string_view what) { return data + "/" + std::string(what) + "-" + std::to_string(next_temp++); }
};

CodeStore::CodeStore(std::shared_ptr<State> state, state::Blobs& blobs) : state_(std::move(state)), blobs_(blobs) {}
CodeStore::~CodeStore() {
  // The deleters of Trees hold the state, which holds (weakly) the Trees: the circle ends here.
  std::lock_guard lock(state_->mutex);
  state_->trees.clear();
}

Result<std::unique_ptr<CodeStore>> CodeStore::open(const std::string& data_dir, state::Blobs& blobs) {
  auto state = std::make_shared<State>();
  state->data = data_dir;
  TRY(os::make_dirs(data_dir));
  for (const char* folder : {"/code", "/opt"}) TRY(make_dir(data_dir + folder));
  for (const char* folder : {"/code-tmp", "/code-trash"}) {
    TRY(os::remove_tree(data_dir + folder));
    TRY(os::make_dirs(data_dir + folder, 0700));
  }
  std::string boot = os::boot_id();
  std::string boot_file = data_dir + "/code/.boot";
  bool same_boot = os::read_file(boot_file, 128).value_or("") == boot;
  for (const char* folder : {"code", "opt"}) {
    std::vector<std::string> names = TRY(list_dir(data_dir + "/" + folder));
    std::set<std::string> all(names.begin(), names.end());
    for (const std::string& name : names) {
      if (name.starts_with('.') || name.ends_with(".ok")) continue;
      std::string key = std::string(folder) + "/" + name;
      if (all.count(name + ".ok") != 0) continue;
      if (same_boot) {
        state->fresh.push_back(key);
      } else {
        TRY(os::remove_tree(state->path(key)));
      }
    }
  }
  if (!same_boot) TRY(os::write_file_until_boot(boot_file, boot));
  return std::unique_ptr<CodeStore>(new CodeStore(std::move(state), blobs));
}

// The folder of `key`, made by `make` in a temporary place and renamed when it is not there. Two threads may make the same
// one; the second rename loses and uses the first's.
Result<TreeHold> CodeStore::get(const std::string& key, const std::function<Result<void>(const std::string& into)>& make) {
  std::string path = state_->path(key);
  auto hold = [&]() -> TreeHold {  // with the lock held
    if (auto alive = state_->trees[key].lock()) return alive;
    if (!os::exists(path)) return nullptr;
    TreeHold tree(new Tree{path}, [state = state_, key](const Tree* t) {
      delete t;
      std::lock_guard lock(state->mutex);
      state->released.insert(key);
    });
    state_->trees[key] = tree;
    return tree;
  };
  {
    std::lock_guard lock(state_->mutex);
    if (TreeHold t = hold()) return t;
  }
  std::string temp = state_->temp("code-tmp/t");
  TRY(make_dir(temp));
  auto made = make(temp);
  if (!made.ok()) {
    (void)os::remove_tree(temp);
    return std::move(made).error();
  }
  TreeHold tree;
  bool lost = false;
  {
    std::lock_guard lock(state_->mutex);
    lost = os::exists(path);
    if (!lost) {
      if (::rename(temp.c_str(), path.c_str()) != 0) return errno_at("rename", path);
      state_->fresh.push_back(key);
    }
    tree = hold();
  }
  if (lost) (void)os::remove_tree(temp);
  return tree;
}

Result<CodeStore::Zip> CodeStore::add(std::string_view bytes) {
  Zip zip;
  {
    ZipReader reader = TRY(ZipReader::open(bytes));
    zip.unpacked = static_cast<int64_t>(reader.unpacked_bytes());
  }
  zip.size = static_cast<int64_t>(bytes.size());
  zip.digest = sha256_hex(bytes);
  // Unpacked first: what cannot be unpacked is refused and leaves no blob.
  zip.tree = TRY(get("code/" + zip.digest, [&](const std::string& into) { return make_code(zip.digest, bytes, into); }));
  std::string stored = TRY(blobs_.put(bytes));
  if (stored != zip.digest) return Error::internal("the store names a zip " + stored + " that is " + zip.digest);
  return zip;
}

Result<std::string> CodeStore::zip_file(std::string_view digest) const {
  bool hex = digest.size() == 64 && digest.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!hex || !blobs_.has(digest)) return Error::not_found("no such code");
  return blobs_.path(digest);
}

Result<TreeHold> CodeStore::code(const std::string& digest) {
  return get("code/" + digest, [&](const std::string& into) -> Result<void> {
    std::string bytes = TRY_CONTEXT(blobs_.get(digest), "code " + digest);
    return make_code(digest, bytes, into);
  });
}

Result<void> CodeStore::make_code(const std::string& digest, std::string_view zip_bytes, const std::string& into) {
  ZipReader zip = TRY(ZipReader::open(zip_bytes));
  std::set<std::string> made;
  auto make_parents = [&](const std::string& name) -> Result<void> {
    for (size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
      std::string folder = name.substr(0, slash);
      if (made.insert(folder).second) TRY(make_dir(into + "/" + folder));
    }
    return {};
  };
  // Symlinks come last, so nothing is ever written through one.
  for (const ZipEntry& e : zip.entries()) {
    if (e.type == ZipEntryType::kSymlink) continue;
    TRY(make_parents(e.name));
    if (e.type == ZipEntryType::kDirectory) {
      if (made.insert(e.name).second) TRY(make_dir(into + "/" + e.name));
    } else {
      TRY_CONTEXT(write_entry(zip, e, into + "/" + e.name), "unpack " + digest);
    }
  }
  for (const ZipEntry& e : zip.entries()) {
    if (e.type != ZipEntryType::kSymlink) continue;
    TRY(make_parents(e.name));
    std::string path = into + "/" + e.name;
    if (::symlink(e.link_target.c_str(), path.c_str()) != 0) return errno_at("symlink", path);
  }
  return {};
}

namespace {

// Copies a tree by hard links over another; what is there already gives way (a later layer wins). Links are not followed.
Result<void> link_over(const std::string& from, const std::string& to) {
  for (const std::string& name : TRY(list_dir(from))) {
    std::string source = from + "/" + name, target = to + "/" + name;
    struct stat s {};
    struct stat t {};
    if (::lstat(source.c_str(), &s) != 0) return errno_at("stat", source);
    bool there = ::lstat(target.c_str(), &t) == 0;
    if (S_ISDIR(s.st_mode)) {
      if (there && !S_ISDIR(t.st_mode)) {
        if (::unlink(target.c_str()) != 0) return errno_at("unlink", target);
        there = false;
      }
      if (!there) TRY(make_dir(target));
      TRY(link_over(source, target));
      continue;
    }
    if (there) TRY(os::remove_tree(target));
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(), 0) != 0) return errno_at("link", target);
  }
  return {};
}

}  // namespace

Result<void> CodeStore::make_merged(const std::vector<TreeHold>& layers, const std::string& into) {
  for (const TreeHold& layer : layers) TRY(link_over(layer->path, into));
  return {};
}

Result<TreeHold> CodeStore::merged(const std::vector<std::string>& digests) {
  if (digests.empty()) return TreeHold();
  if (digests.size() == 1) return code(digests[0]);
  std::vector<TreeHold> layers;
  layers.reserve(digests.size());
  for (const std::string& d : digests) layers.push_back(TRY(code(d)));
  return get(list_key(digests), [&](const std::string& into) { return make_merged(layers, into); });
}

bool CodeStore::has_garbage() const {
  std::lock_guard lock(state_->mutex);
  return !state_->released.empty();
}

Result<void> CodeStore::collect(const std::set<std::string>& zips, const std::set<std::vector<std::string>>& lists) {
  std::set<std::string> keep;
  for (const std::string& d : zips) keep.insert("code/" + d);
  for (const auto& l : lists) keep.insert(list_key(l));
  std::set<std::string> candidates;
  for (const char* folder : {"code", "opt"}) {
    for (const std::string& name : TRY(list_dir(state_->data + "/" + folder))) {
      if (!name.starts_with('.'))
        candidates.insert(std::string(folder) + "/" + (name.ends_with(".ok") ? name.substr(0, name.size() - 3) : name));
    }
  }
  std::vector<std::string> trash;
  {
    std::lock_guard lock(state_->mutex);
    state_->released.clear();
    for (const std::string& key : candidates) {
      if (keep.count(key) != 0) continue;
      auto it = state_->trees.find(key);
      if (it != state_->trees.end() && !it->second.expired()) continue;
      if (it != state_->trees.end()) state_->trees.erase(it);
      ::unlink((state_->path(key) + ".ok").c_str());
      std::string away = state_->temp("code-trash/t");
      if (::rename(state_->path(key).c_str(), away.c_str()) == 0) trash.push_back(std::move(away));
    }
  }
  for (const std::string& path : trash) TRY(os::remove_tree(path));
  return {};
}

void CodeStore::settle() {
  std::vector<std::string> fresh;
  {
    std::lock_guard lock(state_->mutex);
    fresh.swap(state_->fresh);
  }
  if (fresh.empty()) return;
  os::Fd fd(::open((state_->data + "/code").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::syncfs(fd.get()) != 0) {
    log_warn("lambda.code.settle", {{"error", Error::from_errno(errno, "syncfs").message()}});
    return;  // without the mark they are unpacked again after a reboot
  }
  for (const std::string& key : fresh) {
    std::lock_guard lock(state_->mutex);
    if (!os::exists(state_->path(key))) continue;
    os::Fd mark(::open((state_->path(key) + ".ok").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  }
}

Result<void> CodeStore::wipe() {
  return collect({}, {});
}

}  // namespace savia::lambda

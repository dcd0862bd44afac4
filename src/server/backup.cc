// `savia backup FILE` and `savia restore FILE`: the data folder as one tar archive (gzip), its first entry naming the program
// and schema that wrote it.
//
// A backup may run beside a server: the database is copied first, as one consistent snapshot (VACUUM INTO); everything else it
// refers to is content-addressed and never changed in place, so copying it afterwards cannot tear it. Log segments are
// append-only, and a torn tail is cut when they are opened. Runtimes and caches are left out: they are installed again.
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "codec/json.h"
#include "os/fd.h"
#include "os/file.h"
#include "server/commands.h"
#include "server/layout.h"
#include "state/database.h"

namespace savia::server {
namespace {

constexpr const char* kManifest = "savia-backup.json";
constexpr size_t kCopyBytes = 256 * 1024;

using Writer = std::unique_ptr<archive, int (*)(archive*)>;

Error archive_error(archive* a, const std::string& doing) {
  const char* text = archive_error_string(a);
  return Error::from_errno(archive_errno(a) > 0 ? archive_errno(a) : EIO,
                           doing + (text != nullptr ? std::string(" (") + text + ")" : ""));
}

Result<void> add_bytes(archive* out, const std::string& name, std::string_view bytes) {
  archive_entry* e = archive_entry_new();
  archive_entry_set_pathname(e, name.c_str());
  archive_entry_set_filetype(e, AE_IFREG);
  archive_entry_set_perm(e, 0600);
  archive_entry_set_size(e, static_cast<int64_t>(bytes.size()));
  int rc = archive_write_header(out, e);
  archive_entry_free(e);
  if (rc != ARCHIVE_OK) return archive_error(out, "write " + name);
  if (archive_write_data(out, bytes.data(), bytes.size()) < 0) return archive_error(out, "write " + name);
  return {};
}

Result<void> add_path(archive* out, const std::string& path, const std::string& name) {
  struct stat st {};
  if (lstat(path.c_str(), &st) != 0) return Error::from_errno(errno, path);
  os::Fd in;
  if (S_ISREG(st.st_mode)) {
    in = os::Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!in) return Error::from_errno(errno, path);
    if (fstat(in.get(), &st) != 0) return Error::from_errno(errno, path);
  }
  archive_entry* e = archive_entry_new();
  archive_entry_copy_stat(e, &st);
  archive_entry_set_pathname(e, name.c_str());
  if (S_ISLNK(st.st_mode)) {
    std::string target(4096, '\0');
    ssize_t n = readlink(path.c_str(), target.data(), target.size());
    target.resize(n > 0 ? static_cast<size_t>(n) : 0);
    archive_entry_set_symlink(e, target.c_str());
  }
  int rc = archive_write_header(out, e);
  archive_entry_free(e);
  if (rc != ARCHIVE_OK) return archive_error(out, "write " + name);
  if (!in) return {};
  std::vector<char> buf(kCopyBytes);
  int64_t left = st.st_size;  // what was appended meanwhile is not part of this backup
  while (left > 0) {
    ssize_t n = read(in.get(), buf.data(), std::min<size_t>(buf.size(), static_cast<size_t>(left)));
    if (n < 0) return Error::from_errno(errno, path);
    if (n == 0) break;
    if (archive_write_data(out, buf.data(), static_cast<size_t>(n)) < 0) return archive_error(out, "write " + name);
    left -= n;
  }
  return {};
}

Result<void> add_tree(archive* out, const std::string& path, const std::string& name) {
  TRY(add_path(out, path, name));
  DIR* d = opendir(path.c_str());
  if (d == nullptr) return Error::from_errno(errno, path);
  std::vector<std::string> names;
  while (dirent* e = readdir(d)) names.emplace_back(e->d_name);
  closedir(d);
  std::sort(names.begin(), names.end());
  for (const std::string& n : names) {
    if (n == "." || n == "..") continue;
    struct stat st {};
    std::string child = path + "/" + n;
    if (lstat(child.c_str(), &st) != 0) continue;  // collected meanwhile: nothing in the snapshot refers to it
    if (S_ISDIR(st.st_mode)) {
      TRY(add_tree(out, child, name + "/" + n));
    } else if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) {
      auto added = add_path(out, child, name + "/" + n);
      if (!added.ok() && added.error().kind() != ErrorKind::kNotFound) return added;
    }
  }
  return {};
}

Result<int64_t> write_backup(const Config& config, const std::string& file) {
  Layout layout(config.data_dir);
  if (!os::exists(layout.database())) return Error::not_found("there is no data in " + config.data_dir);
  std::string temp = file + ".part";
  ::unlink(temp.c_str());
  std::string copy = layout.run() + "/backup-" + std::to_string(getpid()) + ".db";
  TRY(os::make_dirs(layout.run(), 0700));
  ::unlink(copy.c_str());
  auto body = [&]() -> Result<int64_t> {
    TRY(state::copy_database(layout.database(), copy));
    Writer out(archive_write_new(), archive_write_free);
    archive_write_set_format_pax_restricted(out.get());
    archive_write_add_filter_gzip(out.get());
    archive_write_set_filter_option(out.get(), "gzip", "compression-level", "1");
    os::Fd fd(open(temp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return Error::from_errno(errno, temp);
    if (archive_write_open_fd(out.get(), fd.get()) != ARCHIVE_OK) return archive_error(out.get(), temp);
    Value manifest = Value()
                         .set("program", "savia")
                         .set("version", SAVIA_VERSION)
                         .set("created", format_iso8601_s(real_clock().now_ms()))
                         .set("account", config.account);
    TRY(add_bytes(out.get(), kManifest, to_json(manifest)));
    TRY(add_path(out.get(), copy, Layout::kDatabase));
    for (const char* name : Layout::kKept) {
      if (os::exists(config.data_dir + "/" + name)) TRY(add_tree(out.get(), config.data_dir + "/" + name, name));
    }
    if (archive_write_close(out.get()) != ARCHIVE_OK) return archive_error(out.get(), temp);
    if (fsync(fd.get()) != 0) return Error::from_errno(errno, "fsync " + temp);
    struct stat st {};
    fstat(fd.get(), &st);
    if (rename(temp.c_str(), file.c_str()) != 0) return Error::from_errno(errno, "rename to " + file);
    return static_cast<int64_t>(st.st_size);
  };
  auto result = body();
  ::unlink(copy.c_str());
  if (!result.ok()) ::unlink(temp.c_str());
  return result;
}

Result<std::string> read_backup(const Config& config, const std::string& file) {
  if (os::exists(Layout(config.data_dir).database())) {
    return Error::conflict("there is data in " + config.data_dir + " already: restore into an empty folder (--data DIR)");
  }
  TRY(os::make_dirs(config.data_dir, 0700));
  std::unique_ptr<archive, int (*)(archive*)> in(archive_read_new(), archive_read_free);
  archive_read_support_format_tar(in.get());
  archive_read_support_filter_gzip(in.get());
  if (archive_read_open_filename(in.get(), file.c_str(), kCopyBytes) != ARCHIVE_OK) return archive_error(in.get(), file);
  std::unique_ptr<archive, int (*)(archive*)> disk(archive_write_disk_new(), archive_write_free);
  archive_write_disk_set_options(disk.get(), ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                                                 ARCHIVE_EXTRACT_SECURE_NODOTDOT);
  std::string created;
  archive_entry* e = nullptr;
  for (bool first = true;; first = false) {
    int rc = archive_read_next_header(in.get(), &e);
    if (rc == ARCHIVE_EOF) break;
    if (rc != ARCHIVE_OK) return archive_error(in.get(), file);
    std::string name = archive_entry_pathname(e) != nullptr ? archive_entry_pathname(e) : "";
    if (first) {
      if (name != kManifest) return Error::invalid(file + " is not a backup made by savia");
      std::string text(static_cast<size_t>(std::clamp<int64_t>(archive_entry_size(e), 0, 65536)), '\0');
      archive_read_data(in.get(), text.data(), text.size());
      auto manifest = parse_json(text);
      if (manifest.ok()) created = manifest->str_or("created", "");
      continue;
    }
    if (name.empty() || name[0] == '/') return Error::invalid(file + ": entry '" + name + "' is not of a backup");
    archive_entry_set_pathname(e, (config.data_dir + "/" + name).c_str());
    if (archive_write_header(disk.get(), e) != ARCHIVE_OK) return archive_error(disk.get(), name);
    const void* block = nullptr;
    size_t size = 0;
    int64_t offset = 0;
    while ((rc = archive_read_data_block(in.get(), &block, &size, &offset)) == ARCHIVE_OK) {
      if (archive_write_data_block(disk.get(), block, size, offset) != ARCHIVE_OK) return archive_error(disk.get(), name);
    }
    if (rc != ARCHIVE_EOF) return archive_error(in.get(), file);
  }
  if (archive_write_close(disk.get()) != ARCHIVE_OK) return archive_error(disk.get(), file);
  sync();
  return created;
}

}  // namespace

int backup(const Config& config, const std::string& file, cli::Output& out) {
  int64_t start = real_clock().monotonic_us();
  out.begin(out.say("backing up {0}", {config.data_dir}));
  auto size = write_backup(config, file);
  if (!size.ok()) {
    out.error(size.error().message());
    return 1;
  }
  out.end(cli::Style::kGood, out.say("backup {0}", {file}),
          cli::human_bytes(*size) + ", " + cli::human_ms(real_clock().monotonic_us() - start));
  if (out.json()) out.print_json(Value().set("file", file).set("bytes", *size));
  out.line(out.say("restore it with: savia restore {0} --data DIR", {file}));
  return 0;
}

int restore(const Config& config, const std::string& file, cli::Output& out) {
  auto created = read_backup(config, file);
  if (!created.ok()) {
    out.error(created.error().message());
    return 1;
  }
  out.end(cli::Style::kGood, out.say("restored the backup of {0} into {1}", {*created, config.data_dir}));
  if (out.json()) out.print_json(Value().set("created", *created).set("data", config.data_dir));
  out.line(out.say("start it with: savia serve --data {0}", {config.data_dir}));
  return 0;
}

}  // namespace savia::server

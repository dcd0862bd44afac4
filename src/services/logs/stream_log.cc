#include "services/logs/stream_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/file.h"

namespace savia::logs {
namespace {

Error write_error(int err, const std::string& path) {
  if (err == EFBIG) return Error::exhausted("write " + path + ": File too large");
  return Error::from_errno(err, "write " + path);
}

Result<void> write_at(int fd, std::string_view bytes, uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return write_error(errno, path);
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<size_t>(n);
  }
  return {};
}

Result<std::string> read_at(int fd, uint64_t offset, size_t size, const std::string& path) {
  std::string out(size, '\0');
  size_t got = 0;
  while (got < size) {
    const ssize_t n = ::pread(fd, out.data() + got, size - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read " + path);
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  out.resize(got);
  return out;
}

Result<void> sync_folder(const std::string& path) {
  const os::Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "open " + path);
  if (::fsync(fd.get()) != 0) return Error::from_errno(errno, "fsync " + path);
  return {};
}

}  // namespace

std::string StreamLog::path(uint32_t number) const {
  char name[32];
  std::snprintf(name, sizeof name, "/%08u.log", number);
  return folder_ + name;
}

// Reads what is on disk, once. A stream that never wrote has no folder.
Result<void> StreamLog::load() {
  if (loaded_) return {};
  std::vector<uint32_t> numbers;
  if (DIR* dir = ::opendir(folder_.c_str())) {
    while (const dirent* e = ::readdir(dir)) {
      const std::string_view name = e->d_name;
      if (name.size() < 5 || name.substr(name.size() - 4) != ".log") continue;
      const auto number = parse_int(name.substr(0, name.size() - 4));
      if (number && *number > 0 && *number < UINT32_MAX) numbers.push_back(static_cast<uint32_t>(*number));
    }
    ::closedir(dir);
  } else if (errno != ENOENT) {
    return Error::from_errno(errno, "open " + folder_);
  }
  std::sort(numbers.begin(), numbers.end());
  for (const uint32_t n : numbers) {
    next_number_ = n + 1;
    TRY(load_segment(n, n == numbers.back()));
  }
  loaded_ = true;
  return {};
}

// False when there is nothing usable in the file (it is left alone: a newer program may know it).
Result<bool> StreamLog::load_segment(uint32_t number, bool newest) {
  const std::shared_ptr<os::Fd> fd = TRY(files_.open(path(number), OpenMode::kExisting));
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return Error::from_errno(errno, "stat " + path(number));
  const auto size = static_cast<uint64_t>(st.st_size);
  const std::string head = TRY(read_at(fd->get(), 0, kSegmentHeaderBytes, path(number)));
  if (!is_segment_header(head)) {
    if (size >= kSegmentHeaderBytes) {
      log_warn("logs.segment.unknown", {{"path", path(number)}});
    } else {  // its header never reached the disk, so nothing else did
      files_.forget(path(number));
      ::unlink(path(number).c_str());
    }
    return false;
  }
  Segment s;
  s.number = number;
  if (size >= kSegmentHeaderBytes + kTrailerBytes) {
    Result<Footer> footer = read_footer(number);
    if (footer.ok()) {
      s.sealed = true;
      s.has_footer = true;
      s.data_end = footer->data_end;
      s.summary = footer->summary;
      segments_.push_back(std::move(s));
      return true;
    }
  }
  TRY(scan_segment(*fd, s, size, newest));
  if (!newest) seal(s);
  segments_.push_back(std::move(s));
  return true;
}

Result<void> StreamLog::scan_segment(const os::Fd& fd, Segment& s, uint64_t file_size, bool newest) {
  const std::string bytes = TRY(read_at(fd.get(), kSegmentHeaderBytes, file_size - kSegmentHeaderBytes, path(s.number)));
  const size_t whole = scan_records(bytes, kSegmentHeaderBytes, [&](const Event& e, uint32_t size) { s.index.add(e, size); });
  s.data_end = static_cast<uint32_t>(kSegmentHeaderBytes + whole);
  if (whole == bytes.size()) return {};
  log_warn("logs.segment.cut", {{"path", path(s.number)}, {"bytes", std::to_string(bytes.size() - whole)}});
  if (newest && ::ftruncate(fd.get(), s.data_end) != 0) s.sealed = true;  // cannot be cut: go on in a new file
  return {};
}

Result<Footer> StreamLog::read_footer(uint32_t number) const {
  const std::shared_ptr<os::Fd> fd = TRY(files_.open(path(number), OpenMode::kExisting));
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return Error::from_errno(errno, "stat " + path(number));
  const auto size = static_cast<uint64_t>(st.st_size);
  if (size < kSegmentHeaderBytes + kTrailerBytes) return Error::not_found("no footer");
  const std::string trailer = TRY(read_at(fd->get(), size - kTrailerBytes, kTrailerBytes, path(number)));
  const std::optional<size_t> footer = footer_size(trailer, size);
  if (!footer) return Error::not_found("no footer");
  const std::string bytes = TRY(read_at(fd->get(), size - *footer, *footer, path(number)));
  std::optional<Footer> out = decode_footer(bytes);
  if (!out) return Error::internal("footer of " + path(number) + " is damaged");
  return std::move(*out);
}

// Where the footer cannot be written the index stays in memory, and the next start scans the segment.
void StreamLog::seal(Segment& s) {
  s.sealed = true;
  const Summary summary = s.index.summary();
  auto fd = files_.open(path(s.number), OpenMode::kExisting);
  if (!fd.ok()) return;
  if (!write_at((*fd)->get(), encode_footer(s.data_end, summary, s.index.blocks()), s.data_end, path(s.number)).ok()) {
    const int cut = ::ftruncate((*fd)->get(), s.data_end);  // as far as the disk lets us; the scan ends at what is no record
    static_cast<void>(cut);
    return;
  }
  if (std::find(dirty_.begin(), dirty_.end(), *fd) == dirty_.end()) dirty_.push_back(*fd);
  s.has_footer = true;
  s.summary = summary;
  s.index = BlockIndex();
}

Result<void> StreamLog::start_segment() {
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, "mkdir " + folder_);
  folder_dirty_ = true;
  Segment s;
  s.number = next_number_++;
  const auto fd = TRY(files_.open(path(s.number), OpenMode::kCreate));
  if (auto r = write_at(fd->get(), segment_header(), 0, path(s.number)); !r.ok()) {
    files_.forget(path(s.number));
    ::unlink(path(s.number).c_str());
    return r;
  }
  s.data_end = kSegmentHeaderBytes;
  segments_.push_back(std::move(s));
  return {};
}

bool StreamLog::must_roll(const Segment& s, int64_t timestamp_ms) const {
  if (s.sealed || s.data_end >= limits::kLogSegmentBytes) return true;
  return s.sums().events > 0 && timestamp_ms - s.sums().first_ms > limits::kLogSegmentSpanMs;
}

Result<void> StreamLog::append(std::span<const NewEvent> events, int64_t ingestion_ms) {
  if (events.empty()) return {};
  std::lock_guard lock(mutex_);
  if (deleted_) return Error::not_found("the log stream was deleted");
  TRY(load());
  if (segments_.empty() || must_roll(segments_.back(), events.front().timestamp_ms)) {
    TRY(guard_.check());
    if (!segments_.empty() && !segments_.back().sealed) seal(segments_.back());
    TRY(start_segment());
  }
  return write_batch(segments_.back(), events, ingestion_ms);
}

Result<void> StreamLog::write_batch(Segment& s, std::span<const NewEvent> events, int64_t ingestion_ms) {
  std::string bytes;
  for (const NewEvent& e : events) append_record(bytes, e.timestamp_ms, ingestion_ms, e.message);
  TRY(guard_.check(static_cast<int64_t>(bytes.size())));
  const std::shared_ptr<os::Fd> fd = TRY(files_.open(path(s.number), OpenMode::kExisting));
  if (auto r = write_at(fd->get(), bytes, s.data_end, path(s.number)); !r.ok()) {
    if (::ftruncate(fd->get(), s.data_end) != 0) s.sealed = true;  // half a record stays: nothing may follow it
    return r;
  }
  uint32_t offset = s.data_end;
  for (const NewEvent& e : events) {
    const auto size = static_cast<uint32_t>(kRecordHeaderBytes + kRecordFixedBytes + e.message.size());
    s.index.add({e.timestamp_ms, ingestion_ms, e.message, offset}, size);
    offset += size;
  }
  s.data_end = offset;
  if (std::find(dirty_.begin(), dirty_.end(), fd) == dirty_.end()) dirty_.push_back(fd);
  return {};
}

Result<void> StreamLog::sync() {
  std::lock_guard one_at_a_time(sync_mutex_);
  std::vector<std::shared_ptr<os::Fd>> files;
  bool folder = false;
  {
    std::lock_guard lock(mutex_);
    files.swap(dirty_);
    folder = std::exchange(folder_dirty_, false);
    if (deleted_) return {};
  }
  Result<void> out;
  for (const auto& fd : files) {
    if (::fdatasync(fd->get()) != 0 && out.ok()) out = Error::from_errno(errno, "fdatasync " + folder_);
  }
  if (folder && out.ok()) out = sync_folder(folder_);
  if (folder && out.ok()) out = sync_folder(root_);
  if (!out.ok()) {  // whoever comes next tries again
    std::lock_guard lock(mutex_);
    dirty_.insert(dirty_.end(), files.begin(), files.end());
    folder_dirty_ = folder_dirty_ || folder;
  }
  return out;
}

Summary StreamLog::summary() {
  std::lock_guard lock(mutex_);
  Summary out;
  if (deleted_ || !load().ok()) return out;
  for (const Segment& s : segments_) out.add(s.sums());
  return out;
}

void StreamLog::collect(const std::shared_ptr<StreamLog>& self, int64_t from_ms, int64_t to_ms, std::vector<BlockRef>& out) {
  auto add = [&](uint32_t number, const Block& b) {
    if (b.last_ms >= from_ms && b.first_ms <= to_ms) out.push_back({self, number, b});
  };
  std::vector<uint32_t> in_file;
  {
    std::lock_guard lock(self->mutex_);
    if (self->deleted_) return;
    if (auto r = self->load(); !r.ok()) return log_warn("logs.stream.load", {{"error", r.error().message()}});
    for (const Segment& s : self->segments_) {
      const Summary& sums = s.sums();
      if (sums.events == 0 || sums.last_ms < from_ms || sums.first_ms > to_ms) continue;
      if (s.has_footer) in_file.push_back(s.number);
      if (!s.has_footer)
        std::for_each(s.index.blocks().begin(), s.index.blocks().end(), [&](const Block& b) { add(s.number, b); });
    }
  }
  for (const uint32_t number : in_file) {
    const Result<Footer> footer = self->read_footer(number);
    if (!footer.ok()) continue;  // expired meanwhile
    for (const Block& b : footer->blocks) add(number, b);
  }
}

Result<std::string> StreamLog::read_block(uint32_t segment, const Block& block) const {
  const std::shared_ptr<os::Fd> fd = TRY(files_.open(path(segment), OpenMode::kExisting));
  return read_at(fd->get(), block.offset, block.length, path(segment));
}

int64_t StreamLog::expire(int64_t before_ms) {
  std::lock_guard lock(mutex_);
  if (deleted_ || !load().ok()) return 0;
  int64_t removed = 0;
  auto expired = [&](const Segment& s) { return s.sums().events > 0 && s.sums().last_ms < before_ms; };
  // The newest number stays on disk, so that numbers are never reused.
  if (!segments_.empty() && expired(segments_.back())) {
    if (!segments_.back().sealed) seal(segments_.back());
    if (!start_segment().ok()) return 0;
  }
  std::erase_if(segments_, [&](const Segment& s) {
    if (!expired(s)) return false;
    files_.forget(path(s.number));
    if (::unlink(path(s.number).c_str()) != 0 && errno != ENOENT) return false;
    ++removed;
    return true;
  });
  return removed;
}

void StreamLog::mark_deleted() {
  std::lock_guard lock(mutex_);
  deleted_ = true;
  dirty_.clear();
}

void StreamLog::remove_files() {
  std::lock_guard lock(mutex_);
  for (const Segment& s : segments_) files_.forget(path(s.number));
  segments_.clear();
  if (auto r = os::remove_tree(folder_); !r.ok()) log_warn("logs.stream.remove", {{"error", r.error().message()}});
}

bool StreamLog::idle() {
  std::lock_guard lock(mutex_);
  return dirty_.empty() && !folder_dirty_;
}

}  // namespace savia::logs

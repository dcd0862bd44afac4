// Zip archives from strangers, and our own.
//
// The reader trusts nothing: it takes the central directory as the only list of entries, holds every local header against it,
// and refuses by name whatever could write outside the folder it is unpacked into, fill the disk or mean two things: see the
// essay in zip_read.cc. Stored and deflated entries, zip64 where its numbers are sane. It works on bytes in memory and hands
// out bytes; the caller writes files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"

namespace savia {

enum class ZipEntryType { kFile, kDirectory, kSymlink };

struct ZipEntry {
  std::string name;  // relative, '/' between segments, no "." or ".." or empty segment, no '/' at the end
  ZipEntryType type = ZipEntryType::kFile;
  uint32_t mode = 0644;  // permission bits
  uint64_t size = 0;     // unpacked, as declared; read() holds the data against it
  uint64_t packed_size = 0;
  std::string link_target;  // kSymlink

 private:
  friend class ZipReader;
  uint64_t local_offset = 0, data_offset = 0;
  uint32_t crc = 0;
  uint16_t method = 0;
};

struct ZipLimits {
  size_t entries = limits::kZipEntries;  // with the folders that names imply
  uint64_t unpacked_bytes = limits::kUnzippedBytes;
};

class ZipReader {
 public:
  // Reads and checks the directory; `bytes` is borrowed and must outlive the reader. Errors: kInvalid, and kExhausted where a
  // limit of `limits` is passed. They name the entry: `zip entry "../x": leads out of the folder`.
  static Result<ZipReader> open(std::string_view bytes, ZipLimits limits = {});
  ~ZipReader();
  ZipReader(ZipReader&&) noexcept;
  ZipReader& operator=(ZipReader&&) noexcept;

  const std::vector<ZipEntry>& entries() const {
    return entries_;
  }                                                            // in the archive's order; a folder may come after its files
  uint64_t unpacked_bytes() const { return unpacked_bytes_; }  // sum of the declared sizes

  // Unpacks an entry of this reader, piece by piece. What was handed to `sink` before an error is to be thrown away.
  using Sink = std::function<Result<void>(std::string_view piece)>;
  Result<void> read(const ZipEntry& entry, const Sink& sink);
  Result<std::string> read_all(const ZipEntry& entry);

 private:
  struct Inflater;
  ZipReader(std::string_view bytes, ZipLimits limits);
  struct Directory {
    uint64_t offset = 0, size = 0, entries = 0;
  };
  Result<Directory> find_directory() const;
  Result<void> find_zip64_directory(size_t end_record, Directory& d) const;
  Result<void> read_directory(const Directory& d);
  Result<ZipEntry> read_directory_entry(uint64_t at, uint64_t end, uint64_t& next) const;
  Result<void> check_local_header(ZipEntry& e, std::string_view raw_name, uint64_t directory_offset) const;
  Result<void> check_overlaps() const;
  Result<void> check_tree();

  std::string_view bytes_;
  ZipLimits limits_;
  std::vector<ZipEntry> entries_;
  uint64_t unpacked_bytes_ = 0;
  std::unique_ptr<Inflater> inflater_;
};

// Same files, same bytes: entries sorted by name, every time stamp 1980-01-01, no extra fields.
class ZipWriter {
 public:
  explicit ZipWriter(int deflate_level = 6) : level_(deflate_level) {}
  // Names as the reader wants them, else kInvalid; a name twice is kConflict.
  Result<void> add_file(std::string name, std::string_view bytes, uint32_t mode = 0644);
  Result<void> add_symlink(std::string name, std::string_view target);
  Result<std::string> finish();

 private:
  struct Item {
    std::string name;
    std::string packed;
    uint64_t size = 0;
    uint32_t crc = 0;
    uint32_t mode = 0;  // with the type bits
    bool deflated = false;
  };
  Result<void> add(std::string name, std::string_view bytes, uint32_t mode);
  int level_;
  std::vector<Item> items_;
};

}  // namespace savia

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>

#include "base/strings.h"
#include "codec/zip.h"

namespace savia {
namespace {

constexpr uint16_t kUtf8Name = 1U << 11;
constexpr uint16_t kUnixVersion = 3 << 8 | 20;  // made by Unix, format 2.0
constexpr uint32_t kDosTime = 0x0021'0000;      // 1980-01-01 00:00:00, the format's first moment
constexpr uint64_t kMaxPlain = 0xffff'fffe;     // sizes and offsets beyond need zip64, which nothing here writes

void put(std::string& out, uint64_t v, size_t size) {
  for (size_t i = 0; i < size; ++i, v >>= 8) out += static_cast<char>(v & 255);
}

bool is_clean(std::string_view name) {
  if (name.empty() || name.find('\0') != std::string_view::npos || name.find('\\') != std::string_view::npos || !is_utf8(name))
    return false;
  for (std::string_view segment : split(name, '/')) {
    if (segment.empty() || segment == "." || segment == "..") return false;
  }
  return name.size() <= 1024;
}

// Raw deflate; empty when that is no smaller than the bytes.
Result<std::string> deflated(std::string_view bytes, int level) {
  z_stream z{};
  if (deflateInit2(&z, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return Error::exhausted("out of memory packing a zip archive");
  std::string out(bytes.size(), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  bool done = ::deflate(&z, Z_FINISH) == Z_STREAM_END;
  out.resize(done ? out.size() - z.avail_out : 0);
  deflateEnd(&z);
  return out;
}

}  // namespace

Result<void> ZipWriter::add(std::string name, std::string_view bytes, uint32_t mode) {
  if (!is_clean(name)) return Error::invalid("'" + name + "' is no name for a zip entry");
  if (bytes.size() > kMaxPlain) return Error::invalid("'" + name + "' is too large for a zip archive");
  Item item;
  item.name = std::move(name);
  item.size = bytes.size();
  item.crc = static_cast<uint32_t>(::crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
  item.mode = mode;
  item.packed = TRY(deflated(bytes, level_));
  item.deflated = !item.packed.empty() && item.packed.size() < bytes.size();
  if (!item.deflated) item.packed = bytes;
  items_.push_back(std::move(item));
  return {};
}

Result<void> ZipWriter::add_file(std::string name, std::string_view bytes, uint32_t mode) {
  return add(std::move(name), bytes, S_IFREG | (mode & 07777));
}
Result<void> ZipWriter::add_symlink(std::string name, std::string_view target) {
  return add(std::move(name), target, S_IFLNK | 0777);
}

Result<std::string> ZipWriter::finish() {
  std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) { return a.name < b.name; });
  std::string out, directory;
  for (size_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    if (i > 0 && items_[i - 1].name == item.name) return Error::conflict("'" + item.name + "' was added twice");
    size_t offset = out.size();
    if (offset + item.packed.size() > kMaxPlain) return Error::exhausted("zip archive larger than 4 GiB");
    std::string shared;  // the fields that local header and directory entry have in common
    put(shared, 20, 2);
    put(shared, kUtf8Name, 2);
    put(shared, item.deflated ? 8 : 0, 2);
    put(shared, kDosTime, 4);
    put(shared, item.crc, 4);
    put(shared, item.packed.size(), 4);
    put(shared, item.size, 4);
    put(shared, item.name.size(), 2);
    put(shared, 0, 2);
    put(out, 0x04034b50, 4);
    out += shared;
    out += item.name;
    out += item.packed;
    item.packed.clear();
    item.packed.shrink_to_fit();
    put(directory, 0x02014b50, 4);
    put(directory, kUnixVersion, 2);
    directory += shared;
    put(directory, 0, 2 + 2 + 2);  // comment, disk, internal attributes
    put(directory, static_cast<uint64_t>(item.mode) << 16, 4);
    put(directory, offset, 4);
    directory += item.name;
  }
  size_t offset = out.size(), count = items_.size();
  out += directory;
  bool zip64 = count >= 0xffff;
  if (zip64) {
    size_t end64 = out.size();
    put(out, 0x06064b50, 4);
    put(out, 44, 8);
    put(out, kUnixVersion, 2);
    put(out, 45, 2);
    put(out, 0, 8);
    put(out, count, 8);
    put(out, count, 8);
    put(out, directory.size(), 8);
    put(out, offset, 8);
    put(out, 0x07064b50, 4);
    put(out, 0, 4);
    put(out, end64, 8);
    put(out, 1, 4);
  }
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, zip64 ? 0xffff : count, 2);
  put(out, zip64 ? 0xffff : count, 2);
  put(out, directory.size(), 4);
  put(out, offset, 4);
  put(out, 0, 2);
  items_.clear();
  return out;
}

}  // namespace savia

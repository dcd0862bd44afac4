// How the reader keeps hostile archives out.
//
// A zip is read twice by design: a list at the end (the central directory) and a header in front of each entry's data. Tools
// differ in which they believe, in what they make of names, and in how far they trust sizes; each difference is an attack.
// Here the central directory alone counts, and the rest must agree with it:
//   - the end record must close the file, the directory must lie right before it and hold as many entries as it says;
//   - each local header must be there, carry the same name, and its data must end before the directory; no two entries may
//     share bytes (the overlapping "quine" bombs that reach 10^6 : 1);
//   - names: no absolute ones, no "..", no NUL, UTF-8, no backslash but from DOS tools (where it is a separator), no name
//   twice,
//     nothing below a file or a symlink, no device or fifo;
//   - symlinks: relative, and resolved step by step through the other symlinks of the archive they never rise above the root.
//     Adding up segments is not enough: with "a/b/m -> ..", the target "a/b/m/../.." reads as "a" and leads outside;
//   - sizes: the declared total is held against the limit before anything is unpacked, a declared size that deflate cannot
//     reach (1032 : 1) is a lie, and unpacking stops at the first byte beyond the declared size. CRC and size must match.
// The work for names and links is bounded too: folders that names imply count as entries, link steps have a budget.
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <unordered_map>

#include "base/strings.h"
#include "codec/json.h"
#include "codec/zip.h"

namespace savia {
namespace {

constexpr uint32_t kEndSignature = 0x06054b50, kEnd64Signature = 0x06064b50, kLocator64Signature = 0x07064b50;
constexpr uint32_t kEntrySignature = 0x02014b50, kLocalSignature = 0x04034b50;
constexpr size_t kEndSize = 22, kEnd64Size = 56, kLocator64Size = 20, kEntrySize = 46, kLocalSize = 30;
constexpr size_t kMaxComment = 0xffff;
constexpr size_t kMaxSegment = 255, kMaxPath = 1024, kMaxTarget = 1024;  // bytes; Linux allows 255 and 4095
constexpr size_t kLinkSteps = 1'000'000;                                 // path segments looked at while resolving all links
constexpr uint64_t kDeflateRatio = 1032;                                 // RFC 1951: 258 bytes from 2 bits
constexpr uint16_t kStored = 0, kDeflated = 8;
constexpr size_t kPieceBytes = 64 * 1024;

uint64_t little(std::string_view s, size_t at, size_t size) {
  uint64_t v = 0;
  for (size_t i = size; i-- > 0;) v = v << 8 | static_cast<unsigned char>(s[at + i]);
  return v;
}
uint16_t u16(std::string_view s, size_t at) {
  return static_cast<uint16_t>(little(s, at, 2));
}
uint32_t u32(std::string_view s, size_t at) {
  return static_cast<uint32_t>(little(s, at, 4));
}
uint64_t u64(std::string_view s, size_t at) {
  return little(s, at, 8);
}

// Names come from strangers: quoted and escaped in messages, and cut.
Error bad_entry(std::string_view name, std::string_view reason, ErrorKind kind = ErrorKind::kInvalid) {
  std::string text = "zip entry ";
  append_json_string(text, name.substr(0, 200));
  text += ": ";
  text += reason;
  return {kind, std::move(text)};
}

bool made_by_dos(uint16_t version_made_by) {
  unsigned host = version_made_by >> 8;
  return host == 0 || host == 10 || host == 11 || host == 14;  // FAT, NTFS, MVS writers of .NET, VFAT (APPNOTE 4.4.2)
}
bool made_by_unix(uint16_t version_made_by) {
  unsigned host = version_made_by >> 8;
  return host == 3 || host == 19;  // Unix, macOS
}

// The name as a clean relative path; "" for the root itself ("./").
Result<std::string> clean_name(std::string raw, bool dos) {
  if (raw.find('\0') != std::string::npos) return bad_entry(raw, "name holds a NUL byte");
  if (!is_utf8(raw)) return bad_entry(raw, "name is not UTF-8");
  if (dos) std::replace(raw.begin(), raw.end(), '\\', '/');
  if (raw.find('\\') != std::string::npos) return bad_entry(raw, "name holds a backslash");
  if (raw.empty()) return bad_entry(raw, "name is empty");
  if (raw[0] == '/' || (dos && raw.size() > 1 && raw[1] == ':')) return bad_entry(raw, "absolute path");
  std::string out;
  for (std::string_view segment : split(raw, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") return bad_entry(raw, "leads out of the folder with '..'");
    if (segment.size() > kMaxSegment) return bad_entry(raw, "name longer than 255 bytes");
    if (!out.empty()) out += '/';
    out += segment;
  }
  if (out.size() > kMaxPath) return bad_entry(raw, "path longer than 1024 bytes");
  return out;
}

// Sizes and offset of a directory entry that are 0xffffffff stand in its zip64 field (APPNOTE 4.5.3), in this order.
bool read_zip64_field(std::string_view extra, uint64_t& size, uint64_t& packed, uint64_t& offset) {
  constexpr uint64_t kElsewhere = 0xffffffff;
  if (size != kElsewhere && packed != kElsewhere && offset != kElsewhere) return true;
  while (extra.size() >= 4) {
    size_t length = u16(extra, 2);
    if (length > extra.size() - 4) return false;
    std::string_view field = extra.substr(4, length);
    if (u16(extra, 0) == 1) {
      for (uint64_t* v : {&size, &packed, &offset}) {
        if (*v != kElsewhere) continue;
        if (field.size() < 8) return false;
        *v = u64(field, 0);
        field.remove_prefix(8);
      }
      return true;
    }
    extra.remove_prefix(4 + length);
  }
  return false;
}

}  // namespace

struct ZipReader::Inflater {
  Inflater() : buffer(kPieceBytes, '\0') {}
  ~Inflater() {
    if (ready) inflateEnd(&stream);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  bool start() {
    bool ok = ready ? inflateReset(&stream) == Z_OK : inflateInit2(&stream, -MAX_WBITS) == Z_OK;
    ready = ready || ok;
    return ok;
  }
  z_stream stream{};
  bool ready = false;
  std::string buffer;
};

ZipReader::ZipReader(std::string_view bytes, ZipLimits limits)
    : bytes_(bytes), limits_(limits), inflater_(std::make_unique<Inflater>()) {}
ZipReader::~ZipReader() = default;
ZipReader::ZipReader(ZipReader&&) noexcept = default;
ZipReader& ZipReader::operator=(ZipReader&&) noexcept = default;

Result<ZipReader> ZipReader::open(std::string_view bytes, ZipLimits limits) {
  ZipReader r(bytes, limits);
  Directory d = TRY(r.find_directory());
  TRY(r.read_directory(d));
  TRY(r.check_overlaps());
  TRY(r.check_tree());
  return r;
}

Result<ZipReader::Directory> ZipReader::find_directory() const {
  if (bytes_.size() < kEndSize) return Error::invalid("not a zip archive: too short");
  size_t lowest = bytes_.size() - std::min(bytes_.size(), kEndSize + kMaxComment);
  for (size_t at = bytes_.size() - kEndSize + 1; at-- > lowest;) {
    if (u32(bytes_, at) != kEndSignature || u16(bytes_, at + 20) != bytes_.size() - at - kEndSize) continue;
    Directory d{u32(bytes_, at + 16), u32(bytes_, at + 12), u16(bytes_, at + 10)};
    if (u16(bytes_, at + 4) != u16(bytes_, at + 6) || (u16(bytes_, at + 4) != 0 && u16(bytes_, at + 4) != 0xffff) ||
        u16(bytes_, at + 8) != u16(bytes_, at + 10)) {
      return Error::invalid("zip archive in several parts");
    }
    size_t end = at;
    if (d.offset == 0xffffffff || d.size == 0xffffffff || d.entries == 0xffff) {
      TRY(find_zip64_directory(at, d));
      if (at >= kLocator64Size && u32(bytes_, at - kLocator64Size) == kLocator64Signature) {
        end = static_cast<size_t>(u64(bytes_, at - kLocator64Size + 8));
      }
    }
    if (d.offset > end || d.size != end - d.offset)
      return Error::invalid("zip archive is damaged: its directory is not where its end record says");
    if (d.entries > limits_.entries) {
      return Error::exhausted("zip archive has " + std::to_string(d.entries) + " entries, more than " +
                              std::to_string(limits_.entries));
    }
    return d;
  }
  return Error::invalid("not a zip archive, or a truncated one: no end record");
}

Result<void> ZipReader::find_zip64_directory(size_t end_record, Directory& d) const {
  // Exactly 65535 entries need no zip64: without a locator the plain numbers hold.
  if (end_record < kLocator64Size || u32(bytes_, end_record - kLocator64Size) != kLocator64Signature) {
    if (d.offset != 0xffffffff && d.size != 0xffffffff) return {};
    return Error::invalid("zip64 archive without its locator");
  }
  size_t locator = end_record - kLocator64Size;
  uint64_t at = u64(bytes_, locator + 8);
  if (at > locator || locator - at < kEnd64Size || u32(bytes_, at) != kEnd64Signature ||
      u64(bytes_, at + 4) != locator - at - 12) {
    return Error::invalid("zip64 end record is damaged");
  }
  if (u32(bytes_, at + 16) != 0 || u32(bytes_, at + 20) != 0 || u64(bytes_, at + 24) != u64(bytes_, at + 32)) {
    return Error::invalid("zip archive in several parts");
  }
  d.entries = u64(bytes_, at + 32);
  d.size = u64(bytes_, at + 40);
  d.offset = u64(bytes_, at + 48);
  return {};
}

Result<void> ZipReader::read_directory(const Directory& d) {
  uint64_t at = d.offset, end = d.offset + d.size;
  entries_.reserve(std::min<uint64_t>(d.entries, d.size / kEntrySize));
  for (uint64_t i = 0; i < d.entries; ++i) {
    uint64_t next = 0;
    ZipEntry e = TRY(read_directory_entry(at, end, next));
    std::string_view raw_name = bytes_.substr(at + kEntrySize, u16(bytes_, at + 28));
    TRY(check_local_header(e, raw_name, d.offset));
    at = next;
    if (e.size > limits_.unpacked_bytes - unpacked_bytes_) {
      return bad_entry(e.name, "the archive unpacks to more than " + std::to_string(limits_.unpacked_bytes) + " bytes",
                       ErrorKind::kExhausted);
    }
    unpacked_bytes_ += e.size;
    entries_.push_back(std::move(e));
  }
  if (at != end) return Error::invalid("zip archive is damaged: its directory holds more than its end record says");
  return {};
}

Result<ZipEntry> ZipReader::read_directory_entry(uint64_t at, uint64_t end, uint64_t& next) const {
  if (end - at < kEntrySize || u32(bytes_, at) != kEntrySignature)
    return Error::invalid("zip archive is damaged: directory entry missing");
  uint16_t made_by = u16(bytes_, at + 4), flags = u16(bytes_, at + 8);
  size_t name_size = u16(bytes_, at + 28), extra_size = u16(bytes_, at + 30), comment_size = u16(bytes_, at + 32);
  if (end - at - kEntrySize < name_size + extra_size + comment_size)
    return Error::invalid("zip archive is damaged: directory entry cut off");
  next = at + kEntrySize + name_size + extra_size + comment_size;

  std::string raw(bytes_.substr(at + kEntrySize, name_size));
  bool dos = made_by_dos(made_by);
  bool folder = raw.ends_with('/') || (dos && raw.ends_with('\\'));
  ZipEntry e;
  e.name = TRY(clean_name(raw, dos));
  e.method = u16(bytes_, at + 10);
  e.crc = u32(bytes_, at + 16);
  e.packed_size = u32(bytes_, at + 20);
  e.size = u32(bytes_, at + 24);
  e.local_offset = u32(bytes_, at + 42);
  if (!read_zip64_field(bytes_.substr(at + kEntrySize + name_size, extra_size), e.size, e.packed_size, e.local_offset)) {
    return bad_entry(raw, "damaged zip64 field");
  }
  constexpr uint16_t kEncrypted = 1U << 0, kStrong = 1U << 6, kMasked = 1U << 13;
  if ((flags & (kEncrypted | kStrong | kMasked)) != 0) return bad_entry(raw, "encrypted");
  if (e.method != kStored && e.method != kDeflated) {
    return bad_entry(raw, "compression method " + std::to_string(e.method) + " (only stored and deflate are read)");
  }
  if (e.method == kStored ? e.size != e.packed_size : e.size / kDeflateRatio > e.packed_size) {
    return bad_entry(raw, "declares " + std::to_string(e.size) + " bytes, which " + std::to_string(e.packed_size) +
                              " packed ones cannot hold");
  }

  uint32_t unix_mode = made_by_unix(made_by) ? u32(bytes_, at + 38) >> 16 : 0;
  switch (unix_mode & S_IFMT) {
    case 0:
    case S_IFREG:
      break;
    case S_IFDIR:
      folder = true;
      break;
    case S_IFLNK:
      e.type = ZipEntryType::kSymlink;
      break;
    default:
      return bad_entry(raw, "neither file, folder nor symlink");
  }
  if (folder) {
    if (e.type == ZipEntryType::kSymlink || e.size != 0) return bad_entry(raw, "a folder with content");
    e.type = ZipEntryType::kDirectory;
  } else if (e.name.empty()) {
    return bad_entry(raw, "name is empty");
  }
  uint32_t permissions = unix_mode & 07777;
  e.mode = permissions != 0 ? permissions : folder ? 0755 : 0644;
  return e;
}

Result<void> ZipReader::check_local_header(ZipEntry& e, std::string_view raw_name, uint64_t directory_offset) const {
  uint64_t at = e.local_offset;
  if (at > directory_offset || directory_offset - at < kLocalSize || u32(bytes_, at) != kLocalSignature) {
    return bad_entry(raw_name, "its local header is missing");
  }
  size_t name_size = u16(bytes_, at + 26), extra_size = u16(bytes_, at + 28);
  uint64_t room = directory_offset - at - kLocalSize;
  if (room < name_size + extra_size || room - name_size - extra_size < e.packed_size)
    return bad_entry(raw_name, "its data is cut off");
  if (bytes_.substr(at + kLocalSize, name_size) != raw_name) return bad_entry(raw_name, "its local header has another name");
  if ((u16(bytes_, at + 6) & 1U) != 0) return bad_entry(raw_name, "encrypted");
  if (u16(bytes_, at + 8) != e.method) return bad_entry(raw_name, "its local header has another compression method");
  e.data_offset = at + kLocalSize + name_size + extra_size;
  return {};
}

Result<void> ZipReader::check_overlaps() const {
  std::vector<const ZipEntry*> order;
  order.reserve(entries_.size());
  for (const ZipEntry& e : entries_) order.push_back(&e);
  std::sort(order.begin(), order.end(), [](const ZipEntry* a, const ZipEntry* b) { return a->local_offset < b->local_offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i]->local_offset < order[i - 1]->data_offset + order[i - 1]->packed_size) {
      return bad_entry(order[i]->name, "shares bytes with entry '" + order[i - 1]->name + "'");
    }
  }
  return {};
}

namespace {

// The folder that the archive would become: path -> what is there.
class Tree {
 public:
  struct Node {
    ZipEntryType type;
    bool implied;           // a folder known only from the names below it
    const ZipEntry* entry;  // null when implied
  };

  explicit Tree(size_t limit) : limit_(limit) {}

  Result<void> add(const ZipEntry& e) {
    auto [it, fresh] = nodes_.try_emplace(e.name, Node{e.type, false, &e});
    if (!fresh) {
      bool names_implied_folder = it->second.implied && e.type == ZipEntryType::kDirectory;
      if (!names_implied_folder) return bad_entry(e.name, it->second.implied ? "is a folder too" : "is there twice");
      it->second = Node{e.type, false, &e};
    }
    std::string_view path = e.name;
    for (size_t slash = path.rfind('/'); slash != std::string_view::npos; slash = path.rfind('/')) {
      path = path.substr(0, slash);
      auto [parent, added] = nodes_.try_emplace(path, Node{ZipEntryType::kDirectory, true, nullptr});
      if (parent->second.type == ZipEntryType::kSymlink) return bad_entry(e.name, "lies below a symlink");
      if (parent->second.type == ZipEntryType::kFile) return bad_entry(e.name, "lies below a file");
      if (!added) break;  // its own parents are known
    }
    if (nodes_.size() > limit_) {
      return Error::exhausted("zip archive has more than " + std::to_string(limit_) + " files and folders");
    }
    return {};
  }

  // Follows a symlink as a kernel would, but inside the archive.
  Result<void> check_link(const ZipEntry& link) {
    constexpr int kHops = 40;            // as Linux: ELOOP
    std::vector<std::string_view> todo;  // segments still to walk, last first
    auto push_target = [&](std::string_view target) {
      std::vector<std::string_view> parts = split(target, '/');
      todo.insert(todo.end(), parts.rbegin(), parts.rend());
    };
    std::string at = link.name.substr(0, link.name.rfind('/') == std::string::npos ? 0 : link.name.rfind('/'));
    push_target(link.link_target);
    int hops = 0;
    while (!todo.empty()) {
      if (++steps_ > kLinkSteps) return bad_entry(link.name, "the archive's symlinks are too tangled");
      std::string_view segment = todo.back();
      todo.pop_back();
      if (segment.empty() || segment == ".") continue;
      if (segment == "..") {
        if (at.empty()) return bad_entry(link.name, "symlink leads out of the folder");
        size_t slash = at.rfind('/');
        at.resize(slash == std::string::npos ? 0 : slash);
        continue;
      }
      size_t before = at.size();
      if (!at.empty()) at += '/';
      at += segment;
      if (at.size() > kMaxPath * 4) return bad_entry(link.name, "symlink leads to a path that is too long");
      auto it = nodes_.find(at);
      if (it == nodes_.end() || it->second.type != ZipEntryType::kSymlink) continue;
      if (++hops > kHops) return bad_entry(link.name, "symlinks go round in a circle");
      at.resize(before);
      push_target(it->second.entry->link_target);
    }
    return {};
  }

 private:
  std::unordered_map<std::string_view, Node> nodes_;  // keys are parts of entries' names
  size_t limit_;
  size_t steps_ = 0;
};

}  // namespace

Result<void> ZipReader::check_tree() {
  std::erase_if(entries_, [](const ZipEntry& e) { return e.name.empty(); });  // "./"
  Tree tree(limits_.entries);
  std::vector<const ZipEntry*> links;
  for (ZipEntry& e : entries_) {
    if (e.type == ZipEntryType::kSymlink) {
      if (e.size == 0 || e.size > kMaxTarget) return bad_entry(e.name, "symlink with an empty or overlong target");
      e.link_target = TRY(read_all(e));
      if (e.link_target.find('\0') != std::string::npos) return bad_entry(e.name, "symlink target holds a NUL byte");
      if (e.link_target[0] == '/') return bad_entry(e.name, "symlink with an absolute target");
      links.push_back(&e);
    }
    TRY(tree.add(e));
  }
  for (const ZipEntry* link : links) TRY(tree.check_link(*link));
  return {};
}

Result<void> ZipReader::read(const ZipEntry& e, const Sink& sink) {
  std::string_view packed = bytes_.substr(e.data_offset, e.packed_size);
  uint32_t crc = 0;
  uint64_t size = 0;
  auto take = [&](std::string_view piece) -> Result<void> {
    if (piece.size() > e.size - size) return bad_entry(e.name, "unpacks to more than it declares");
    size += piece.size();
    crc = static_cast<uint32_t>(::crc32_z(crc, reinterpret_cast<const unsigned char*>(piece.data()), piece.size()));
    return sink(piece);
  };
  if (e.method == kStored) {
    for (size_t at = 0; at < packed.size(); at += kPieceBytes) TRY(take(packed.substr(at, kPieceBytes)));
  } else {
    if (!inflater_->start()) return Error::exhausted("out of memory unpacking a zip archive");
    z_stream& z = inflater_->stream;
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    uint64_t left = packed.size();
    z.avail_in = 0;
    int rc = Z_OK;
    while (rc != Z_STREAM_END) {
      if (z.avail_in == 0) {
        z.avail_in = static_cast<uInt>(std::min<uint64_t>(left, 1U << 30));
        left -= z.avail_in;
      }
      z.next_out = reinterpret_cast<Bytef*>(inflater_->buffer.data());
      z.avail_out = kPieceBytes;
      rc = ::inflate(&z, Z_NO_FLUSH);
      size_t produced = kPieceBytes - z.avail_out;
      if (rc != Z_OK && rc != Z_STREAM_END) return bad_entry(e.name, "its compressed data is damaged or cut off");
      if (produced > 0) TRY(take({inflater_->buffer.data(), produced}));
      if (rc == Z_OK && produced == 0 && z.avail_in == 0 && left == 0)
        return bad_entry(e.name, "its compressed data is cut off");
    }
    if (z.avail_in + left != 0) return bad_entry(e.name, "has bytes after its compressed data");
  }
  if (size != e.size) return bad_entry(e.name, "unpacks to less than it declares");
  if (crc != e.crc) return bad_entry(e.name, "its checksum does not match");
  return {};
}

Result<std::string> ZipReader::read_all(const ZipEntry& e) {
  std::string out;
  TRY(read(e, [&](std::string_view piece) -> Result<void> {
    out += piece;
    return {};
  }));
  return out;
}

}  // namespace savia

#include "services/logs/segment_format.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/limits.h"
#include "codec/digest.h"

namespace savia::logs {
namespace {

static_assert(std::endian::native == std::endian::little, "segments are little-endian");

constexpr std::string_view kHeaderMagic("SAVLOG1\n\0\0\0\0\0\0\0\0", kSegmentHeaderBytes);
constexpr std::string_view kTrailerMagic = "SAVLOGF1";
constexpr size_t kBlockBytes = 32;
// A record is a message of at most kLogEventBytes; what claims to be longer is not one.
constexpr uint32_t kMaxPayload = limits::kLogEventBytes + kRecordFixedBytes;

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}
template <class T>
T get(std::string_view in, size_t at) {
  T v;
  std::memcpy(&v, in.data() + at, sizeof v);
  return v;
}

}  // namespace

void Summary::add(int64_t timestamp_ms, int64_t ingestion_ms, size_t bytes) {
  Summary one;
  one.events = 1;
  one.message_bytes = bytes;
  one.first_ms = timestamp_ms;
  one.last_ms = timestamp_ms;
  one.last_ingestion_ms = ingestion_ms;
  add(one);
}

void Summary::add(const Summary& other) {
  if (other.events == 0) return;
  if (events == 0) {
    *this = other;
    return;
  }
  events += other.events;
  message_bytes += other.message_bytes;
  first_ms = std::min(first_ms, other.first_ms);
  last_ms = std::max(last_ms, other.last_ms);
  last_ingestion_ms = std::max(last_ingestion_ms, other.last_ingestion_ms);
}

std::string segment_header() {
  return std::string(kHeaderMagic);
}
bool is_segment_header(std::string_view bytes) {
  return bytes.substr(0, kSegmentHeaderBytes) == kHeaderMagic;
}

void append_record(std::string& out, int64_t timestamp_ms, int64_t ingestion_ms, std::string_view message) {
  const size_t start = out.size();
  put(out, static_cast<uint32_t>(kRecordFixedBytes + message.size()));
  put(out, uint32_t{0});
  put(out, timestamp_ms);
  put(out, ingestion_ms);
  out.append(message);
  const uint32_t crc = crc32c(std::string_view(out).substr(start + kRecordHeaderBytes));
  std::memcpy(out.data() + start + 4, &crc, sizeof crc);
}

size_t scan_records(std::string_view bytes, uint32_t base, const std::function<void(const Event&, uint32_t)>& each) {
  size_t at = 0;
  while (bytes.size() - at >= kRecordHeaderBytes + kRecordFixedBytes) {
    const auto length = get<uint32_t>(bytes, at);
    if (length < kRecordFixedBytes || length > kMaxPayload || length > bytes.size() - at - kRecordHeaderBytes) break;
    const std::string_view payload = bytes.substr(at + kRecordHeaderBytes, length);
    if (crc32c(payload) != get<uint32_t>(bytes, at + 4)) break;
    Event e;
    e.timestamp_ms = get<int64_t>(payload, 0);
    e.ingestion_ms = get<int64_t>(payload, 8);
    e.message = payload.substr(kRecordFixedBytes);
    e.offset = base + static_cast<uint32_t>(at);
    const uint32_t record_bytes = static_cast<uint32_t>(kRecordHeaderBytes) + length;
    each(e, record_bytes);
    at += record_bytes;
  }
  return at;
}

void BlockIndex::add(const Event& e, uint32_t record_bytes) {
  summary_.add(e.timestamp_ms, e.ingestion_ms, e.message.size());
  if (!blocks_.empty()) {
    Block& b = blocks_.back();
    if (e.timestamp_ms >= b.last_ms && b.length + record_bytes <= limits::kLogBlockBytes) {
      b.length += record_bytes;
      b.count += 1;
      b.last_ms = e.timestamp_ms;
      return;
    }
  }
  blocks_.push_back({e.offset, record_bytes, 1, e.timestamp_ms, e.timestamp_ms});
}

std::string encode_footer(uint32_t data_end, const Summary& s, const std::vector<Block>& blocks) {
  std::string out;
  out.reserve(blocks.size() * kBlockBytes + kTrailerBytes);
  for (const Block& b : blocks) {
    put(out, b.offset);
    put(out, b.length);
    put(out, b.count);
    put(out, uint32_t{0});
    put(out, b.first_ms);
    put(out, b.last_ms);
  }
  put(out, static_cast<uint32_t>(blocks.size()));
  put(out, data_end);
  put(out, s.events);
  put(out, s.message_bytes);
  put(out, s.first_ms);
  put(out, s.last_ms);
  put(out, s.last_ingestion_ms);
  put(out, uint64_t{0});
  const uint32_t crc = crc32c(out);
  out.append(kTrailerMagic.substr(0, 4));
  put(out, crc);
  out.append(kTrailerMagic.substr(4));
  return out;
}

std::optional<size_t> footer_size(std::string_view trailer, uint64_t file_size) {
  if (trailer.size() != kTrailerBytes) return std::nullopt;
  if (trailer.substr(kTrailerBytes - 12, 4) != kTrailerMagic.substr(0, 4)) return std::nullopt;
  if (trailer.substr(kTrailerBytes - 4) != kTrailerMagic.substr(4)) return std::nullopt;
  const uint64_t size = uint64_t{get<uint32_t>(trailer, 0)} * kBlockBytes + kTrailerBytes;
  const uint64_t data_end = get<uint32_t>(trailer, 4);
  if (data_end < kSegmentHeaderBytes || data_end + size != file_size) return std::nullopt;
  return size;
}

std::optional<Footer> decode_footer(std::string_view footer) {
  if (footer.size() < kTrailerBytes) return std::nullopt;
  const std::string_view trailer = footer.substr(footer.size() - kTrailerBytes);
  Footer out;
  const auto count = get<uint32_t>(trailer, 0);
  out.data_end = get<uint32_t>(trailer, 4);
  if (footer_size(trailer, uint64_t{out.data_end} + footer.size()) != footer.size()) return std::nullopt;
  if (crc32c(footer.substr(0, footer.size() - 12)) != get<uint32_t>(trailer, kTrailerBytes - 8)) return std::nullopt;
  out.summary.events = get<uint64_t>(trailer, 8);
  out.summary.message_bytes = get<uint64_t>(trailer, 16);
  out.summary.first_ms = get<int64_t>(trailer, 24);
  out.summary.last_ms = get<int64_t>(trailer, 32);
  out.summary.last_ingestion_ms = get<int64_t>(trailer, 40);
  out.blocks.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const size_t at = size_t{i} * kBlockBytes;
    Block b{get<uint32_t>(footer, at), get<uint32_t>(footer, at + 4), get<uint32_t>(footer, at + 8),
            get<int64_t>(footer, at + 16), get<int64_t>(footer, at + 24)};
    if (uint64_t{b.offset} + b.length > out.data_end) return std::nullopt;
    out.blocks.push_back(b);
  }
  return out;
}

}  // namespace savia::logs

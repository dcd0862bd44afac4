// The bytes of a log segment: records, the index of blocks over them, and the footer of a sealed segment. Pure functions
// over memory; stream_log.cc does the files. The format is told in stream_log.h.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace savia::logs {

inline constexpr size_t kSegmentHeaderBytes = 16;
inline constexpr size_t kRecordHeaderBytes = 8;  // length and CRC
inline constexpr size_t kRecordFixedBytes = 16;  // the two times in front of the message
inline constexpr size_t kTrailerBytes = 68;      // the end of a footer

struct Event {
  int64_t timestamp_ms = 0;
  int64_t ingestion_ms = 0;
  std::string_view message;
  uint32_t offset = 0;  // of its record in the segment
};

// A stretch of records in one segment whose timestamps do not decrease.
struct Block {
  uint32_t offset = 0;
  uint32_t length = 0;
  uint32_t count = 0;
  int64_t first_ms = 0;
  int64_t last_ms = 0;
  bool operator==(const Block&) const = default;
};

struct Summary {
  uint64_t events = 0;
  uint64_t message_bytes = 0;
  int64_t first_ms = 0;  // the three are meaningful when events > 0
  int64_t last_ms = 0;
  int64_t last_ingestion_ms = 0;
  void add(int64_t timestamp_ms, int64_t ingestion_ms, size_t bytes);
  void add(const Summary& other);
  bool operator==(const Summary&) const = default;
};

std::string segment_header();
bool is_segment_header(std::string_view bytes);

void append_record(std::string& out, int64_t timestamp_ms, int64_t ingestion_ms, std::string_view message);

// Calls `each` for every whole record of `bytes`, which begin at `base` of their segment; answers how many bytes were whole.
// Stops at the first record that is cut short, has another CRC, or is impossible.
size_t scan_records(std::string_view bytes, uint32_t base,
                    const std::function<void(const Event&, uint32_t record_bytes)>& each);

// Grows with the records of one segment, in the order of the file.
class BlockIndex {
 public:
  void add(const Event& event, uint32_t record_bytes);
  const std::vector<Block>& blocks() const { return blocks_; }
  const Summary& summary() const { return summary_; }

 private:
  std::vector<Block> blocks_;
  Summary summary_;
};

struct Footer {
  uint32_t data_end = 0;  // where the records end and the footer begins
  Summary summary;
  std::vector<Block> blocks;
};

std::string encode_footer(uint32_t data_end, const Summary& summary, const std::vector<Block>& blocks);
// How long the footer is whose last kTrailerBytes are these; nullopt when they are no trailer of a file of that size.
std::optional<size_t> footer_size(std::string_view trailer, uint64_t file_size);
std::optional<Footer> decode_footer(std::string_view footer);  // verified; nullopt when damaged

}  // namespace savia::logs

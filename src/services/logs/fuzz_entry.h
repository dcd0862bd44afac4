// What the fuzz targets of this folder do with an input; the corpus test runs the same over fuzz/corpus.
#pragma once

#include <string_view>

#include "base/check.h"
#include "services/logs/event_merge.h"
#include "services/logs/filter_pattern.h"
#include "services/logs/segment_format.h"

namespace savia::logs::fuzz {

// First line: a pattern; the rest: a message.
inline void filter_pattern(std::string_view input) {
  const size_t line = input.find('\n');
  const auto pattern = FilterPattern::parse(input.substr(0, line));
  if (!pattern.ok()) {
    CHECK(!pattern.error().message().empty());
    return;
  }
  (void)pattern->matches(line == std::string_view::npos ? input : input.substr(line + 1));
}

// The bytes of a segment behind its header: what is whole is found again after it was written anew.
inline void segment(std::string_view input) {
  std::string again;
  BlockIndex index;
  uint64_t covered = 0;
  const size_t whole = scan_records(input, kSegmentHeaderBytes, [&](const Event& e, uint32_t bytes) {
    index.add(e, bytes);
    append_record(again, e.timestamp_ms, e.ingestion_ms, e.message);
    covered += bytes;
  });
  CHECK(whole <= input.size() && covered == whole);
  CHECK(again == input.substr(0, whole));
  uint64_t events = 0;
  for (const Block& b : index.blocks()) {
    CHECK(b.first_ms <= b.last_ms);
    events += b.count;
  }
  CHECK(events == index.summary().events);
  const auto end = static_cast<uint32_t>(kSegmentHeaderBytes + whole);
  const std::string footer = encode_footer(end, index.summary(), index.blocks());
  const auto read = decode_footer(footer);
  CHECK(read && read->summary == index.summary() && read->blocks == index.blocks());
  (void)decode_footer(input);
  if (input.size() >= kTrailerBytes) (void)footer_size(input.substr(input.size() - kTrailerBytes), input.size());
  (void)EventKey::parse(input);
}

}  // namespace savia::logs::fuzz

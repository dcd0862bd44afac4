// Events of one or many streams in order of time, from either end: a merge over blocks (see stream_log.h).
//
// Order: time, then stream id, then arrival. A block is loaded when the merge reaches its first (backward: last) event and
// dropped when it is used up, so memory is the blocks that overlap in time, one for a stream in order.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "services/logs/stream_log.h"

namespace savia::logs {

// Where an event stands among all others. As text: 56 digits, AWS's form of event ids and tokens.
struct EventKey {
  int64_t timestamp_ms = 0;
  int64_t stream = 0;
  uint64_t ordinal = 0;
  auto operator<=>(const EventKey&) const = default;  // NOLINT(modernize-use-nullptr): the check misreads it
  std::string digits() const;
  static std::optional<EventKey> parse(std::string_view digits);
  static EventKey lowest() { return {}; }
  static EventKey highest() { return {INT64_MAX, INT64_MAX, UINT64_MAX}; }
};

enum class Direction { kForward, kBackward };

// Both bounds inclusive for times; keys are exclusive: only events strictly between `after` and `before` are answered.
struct Range {
  int64_t from_ms = 0;
  int64_t to_ms = INT64_MAX;
  std::optional<EventKey> after;
  std::optional<EventKey> before;
};

struct MergedEvent {
  EventKey key;
  int64_t ingestion_ms = 0;
  std::string_view message;  // until the next call of next()
};

class EventMerge {
 public:
  EventMerge(const std::vector<std::shared_ptr<StreamLog>>& streams, const Range& range, Direction direction);
  ~EventMerge();
  // The next event; nullopt at the end.
  std::optional<MergedEvent> next();
  size_t bytes_read() const { return bytes_read_; }

 private:
  struct Cursor;
  void open_reached();
  void open_block(const BlockRef& ref);
  bool wanted(const EventKey& key) const;
  bool later(const EventKey& a, const EventKey& b) const { return direction_ == Direction::kForward ? a > b : a < b; }

  const Range range_;
  const Direction direction_;
  std::vector<BlockRef> blocks_;  // in order of the edge that is reached first
  size_t next_block_ = 0;
  std::vector<std::unique_ptr<Cursor>> heap_;
  std::unique_ptr<Cursor> current_;  // holds the message of the last answer
  size_t bytes_read_ = 0;
};

}  // namespace savia::logs

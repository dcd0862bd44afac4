#include "services/logs/event_merge.h"

#include <algorithm>
#include <cstdio>

#include "base/log.h"

namespace savia::logs {
namespace {

// 16 digits of time, 16 of stream id, 24 of ordinal.
constexpr size_t kTimeDigits = 16;
constexpr size_t kStreamDigits = 16;
constexpr size_t kOrdinalDigits = 24;

std::optional<uint64_t> number(std::string_view digits) {
  uint64_t v = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    if (v > (UINT64_MAX - static_cast<uint64_t>(c - '0')) / 10) return std::nullopt;
    v = v * 10 + static_cast<uint64_t>(c - '0');
  }
  return v;
}

}  // namespace

std::string EventKey::digits() const {
  char out[kTimeDigits + kStreamDigits + kOrdinalDigits + 32];
  const int n = std::snprintf(out, sizeof out, "%016lld%016lld%024llu", static_cast<long long>(timestamp_ms),
                              static_cast<long long>(stream), static_cast<unsigned long long>(ordinal));
  return std::string(out, static_cast<size_t>(n));
}

std::optional<EventKey> EventKey::parse(std::string_view digits) {
  if (digits.size() != kTimeDigits + kStreamDigits + kOrdinalDigits) return std::nullopt;
  const auto time = number(digits.substr(0, kTimeDigits));
  const auto stream = number(digits.substr(kTimeDigits, kStreamDigits));
  const auto ordinal = number(digits.substr(kTimeDigits + kStreamDigits));
  if (!time || !stream || !ordinal) return std::nullopt;
  return EventKey{static_cast<int64_t>(*time), static_cast<int64_t>(*stream), *ordinal};
}

// A loaded block and the place in it.
struct EventMerge::Cursor {
  std::string bytes;
  std::vector<std::pair<EventKey, Event>> events;  // in the merge's direction
  size_t at = 0;
  const EventKey& key() const { return events[at].first; }
};

EventMerge::EventMerge(const std::vector<std::shared_ptr<StreamLog>>& streams, const Range& range, Direction direction)
    : range_(range), direction_(direction) {
  const int64_t from = range.after ? std::max(range.from_ms, range.after->timestamp_ms) : range.from_ms;
  const int64_t to = range.before ? std::min(range.to_ms, range.before->timestamp_ms) : range.to_ms;
  if (from > to) return;
  for (const auto& stream : streams) StreamLog::collect(stream, from, to, blocks_);
  std::sort(blocks_.begin(), blocks_.end(), [&](const BlockRef& a, const BlockRef& b) {
    return direction_ == Direction::kForward ? a.block.first_ms < b.block.first_ms : a.block.last_ms > b.block.last_ms;
  });
}

EventMerge::~EventMerge() = default;

bool EventMerge::wanted(const EventKey& key) const {
  return key.timestamp_ms >= range_.from_ms && key.timestamp_ms <= range_.to_ms && (!range_.after || key > *range_.after) &&
         (!range_.before || key < *range_.before);
}

void EventMerge::open_block(const BlockRef& ref) {
  auto bytes = ref.stream->read_block(ref.segment, ref.block);
  if (!bytes.ok()) return;  // expired or deleted meanwhile
  bytes_read_ += bytes->size();
  auto cursor = std::make_unique<Cursor>();
  cursor->bytes = std::move(bytes).value();
  const size_t whole = scan_records(cursor->bytes, ref.block.offset, [&](const Event& e, uint32_t) {
    const EventKey key{e.timestamp_ms, ref.stream->id(), uint64_t{ref.segment} << 32 | e.offset};
    if (wanted(key)) cursor->events.emplace_back(key, e);
  });
  if (whole < ref.block.length) {
    log_warn("logs.block.damaged", {{"stream", std::to_string(ref.stream->id())}, {"segment", std::to_string(ref.segment)}});
  }
  if (cursor->events.empty()) return;
  if (direction_ == Direction::kBackward) std::reverse(cursor->events.begin(), cursor->events.end());
  heap_.push_back(std::move(cursor));
  std::push_heap(heap_.begin(), heap_.end(), [&](auto& a, auto& b) { return later(a->key(), b->key()); });
}

// Loads every block that may hold an event before the heap's first.
void EventMerge::open_reached() {
  for (; next_block_ < blocks_.size(); ++next_block_) {
    const Block& b = blocks_[next_block_].block;
    if (!heap_.empty()) {
      const int64_t frontier = heap_.front()->key().timestamp_ms;
      if (direction_ == Direction::kForward ? b.first_ms > frontier : b.last_ms < frontier) return;
    }
    open_block(blocks_[next_block_]);
  }
}

std::optional<MergedEvent> EventMerge::next() {
  auto order = [&](auto& a, auto& b) { return later(a->key(), b->key()); };
  if (current_ != nullptr) {
    if (++current_->at < current_->events.size()) {
      heap_.push_back(std::move(current_));
      std::push_heap(heap_.begin(), heap_.end(), order);
    }
    current_.reset();
  }
  open_reached();
  if (heap_.empty()) return std::nullopt;
  std::pop_heap(heap_.begin(), heap_.end(), order);
  current_ = std::move(heap_.back());
  heap_.pop_back();
  const auto& [key, event] = current_->events[current_->at];
  return MergedEvent{key, event.ingestion_ms, event.message};
}

}  // namespace savia::logs

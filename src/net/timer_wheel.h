// A hashed timer wheel: 4,096 slots of one millisecond. A timer hangs in the slot of its expiry modulo the wheel, so
// setting and cancelling are O(1) whatever the delay; a timer further away than one turn (4.1 s) is looked at once a turn
// and left. Servers cancel nearly every timer they set (timeouts), which is why not a heap.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace savia::net {

class TimerWheel {
 public:
  explicit TimerWheel(int64_t now_ms);
  uint64_t add(int64_t expiry_ms, std::function<void()> fn);  // id, never 0
  void cancel(uint64_t id);
  // Runs what is due. Timers set by those callbacks run in a later call.
  void advance(int64_t now_ms);
  // Milliseconds until something may be due, at most `limit_ms`; -1 when no timer is set.
  int64_t wait_ms(int64_t now_ms, int64_t limit_ms) const;
  size_t size() const { return count_; }

 private:
  static constexpr uint32_t kSlots = 4096;
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Entry {
    std::function<void()> fn;
    int64_t expiry_ms = 0;
    uint32_t generation = 1;
    uint32_t next = kNone, prev = kNone;  // in its slot; `next` also chains free entries
    bool live = false;
  };
  void unlink(uint32_t index);
  void free(uint32_t index);
  void collect(uint32_t slot, int64_t now_ms);

  std::vector<Entry> entries_;
  std::vector<uint64_t> due_;  // ids found by one advance(), kept to reuse its memory
  std::array<uint32_t, kSlots> slots_;
  std::array<uint64_t, kSlots / 64> used_{};  // one bit a slot: is there a timer in it?
  uint32_t free_ = kNone;
  size_t count_ = 0;
  int64_t now_ms_;
};

}  // namespace savia::net

#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace savia::net {

TimerWheel::TimerWheel(int64_t now_ms) : now_ms_(now_ms) {
  slots_.fill(kNone);
}

uint64_t TimerWheel::add(int64_t expiry_ms, std::function<void()> fn) {
  expiry_ms = std::max(expiry_ms, now_ms_ + 1);  // the slot of "now" has been looked at already
  uint32_t index = free_;
  if (index != kNone) {
    free_ = entries_[index].next;
  } else {
    index = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  }
  uint32_t slot = static_cast<uint64_t>(expiry_ms) % kSlots;
  Entry& e = entries_[index];
  e.fn = std::move(fn);
  e.expiry_ms = expiry_ms;
  e.live = true;
  e.prev = kNone;
  e.next = slots_[slot];
  if (e.next != kNone) entries_[e.next].prev = index;
  slots_[slot] = index;
  used_[slot / 64] |= uint64_t{1} << (slot % 64);
  ++count_;
  return uint64_t{e.generation} << 32 | index;
}

void TimerWheel::unlink(uint32_t index) {
  Entry& e = entries_[index];
  uint32_t slot = static_cast<uint64_t>(e.expiry_ms) % kSlots;
  if (e.prev != kNone) {
    entries_[e.prev].next = e.next;
  } else {
    slots_[slot] = e.next;
    if (e.next == kNone) used_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
  }
  if (e.next != kNone) entries_[e.next].prev = e.prev;
}

void TimerWheel::free(uint32_t index) {
  Entry& e = entries_[index];
  e.live = false;
  if (++e.generation == 0) e.generation = 1;
  e.next = free_;
  free_ = index;
  --count_;
}

void TimerWheel::cancel(uint64_t id) {
  uint32_t index = static_cast<uint32_t>(id);
  if (id == 0 || index >= entries_.size()) return;
  Entry& e = entries_[index];
  if (!e.live || e.generation != id >> 32) return;
  unlink(index);
  std::function<void()> dropped = std::move(e.fn);  // its destructor may call back into the wheel
  entries_[index].fn = nullptr;
  free(index);
}

void TimerWheel::collect(uint32_t slot, int64_t now_ms) {
  for (uint32_t i = slots_[slot]; i != kNone; i = entries_[i].next) {
    if (entries_[i].expiry_ms <= now_ms) due_.push_back(uint64_t{entries_[i].generation} << 32 | i);
  }
}

void TimerWheel::advance(int64_t now_ms) {
  if (now_ms <= now_ms_) return;
  int64_t steps = std::min<int64_t>(now_ms - now_ms_, kSlots);
  int64_t from = now_ms_;
  now_ms_ = now_ms;
  if (count_ == 0) return;
  for (int64_t i = 1; i <= steps; ++i) {
    uint32_t slot = static_cast<uint64_t>(from + i) % kSlots;
    if (used_[slot / 64] == 0) {  // jump to the end of 64 empty slots
      i += 63 - slot % 64;
      continue;
    }
    if (slots_[slot] != kNone) collect(slot, now_ms);
  }
  std::vector<uint64_t> due;
  due.swap(due_);
  if (due.size() > 1) {
    std::sort(due.begin(), due.end(), [this](uint64_t a, uint64_t b) {
      return entries_[static_cast<uint32_t>(a)].expiry_ms < entries_[static_cast<uint32_t>(b)].expiry_ms;
    });
  }
  for (uint64_t id : due) {
    uint32_t index = static_cast<uint32_t>(id);
    if (!entries_[index].live || entries_[index].generation != id >> 32) continue;  // cancelled by one that ran before it
    unlink(index);
    std::function<void()> fn = std::move(entries_[index].fn);
    entries_[index].fn = nullptr;
    free(index);
    fn();
  }
  due.clear();
  if (due_.empty()) due_.swap(due);
}

int64_t TimerWheel::wait_ms(int64_t now_ms, int64_t limit_ms) const {
  if (count_ == 0) return -1;
  int64_t behind = now_ms - now_ms_;
  if (behind > 0) return 0;
  uint32_t start = static_cast<uint64_t>(now_ms_ + 1) % kSlots;
  for (uint32_t scanned = 0; scanned < kSlots;) {
    uint32_t slot = (start + scanned) % kSlots;
    uint64_t word = used_[slot / 64] >> (slot % 64);
    if (word != 0) {
      scanned += static_cast<uint32_t>(std::countr_zero(word));
      return std::min<int64_t>(int64_t{scanned} + 1, limit_ms);
    }
    scanned += 64 - slot % 64;
  }
  return limit_ms;
}

}  // namespace savia::net

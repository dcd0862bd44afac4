// What the engine counts: written on its loop, read from anywhere.
#pragma once

#include <atomic>
#include <cstdint>

namespace savia::lambda {

// One writer: a plain add needs no locked instruction.
class LoopCounter {
 public:
  void add(int64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void set(int64_t n) { value_.store(n, std::memory_order_relaxed); }
  int64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

struct Counters {
  LoopCounter invocations, errors, throttles, timeouts, crashes;
  LoopCounter fresh_starts, pooled_starts, init_failures;
  LoopCounter dropped_log_lines;
  LoopCounter duration_us, init_us;                                        // sums
  LoopCounter environments, starting, busy, idle, frozen, pooled, queued;  // gauges, set by the engine
};

}  // namespace savia::lambda

// Whether this machine has processor time left: one more environment helps a function that waits for a database, and harms
// one that computes when all cores are busy already.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "os/fd.h"

namespace savia::lambda {

class CpuLoad {
 public:
  CpuLoad();
  // By the share of idle time since a look kWindowUs or more ago. False while that is not known.
  bool saturated(int64_t monotonic_us);

  struct Sample {
    int64_t idle = 0, total = 0;  // ticks since boot, all cores
  };
  static std::optional<Sample> parse(std::string_view proc_stat);  // the first line, proc(5)
  // From two looks: is less than kIdlePercent of the time between them idle?
  static bool saturated(const Sample& before, const Sample& now);

 private:
  os::Fd stat_;
  Sample last_;
  int64_t last_us_ = -1;
  bool saturated_ = false;
};

}  // namespace savia::lambda

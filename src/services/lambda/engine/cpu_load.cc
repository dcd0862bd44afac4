#include "services/lambda/engine/cpu_load.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/strings.h"

namespace savia::lambda {
namespace {

constexpr int64_t kWindowUs = 40'000;   // four ticks of the kernel's clock
constexpr int64_t kForgetUs = 500'000;  // an older look says nothing about now
constexpr int64_t kIdlePercent = 10;

}  // namespace

CpuLoad::CpuLoad() : stat_(::open("/proc/stat", O_RDONLY | O_CLOEXEC)) {}

std::optional<CpuLoad::Sample> CpuLoad::parse(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  if (text.substr(0, 4) != "cpu ") return std::nullopt;
  // user nice system idle iowait irq softirq steal; guest times are inside user and nice.
  Sample sample;
  int field = 0;
  for (std::string_view part : split(text.substr(4), ' ')) {
    if (part.empty()) continue;
    const auto ticks = parse_int(part);
    if (!ticks) return std::nullopt;
    if (field < 8) sample.total += *ticks;
    if (field == 3 || field == 4) sample.idle += *ticks;
    ++field;
  }
  if (field < 5) return std::nullopt;
  return sample;
}

bool CpuLoad::saturated(const Sample& before, const Sample& now) {
  const int64_t total = now.total - before.total;
  return total > 0 && (now.idle - before.idle) * 100 < total * kIdlePercent;
}

bool CpuLoad::saturated(int64_t now_us) {
  if (last_us_ >= 0 && now_us - last_us_ < kWindowUs) return saturated_;
  char text[512];
  const ssize_t n = stat_ ? ::pread(stat_.get(), text, sizeof text, 0) : -1;
  const std::optional<Sample> sample = n > 0 ? parse({text, static_cast<size_t>(n)}) : std::nullopt;
  if (!sample) return false;
  saturated_ = last_us_ >= 0 && now_us - last_us_ < kForgetUs && saturated(last_, *sample);
  last_ = *sample;
  last_us_ = now_us;
  return saturated_;
}

}  // namespace savia::lambda

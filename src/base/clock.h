// Time, injected so that tests can jump it. Wall time for stamps, monotonic time for durations.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace savia {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t now_ms() const = 0;        // wall clock, milliseconds since the epoch, UTC
  virtual int64_t monotonic_us() const = 0;  // never goes back, unrelated to the wall clock
};

const Clock& real_clock();

class FakeClock final : public Clock {
 public:
  explicit FakeClock(int64_t now_ms = 1'700'000'000'000) : now_ms_(now_ms) {}
  int64_t now_ms() const override { return now_ms_.load(); }
  int64_t monotonic_us() const override { return monotonic_us_.load(); }
  void advance_ms(int64_t ms) {
    now_ms_ += ms;
    monotonic_us_ += ms * 1000;
  }
  void set_now_ms(int64_t ms) { now_ms_ = ms; }

 private:
  std::atomic<int64_t> now_ms_;
  std::atomic<int64_t> monotonic_us_{1};
};

std::string format_iso8601_ms(int64_t ms);   // 2026-11-24T12:00:00.123Z
std::string format_iso8601_s(int64_t ms);    // 2026-11-24T12:00:00Z
std::string format_lambda_time(int64_t ms);  // 2026-11-24T12:00:00.123+0000, as Lambda's LastModified
std::string format_rfc7231(int64_t ms);      // Tue, 24 Nov 2026 12:00:00 GMT
std::string format_amz_date(int64_t ms);     // 20261124T120000Z
std::string format_clf_time(int64_t ms);     // 24/Nov/2026:12:00:00 +0000, as API Gateway's requestTime
// Milliseconds since the epoch, or -1 when the text is not of the form.
int64_t parse_amz_date(std::string_view text);
int64_t parse_iso8601(std::string_view text);  // with or without fraction; Z or +hh:mm
int64_t parse_rfc7231(std::string_view text);

}  // namespace savia

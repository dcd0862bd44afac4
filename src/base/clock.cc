#include "base/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace savia {
namespace {

class RealClock final : public Clock {
 public:
  int64_t now_ms() const override {
    timespec ts{};
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1'000'000;
  }
  int64_t monotonic_us() const override {
    timespec ts{};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1'000'000 + ts.tv_nsec / 1000;
  }
};

constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

std::tm utc(int64_t ms) {
  int64_t s = ms / 1000;
  if (ms % 1000 < 0) --s;
  std::time_t t = s;
  std::tm tm{};
  gmtime_r(&t, &tm);
  return tm;
}

int millis(int64_t ms) {
  int64_t r = ms % 1000;
  return static_cast<int>(r < 0 ? r + 1000 : r);
}

template <class... A>
std::string print(const char* format, A... args) {
  char buf[96];
  int n = std::snprintf(buf, sizeof buf, format, args...);
  return std::string(buf, static_cast<size_t>(n));
}

// Reads exactly `count` digits at `pos`; -1 when there is something else.
int digits(std::string_view t, size_t pos, size_t count) {
  if (pos + count > t.size()) return -1;
  int v = 0;
  for (size_t i = 0; i < count; ++i) {
    char c = t[pos + i];
    if (c < '0' || c > '9') return -1;
    v = v * 10 + (c - '0');
  }
  return v;
}

int64_t to_ms(int year, int month, int day, int hour, int minute, int second) {
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return -1;
  }
  std::tm tm{};
  tm.tm_year = year - 1900;
  tm.tm_mon = month - 1;
  tm.tm_mday = day;
  tm.tm_hour = hour;
  tm.tm_min = minute;
  tm.tm_sec = second;
  return static_cast<int64_t>(timegm(&tm)) * 1000;
}

}  // namespace

const Clock& real_clock() {
  static const RealClock clock;
  return clock;
}

std::string format_iso8601_ms(int64_t ms) {
  std::tm t = utc(ms);
  return print("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
               millis(ms));
}
std::string format_iso8601_s(int64_t ms) {
  std::tm t = utc(ms);
  return print("%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
}
std::string format_lambda_time(int64_t ms) {
  std::tm t = utc(ms);
  return print("%04d-%02d-%02dT%02d:%02d:%02d.%03d+0000", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
               t.tm_sec, millis(ms));
}
std::string format_rfc7231(int64_t ms) {
  std::tm t = utc(ms);
  return print("%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[static_cast<size_t>(t.tm_wday)], t.tm_mday,
               kMonths[static_cast<size_t>(t.tm_mon)], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}
std::string format_amz_date(int64_t ms) {
  std::tm t = utc(ms);
  return print("%04d%02d%02dT%02d%02d%02dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
}
std::string format_clf_time(int64_t ms) {
  std::tm t = utc(ms);
  return print("%02d/%s/%04d:%02d:%02d:%02d +0000", t.tm_mday, kMonths[static_cast<size_t>(t.tm_mon)], t.tm_year + 1900,
               t.tm_hour, t.tm_min, t.tm_sec);
}

int64_t parse_amz_date(std::string_view t) {
  if (t.size() != 16 || t[8] != 'T' || t[15] != 'Z') return -1;
  return to_ms(digits(t, 0, 4), digits(t, 4, 2), digits(t, 6, 2), digits(t, 9, 2), digits(t, 11, 2), digits(t, 13, 2));
}

int64_t parse_iso8601(std::string_view t) {
  if (t.size() < 20 || t[4] != '-' || t[7] != '-' || (t[10] != 'T' && t[10] != 't') || t[13] != ':' || t[16] != ':') return -1;
  int64_t ms = to_ms(digits(t, 0, 4), digits(t, 5, 2), digits(t, 8, 2), digits(t, 11, 2), digits(t, 14, 2), digits(t, 17, 2));
  if (ms < 0) return -1;
  size_t i = 19;
  if (t[i] == '.') {
    ++i;
    int scale = 100;
    size_t start = i;
    for (; i < t.size() && t[i] >= '0' && t[i] <= '9'; ++i) {
      ms += static_cast<int64_t>(t[i] - '0') * scale;
      scale /= 10;
    }
    if (i == start) return -1;
  }
  if (i + 1 == t.size() && (t[i] == 'Z' || t[i] == 'z')) return ms;
  if (i + 6 == t.size() && (t[i] == '+' || t[i] == '-') && t[i + 3] == ':') {
    int h = digits(t, i + 1, 2);
    int m = digits(t, i + 4, 2);
    if (h < 0 || h > 23 || m < 0 || m > 59) return -1;
    int64_t offset = (h * 60 + m) * 60'000LL;
    return t[i] == '+' ? ms - offset : ms + offset;
  }
  return -1;
}

int64_t parse_rfc7231(std::string_view t) {
  // Tue, 24 Nov 2026 12:00:00 GMT
  if (t.size() != 29 || t.substr(3, 2) != ", " || t.substr(25) != " GMT") return -1;
  int month = 0;
  for (size_t i = 0; i < kMonths.size(); ++i) {
    if (t.substr(8, 3) == kMonths[i]) month = static_cast<int>(i) + 1;
  }
  return to_ms(digits(t, 12, 4), month, digits(t, 5, 2), digits(t, 17, 2), digits(t, 20, 2), digits(t, 23, 2));
}

}  // namespace savia

// Scalars as text. Timestamps are read in any of AWS's formats, whatever the model says: clients differ, and the formats
// cannot be confused with each other.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "aws/protocol/internal.h"
#include "base/strings.h"
#include "codec/base64.h"

namespace savia::aws::protocol::internal {
namespace {

// Days since 1970-01-01 of a proleptic Gregorian date, and back (Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms").
int64_t days_from_civil(int64_t y, int64_t m, int64_t d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t yoe = y - era * 400;
  int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

struct Civil {
  int64_t year, month, day, hour, minute, second, ms, weekday;
};

Civil civil(int64_t ms) {
  int64_t s = ms >= 0 ? ms / 1000 : (ms - 999) / 1000;
  Civil c{};
  c.ms = ms - s * 1000;
  int64_t days = s >= 0 ? s / 86400 : (s - 86399) / 86400;
  int64_t rest = s - days * 86400;
  c.hour = rest / 3600;
  c.minute = rest / 60 % 60;
  c.second = rest % 60;
  c.weekday = ((days % 7) + 11) % 7;  // 1970-01-01 was a Thursday (4)
  int64_t z = days + 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  int64_t doe = z - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  int64_t mp = (5 * doy + 2) / 153;
  c.day = doy - (153 * mp + 2) / 5 + 1;
  c.month = mp < 10 ? mp + 3 : mp - 9;
  c.year = yoe + era * 400 + (c.month <= 2);
  return c;
}

// Years 1 to 9999: what the text formats can say.
constexpr int64_t kFirstMs = -62'135'596'800'000, kLastMs = 253'402'300'799'999;

constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::string_view kWeekdays = "SunMonTueWedThuFriSat";

// Reads fixed parts of a text; `ok` turns false at the first that is not there.
struct Scanner {
  std::string_view s;
  bool ok = true;

  int64_t number(size_t digits) {
    int64_t v = 0;
    if (s.size() < digits) return ok = false, 0;
    for (size_t i = 0; i < digits; ++i) {
      if (s[i] < '0' || s[i] > '9') return ok = false, 0;
      v = v * 10 + (s[i] - '0');
    }
    s.remove_prefix(digits);
    return v;
  }
  void expect(char c) {
    if (s.empty() || s.front() != c) {
      ok = false;
      return;
    }
    s.remove_prefix(1);
  }
  bool take(char c) {
    if (s.empty() || s.front() != c) return false;
    s.remove_prefix(1);
    return true;
  }
  int64_t fraction_ms() {  // after the point; further digits are dropped
    int64_t ms = 0, scale = 100;
    if (s.empty() || s.front() < '0' || s.front() > '9') return ok = false, 0;
    while (!s.empty() && s.front() >= '0' && s.front() <= '9') {
      ms += (s.front() - '0') * scale;
      scale /= 10;
      s.remove_prefix(1);
    }
    return ms;
  }
};

std::optional<int64_t> assemble(const Civil& c, int64_t offset_s) {
  if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > 31 || c.hour > 24 || c.minute > 59 || c.second > 60)
    return std::nullopt;
  int64_t s = days_from_civil(c.year, c.month, c.day) * 86400 + c.hour * 3600 + c.minute * 60 + c.second - offset_s;
  int64_t ms = s * 1000 + c.ms;
  if (ms < kFirstMs || ms > kLastMs) return std::nullopt;
  return ms;
}

std::optional<int64_t> parse_iso8601(std::string_view text) {
  Scanner in{text};
  Civil c{};
  c.year = in.number(4);
  in.expect('-');
  c.month = in.number(2);
  in.expect('-');
  c.day = in.number(2);
  if (in.ok && in.s.empty()) return assemble(c, 0);
  if (!in.take('t') && !in.take(' ')) in.expect('T');
  c.hour = in.number(2);
  in.expect(':');
  c.minute = in.number(2);
  if (in.take(':')) c.second = in.number(2);
  if (in.take('.')) c.ms = in.fraction_ms();
  int64_t offset = 0;
  if (!in.take('Z') && !in.take('z') && !in.s.empty()) {
    int64_t sign = in.take('-') ? -1 : 1;
    if (sign > 0) in.expect('+');
    offset = in.number(2) * 3600;
    in.take(':');
    offset = sign * (offset + in.number(2) * 60);
  }
  if (!in.ok || !in.s.empty()) return std::nullopt;
  return assemble(c, offset);
}

// "Tue, 29 Apr 2014 18:30:38 GMT" (RFC 7231 7.1.1.1), the fraction is AWS's.
std::optional<int64_t> parse_http_date(std::string_view text) {
  size_t comma = text.find(", ");
  if (comma == std::string_view::npos) return std::nullopt;
  Scanner in{text.substr(comma + 2)};
  Civil c{};
  c.day = in.s.size() > 1 && in.s[1] == ' ' ? in.number(1) : in.number(2);
  in.expect(' ');
  if (in.s.size() < 3) return std::nullopt;
  size_t month = kMonths.find(in.s.substr(0, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  c.month = static_cast<int64_t>(month / 3) + 1;
  in.s.remove_prefix(3);
  in.expect(' ');
  c.year = in.number(4);
  in.expect(' ');
  c.hour = in.number(2);
  in.expect(':');
  c.minute = in.number(2);
  in.expect(':');
  c.second = in.number(2);
  if (in.take('.')) c.ms = in.fraction_ms();
  if (!in.ok || (in.s != " GMT" && in.s != " UTC" && in.s != " +0000")) return std::nullopt;
  return assemble(c, 0);
}

std::string epoch_text(int64_t ms) {
  if (ms % 1000 == 0) return std::to_string(ms / 1000);
  int64_t magnitude = ms < 0 ? -ms : ms;
  std::string s = fmt::format("{}{}.{:03}", ms < 0 ? "-" : "", magnitude / 1000, magnitude % 1000);
  while (s.back() == '0') s.pop_back();
  return s;
}

}  // namespace

std::string timestamp_text(int64_t ms, TimestampFormat format) {
  if (format == TimestampFormat::kUnix) return epoch_text(ms);
  Civil c = civil(ms);
  if (format == TimestampFormat::kRfc822) {
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kWeekdays.substr(static_cast<size_t>(c.weekday) * 3, 3),
                       c.day, kMonths.substr(static_cast<size_t>(c.month - 1) * 3, 3), c.year, c.hour, c.minute, c.second);
  }
  std::string s = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second);
  if (c.ms != 0) s += fmt::format(".{:03}", c.ms);
  return s + "Z";
}

std::optional<int64_t> timestamp_of_seconds(double seconds) {
  double ms = std::round(seconds * 1000);
  if (!(ms >= static_cast<double>(kFirstMs) && ms <= static_cast<double>(kLastMs))) return std::nullopt;  // also NaN
  return static_cast<int64_t>(ms);
}

std::optional<int64_t> parse_timestamp(std::string_view text) {
  text = trim(text);
  if (text.empty()) return std::nullopt;
  if (std::isalpha(static_cast<unsigned char>(text.front())) != 0) return parse_http_date(text);
  if (text.find('-', 1) != std::string_view::npos && text.find('e') == std::string_view::npos) return parse_iso8601(text);
  std::optional<double> seconds = parse_double(text);
  if (!seconds) return std::nullopt;
  return timestamp_of_seconds(*seconds);
}

std::string double_text(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-Infinity" : "Infinity";
  std::string s;
  append_json_double(s, v);
  return s;
}

std::optional<double> parse_double(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) return std::nullopt;
  double v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return v;
}

TimestampFormat timestamp_format(Member m, TimestampFormat otherwise) {
  TimestampFormat f = m.timestamp();
  return f == TimestampFormat::kDefault ? otherwise : f;
}

Result<Value, Fault> scalar_in(Member m, std::string_view text, Protocol protocol) {
  auto wrong = [&](std::string_view what) {
    return malformed(protocol, fmt::format("STRING_VALUE can not be converted to {}", what));
  };
  Shape shape = m.shape();
  switch (shape.kind()) {
    case ShapeKind::kString:
      return Value(text);
    case ShapeKind::kBoolean:
      if (iequals(trim(text), "true")) return Value(true);
      if (iequals(trim(text), "false")) return Value(false);
      return wrong("a Boolean");
    case ShapeKind::kInteger:
    case ShapeKind::kLong: {
      std::optional<int64_t> v = parse_int(trim(text));
      bool fits = v && (shape.kind() == ShapeKind::kLong || (*v >= INT32_MIN && *v <= INT32_MAX));
      if (!fits) return wrong(shape.kind() == ShapeKind::kLong ? "a Long" : "an Integer");
      return Value(*v);
    }
    case ShapeKind::kFloat:
    case ShapeKind::kDouble: {
      std::optional<double> v = parse_double(trim(text));
      if (!v) return wrong(shape.kind() == ShapeKind::kFloat ? "a Float" : "a Double");
      return Value(*v);
    }
    case ShapeKind::kTimestamp: {
      std::optional<int64_t> ms = parse_timestamp(text);
      if (!ms) return wrong("milliseconds since epoch");
      return Value(Timestamp{*ms});
    }
    case ShapeKind::kBlob: {
      Result<std::string> bytes = base64_decode(trim(text));
      if (!bytes) return wrong("a blob: " + bytes.error().message());
      return Value(Blob{std::move(bytes).value()});
    }
    case ShapeKind::kStructure:
    case ShapeKind::kList:
    case ShapeKind::kMap:
      break;
  }
  return wrong("a structure, list or map");
}

std::string scalar_out(Member m, const Value& v, TimestampFormat otherwise) {
  switch (v.kind()) {
    case Value::Kind::kBool:
      return v.as_bool() ? "true" : "false";
    case Value::Kind::kInt:
      return std::to_string(v.as_int());
    case Value::Kind::kDouble:
      return double_text(v.as_double());
    case Value::Kind::kString:
      return m.shape().is(ShapeKind::kBlob) ? base64_encode(v.as_string()) : v.as_string();
    case Value::Kind::kBlob:
      return base64_encode(v.as_blob());
    case Value::Kind::kTimestamp:
      return timestamp_text(v.as_timestamp_ms(), timestamp_format(m, otherwise));
    case Value::Kind::kNull:
    case Value::Kind::kList:
    case Value::Kind::kObject:
      break;
  }
  return {};
}

}  // namespace savia::aws::protocol::internal

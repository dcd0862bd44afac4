#include "base/log.h"

#include <unistd.h>

#include <atomic>

#include "base/clock.h"

namespace savia {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};

const char* name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
    case LogLevel::kOff:
      break;
  }
  return "error";
}

// logfmt: a value with a space, quote, '=' or control byte is quoted and escaped.
void append_value(std::string& out, std::string_view v) {
  bool plain = !v.empty();
  for (char c : v) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) plain = false;
  }
  if (plain) {
    out += v;
    return;
  }
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (char c : v) {
    auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (u < ' ' || u == 0x7f) {
      out += "\\x";
      out += kHex[u >> 4];
      out += kHex[u & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

void set_log_level(LogLevel level) {
  g_level.store(level, std::memory_order_relaxed);
}
LogLevel log_level() {
  return g_level.load(std::memory_order_relaxed);
}

void log_event(LogLevel level, std::string_view event, LogFields fields) {
  if (level < log_level()) return;
  std::string line = format_iso8601_ms(real_clock().now_ms());
  line += ' ';
  line += name(level);
  line += ' ';
  line += event;
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    append_value(line, value);
  }
  line += '\n';
  // A log that cannot be written must not stop the server.
  [[maybe_unused]] ssize_t n = ::write(2, line.data(), line.size());
}

}  // namespace savia

// The program's own log: one line an event, logfmt on stderr.
//
//   log_info("server.ready", {{"listen", addr}, {"ms", std::to_string(ms)}});
//   -> 2026-11-24T12:00:00.123Z info server.ready listen=127.0.0.1:4566 ms=9
//
// Secrets never go in: callers pass names of things, not their values. Thread-safe; one write(2) a line.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace savia {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

using LogFields = std::initializer_list<std::pair<std::string_view, std::string>>;

void set_log_level(LogLevel level);
LogLevel log_level();
void log_event(LogLevel level, std::string_view event, LogFields fields);

inline void log_debug(std::string_view event, LogFields fields = {}) {
  log_event(LogLevel::kDebug, event, fields);
}
inline void log_info(std::string_view event, LogFields fields = {}) {
  log_event(LogLevel::kInfo, event, fields);
}
inline void log_warn(std::string_view event, LogFields fields = {}) {
  log_event(LogLevel::kWarn, event, fields);
}
inline void log_error(std::string_view event, LogFields fields = {}) {
  log_event(LogLevel::kError, event, fields);
}

}  // namespace savia

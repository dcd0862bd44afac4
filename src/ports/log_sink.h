// Where producers of log lines (functions now, containers and edge later) meet the service that keeps them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace savia::ports {

struct LogLine {
  int64_t timestamp_ms = 0;
  std::string message;  // as readers get it
};

class LogSink {
 public:
  virtual ~LogSink() = default;
  // Any thread; does not block on the disk (a bounded buffer; what does not fit is dropped and counted, and the stream says
  // so). Makes group and stream when they do not exist. Visible to readers within 50 ms.
  virtual void append(std::string_view account, std::string_view region, std::string_view group, std::string_view stream,
                      std::vector<LogLine> lines) = 0;
};

}  // namespace savia::ports

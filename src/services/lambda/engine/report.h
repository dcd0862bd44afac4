// The platform's own log lines, in AWS's text form or as JSON objects (LoggingConfig.LogFormat).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "services/lambda/engine/runtimes.h"
#include "services/lambda/function_spec.h"

namespace savia::lambda {

struct Report {
  std::string_view request_id;
  int64_t duration_us = 0;
  int64_t init_us = -1;  // -1: this invocation did not start its environment
  int64_t memory_peak_bytes = 0;
  std::string_view status;      // "" for success, "timeout", "error"
  std::string_view error_type;  // with "error"
  std::string_view trace_id;
};

// Each returns one event, or "" where the function's system log level leaves it out.
std::string init_start_line(const FunctionSpec& spec, const Runtime& runtime, int64_t now_ms);
std::string init_report_line(const FunctionSpec& spec, int64_t now_ms, int64_t init_us, bool in_invoke, std::string_view status,
                             std::string_view error_type);
std::string start_line(const FunctionSpec& spec, int64_t now_ms, std::string_view request_id);
std::string end_line(const FunctionSpec& spec, std::string_view request_id);
std::string report_line(const FunctionSpec& spec, int64_t now_ms, const Report& report);

// {"errorType":…,"errorMessage":"RequestId: … Error: …"}
std::string platform_error(std::string_view type, std::string_view request_id, std::string_view what);
std::string log_stream_name(const std::string& version, const std::string& hex, int64_t now_ms);  // 2026/11/24/[$LATEST]0f…

}  // namespace savia::lambda

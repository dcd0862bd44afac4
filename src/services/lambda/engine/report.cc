#include "services/lambda/engine/report.h"

#include <cstdio>

#include "base/clock.h"
#include "base/strings.h"
#include "codec/digest.h"
#include "codec/json.h"

namespace savia::lambda {
namespace {

bool json(const FunctionSpec& spec) {
  return spec.log_format == "JSON";
}

// Platform events are INFO, but for failures, which are WARN here.
bool wanted(const FunctionSpec& spec, bool failure) {
  return failure || spec.system_log_level != "WARN";
}

std::string millis(int64_t us) {
  char text[32];
  std::snprintf(text, sizeof text, "%lld.%02lld", static_cast<long long>(us / 1000), static_cast<long long>(us % 1000 / 10));
  return text;
}

std::string event(int64_t now_ms, std::string_view type, Value record) {
  Value line = Value::object();
  line.set("time", format_iso8601_ms(now_ms)).set("type", type).set("record", std::move(record));
  return to_json(line);
}

std::string runtime_version(const Runtime& runtime) {
  switch (runtime.kind) {
    case RuntimeKind::kNode:
      return "nodejs:" + std::to_string(runtime.major) + (runtime.version.empty() ? "" : "." + runtime.version);
    case RuntimeKind::kPython:
      return "python:3." + std::to_string(runtime.minor) + ".v" + std::to_string(runtime.patch);
    case RuntimeKind::kProvided:
      return runtime.id;
  }
  return {};
}

std::string runtime_arn(const FunctionSpec& spec, const Runtime& runtime) {
  return "arn:aws:lambda:" + spec.region + "::runtime:" + sha256_hex(runtime.id + " " + runtime.version);
}

// Milliseconds with two decimals; the rest is cut, as AWS does.
double hundredths(int64_t us) {
  const int64_t whole = us / 10;
  return static_cast<double>(whole) / 100.0;
}

}  // namespace

std::string init_start_line(const FunctionSpec& spec, const Runtime& runtime, int64_t now_ms) {
  if (json(spec)) {
    if (!wanted(spec, false)) return {};
    Value record = Value::object();
    record.set("initializationType", "on-demand").set("phase", "init").set("runtimeVersion", runtime_version(runtime));
    record.set("runtimeVersionArn", runtime_arn(spec, runtime))
        .set("functionName", spec.name)
        .set("functionVersion", spec.version);
    return event(now_ms, "platform.initStart", std::move(record));
  }
  return "INIT_START Runtime Version: " + runtime_version(runtime) + "\tRuntime Version ARN: " + runtime_arn(spec, runtime);
}

std::string init_report_line(const FunctionSpec& spec, int64_t now_ms, int64_t init_us, bool in_invoke, std::string_view status,
                             std::string_view error_type) {
  if (json(spec)) {
    Value metrics = Value::object();
    metrics.set("durationMs", hundredths(init_us));
    Value record = Value::object();
    record.set("initializationType", "on-demand").set("phase", in_invoke ? "invoke" : "init").set("status", status);
    if (!error_type.empty()) record.set("errorType", error_type);
    record.set("metrics", std::move(metrics));
    return event(now_ms, "platform.initReport", std::move(record));
  }
  std::string line = "INIT_REPORT Init Duration: " + millis(init_us) + " ms\tPhase: " + (in_invoke ? "invoke" : "init") +
                     "\tStatus: " + std::string(status);
  if (!error_type.empty()) line += "\tError Type: " + std::string(error_type);
  return line;
}

std::string start_line(const FunctionSpec& spec, int64_t now_ms, std::string_view request_id) {
  if (json(spec)) {
    if (!wanted(spec, false)) return {};
    Value record = Value::object();
    record.set("requestId", request_id).set("version", spec.version);
    return event(now_ms, "platform.start", std::move(record));
  }
  std::string line = "START RequestId: ";
  line.reserve(line.size() + request_id.size() + spec.version.size() + 10);
  line += request_id;
  line += " Version: ";
  line += spec.version;
  return line;
}

std::string end_line(const FunctionSpec& spec, std::string_view request_id) {
  if (json(spec)) return {};
  std::string line = "END RequestId: ";
  line += request_id;
  return line;
}

std::string report_line(const FunctionSpec& spec, int64_t now_ms, const Report& r) {
  const int64_t billed_ms = std::max<int64_t>(1, (r.duration_us + 999) / 1000);
  const int64_t memory_mb = (r.memory_peak_bytes + (1 << 20) - 1) >> 20;
  if (json(spec)) {
    if (!wanted(spec, !r.status.empty())) return {};
    Value metrics = Value::object();
    metrics.set("durationMs", hundredths(r.duration_us)).set("billedDurationMs", billed_ms);
    metrics.set("memorySizeMB", spec.memory_mib).set("maxMemoryUsedMB", memory_mb);
    if (r.init_us >= 0) metrics.set("initDurationMs", hundredths(r.init_us));
    Value record = Value::object();
    record.set("requestId", r.request_id)
        .set("metrics", std::move(metrics))
        .set("status", r.status.empty() ? "success" : r.status);
    if (!r.error_type.empty()) record.set("errorType", r.error_type);
    return event(now_ms, "platform.report", std::move(record));
  }
  char text[256];
  std::snprintf(text, sizeof text,
                "\tDuration: %lld.%02lld ms\tBilled Duration: %lld ms\tMemory Size: %lld MB\tMax Memory Used: %lld MB\t",
                static_cast<long long>(r.duration_us / 1000), static_cast<long long>(r.duration_us % 1000 / 10),
                static_cast<long long>(billed_ms), static_cast<long long>(spec.memory_mib), static_cast<long long>(memory_mb));
  std::string line = "REPORT RequestId: ";
  line += r.request_id;
  line += text;
  if (r.init_us >= 0) line += "Init Duration: " + millis(r.init_us) + " ms\t";
  if (!r.status.empty()) line += "Status: " + std::string(r.status) + "\t";
  if (!r.error_type.empty()) line += "Error Type: " + std::string(r.error_type);
  return line;
}

std::string platform_error(std::string_view type, std::string_view request_id, std::string_view what) {
  std::string out;
  std::string message = "RequestId: ";
  message += request_id;
  message += " Error: ";
  message += what;
  JsonWriter(out).begin_object().field("errorType", type).field("errorMessage", message).end_object();
  return out;
}

std::string log_stream_name(const std::string& version, const std::string& hex, int64_t now_ms) {
  std::string day = format_iso8601_s(now_ms).substr(0, 10);
  return replace_all(day, "-", "/") + "/[" + version + "]" + hex;
}

}  // namespace savia::lambda

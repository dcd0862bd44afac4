#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "logs_keys.h"
#include "services/logs/service.h"

namespace savia::logs {
namespace {
constexpr int64_t kDayMs = 24LL * 3600 * 1000;
constexpr size_t kCrcBytes = 4;
}  // namespace

Scope scope_of(const CallContext& c) {
  return {c.account, c.region};
}
std::string group_arn(const CallContext& c, std::string_view name) {
  return c.arn("logs", "log-group:" + std::string(name));
}

Fault group_not_found() {
  return {"ResourceNotFoundException", "The specified log group does not exist."};
}
Fault stream_not_found() {
  return {"ResourceNotFoundException", "The specified log stream does not exist."};
}
Fault invalid_parameter(std::string message) {
  return {"InvalidParameterException", std::move(message)};
}
Fault invalid_token() {
  return invalid_parameter("The specified nextToken is invalid.");
}

std::optional<Fault> check_names(const Value& in) {
  for (const std::string_view member : {k::logGroupName, k::logStreamName}) {
    const auto name = in.str(member);
    // Characters, not bytes: continuation bytes of UTF-8 do not count.
    if (name && std::count_if(name->begin(), name->end(),
                              [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }) > limits::kLogNameChars) {
      return invalid_parameter("Invalid LogGroup or LogStream, both must have length less than or equal to " +
                               std::to_string(limits::kLogNameChars) + ".");
    }
  }
  return std::nullopt;
}

std::optional<Fault> refuse(const CallContext& c, const Value& in, std::initializer_list<std::string_view> members) {
  for (const std::string_view m : members) {
    if (!in.has(m)) continue;
    return Fault("NotImplemented",
                 "savia does not implement " + std::string(m) + " of logs:" + c.operation + " (docs/coverage.md)", 501);
  }
  return std::nullopt;
}

std::string make_token(std::string_view kind, std::string_view text) {
  const std::string body = std::string(kind) + ":" + std::string(text);
  return base64url_encode(big_endian(crc32c(body)) + body);
}

std::optional<std::string> read_token(std::string_view kind, std::string_view token) {
  const Result<std::string> raw = base64url_decode(token);
  if (!raw.ok() || raw->size() < kCrcBytes) return std::nullopt;
  const std::string_view body = std::string_view(*raw).substr(kCrcBytes);
  if (big_endian(crc32c(body)) != raw->substr(0, kCrcBytes)) return std::nullopt;
  if (body.substr(0, kind.size() + 1) != std::string(kind) + ":") return std::nullopt;
  return std::string(body.substr(kind.size() + 1));
}

int64_t retention_start_ms(const GroupRow& group, int64_t now_ms) {
  return group.retention_days == 0 ? 0 : std::max<int64_t>(0, now_ms - group.retention_days * kDayMs);
}

Tags tags_in(const Value& map) {
  Tags out;
  if (!map.is_object()) return out;
  for (const auto& [key, value] : map.as_object()) {
    if (value.is_string()) out[key] = value.as_string();
  }
  return out;
}

Result<GroupRow, Fault> Service::group_named(const CallContext& c, std::string_view name_or_arn) {
  std::string name(name_or_arn);
  if (name_or_arn.substr(0, 4) == "arn:") {
    const auto parts = split(name_or_arn, ':');  // arn:aws:logs:region:account:log-group:NAME[:*]
    if (parts.size() < 7 || parts[2] != "logs" || parts[5] != "log-group" || (parts.size() > 7 && parts[7] != "*") ||
        parts.size() > 8) {
      return invalid_parameter("The specified ARN is not valid: " + name);
    }
    if (parts[3] != c.region || parts[4] != c.account) return group_not_found();
    name = std::string(parts[6]);
  }
  const std::optional<GroupRow> row = TRY(store_.group(scope_of(c), name));
  if (!row) return group_not_found();
  return *row;
}

Result<GroupRow, Fault> Service::group_of(const CallContext& c, const Value& in) {
  const auto name = in.str(k::logGroupName);
  const auto identifier = in.str(k::logGroupIdentifier);
  if (name && identifier)
    return Fault("ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.");
  if (!name && !identifier) return Fault("ValidationException", "Either LogGroup name or LogGroup ARN must be specified.");
  return group_named(c, name ? *name : *identifier);
}

}  // namespace savia::logs

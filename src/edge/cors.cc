#include "edge/cors.h"

#include "base/strings.h"
#include "edge/response_fields.h"

namespace savia::edge {

std::string_view cors_origin(const ports::CorsSpec& cors, std::string_view origin) {
  if (origin.empty()) return {};
  for (const std::string& allowed : cors.allow_origins) {
    if (allowed == "*") return "*";
    if (iequals(allowed, origin)) return origin;
    // "https://*": any host of that scheme.
    if (size_t star = allowed.find('*'); star != std::string::npos) {
      std::string_view before = std::string_view(allowed).substr(0, star), after = std::string_view(allowed).substr(star + 1);
      if (origin.size() >= before.size() + after.size() && iequals(origin.substr(0, before.size()), before) &&
          iequals(origin.substr(origin.size() - after.size()), after)) {
        return origin;
      }
    }
  }
  return {};
}

void append_preflight_fields(std::string& out, const ports::CorsSpec& cors, std::string_view origin) {
  std::string_view allowed = cors_origin(cors, origin);
  if (allowed.empty()) return;
  append_field(out, "access-control-allow-origin", allowed);
  if (!cors.allow_methods.empty()) append_field(out, "access-control-allow-methods", join(cors.allow_methods, ","));
  if (!cors.allow_headers.empty()) append_field(out, "access-control-allow-headers", join(cors.allow_headers, ","));
  if (cors.max_age_s >= 0) append_field(out, "access-control-max-age", std::to_string(cors.max_age_s));
  if (cors.allow_credentials) append_field(out, "access-control-allow-credentials", "true");
}

void append_cors_fields(std::string& out, const ports::CorsSpec& cors, std::string_view origin) {
  std::string_view allowed = cors_origin(cors, origin);
  if (allowed.empty()) return;
  append_field(out, "access-control-allow-origin", allowed);
  if (!cors.expose_headers.empty()) append_field(out, "access-control-expose-headers", join(cors.expose_headers, ","));
  if (cors.allow_credentials) append_field(out, "access-control-allow-credentials", "true");
}

bool is_cors_field(std::string_view name) {
  constexpr std::string_view kPrefix = "access-control-";
  return name.size() > kPrefix.size() && iequals(name.substr(0, kPrefix.size()), kPrefix);
}

void remove_cors_fields(std::string& fields) {
  for (size_t at = 0; at < fields.size();) {
    size_t end = fields.find("\r\n", at) + 2;
    if (is_cors_field(std::string_view(fields).substr(at, fields.find(':', at) - at))) {
      fields.erase(at, end - at);
    } else {
      at = end;
    }
  }
}

}  // namespace savia::edge

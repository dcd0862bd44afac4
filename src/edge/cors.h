// CORS of HTTP APIs: the gateway answers preflights itself and sets the headers of actual answers, ignoring the backend's.
#pragma once

#include <string>
#include <string_view>

#include "ports/route_snapshot.h"

namespace savia::edge {

// The value of access-control-allow-origin for this Origin, empty when it is not allowed.
std::string_view cors_origin(const ports::CorsSpec& cors, std::string_view origin);

void append_preflight_fields(std::string& out, const ports::CorsSpec& cors, std::string_view origin);
void append_cors_fields(std::string& out, const ports::CorsSpec& cors, std::string_view origin);
bool is_cors_field(std::string_view name);  // Access-Control-*
// Takes Access-Control-* lines out of finished header lines.
void remove_cors_fields(std::string& fields);

}  // namespace savia::edge

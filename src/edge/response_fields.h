// Header lines of answers, and which of a backend's fields reach the client under which name.
#pragma once

#include <string>
#include <string_view>

#include "net/http1.h"

namespace savia::edge {

// Appends "name: value\r\n". What cannot stand on the wire (a name that is no token, a value with line breaks) is left out.
void append_field(std::string& out, std::string_view name, std::string_view value);

// Fields of a backend's answer that a REST API renames (as recorded from AWS).
bool is_rest_remapped(net::http1::Name id);

// REST APIs rename fields that the gateway sets itself: Date -> x-amzn-Remapped-Date. Transfer-Encoding is left out.
void append_rest_field(std::string& out, std::string_view name, std::string_view value);

// HTTP APIs leave out what belongs to the connection or is the gateway's own (Date, Content-Length).
void append_http_field(std::string& out, std::string_view name, std::string_view value);

}  // namespace savia::edge

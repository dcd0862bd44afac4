// The JSON that API Gateway hands to a function for a request (AWS_PROXY): payload format 1.0 of REST APIs, the slightly
// different 1.0 of HTTP APIs, and 2.0. Pure: a Request in, text out. Rules that come from recordings of real AWS:
// - REST: header names keep their case and order is alphabetical; fields about the connection are dropped; the path and its
//   parameters stay encoded; slashes are kept except directly behind the stage; every empty map is null.
// - HTTP: the path was decoded; 2.0 lower-cases header names, joins repeated ones by comma and moves cookies out; 1.0 has the
//   stage in `path`; Content-Length is always there.
// - Bodies: REST encodes what binaryMediaTypes names; HTTP encodes all but text/*, application/json, application/xml and
//   application/javascript, also a form and a body without a type.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "edge/request.h"

namespace savia::edge {

// Memory that one loop reuses for building events.
struct EventScratch {
  struct Item {
    std::string_view name, value;
  };
  std::vector<Item> headers, query;
  std::vector<std::string_view> cookies;
  std::deque<std::string> texts;  // what items view when it is not in the request
  std::string forwarded_for, port, length;
};

// Needs a request that has been matched and whose body has been read.
std::string build_lambda_event(const Request& request, EventScratch& scratch);

// HTTP APIs: is a body of this type text that goes into the event as it is?
bool is_http_text(std::string_view content_type);

}  // namespace savia::edge

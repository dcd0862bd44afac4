#include "edge/response_fields.h"

namespace savia::edge {

using net::http1::Name;

void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (!net::http1::is_sendable(name, value)) return;
  out.append(name).append(": ").append(value).append("\r\n");
}

bool is_rest_remapped(Name id) {
  switch (id) {
    case Name::kAuthorization:
    case Name::kConnection:
    case Name::kContentLength:
    case Name::kContentMd5:
    case Name::kDate:
    case Name::kExpect:
    case Name::kHost:
    case Name::kMaxForwards:
    case Name::kProxyAuthenticate:
    case Name::kServer:
    case Name::kTrailer:
    case Name::kUpgrade:
    case Name::kUserAgent:
    case Name::kWwwAuthenticate:
    case Name::kXAmznRequestId:
      return true;
    default:
      return false;
  }
}

void append_rest_field(std::string& out, std::string_view name, std::string_view value) {
  Name id = net::http1::known_name(name);
  if (id == Name::kTransferEncoding || !net::http1::is_sendable(name, value)) return;
  if (is_rest_remapped(id)) out.append("x-amzn-Remapped-");
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_http_field(std::string& out, std::string_view name, std::string_view value) {
  Name id = net::http1::known_name(name);
  if (net::http1::is_hop_by_hop(id) || id == Name::kContentLength || id == Name::kDate) return;
  append_field(out, name, value);
}

}  // namespace savia::edge

// Small text helpers that <string> lacks. ASCII only: header names, ids, hex.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace savia {

std::string to_lower(std::string_view s);
std::string to_upper(std::string_view s);
bool iequals(std::string_view a, std::string_view b);                     // ASCII case-insensitive
std::string_view trim(std::string_view s);                                // spaces, tabs, CR, LF at both ends
std::vector<std::string_view> split(std::string_view s, char separator);  // keeps empty parts; "" gives one
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string replace_all(std::string s, std::string_view from, std::string_view to);
std::optional<int64_t> parse_int(std::string_view s);  // whole text, optional '-', decimal; nullopt on overflow
std::string to_hex(std::string_view bytes);            // lower case
std::optional<std::string> from_hex(std::string_view hex);
std::string percent_decode(std::string_view s);  // leaves malformed escapes as they are
// RFC 3986 unreserved characters stay; '/' stays too where keep_slash.
std::string percent_encode(std::string_view s, bool keep_slash = false);
bool is_utf8(std::string_view s);
// Equal without telling by time where they differ.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace savia

// Base64 (RFC 4648): standard with padding, and the URL alphabet without. Decoding is strict: no white space, no missing or
// surplus padding, no bits left over.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace savia {

std::string base64_encode(std::string_view bytes);
void append_base64(std::string& out, std::string_view bytes);
Result<std::string> base64_decode(std::string_view text);
std::string base64url_encode(std::string_view bytes);         // without padding
Result<std::string> base64url_decode(std::string_view text);  // without padding

}  // namespace savia

// application/x-www-form-urlencoded, of query strings and bodies of the AWS query protocol.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace savia {

using FormPairs = std::vector<std::pair<std::string, std::string>>;

// In order of appearance, repeated names kept. '+' is a space; a malformed escape stays as it is; a pair without '=' has an
// empty value; empty pairs ("a=1&&b=2") are skipped. More pairs than limits::kFormPairs is an error.
Result<FormPairs> parse_form(std::string_view text);
std::string build_form(const FormPairs& pairs);  // spaces as '+'
std::string form_decode(std::string_view s);
void append_form_encoded(std::string& out, std::string_view s);

}  // namespace savia

#include "services/apigateway/integration_uri.h"

#include <functional>
#include <vector>

#include "base/strings.h"

namespace savia::apigateway {

namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_word(std::string_view s) {
  for (char c : s) {
    if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '-' && c != '_') return false;
  }
  return !s.empty();
}

constexpr std::string_view kVariable = "${stageVariables.";

std::string expand(std::string_view uri, const std::function<std::string(const std::string&)>& value) {
  std::string out;
  for (;;) {
    const size_t at = uri.find(kVariable);
    const size_t end = at == std::string_view::npos ? at : uri.find('}', at);
    if (end == std::string_view::npos) break;
    out += uri.substr(0, at);
    out += value(std::string(uri.substr(at + kVariable.size(), end - at - kVariable.size())));
    uri.remove_prefix(end + 1);
  }
  return out += uri;
}

}  // namespace

std::optional<LambdaTarget> parse_function_arn(std::string_view arn) {
  // arn : partition : lambda : region : account : function : name [: qualifier]
  const std::vector<std::string_view> parts = split(arn, ':');
  if (parts.size() < 7 || parts.size() > 8) return std::nullopt;
  if (parts[0] != "arn" || !parts[1].starts_with("aws") || parts[2] != "lambda" || parts[5] != "function") return std::nullopt;
  if (!is_word(parts[3]) || !is_word(parts[4]) || !is_word(parts[6])) return std::nullopt;
  LambdaTarget t{std::string(parts[3]), std::string(parts[4]), std::string(parts[6]), ""};
  if (parts.size() == 8) {
    if (parts[7] != "$LATEST" && !is_word(parts[7])) return std::nullopt;
    t.qualifier = std::string(parts[7]);
  }
  return t;
}

std::optional<LambdaTarget> parse_lambda_uri(std::string_view uri) {
  constexpr std::string_view kPath = ":lambda:path/2015-03-31/functions/";
  constexpr std::string_view kEnd = "/invocations";
  if (!uri.starts_with("arn:") || uri.find(":apigateway:") == std::string_view::npos) return parse_function_arn(uri);
  const size_t path = uri.find(kPath);
  if (path == std::string_view::npos || !uri.ends_with(kEnd)) return std::nullopt;
  uri.remove_prefix(path + kPath.size());
  if (uri.size() < kEnd.size()) return std::nullopt;
  uri.remove_suffix(kEnd.size());
  return parse_function_arn(uri);
}

std::string expand_stage_variables(std::string_view uri, const std::map<std::string, std::string>& variables) {
  return expand(uri, [&](const std::string& name) {
    auto it = variables.find(name);
    return it == variables.end() ? std::string() : it->second;
  });
}

std::string with_any_stage_variables(std::string_view uri) {
  return expand(uri, [](const std::string& name) { return name.empty() ? std::string("x") : name; });
}

bool is_http_url(std::string_view uri) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!uri.starts_with(scheme)) continue;
    const std::string_view rest = uri.substr(scheme.size());
    const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
    if (host.empty() || host.starts_with(':')) return false;
    return uri.find_first_of(" \t\r\n\"<>") == std::string_view::npos;
  }
  return false;
}

bool has_template_references(std::string_view text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const char next = text[i + 1];
    if (text[i] == '$' && (is_letter(next) || next == '{' || next == '!' || next == '_')) return true;
    if (text[i] == '#' && (is_letter(next) || next == '{' || next == '#' || next == '*')) return true;
  }
  return false;
}

}  // namespace savia::apigateway

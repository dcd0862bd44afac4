#include "services/lambda/names.h"

#include <algorithm>

#include "base/strings.h"

namespace savia::lambda {
namespace {

bool all_digits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}
bool looks_like_region(std::string_view s) {  // aa-bbbb-1, us-gov-west-1
  size_t dash = s.rfind('-');
  return dash != std::string_view::npos && s.size() - dash == 2 && all_digits(s.substr(dash + 1)) && s.find('-') == 2;
}

}  // namespace

std::string FunctionRef::arn() const {
  return "arn:aws:lambda:" + region + ":" + account + ":function:" + name;
}
std::string FunctionRef::qualified_arn() const {
  return qualifier.empty() ? arn() : arn() + ":" + qualifier;
}

bool is_version_number(std::string_view s) {
  return all_digits(s) && s[0] != '0' && s.size() <= 18;
}

Result<FunctionRef, aws::Fault> parse_function_ref(const aws::CallContext& c, std::string_view text,
                                                   std::optional<std::string_view> qualifier) {
  FunctionRef ref{c.account, c.region, {}, {}};
  std::vector<std::string_view> parts = split(text, ':');
  size_t i = 0;
  auto more = [&] { return parts.size() - i > 1; };  // the last part is always a name or a qualifier
  if (parts[0] == "arn" && parts.size() > 3 && parts[2] == "lambda") i = 3;
  if (more() && looks_like_region(parts[i])) ref.region = parts[i++];
  if (more() && parts[i].size() == 12 && all_digits(parts[i])) ref.account = parts[i++];
  if (more() && parts[i] == "function") ++i;
  ref.name = parts[i++];
  if (i < parts.size()) ref.qualifier = parts[i++];
  if (ref.name.empty() || i != parts.size()) return invalid_parameter("'" + std::string(text) + "' is no function name");
  if (ref.region != c.region) {
    return not_found("Functions from '" + ref.region + "' are not reachable in this region ('" + c.region + "')");
  }
  if (ref.account != c.account) {
    return user_fault("AccessDeniedException",
                      "User: " + c.principal_arn + " is not authorized to perform: lambda:" + c.operation + " on resource: " +
                          ref.arn() + " because no resource-based policy allows the lambda:" + c.operation + " action",
                      403);
  }
  if (qualifier && !qualifier->empty()) {
    if (!ref.qualifier.empty() && ref.qualifier != *qualifier) {
      return invalid_parameter("The derived qualifier from the function name does not match the specified qualifier.");
    }
    ref.qualifier = *qualifier;
  }
  return ref;
}

std::string LayerRef::arn() const {
  return "arn:aws:lambda:" + region + ":" + account + ":layer:" + name;
}
std::string LayerRef::version_arn() const {
  return arn() + ":" + std::to_string(version);
}

std::optional<LayerRef> parse_layer_ref(const aws::CallContext& c, std::string_view text) {
  LayerRef ref{c.account, c.region, std::string(text), 0};
  if (!text.starts_with("arn:"))
    return ref.name.empty() || ref.name.find(':') != std::string::npos ? std::nullopt : std::optional(ref);
  std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() < 7 || parts.size() > 8 || parts[2] != "lambda" || parts[5] != "layer") return std::nullopt;
  ref.region = parts[3];
  ref.account = parts[4];
  ref.name = parts[6];
  if (parts.size() == 8) {
    auto version = parse_int(parts[7]);
    if (!version || *version < 0) return std::nullopt;
    ref.version = *version;
  }
  return ref;
}

aws::Fault user_fault(std::string code, std::string message, int status) {
  Value extra = Value::object();
  extra.set("Type", "User");
  return {std::move(code), std::move(message), status, std::move(extra)};
}
aws::Fault unsupported(std::string_view member) {
  return invalid_parameter("savia does not support " + std::string(member) + " yet (docs/coverage.md)");
}
aws::Fault layer_denied(const aws::CallContext& c, const LayerRef& layer) {
  return user_fault("AccessDeniedException",
                    "User: " + c.principal_arn + " is not authorized to perform: lambda:GetLayerVersion on resource: " +
                        layer.version_arn() + " because no resource-based policy allows the lambda:GetLayerVersion action",
                    403);
}
aws::Fault wrong_revision() {
  return user_fault(
      "PreconditionFailedException",
      "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the "
      "latest Revision Id",
      412);
}

}  // namespace savia::lambda

// What AWS calls a function or a layer: names, partial and full ARNs, with and without a qualifier.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "aws/operation.h"
#include "base/result.h"

namespace savia::lambda {

inline constexpr std::string_view kLatest = "$LATEST";

struct FunctionRef {
  std::string account, region, name;
  std::string qualifier;  // "" when none was given

  std::string arn() const;            // without qualifier
  std::string qualified_arn() const;  // with it, when there is one
  std::string key() const { return account + '/' + region + '/' + name; }
  bool is_latest() const { return qualifier.empty() || qualifier == kLatest; }
};

// `text` is a FunctionName member: name, account:function:name, arn:… , each with or without ":qualifier". `qualifier` is the
// Qualifier member. Functions of another region or account are faults, as with AWS.
Result<FunctionRef, aws::Fault> parse_function_ref(const aws::CallContext& c, std::string_view text,
                                                   std::optional<std::string_view> qualifier = std::nullopt);

struct LayerRef {
  std::string account, region, name;
  int64_t version = 0;  // 0: none given
  std::string arn() const;
  std::string version_arn() const;
};
// A layer's name or ARN, or a layer version's ARN. Nothing when it is none.
std::optional<LayerRef> parse_layer_ref(const aws::CallContext& c, std::string_view text);

bool is_version_number(std::string_view s);

// A fault of the caller's, with the members that Lambda's error shapes have.
aws::Fault user_fault(std::string code, std::string message, int status = 400);
inline aws::Fault invalid_parameter(std::string message) {
  return user_fault("InvalidParameterValueException", std::move(message));
}
inline aws::Fault not_found(std::string message) {
  return user_fault("ResourceNotFoundException", std::move(message), 404);
}
inline aws::Fault conflict(std::string message) {
  return user_fault("ResourceConflictException", std::move(message), 409);
}
inline aws::Fault function_not_found(const std::string& arn) {
  return not_found("Function not found: " + arn);
}
aws::Fault unsupported(std::string_view member);
aws::Fault wrong_revision();
aws::Fault layer_denied(const aws::CallContext& c, const LayerRef& layer);  // another account's, not shared with the caller

}  // namespace savia::lambda

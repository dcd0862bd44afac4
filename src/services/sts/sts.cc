#include "services/sts/sts.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "sts_keys.h"

namespace savia::services {
namespace {

using aws::AccessKey;
using aws::CallContext;
using aws::Fault;
using aws::Outcome;
namespace k = sts::k;

constexpr int64_t kRoleSessionS = 3600;  // default of AssumeRole, and the most for chained roles
constexpr int64_t kRootSessionS = 3600;  // default and the most of GetSessionToken for an account's root

std::optional<Fault> refuse(std::string_view operation, const Value& in, std::initializer_list<std::string_view> members) {
  for (std::string_view member : members) {
    if (!in.has(member)) continue;
    return Fault(
        "NotImplemented",
        "savia does not implement " + std::string(member) + " of sts:" + std::string(operation) + " (docs/coverage.md)", 501);
  }
  return std::nullopt;
}

// Session tags are checked as AWS does before they are refused, so that a wrong request is told what is wrong.
std::optional<Fault> check_tags(const Value& in) {
  std::set<std::string> names;
  if (const Value::List* tags = in.list_at(k::Tags)) {
    for (const Value& tag : *tags) {
      if (!names.insert(to_lower(tag.str_or(k::Key, ""))).second) {
        return Fault("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.");
      }
    }
  }
  if (const Value::List* keys = in.list_at(k::TransitiveTagKeys)) {
    for (const Value& key : *keys) {
      if (!names.contains(to_lower(key.as_string()))) {
        return Fault("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.");
      }
    }
  }
  return std::nullopt;
}

struct RoleArn {
  std::string account;
  std::string name;  // without its path
};

// arn:aws:iam::123456789012:role/path/name
std::optional<RoleArn> parse_role_arn(std::string_view arn) {
  std::vector<std::string_view> parts = split(arn, ':');
  if (parts.size() != 6 || parts[0] != "arn" || parts[1].substr(0, 3) != "aws" || parts[2] != "iam") return std::nullopt;
  if (!aws::is_account_id(parts[4]) || parts[5].substr(0, 5) != "role/") return std::nullopt;
  std::string_view name = parts[5].substr(parts[5].rfind('/') + 1);
  if (name.empty()) return std::nullopt;
  return RoleArn{std::string(parts[4]), std::string(name)};
}

Value credentials(const AccessKey& key) {
  Value out;
  out.set(k::AccessKeyId, key.id);
  out.set(k::SecretAccessKey, key.secret);
  out.set(k::SessionToken, key.token);
  out.set(k::Expiration, Timestamp{key.expires_ms});
  return out;
}

bool is_session(const CallContext& c) {
  return c.principal_arn.find(":assumed-role/") != std::string::npos;
}

}  // namespace

std::vector<aws::Operation> Sts::operations() {
  return {
      {"GetCallerIdentity", [this](const CallContext& c, const Value& in) { return get_caller_identity(c, in); }},
      {"GetAccessKeyInfo", [this](const CallContext& c, const Value& in) { return get_access_key_info(c, in); }},
      {"AssumeRole", [this](const CallContext& c, const Value& in) { return assume_role(c, in); }},
      {"GetSessionToken", [this](const CallContext& c, const Value& in) { return get_session_token(c, in); }},
  };
}

Outcome Sts::get_caller_identity(const CallContext& c, const Value&) {
  Value out;
  out.set(k::UserId, c.user_id);
  out.set(k::Account, c.account);
  out.set(k::Arn, c.principal_arn);
  return out;
}

Outcome Sts::get_access_key_info(const CallContext&, const Value& in) {
  std::string id = in.str_or(k::AccessKeyId, "");
  auto known = keys_.find(id);
  if (!known.ok()) return Fault(known.error());
  std::optional<std::string> account = *known ? std::optional((*known)->account) : aws::account_in_key_id(id);
  if (!account) return Fault("ValidationError", "Invalid access key id: " + id);
  Value out;
  out.set(k::Account, *account);
  return out;
}

Outcome Sts::assume_role(const CallContext& c, const Value& in) {
  std::string arn = in.str_or(k::RoleArn, "");
  std::optional<RoleArn> role = parse_role_arn(arn);
  if (!role) return Fault("ValidationError", arn + " is invalid");
  if (auto fault = check_tags(in)) return std::move(*fault);
  if (auto fault = refuse("AssumeRole", in,
                          {k::Tags, k::TransitiveTagKeys, k::Policy, k::PolicyArns, k::ExternalId, k::SerialNumber,
                           k::TokenCode, k::SourceIdentity, k::ProvidedContexts})) {
    return std::move(*fault);
  }
  if (role->account != c.account && !options_.any_account) {
    return Fault("AccessDenied",
                 "User: " + c.principal_arn + " is not authorized to perform: sts:AssumeRole on resource: " + arn, 403);
  }
  int64_t duration_s = in.num_or(k::DurationSeconds, kRoleSessionS);
  if (is_session(c) && duration_s > kRoleSessionS) {
    return Fault("ValidationError",
                 "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining");
  }
  std::string session = in.str_or(k::RoleSessionName, "");
  aws::TemporaryKeySpec spec;
  spec.account = role->account;
  spec.principal_arn = "arn:aws:sts::" + role->account + ":assumed-role/" + role->name + "/" + session;
  spec.user_id = aws::principal_id("AROA", role->account, role->name) + ":" + session;
  spec.duration_s = duration_s;
  auto key = keys_.create_temporary(spec);
  if (!key.ok()) return Fault(key.error());
  Value user;
  user.set(k::AssumedRoleId, spec.user_id);
  user.set(k::Arn, spec.principal_arn);
  Value out;
  out.set(k::Credentials, credentials(*key));
  out.set(k::AssumedRoleUser, std::move(user));
  return out;
}

Outcome Sts::get_session_token(const CallContext& c, const Value& in) {
  if (auto fault = refuse("GetSessionToken", in, {k::SerialNumber, k::TokenCode})) return std::move(*fault);
  if (is_session(c) || c.access_key.substr(0, 4) == "ASIA") {
    return Fault("AccessDenied", "Cannot call GetSessionToken with session credentials", 403);
  }
  aws::TemporaryKeySpec spec{c.account, c.principal_arn, c.user_id,
                             std::min(in.num_or(k::DurationSeconds, kRootSessionS), kRootSessionS)};
  auto key = keys_.create_temporary(spec);
  if (!key.ok()) return Fault(key.error());
  Value out;
  out.set(k::Credentials, credentials(*key));
  return out;
}

}  // namespace savia::services

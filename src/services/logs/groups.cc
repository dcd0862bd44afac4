#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/strings.h"
#include "logs_keys.h"
#include "services/logs/service.h"

namespace savia::logs {
namespace {

// PutRetentionPolicy, AWS's API reference.
constexpr std::array<int64_t, 22> kRetentionDays = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                                    365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};
constexpr int64_t kListPage = 50;
constexpr std::string_view kStandard = "STANDARD";  // the only class; others are refused by name

std::optional<Fault> refuse_class(const CallContext& c, const Value& in) {
  const auto log_class = in.str(k::logGroupClass);
  if (!log_class || *log_class == kStandard) return std::nullopt;
  return Fault(
      "NotImplemented",
      "savia does not implement logGroupClass " + std::string(*log_class) + " of logs:" + c.operation + " (docs/coverage.md)",
      501);
}

// Accounts other than the caller's have nothing to show here.
bool asks_for_others(const CallContext& c, const Value& in) {
  const auto* accounts = in.list_at(k::accountIdentifiers);
  if (accounts == nullptr || accounts->empty()) return false;
  return std::none_of(accounts->begin(), accounts->end(),
                      [&](const Value& a) { return a.is_string() && a.as_string() == c.account; });
}

Fault protected_fault() {
  return {"ValidationException",
          "The log group has deletion protection enabled. Disable it with PutLogGroupDeletionProtection first."};
}

// "^/aws/lambda|orders": alternatives, each a beginning of the name after '^', else a part of it.
bool matches_alternatives(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) return true;
  const auto parts = split(pattern, '|');
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view p) {
    return !p.empty() && p[0] == '^' ? name.substr(0, p.size() - 1) == p.substr(1) : name.find(p) != std::string_view::npos;
  });
}

}  // namespace

Outcome Service::create_group(const CallContext& c, const Value& in) {
  if (auto fault = refuse(c, in, {k::kmsKeyId})) return *fault;
  if (auto fault = refuse_class(c, in)) return *fault;
  const Value* tags = in.object_at(k::tags);
  const Made made =
      TRY(store_.create_group(scope_of(c), in.str_or(k::logGroupName, ""), c.now_ms, tags == nullptr ? Tags{} : tags_in(*tags),
                              in.bool_or(k::deletionProtectionEnabled, false)));
  if (made == Made::kExisted) return Fault("ResourceAlreadyExistsException", "The specified log group already exists");
  return Value::object();
}

Outcome Service::delete_group(const CallContext& c, const Value& in) {
  const Changed changed = TRY(store_.delete_group(scope_of(c), in.str_or(k::logGroupName, ""),
                                                  [this](const std::vector<int64_t>& ids) { table_.deleted(ids); }));
  if (changed == Changed::kNotFound) return group_not_found();
  if (changed == Changed::kProtected) return protected_fault();
  wake_keeper(false);
  return Value::object();
}

// A search by pattern answers without sizes, as AWS does.
Result<Value> Service::describe_group(const CallContext& c, const GroupRow& g, bool with_details) {
  Value out = Value::object();
  out.set(k::logGroupName, g.name).set(k::creationTime, g.created_ms);
  if (g.retention_days > 0) out.set(k::retentionInDays, g.retention_days);
  out.set(k::metricFilterCount, 0).set(k::arn, group_arn(c, g.name) + ":*");
  if (with_details) {
    Summary sum;
    for (const NamedStream& s : TRY(table_.of_group(g.id, NameQuery{}))) sum.add(s.log->summary());
    const uint64_t stored = sum.message_bytes + sum.events * limits::kLogEventOverheadBytes;
    out.set(k::storedBytes, static_cast<int64_t>(stored));
    out.set(k::deletionProtectionEnabled, g.deletion_protected);
  }
  out.set(k::logGroupClass, kStandard).set(k::logGroupArn, group_arn(c, g.name));
  return out;
}

Outcome Service::describe_groups(const CallContext& c, const Value& in) {
  const auto prefix = in.str(k::logGroupNamePrefix);
  const auto pattern = in.str(k::logGroupNamePattern);
  if (prefix && pattern) {
    return invalid_parameter("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
  }
  Value groups = Value::list();
  if (const auto* identifiers = in.list_at(k::logGroupIdentifiers)) {
    if (prefix || pattern)
      return invalid_parameter("logGroupIdentifiers cannot be combined with a log group name prefix or pattern.");
    for (const Value& id : *identifiers) {
      auto row = group_named(c, id.as_string());
      if (row.ok()) groups.push(TRY(describe_group(c, *row, true)));
    }
    return Value::object().set(k::logGroups, std::move(groups));
  }
  NameQuery query;
  query.prefix = prefix.value_or("");
  query.pattern = pattern.value_or("");
  if (const auto token = in.str(k::nextToken)) {
    const auto after = read_token("groups", *token);
    if (!after) return invalid_token();
    query.after = *after;
  }
  const int64_t limit = in.num_or(k::limit, limits::kDescribePage);
  query.limit = limit + 1;
  std::vector<GroupRow> rows;
  const auto log_class = in.str(k::logGroupClass);
  if (!asks_for_others(c, in) && (!log_class || *log_class == kStandard)) rows = TRY(store_.groups(scope_of(c), query));
  const bool more = rows.size() > static_cast<size_t>(limit);
  if (more) rows.pop_back();
  for (const GroupRow& g : rows) groups.push(TRY(describe_group(c, g, !pattern)));
  Value out = Value::object();
  out.set(k::logGroups, std::move(groups));
  if (more) out.set(k::nextToken, make_token("groups", rows.back().name));
  return out;
}

Outcome Service::list_groups(const CallContext& c, const Value& in) {
  if (auto fault = refuse(c, in, {k::dataSources, "fieldIndexNames", "logGroupTags"})) return *fault;
  const std::string pattern = in.str_or(k::logGroupNamePattern, "");
  const auto limit = static_cast<size_t>(in.num_or(k::limit, kListPage));
  NameQuery query;
  if (const auto token = in.str(k::nextToken)) {
    const auto after = read_token("list", *token);
    if (!after) return invalid_token();
    query.after = *after;
  }
  std::vector<GroupRow> rows;
  const auto log_class = in.str(k::logGroupClass);
  if (!asks_for_others(c, in) && (!log_class || *log_class == kStandard)) rows = TRY(store_.groups(scope_of(c), query));
  std::erase_if(rows, [&](const GroupRow& g) { return !matches_alternatives(g.name, pattern); });
  Value groups = Value::list();
  for (size_t i = 0; i < std::min(limit, rows.size()); ++i) {
    Value g = Value::object();
    g.set(k::logGroupName, rows[i].name).set(k::logGroupArn, group_arn(c, rows[i].name)).set(k::logGroupClass, kStandard);
    groups.push(std::move(g));
  }
  Value out = Value::object();
  out.set(k::logGroups, std::move(groups));
  if (rows.size() > limit) out.set(k::nextToken, make_token("list", rows[limit - 1].name));
  return out;
}

Outcome Service::put_retention(const CallContext& c, const Value& in) {
  const int64_t days = in.num_or(k::retentionInDays, 0);
  if (std::find(kRetentionDays.begin(), kRetentionDays.end(), days) == kRetentionDays.end()) {
    std::vector<std::string> allowed;
    allowed.reserve(kRetentionDays.size());
    for (const int64_t d : kRetentionDays) allowed.push_back(std::to_string(d));
    return invalid_parameter("1 validation error detected: Value '" + std::to_string(days) +
                             "' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [" +
                             join(allowed, ", ") + "]");
  }
  const Changed changed = TRY(store_.set_retention(scope_of(c), in.str_or(k::logGroupName, ""), days));
  if (changed == Changed::kNotFound) return group_not_found();
  return Value::object();
}

Outcome Service::delete_retention(const CallContext& c, const Value& in) {
  const Changed changed = TRY(store_.set_retention(scope_of(c), in.str_or(k::logGroupName, ""), 0));
  if (changed == Changed::kNotFound) return group_not_found();
  return Value::object();
}

Outcome Service::put_deletion_protection(const CallContext& c, const Value& in) {
  const GroupRow group = TRY(group_of(c, in));
  const Changed changed =
      TRY(store_.set_deletion_protection(scope_of(c), group.name, in.bool_or(k::deletionProtectionEnabled, false)));
  if (changed == Changed::kNotFound) return group_not_found();
  return Value::object();
}

}  // namespace savia::logs

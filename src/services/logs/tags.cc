#include "base/limits.h"
#include "logs_keys.h"
#include "services/logs/service.h"

namespace savia::logs {
namespace {

std::vector<std::string> keys_in(const Value& in, std::string_view member) {
  std::vector<std::string> out;
  if (const auto* list = in.list_at(member)) {
    for (const Value& key : *list) {
      if (key.is_string()) out.push_back(key.as_string());
    }
  }
  return out;
}

}  // namespace

Outcome Service::add_tags(const CallContext& c, const GroupRow& group, const Value& in) {
  const Value* map = in.object_at(k::tags);
  const Tags tags = map == nullptr ? Tags{} : tags_in(*map);
  for (const auto& [key, value] : tags) {
    if (key.substr(0, 4) == "aws:") return invalid_parameter("Tag keys that begin with 'aws:' are reserved: " + key);
  }
  const Changed changed = TRY(store_.add_tags(group.id, tags));
  if (changed == Changed::kNotFound) return group_not_found();
  if (changed == Changed::kTooMany) {
    return Fault("TooManyTagsException", "A log group can have at most " + std::to_string(limits::kTagsPerResource) + " tags.",
                 400, Value::object().set(k::resourceName, group_arn(c, group.name)));
  }
  return Value::object();
}

Outcome Service::tags_of(const GroupRow& group) {
  Value tags = Value::object();
  for (const auto& [key, value] : TRY(store_.tags(group.id))) tags.set(key, value);
  return Value::object().set(k::tags, std::move(tags));
}

Outcome Service::tag_group(const CallContext& c, const Value& in) {
  return add_tags(c, TRY(group_of(c, in)), in);
}
Outcome Service::list_tags_of_group(const CallContext& c, const Value& in) {
  return tags_of(TRY(group_of(c, in)));
}
Outcome Service::untag_group(const CallContext& c, const Value& in) {
  const GroupRow group = TRY(group_of(c, in));
  TRY(store_.remove_tags(group.id, keys_in(in, k::tags)));
  return Value::object();
}

Outcome Service::tag_resource(const CallContext& c, const Value& in) {
  return add_tags(c, TRY(group_named(c, in.str_or(k::resourceArn, ""))), in);
}
Outcome Service::list_tags_for_resource(const CallContext& c, const Value& in) {
  return tags_of(TRY(group_named(c, in.str_or(k::resourceArn, ""))));
}
Outcome Service::untag_resource(const CallContext& c, const Value& in) {
  const GroupRow group = TRY(group_named(c, in.str_or(k::resourceArn, "")));
  TRY(store_.remove_tags(group.id, keys_in(in, k::tagKeys)));
  return Value::object();
}

}  // namespace savia::logs

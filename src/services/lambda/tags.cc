#include "base/limits.h"
#include "base/strings.h"
#include "services/lambda/control.h"

namespace savia::lambda {

Result<FunctionRef, Fault> Control::tagged_function(const CallContext& c, const Value& in) {
  std::string arn = in.str_or(k::Resource, "");
  std::vector<std::string_view> parts = split(arn, ':');
  if (parts.size() > 5 && parts[5] != "function") return unsupported("tags of resource type " + std::string(parts[5]));
  FunctionRef f = TRY(parse_function_ref(c, arn));
  if (!f.qualifier.empty()) {
    return invalid_parameter("Tags on function aliases and versions are not supported. Please specify a function ARN.");
  }
  return f;
}

Outcome Control::tag_resource(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(tagged_function(c, in));
  const Value* tags = in.object_at(k::Tags);
  if (tags == nullptr || tags->size() == 0) return invalid_parameter("An error occurred and the request cannot be processed.");
  auto lock = lock_function(f);
  return write([&](Tx& tx) -> Outcome {
    FunctionRow row = TRY(need_function(tx, f));
    for (const Value::Member& m : tags->as_object()) row.tags.set(m.first, m.second);
    if (row.tags.size() > limits::kTagsPerResource) return invalid_parameter("Number of tags exceeds resource tag limit.");
    TRY(store::update_function(tx, row));
    TRY(renew_revision(tx, f));
    return Value::object();
  });
}

Outcome Control::untag_resource(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(tagged_function(c, in));
  auto lock = lock_function(f);
  return write(
      [&](Tx& tx) -> Outcome {
        FunctionRow row = TRY(need_function(tx, f));
        if (const Value::List* keys = in.list_at(k::TagKeys)) {
          for (const Value& key : *keys) {
            if (key.is_string()) row.tags.erase(key.as_string());
          }
        }
        TRY(store::update_function(tx, row));
        TRY(renew_revision(tx, f));
        return Value::object();
      },
      state::WriteKind::kFree);
}

Outcome Control::list_tags(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(tagged_function(c, in));
  return read([&](Tx& tx) -> Outcome {
    FunctionRow row = TRY(need_function(tx, f));
    Value out = Value::object();
    out.set(k::Tags, std::move(row.tags));
    return out;
  });
}

}  // namespace savia::lambda

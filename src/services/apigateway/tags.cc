// Tags of APIs and stages, by ARN: arn:aws:apigateway:us-east-1::/restapis/a1b2c3d4e5[/stages/dev], …::/apis/… for HTTP APIs.
// Both services answer for both kinds, as AWS does. And the account's settings.
#include "base/strings.h"
#include "services/apigateway/bodies.h"

namespace savia::apigateway {

namespace {

struct Tagged {
  Api api;
  std::optional<Stage> stage;
  std::string member;  // "tags" or "Tags", as the operations of its kind spell it
  Value& doc() { return stage ? stage->doc : api.doc; }
};

Checked<Tagged> find_tagged(Store& store, const CallContext& c, const std::string& arn) {
  // arn : aws : apigateway : region : (no account) : /restapis/<id>[/stages/<name>]
  const std::string decoded = percent_decode(arn);
  const std::vector<std::string_view> parts = split(decoded, ':');
  if (parts.size() != 6 || parts[0] != "arn" || parts[2] != "apigateway") {
    return bad_request("Invalid ARN specified in the request");
  }
  const std::vector<std::string_view> path = split(parts[5], '/');  // "", "restapis", id, "stages", name
  const bool rest = path.size() > 1 && path[1] == "restapis";
  const bool http = path.size() > 1 && path[1] == "apis";
  const bool stage = path.size() == 5 && path[3] == "stages";
  if ((!rest && !http) || (path.size() != 3 && !stage)) return bad_request("Invalid ARN specified in the request");
  Tagged t{TRY(need_api(store, c, path[2], rest ? Kind::kRest : Kind::kHttp)), std::nullopt, rest ? "tags" : "Tags"};
  if (parts[3] != c.region) return not_found("Invalid API identifier specified " + c.account + ":" + std::string(path[2]));
  if (stage) {
    t.stage = TRY(store.stage(t.api.id, path[4]));
    if (!t.stage) return not_found("Invalid stage identifier specified");
  }
  return t;
}

Outcome change_tags(Core& core, const CallContext& c, const std::string& arn, const std::function<void(Value& tags)>& change) {
  return write(core, [&](Store& store) -> Outcome {
    Tagged t = TRY(find_tagged(store, c, arn));
    Value& doc = t.doc();
    if (doc.object_at(t.member) == nullptr) doc.set(t.member, Value::object());
    change(*doc.find(t.member));
    TRY(check_tags(doc.find(t.member)));
    if (doc.find(t.member)->size() == 0) doc.erase(t.member);
    if (t.stage) {
      TRY(store.put_stage(t.api.id, *t.stage));
    } else {
      TRY(store.set_api_doc(t.api.id, t.api.doc));
    }
    return Value::object();
  });
}

Outcome tag(Core& core, const CallContext& c, const std::string& arn, const Value* tags) {
  return change_tags(core, c, arn, [&](Value& now) {
    if (tags == nullptr || !tags->is_object()) return;
    for (const auto& [key, value] : tags->as_object()) now.set(key, value);
  });
}

Outcome untag(Core& core, const CallContext& c, const std::string& arn, const Value::List* keys) {
  return change_tags(core, c, arn, [&](Value& now) {
    if (keys == nullptr) return;
    for (const Value& key : *keys) now.erase(key.as_string());
  });
}

Outcome show(Core& core, const CallContext& c, const std::string& arn, std::string_view member) {
  return read(core, [&](Store& store) -> Outcome {
    Tagged t = TRY(find_tagged(store, c, arn));
    const Value* tags = t.doc().object_at(t.member);
    return Value::object().set(member, tags == nullptr ? Value::object() : *tags);
  });
}

// AWS's defaults for an account; the edge does not throttle yet.
constexpr int kAccountBurst = 5000;
constexpr double kAccountRate = 10000.0;

}  // namespace

namespace rest {
Outcome TagResource(Core& core, const CallContext& c, const Value& in) {
  return tag(core, c, in.str_or("resourceArn", ""), in.find("tags"));
}
Outcome UntagResource(Core& core, const CallContext& c, const Value& in) {
  return untag(core, c, in.str_or("resourceArn", ""), in.list_at("tagKeys"));
}
Outcome GetTags(Core& core, const CallContext& c, const Value& in) {
  return show(core, c, in.str_or("resourceArn", ""), "tags");
}
Outcome GetAccount(Core&, const CallContext&, const Value&) {
  Value throttle = Value::object();
  throttle.set("burstLimit", kAccountBurst).set("rateLimit", kAccountRate);
  Value out = Value::object();
  out.set("throttleSettings", std::move(throttle));
  out.set("features", Value::List{"UsagePlans"}).set("apiKeyVersion", "4");
  return out;
}
}  // namespace rest

namespace http {
Outcome TagResource(Core& core, const CallContext& c, const Value& in) {
  return tag(core, c, in.str_or("ResourceArn", ""), in.find("Tags"));
}
Outcome UntagResource(Core& core, const CallContext& c, const Value& in) {
  return untag(core, c, in.str_or("ResourceArn", ""), in.list_at("TagKeys"));
}
Outcome GetTags(Core& core, const CallContext& c, const Value& in) {
  return show(core, c, in.str_or("ResourceArn", ""), "Tags");
}
}  // namespace http

}  // namespace savia::apigateway

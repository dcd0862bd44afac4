// Who else may use a layer version: statements as AWS prints them, and the question whether they let an account in.
#include "base/strings.h"
#include "codec/json.h"
#include "services/lambda/control.h"

namespace savia::lambda {
namespace {

Fault no_version(const LayerRef& layer) {
  return not_found("Layer version " + layer.version_arn() + " does not exist.");
}
Fault wrong_layer_revision() {
  return user_fault(
      "PreconditionFailedException",
      "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest "
      "Revision Id",
      412);
}

Value make_statement(const LayerRef& layer, const Value& in) {
  const std::string principal = in.str_or(k::Principal, "");
  Value who = principal;
  if (principal != "*") {
    std::string arn = principal.starts_with("arn:") ? principal : "arn:aws:iam::" + principal + ":root";
    who = Value::object().set("AWS", std::move(arn));
  }
  Value s = Value::object();
  s.set("Sid", in.str_or(k::StatementId, ""))
      .set("Effect", "Allow")
      .set("Principal", std::move(who))
      .set("Action", in.str_or(k::Action, ""))
      .set("Resource", layer.version_arn());
  if (auto organization = in.str(k::OrganizationId)) {
    s.set("Condition", Value::object().set("StringEquals", Value::object().set("aws:PrincipalOrgID", *organization)));
  }
  return s;
}

// Statements with conditions let nobody in: there are no organizations here.
bool lets_in(const Value& statement, const std::string& account) {
  if (statement.has("Condition")) return false;
  if (statement.str("Principal") == "*") return true;
  const Value* who = statement.object_at("Principal");
  return who != nullptr && who->str_or("AWS", "").starts_with("arn:aws:iam::" + account + ":");
}

}  // namespace

Result<LayerRef, Fault> Control::shared_layer(const CallContext& c, const Value& in) {
  auto layer = parse_layer_ref(c, in.str_or(k::LayerName, ""));
  if (!layer) return invalid_parameter("'" + in.str_or(k::LayerName, "") + "' is no layer's name");
  layer->version = in.num_or(k::VersionNumber, 0);
  if (layer->version < 1) return invalid_parameter("Layer Version Cannot be less than 1");
  if (layer->account != c.account || layer->region != c.region) return no_version(*layer);
  return std::move(*layer);
}

Result<bool> Control::may_use_layer(Tx& tx, const CallContext& c, const LayerRef& layer) {
  if (layer.account == c.account) return true;
  for (const Value& s : TRY(store::layer_policy(tx, layer)).statements) {
    if (lets_in(s, c.account)) return true;
  }
  return false;
}

Outcome Control::add_layer_version_permission(const CallContext& c, const Value& in) {
  LayerRef layer = TRY(shared_layer(c, in));
  const std::string sid = in.str_or(k::StatementId, "");
  return write([&](Tx& tx) -> Outcome {
    if (!TRY(store::layer_version(tx, layer))) return no_version(layer);
    LayerPolicyRow policy = TRY(store::layer_policy(tx, layer));
    if (auto wanted = in.str(k::RevisionId); wanted && *wanted != policy.revision) return wrong_layer_revision();
    for (const Value& s : policy.statements) {
      if (s.str("Sid") != sid) continue;
      return conflict("The statement id (" + sid +
                      ") provided already exists. Please provide a new statement id, or remove the existing statement.");
    }
    policy.statements.push_back(make_statement(layer, in));
    policy.revision = new_id();
    TRY(store::put_layer_policy(tx, layer, policy));
    Value out = Value::object();
    out.set(k::Statement, to_json(policy.statements.back())).set(k::RevisionId, policy.revision);
    return out;
  });
}

Outcome Control::remove_layer_version_permission(const CallContext& c, const Value& in) {
  LayerRef layer = TRY(shared_layer(c, in));
  const std::string sid = in.str_or(k::StatementId, "");
  return write(
      [&](Tx& tx) -> Outcome {
        if (!TRY(store::layer_version(tx, layer))) return no_version(layer);
        LayerPolicyRow policy = TRY(store::layer_policy(tx, layer));
        if (auto wanted = in.str(k::RevisionId); wanted && *wanted != policy.revision) return wrong_layer_revision();
        if (std::erase_if(policy.statements, [&](const Value& s) { return s.str("Sid") == sid; }) == 0) {
          return not_found("Statement " + sid + " is not found in resource policy.");
        }
        policy.revision = new_id();
        TRY(store::put_layer_policy(tx, layer, policy));
        return Value::object();
      },
      state::WriteKind::kFree);
}

Outcome Control::get_layer_version_policy(const CallContext& c, const Value& in) {
  LayerRef layer = TRY(shared_layer(c, in));
  return read([&](Tx& tx) -> Outcome {
    if (!TRY(store::layer_version(tx, layer))) return no_version(layer);
    LayerPolicyRow row = TRY(store::layer_policy(tx, layer));
    if (row.statements.empty()) return not_found("No policy is associated with the given resource.");
    Value list = Value::list(), policy = Value::object(), out = Value::object();
    for (Value& s : row.statements) list.push(std::move(s));
    policy.set("Version", "2012-10-17").set("Id", "default").set("Statement", std::move(list));
    out.set(k::Policy, to_json(policy)).set(k::RevisionId, row.revision);
    return out;
  });
}

}  // namespace savia::lambda

// Resource policies: statements of functions, versions and aliases, printed as AWS prints them. Nothing is decided by them yet
// beyond what the front's authorizer asks for.
#include "base/strings.h"
#include "codec/json.h"
#include "services/lambda/control.h"

namespace savia::lambda {
namespace {

Value make_principal(const std::string& principal) {
  if (principal == "*") return Value("*");
  Value v = Value::object();
  bool account = principal.size() == 12 && principal.find_first_not_of("0123456789") == std::string::npos;
  if (account) {
    v.set("AWS", "arn:aws:iam::" + principal + ":root");
  } else if (principal.starts_with("arn:")) {
    v.set("AWS", principal);
  } else {
    v.set("Service", principal);
  }
  return v;
}

Value make_statement(const FunctionRef& f, const Value& in) {
  Value s = Value::object();
  s.set("Sid", in.str_or(k::StatementId, ""))
      .set("Effect", "Allow")
      .set("Principal", make_principal(in.str_or(k::Principal, "")))
      .set("Action", in.str_or(k::Action, ""))
      .set("Resource", f.qualified_arn());
  Value equals = Value::object(), condition = Value::object();
  if (auto v = in.str(k::PrincipalOrgID)) equals.set("aws:PrincipalOrgID", *v);
  if (auto v = in.str(k::SourceAccount)) equals.set("AWS:SourceAccount", *v);
  if (auto v = in.str(k::EventSourceToken)) equals.set("lambda:EventSourceToken", *v);
  if (equals.size() > 0) condition.set("StringEquals", std::move(equals));
  if (auto v = in.str(k::SourceArn)) {
    Value like = Value::object();
    like.set("AWS:SourceArn", *v);
    condition.set("ArnLike", std::move(like));
  }
  if (condition.size() > 0) s.set("Condition", std::move(condition));
  return s;
}

}  // namespace

Result<std::string, Fault> Control::revision_of(Tx& tx, const FunctionRef& f) {
  if (!f.is_latest() && !is_version_number(f.qualifier)) {
    auto alias = TRY(store::alias(tx, f, f.qualifier));
    if (!alias) return function_not_found(f.qualified_arn());
    return alias->revision;
  }
  return TRY(need_version(tx, f)).config.str_or(k::RevisionId, "");
}

// Policy and tags are part of what a RevisionId stands for; the engine need not know.
Result<void, Fault> Control::renew_revision(Tx& tx, const FunctionRef& f) {
  if (!f.is_latest() && !is_version_number(f.qualifier)) {
    auto alias = TRY(store::alias(tx, f, f.qualifier));
    if (!alias) return function_not_found(f.qualified_arn());
    alias->revision = new_id();
    TRY(store::put_alias(tx, f, *alias));
    return {};
  }
  VersionRow row = TRY(need_version(tx, f));
  row.config.set(k::RevisionId, new_id());
  TRY(store::put_version(tx, f, row));
  return {};
}

Outcome Control::add_permission(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, ""), in.str(k::Qualifier)));
  if (f.qualifier == kLatest) return invalid_parameter("We currently do not support adding policies for $LATEST.");
  for (std::string_view member : {k::FunctionUrlAuthType, k::InvokedViaFunctionUrl}) {
    if (in.has(member)) return unsupported(member);
  }
  auto lock = lock_function(f);
  return write([&](Tx& tx) -> Outcome {
    FunctionRef whole = f;
    whole.qualifier.clear();
    TRY(need_function(tx, whole));
    std::string revision = TRY(revision_of(tx, f));
    if (auto wanted = in.str(k::RevisionId); wanted && *wanted != revision) return wrong_revision();
    StatementRow row{in.str_or(k::StatementId, ""), make_statement(f, in)};
    for (const StatementRow& s : TRY(store::statements(tx, f, f.qualifier))) {
      if (s.sid != row.sid) continue;
      return conflict("The statement id (" + row.sid +
                      ") provided already exists. Please provide a new statement id, or remove the existing statement.");
    }
    TRY(store::insert_statement(tx, f, f.qualifier, row));
    TRY(renew_revision(tx, f));
    Value out = Value::object();
    out.set(k::Statement, to_json(row.statement));
    return out;
  });
}

Outcome Control::remove_permission(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, ""), in.str(k::Qualifier)));
  std::string sid = in.str_or(k::StatementId, "");
  auto lock = lock_function(f);
  return write(
      [&](Tx& tx) -> Outcome {
        if (!TRY(store::function(tx, f))) return not_found("No policy found for: " + f.qualified_arn());
        if (auto wanted = in.str(k::RevisionId)) {
          if (TRY(revision_of(tx, f)) != *wanted) return wrong_revision();
        }
        bool there = TRY(store::delete_statement(tx, f, f.qualifier == kLatest ? "" : f.qualifier, sid));
        if (!there) return not_found("Statement " + sid + " is not found in resource policy.");
        TRY(renew_revision(tx, f));
        return Value::object();
      },
      state::WriteKind::kFree);
}

Outcome Control::get_policy(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, ""), in.str(k::Qualifier)));
  return read([&](Tx& tx) -> Outcome {
    auto missing = [] { return not_found("The resource you requested does not exist."); };
    if (!TRY(store::function(tx, f))) return missing();
    std::vector<StatementRow> rows = TRY(store::statements(tx, f, f.qualifier));
    if (rows.empty()) return missing();
    Value list = Value::list(), policy = Value::object(), out = Value::object();
    for (StatementRow& r : rows) list.push(std::move(r.statement));
    policy.set("Version", "2012-10-17").set("Id", "default").set("Statement", std::move(list));
    out.set(k::Policy, to_json(policy)).set(k::RevisionId, TRY(revision_of(tx, f)));
    return out;
  });
}

}  // namespace savia::lambda

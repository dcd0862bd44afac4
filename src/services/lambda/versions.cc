#include "services/lambda/control.h"

namespace savia::lambda {

// A version is $LATEST as it is now, under a number. When nothing changed since the last one was made, that one is the answer.
Result<VersionRow, Fault> Control::publish(Tx& tx, const FunctionRef& f, FunctionRow& function, const VersionRow& latest,
                                           const Value& in) {
  if (function.published_spec == latest.spec_revision) {
    if (auto last = TRY(store::version(tx, f, function.last_version))) return std::move(*last);
  }
  VersionRow row = latest;
  row.version = ++function.last_version;
  function.published_spec = latest.spec_revision;
  std::string number = std::to_string(row.version);
  row.config.set(k::Version, number).set(k::FunctionArn, f.arn() + ":" + number).set(k::RevisionId, new_id());
  if (in.has(k::Description)) row.config.set(k::Description, *in.find(k::Description));
  row.spec_revision = new_id();
  TRY(store::put_version(tx, f, row));
  TRY(store::update_function(tx, function));
  return row;
}

Outcome Control::publish_version(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  f.qualifier.clear();
  if (in.has(k::PublishTo)) return unsupported(k::PublishTo);
  auto lock = lock_function(f);
  VersionRow latest;
  TRY(read([&](Tx& tx) -> Outcome {
    latest = TRY(need_version(tx, f));
    return Value();
  }));
  if (auto revision = in.str(k::RevisionId); revision && *revision != latest.config.str(k::RevisionId)) return wrong_revision();
  std::string sha = latest.config.str_or(k::CodeSha256, "");
  if (auto wanted = in.str(k::CodeSha256); wanted && !wanted->empty() && *wanted != sha) {
    return invalid_parameter("CodeSHA256 (" + std::string(*wanted) + ") is different from current CodeSHA256 in $LATEST (" +
                             sha + "). Please try again with the CodeSHA256 in $LATEST.");
  }
  Folders where = TRY(folders(latest));
  return write([&](Tx& tx) -> Outcome {
    FunctionRow function = TRY(need_function(tx, f));
    int64_t before = function.last_version;
    VersionRow row = TRY(publish(tx, f, function, latest, in));
    if (row.version > before) tx.after_commit([this, f, row, where] { tell_version(f, row, where); });
    return show(row, ShownState::kActive);
  });
}

Outcome Control::list_versions_by_function(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  f.qualifier.clear();
  Page page = TRY(page_of(in, 50));
  return read([&](Tx& tx) -> Outcome {
    TRY(need_function(tx, f));
    int64_t after = page.after.empty() ? -1 : std::strtoll(page.after.c_str(), nullptr, 10);
    Value::List items;
    std::vector<std::string> keys;
    for (const VersionRow& row : TRY(store::versions(tx, f, after, page.limit + 1))) {
      Value v = show(row, ShownState::kNone);
      if (row.version == 0) v.set(k::FunctionArn, f.arn() + ":" + std::string(kLatest));
      items.push_back(std::move(v));
      keys.push_back(std::to_string(row.version));
    }
    Value out = Value::object();
    end_page(out, items, keys, page);
    out.set(k::Versions, std::move(items));
    return out;
  });
}

}  // namespace savia::lambda

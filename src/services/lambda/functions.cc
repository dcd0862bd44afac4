#include "base/limits.h"
#include "base/log.h"
#include "services/lambda/control.h"

namespace savia::lambda {

Outcome Control::create_function(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  constexpr size_t kMostName = 64;
  if (f.name.size() > kMostName) {
    return invalid_parameter(
        "1 validation error detected: Value '" + f.name +
        "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64");
  }
  if (!f.is_latest()) return invalid_parameter("A new function has no version or alias '" + f.qualifier + "' to be named by.");
  f.qualifier.clear();
  if (auto fault = check_create(c, in)) return std::move(*fault);
  auto exists = [&] { return conflict("Function already exist: " + f.name); };
  auto lock = lock_function(f);
  TRY(read([&](Tx& tx) -> Outcome {  // before megabytes are unpacked for nothing
    if (TRY(store::function(tx, f))) return exists();
    return Value();
  }));

  const Value* code = in.object_at(k::Code);
  const Value* zip_file = code == nullptr ? nullptr : code->find(k::ZipFile);
  if (zip_file == nullptr || !zip_file->is_blob()) return invalid_parameter("Please provide a source for function code.");
  CodeStore::Zip zip = TRY(take_zip(zip_file->as_blob()));
  VersionRow row = TRY(new_version_row(c, f, in, zip));
  Folders where = TRY(folders(row));

  FunctionRow function{f.account, f.region, f.name, 0, "", std::nullopt, Value::object()};
  if (const Value* tags = in.object_at(k::Tags)) function.tags = *tags;
  bool publish_too = in.bool_or(k::Publish, false);
  Outcome out = write([&](Tx& tx) -> Outcome {
    if (TRY(store::function(tx, f))) return exists();
    TRY(store::insert_function(tx, function, clock_.now_ms()));
    TRY(store::put_version(tx, f, row));
    VersionRow shown = row;
    if (publish_too) shown = TRY(publish(tx, f, function, row, Value::object()));
    tx.after_commit([this, f, row, shown, where] {
      tell_version(f, row, where);
      if (shown.version != 0) tell_version(f, shown, where);
    });
    return show_going_on(shown, ShownState::kCreating);
  });
  events_.wake();
  return out;
}

Outcome Control::get_function(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, ""), in.str(k::Qualifier)));
  FunctionRow function;
  VersionRow row;
  TRY(read([&](Tx& tx) -> Outcome {
    function = TRY(need_function(tx, f));
    row = TRY(need_version(tx, f));
    return Value();
  }));
  Value configuration = show(row, ShownState::kActive);
  if (f.qualifier == kLatest) configuration.set(k::FunctionArn, f.arn() + ":" + std::string(kLatest));
  Value code = Value::object(), out = Value::object();
  code.set(k::RepositoryType, "S3").set(k::Location, TRY(download_url(c, row.code)));
  out.set(k::Configuration, std::move(configuration)).set(k::Code, std::move(code));
  if (function.tags.size() > 0) out.set(k::Tags, function.tags);
  if (function.reserved_concurrency) {
    Value concurrency = Value::object();
    concurrency.set(k::ReservedConcurrentExecutions, *function.reserved_concurrency);
    out.set(k::Concurrency, std::move(concurrency));
  }
  return out;
}

Outcome Control::get_function_configuration(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, ""), in.str(k::Qualifier)));
  return read([&](Tx& tx) -> Outcome {
    VersionRow row = TRY(need_version(tx, f));
    Value v = show(row, ShownState::kActive);
    if (f.qualifier == kLatest) v.set(k::FunctionArn, f.arn() + ":" + std::string(kLatest));
    return v;
  });
}

Outcome Control::delete_function(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, ""), in.str(k::Qualifier)));
  // As AWS: told before it is known whether there is such a function.
  if (f.qualifier == kLatest) return invalid_parameter("$LATEST version cannot be deleted without deleting the function.");
  auto lock = lock_function(f);
  Outcome out = write(
      [&](Tx& tx) -> Outcome {
        FunctionRef whole = f;
        whole.qualifier.clear();
        TRY(need_function(tx, whole));
        Value deleted = Value::object();
        deleted.set(k::StatusCode, 204);
        if (f.qualifier.empty()) {
          TRY(store::delete_function(tx, f));
          tx.after_commit([this, whole] { forget(whole, ""); });
          return deleted;
        }
        if (!is_version_number(f.qualifier)) return invalid_parameter("Deletion of aliases is not currently supported.");
        for (const AliasRow& a : TRY(store::aliases(tx, f, "", limits::kVersionsPerFunction))) {
          if (a.version != f.qualifier && !a.routing.has(f.qualifier)) continue;
          return conflict("Version " + f.qualifier + " is in use by alias " + f.arn() + ":" + a.name +
                          " and cannot be deleted.");
        }
        bool there = TRY(store::delete_version(tx, f, std::stoll(f.qualifier)));
        if (there) tx.after_commit([this, whole, version = f.qualifier] { forget(whole, version); });
        return deleted;  // as AWS: also where the version was not there
      },
      state::WriteKind::kFree);
  events_.wake();
  return out;
}

Outcome Control::list_functions(const CallContext& c, const Value& in) {
  Page page = TRY(page_of(in, 50));
  if (in.str(k::MasterRegion).value_or("ALL") != "ALL" && in.str(k::MasterRegion) != c.region)
    return unsupported(k::MasterRegion);
  bool all = in.str(k::FunctionVersion) == "ALL";
  return read([&](Tx& tx) -> Outcome {
    Value::List items;
    std::vector<std::string> keys;
    // The key of a version is "name version"; names hold no space.
    size_t space = page.after.find(' ');
    std::string name = page.after.substr(0, space);
    int64_t version = space == std::string::npos ? -1 : std::strtoll(page.after.c_str() + space, nullptr, 10);
    auto take = [&](const std::string& function, int64_t after) -> Result<void, Fault> {
      FunctionRef f{c.account, c.region, function, {}};
      int64_t most = all ? page.limit + 1 - static_cast<int64_t>(items.size()) : 1;
      for (const VersionRow& row : TRY(store::versions(tx, f, after, most))) {
        Value v = show(row, ShownState::kNone);
        if (all && row.version == 0) v.set(k::FunctionArn, f.arn() + ":" + std::string(kLatest));
        items.push_back(std::move(v));
        keys.push_back(all ? function + " " + std::to_string(row.version) : function);
      }
      return {};
    };
    if (all && !name.empty()) TRY(take(name, version));
    for (const std::string& n : TRY(store::function_names(tx, c.account, c.region, name, page.limit + 1))) {
      if (static_cast<int64_t>(items.size()) > page.limit) break;
      TRY(take(n, -1));
    }
    Value out = Value::object();
    end_page(out, items, keys, page);
    out.set(k::Functions, std::move(items));
    return out;
  });
}

}  // namespace savia::lambda

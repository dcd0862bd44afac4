#include "services/lambda/control.h"

namespace savia::lambda {

Outcome Control::update_function_code(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  f.qualifier.clear();
  if (auto fault = check_update(c, in)) return std::move(*fault);
  const Value* zip_file = in.find(k::ZipFile);
  if (zip_file == nullptr || !zip_file->is_blob()) return invalid_parameter("Please provide a source for function code.");
  auto lock = lock_function(f);
  FunctionRow function;
  VersionRow row;
  TRY(read([&](Tx& tx) -> Outcome {
    function = TRY(need_function(tx, f));
    row = TRY(need_version(tx, f));
    return Value();
  }));
  if (auto revision = in.str(k::RevisionId); revision && *revision != row.config.str(k::RevisionId)) return wrong_revision();
  CodeStore::Zip zip = TRY(take_zip(zip_file->as_blob()));
  set_code(row, zip);
  if (auto fault = check_unpacked(row)) return std::move(*fault);
  row.config.set(k::LastModified, format_lambda_time(clock_.now_ms())).set(k::RevisionId, new_id());
  row.spec_revision = new_id();
  if (in.bool_or(k::DryRun, false)) return show(row, ShownState::kActive);
  Folders where = TRY(folders(row));
  bool publish_too = in.bool_or(k::Publish, false);
  Outcome out = write([&](Tx& tx) -> Outcome {
    TRY(store::put_version(tx, f, row));
    VersionRow shown = row;
    if (publish_too) shown = TRY(publish(tx, f, function, row, Value::object()));
    tx.after_commit([this, f, row, shown, where] {
      tell_version(f, row, where);
      if (shown.version != 0) tell_version(f, shown, where);
    });
    return show_going_on(shown, publish_too ? ShownState::kCreating : ShownState::kUpdating);
  });
  events_.wake();
  return out;
}

Outcome Control::update_function_configuration(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  f.qualifier.clear();
  if (auto fault = check_update(c, in)) return std::move(*fault);
  auto lock = lock_function(f);
  VersionRow row;
  TRY(read([&](Tx& tx) -> Outcome {
    row = TRY(need_version(tx, f));
    return Value();
  }));
  if (auto revision = in.str(k::RevisionId); revision && *revision != row.config.str(k::RevisionId)) return wrong_revision();
  if (auto fault = apply_configuration(c, in, row)) return std::move(*fault);
  Folders where = TRY(folders(row));
  return write([&](Tx& tx) -> Outcome {
    TRY(store::put_version(tx, f, row));
    tx.after_commit([this, f, row, where] { tell_version(f, row, where); });
    return show_going_on(row, ShownState::kUpdating);
  });
}

}  // namespace savia::lambda

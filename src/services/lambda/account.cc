#include "base/limits.h"
#include "services/lambda/control.h"

namespace savia::lambda {

Outcome Control::get_account_settings(const CallContext& c, const Value&) {
  return read([&](Tx& tx) -> Outcome {
    store::Usage used = TRY(store::usage(tx, c.account, c.region));
    int64_t reserved = TRY(store::reserved_sum(tx, c.account, c.region, ""));
    Value limit = Value::object(), usage = Value::object(), out = Value::object();
    limit.set(k::TotalCodeSize, limits::kCodeStorageBytes)
        .set(k::CodeSizeUnzipped, limits::kUnzippedBytes)
        .set(k::CodeSizeZipped, limits::kZipUploadBytes)
        .set(k::ConcurrentExecutions, limits::kAccountConcurrency)
        .set(k::UnreservedConcurrentExecutions, limits::kAccountConcurrency - reserved);
    usage.set(k::TotalCodeSize, used.code_bytes).set(k::FunctionCount, used.functions);
    out.set(k::AccountLimit, std::move(limit)).set(k::AccountUsage, std::move(usage));
    return out;
  });
}

Outcome Control::put_function_concurrency(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  if (!f.qualifier.empty()) {
    return invalid_parameter(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
        "Please specify either a function name or an unqualified function ARN.");
  }
  int64_t wanted = in.num_or(k::ReservedConcurrentExecutions, 0);
  auto lock = lock_function(f);
  return write([&](Tx& tx) -> Outcome {
    FunctionRow row = TRY(need_function(tx, f));
    int64_t others = TRY(store::reserved_sum(tx, c.account, c.region, f.name));
    if (wanted > limits::kAccountConcurrency - limits::kUnreservedConcurrency - others) {
      // No Type here: AWS was recorded without it.
      Value untyped = Value::object();
      untyped.set("Type", Value());
      return Fault("InvalidParameterValueException",
                   "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                   "below its minimum "
                   "value of [" +
                       std::to_string(limits::kUnreservedConcurrency) + "].",
                   400, std::move(untyped));
    }
    row.reserved_concurrency = wanted;
    TRY(store::update_function(tx, row));
    tx.after_commit([this, f, wanted] { engine_.set_reserved_concurrency(f.account, f.region, f.name, wanted); });
    Value out = Value::object();
    out.set(k::ReservedConcurrentExecutions, wanted);
    return out;
  });
}

Outcome Control::get_function_concurrency(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  return read([&](Tx& tx) -> Outcome {
    FunctionRow row = TRY(need_function(tx, f));
    Value out = Value::object();
    if (row.reserved_concurrency) out.set(k::ReservedConcurrentExecutions, *row.reserved_concurrency);
    return out;
  });
}

Outcome Control::delete_function_concurrency(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  auto lock = lock_function(f);
  return write(
      [&](Tx& tx) -> Outcome {
        FunctionRow row = TRY(need_function(tx, f));
        row.reserved_concurrency.reset();
        TRY(store::update_function(tx, row));
        tx.after_commit([this, f] { engine_.set_reserved_concurrency(f.account, f.region, f.name, std::nullopt); });
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::lambda

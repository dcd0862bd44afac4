#include <cmath>

#include "base/strings.h"
#include "services/lambda/control.h"

namespace savia::lambda {
namespace {

Value show_alias(const FunctionRef& f, const AliasRow& row) {
  Value v = Value::object();
  v.set(k::AliasArn, f.arn() + ":" + row.name)
      .set(k::Name, row.name)
      .set(k::FunctionVersion, row.version)
      .set(k::Description, row.description)
      .set(k::RevisionId, row.revision);
  if (row.routing.size() > 0) {
    Value routing = Value::object();
    routing.set(k::AdditionalVersionWeights, row.routing);
    v.set(k::RoutingConfig, std::move(routing));
  }
  return v;
}

// The version and its one additional version must be there and be numbers where weights are given.
Result<void, Fault> check_versions(Tx& tx, const FunctionRef& f, const AliasRow& row) {
  auto need = [&](const std::string& version) -> Result<void, Fault> {
    std::string arn = f.arn() + ":" + version;
    if (version != kLatest && !is_version_number(version)) return function_not_found(arn);
    if (!TRY(store::version(tx, f, version == kLatest ? 0 : std::stoll(version)))) return function_not_found(arn);
    return {};
  };
  TRY(need(row.version));
  if (row.routing.size() == 0) return {};
  if (row.routing.size() > 1) return invalid_parameter("Number of items in AdditionalVersionWeights cannot be greater than 1");
  if (row.version == kLatest) return invalid_parameter("$LATEST is not supported for an alias pointing to more than 1 version");
  const auto& [version, weight] = row.routing.as_object()[0];
  if (!weight.is_number() || !(weight.as_double() >= 0 && weight.as_double() <= 1)) {
    return invalid_parameter("The weight of version " + version + " must be between 0 and 1");
  }
  if (version == kLatest) return invalid_parameter("$LATEST is not supported for an alias pointing to more than 1 version");
  if (version == row.version) {
    return invalid_parameter("Invalid function version " + version + ". Function version " + version +
                             " is already included in routing configuration.");
  }
  return need(version);
}

void take_routing(const Value& in, AliasRow& row) {
  const Value* config = in.object_at(k::RoutingConfig);
  if (config == nullptr) return;
  const Value* weights = config->object_at(k::AdditionalVersionWeights);
  row.routing = weights != nullptr && weights->size() > 0 ? *weights : Value();
}

}  // namespace

Outcome Control::create_alias(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  f.qualifier.clear();
  AliasRow row{in.str_or(k::Name, ""), in.str_or(k::FunctionVersion, ""), in.str_or(k::Description, ""), new_id(), {}};
  take_routing(in, row);
  auto lock = lock_function(f);
  return write([&](Tx& tx) -> Outcome {
    TRY(need_function(tx, f));
    if (TRY(store::alias(tx, f, row.name))) return conflict("Alias already exists: " + f.arn() + ":" + row.name);
    TRY(check_versions(tx, f, row));
    TRY(store::put_alias(tx, f, row));
    tx.after_commit([this, f, row] { tell_alias(f, row); });
    return show_alias(f, row);
  });
}

Outcome Control::get_alias(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  std::string name = in.str_or(k::Name, "");
  return read([&](Tx& tx) -> Outcome {
    auto row = TRY(store::alias(tx, f, name));
    if (!row) return not_found("Cannot find alias arn: " + f.arn() + ":" + name);
    return show_alias(f, *row);
  });
}

Outcome Control::update_alias(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  f.qualifier.clear();
  std::string name = in.str_or(k::Name, "");
  auto lock = lock_function(f);
  return write([&](Tx& tx) -> Outcome {
    auto row = TRY(store::alias(tx, f, name));
    if (!row) return not_found("Alias not found: " + f.arn() + ":" + name);
    if (auto revision = in.str(k::RevisionId); revision && *revision != row->revision) return wrong_revision();
    if (in.has(k::FunctionVersion)) row->version = *in.str(k::FunctionVersion);
    if (in.has(k::Description)) row->description = *in.str(k::Description);
    take_routing(in, *row);
    TRY(check_versions(tx, f, *row));
    row->revision = new_id();
    TRY(store::put_alias(tx, f, *row));
    tx.after_commit([this, f, row = *row] { tell_alias(f, row); });
    return show_alias(f, *row);
  });
}

Outcome Control::delete_alias(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  std::string name = in.str_or(k::Name, "");
  auto lock = lock_function(f);
  return write(
      [&](Tx& tx) -> Outcome {
        bool there = TRY(store::delete_alias(tx, f, name));
        if (there) tx.after_commit([this, f, name] { forget(f, name); });
        return Value::object();  // as AWS: also where there was none
      },
      state::WriteKind::kFree);
}

Outcome Control::list_aliases(const CallContext& c, const Value& in) {
  FunctionRef f = TRY(parse_function_ref(c, in.str_or(k::FunctionName, "")));
  f.qualifier.clear();
  Page page = TRY(page_of(in, 50));
  std::string version = in.str_or(k::FunctionVersion, "");
  return read([&](Tx& tx) -> Outcome {
    TRY(need_function(tx, f));
    Value::List items;
    std::vector<std::string> keys;
    for (const AliasRow& row : TRY(store::aliases(tx, f, page.after, limits::kVersionsPerFunction))) {
      if (!version.empty() && row.version != version && !row.routing.has(version)) continue;
      items.push_back(show_alias(f, row));
      keys.push_back(row.name);
      if (static_cast<int64_t>(items.size()) > page.limit) break;
    }
    Value out = Value::object();
    end_page(out, items, keys, page);
    out.set(k::Aliases, std::move(items));
    return out;
  });
}

}  // namespace savia::lambda

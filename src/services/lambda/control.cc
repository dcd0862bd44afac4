#include "services/lambda/control.h"

#include "base/log.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/digest.h"

namespace savia::lambda {

Control::Control(state::Database& db, FunctionEngine& engine, std::unique_ptr<CodeStore> code, LambdaOptions options)
    : db_(db),
      engine_(engine),
      code_(std::move(code)),
      options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : real_clock()),
      random_(options_.random != nullptr ? *options_.random : secure_random()),
      events_(db, engine, clock_, [this] {
        code_->settle();
        if (!code_->has_garbage()) return;
        auto swept = sweep();
        if (!swept.ok()) log_warn("lambda.code.sweep", {{"error", swept.error().message()}});
      }) {}

Result<void> Control::sweep() {
  store::Digests used;
  TRY(db_.read([&](Tx& tx) -> Result<void> {
    used = TRY(store::digests(tx));
    return {};
  }));
  return code_->collect(used.zips, used.layer_lists);
}

Result<void> Control::start() {
  struct Stored {
    FunctionRow function;
    std::vector<VersionRow> versions;
    std::vector<AliasRow> aliases;
  };
  std::vector<Stored> all;
  TRY(db_.read([&](Tx& tx) -> Result<void> {
    for (FunctionRow& f : TRY(store::functions(tx))) {
      FunctionRef ref{f.account, f.region, f.name, {}};
      Stored known;
      known.versions = TRY(store::versions(tx, ref, -1, limits::kVersionsPerFunction));
      known.aliases = TRY(store::aliases(tx, ref, "", limits::kVersionsPerFunction));
      known.function = std::move(f);
      all.push_back(std::move(known));
    }
    return {};
  }));
  for (const Stored& k : all) {
    FunctionRef ref{k.function.account, k.function.region, k.function.name, {}};
    if (k.function.reserved_concurrency) {
      engine_.set_reserved_concurrency(ref.account, ref.region, ref.name, k.function.reserved_concurrency);
    }
    for (const VersionRow& v : k.versions) {
      auto where = folders(v);
      if (where.ok()) {
        tell_version(ref, v, std::move(where).value());
        continue;
      }
      // One broken function keeps nobody else from starting; it says what is wrong when it is invoked.
      log_error("lambda.code.missing", {{"function", ref.arn()}, {"error", where.error().message()}});
      FunctionSpec spec = make_spec(ref, v, {});
      spec.ready = false;
      spec.not_ready_code = "CodeArtifactUserFailedException";
      spec.not_ready_message = "The function's code is missing from the store: " + where.error().message();
      engine_.put(std::move(spec));
      names_.with(
          [&](auto& names) { names[ref.key()].insert(v.version == 0 ? std::string(kLatest) : std::to_string(v.version)); });
    }
    for (const AliasRow& a : k.aliases) tell_alias(ref, a);
  }
  events_.start();
  return {};
}

void Control::stop() {
  events_.stop();
}

Result<void> Control::reset() {
  names_.with([](auto& names) { names.clear(); });
  events_.forget_all();
  return code_->wipe();
}

Result<std::string, Fault> Control::download_url(const CallContext& c, const std::string& digest) {
  if (!options_.presign) return std::string();
  auto url = options_.presign(std::string(Lambda::kDownloadPrefix) + "/" + digest, c);
  if (!url.ok()) return Fault(url.error());
  return std::move(url).value();
}

Result<FunctionRow, Fault> Control::need_function(Tx& tx, const FunctionRef& f) {
  auto row = TRY(store::function(tx, f));
  if (!row) return function_not_found(f.qualified_arn());
  return std::move(*row);
}

Result<VersionRow, Fault> Control::need_version(Tx& tx, const FunctionRef& f) {
  std::string version = f.is_latest() ? "0" : f.qualifier;
  if (!f.is_latest() && !is_version_number(version)) {
    auto alias = TRY(store::alias(tx, f, f.qualifier));
    if (!alias) return function_not_found(f.qualified_arn());
    version = alias->version == kLatest ? "0" : alias->version;
  }
  auto row = TRY(store::version(tx, f, parse_int(version).value_or(-1)));
  if (!row) return function_not_found(f.qualified_arn());
  return std::move(*row);
}

Result<Control::Folders> Control::folders(const VersionRow& row) {
  Folders f;
  f.code = TRY(code_->code(row.code));
  std::vector<std::string> layers;
  for (const LayerUse& l : row.layers) layers.push_back(l.digest);
  f.opt = TRY(code_->merged(layers));
  return f;
}

FunctionSpec Control::make_spec(const FunctionRef& f, const VersionRow& row, Folders where) const {
  const Value& c = row.config;
  FunctionSpec s;
  s.account = f.account;
  s.region = f.region;
  s.name = f.name;
  s.version = row.version == 0 ? std::string(kLatest) : std::to_string(row.version);
  s.arn = f.arn();
  s.revision = row.spec_revision;
  std::string all = row.code;
  for (const LayerUse& l : row.layers) all += "\n" + l.digest;
  s.code_digest = sha256_hex(all);
  if (where.code) s.code_dir = where.code->path;
  if (where.opt) s.opt_dir = where.opt->path;
  s.hold = std::make_shared<const Folders>(std::move(where));
  s.runtime = c.str_or(k::Runtime, "");
  s.handler = c.str_or(k::Handler, "");
  if (const Value* environment = c.object_at(k::Environment)) {
    if (const Value* variables = environment->object_at(k::Variables)) {
      for (const Value::Member& m : variables->as_object()) {
        if (m.second.is_string()) s.environment.emplace(m.first, m.second.as_string());
      }
    }
  }
  s.memory_mib = c.num_or(k::MemorySize, 128);
  s.timeout_s = c.num_or(k::Timeout, 3);
  if (const Value* storage = c.object_at(k::EphemeralStorage)) s.ephemeral_mib = storage->num_or(k::Size, 512);
  if (const Value* logging = c.object_at(k::LoggingConfig)) {
    s.log_group = logging->str_or(k::LogGroup, "");
    s.log_format = logging->str_or(k::LogFormat, "Text");
    s.application_log_level = logging->str_or(k::ApplicationLogLevel, "INFO");
    s.system_log_level = logging->str_or(k::SystemLogLevel, "INFO");
  }
  return s;
}

void Control::tell_version(const FunctionRef& f, const VersionRow& row, Folders where) {
  FunctionSpec spec = make_spec(f, row, std::move(where));
  names_.with([&](auto& names) { names[f.key()].insert(spec.version); });
  engine_.put(std::move(spec));
}

void Control::tell_alias(const FunctionRef& f, const AliasRow& row) {
  std::vector<WeightedVersion> versions;
  double rest = 1.0;
  if (row.routing.is_object()) {
    for (const Value::Member& m : row.routing.as_object()) {
      double weight = m.second.is_number() ? m.second.as_double() : 0;
      versions.push_back({m.first, weight});
      rest -= weight;
    }
  }
  versions.insert(versions.begin(), {row.version, rest});
  names_.with([&](auto& names) { names[f.key()].insert(row.name); });
  engine_.set_alias(f.account, f.region, f.name, row.name, std::move(versions));
}

void Control::forget(const FunctionRef& f, const std::string& qualifier) {
  names_.with([&](auto& names) {
    auto it = names.find(f.key());
    if (it == names.end()) return;
    if (qualifier.empty()) {
      names.erase(it);
    } else {
      it->second.erase(qualifier);
    }
  });
  if (qualifier.empty() || is_version_number(qualifier)) {
    engine_.remove(f.account, f.region, f.name, qualifier);
  } else {
    engine_.set_alias(f.account, f.region, f.name, qualifier, {});
  }
}

Result<Page, Fault> page_of(const Value& in, int64_t most) {
  Page page;
  page.limit = std::min(in.num_or(k::MaxItems, most), most);
  if (auto marker = in.str(k::Marker); marker && !marker->empty()) {
    auto after = base64url_decode(*marker);
    if (!after.ok() || after->empty()) return invalid_parameter("Invalid Marker: '" + std::string(*marker) + "'");
    page.after = std::move(after).value();
  }
  return page;
}

void end_page(Value& out, Value::List& items, const std::vector<std::string>& keys, const Page& page) {
  if (static_cast<int64_t>(items.size()) <= page.limit) return;
  items.resize(static_cast<size_t>(page.limit));
  out.set(k::NextMarker, base64url_encode(keys[static_cast<size_t>(page.limit) - 1]));
}

}  // namespace savia::lambda

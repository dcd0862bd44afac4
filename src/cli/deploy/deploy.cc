#include "cli/deploy/deploy.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/clock.h"
#include "cli/package.h"

namespace savia::cli {

std::string function_arn(const ServiceConfig& service, const std::string& name) {
  return "arn:aws:lambda:" + service.region + ":" + service.account + ":function:" + name;
}

Error error_of(const aws::Fault& fault, std::string_view service, std::string_view operation) {
  std::string what = std::string(service) + ":" + std::string(operation);
  ErrorKind kind = fault.http_status == 404   ? ErrorKind::kNotFound
                   : fault.http_status == 501 ? ErrorKind::kUnimplemented
                   : fault.http_status >= 500 ? ErrorKind::kUnavailable
                                              : ErrorKind::kInvalid;
  return {kind, what + ": " + fault.code + ": " + fault.message};
}

Value DeployReport::json() const {
  Value layer_map = Value::object();
  for (const auto& [name, version] : layers) layer_map.set(name, version);
  Value list = Value::list();
  for (const DeployedApi& a : apis) {
    Value v;
    v.set("api", a.api).set("function", a.function).set("url", a.url).set("changed", a.changed);
    if (a.status != 0)
      v.set("status", a.status)
          .set("cold_ms", static_cast<double>(a.cold_us) / 1000)
          .set("warm_ms", static_cast<double>(a.warm_us) / 1000);
    list.push(std::move(v));
  }
  return Value()
      .set("layers", std::move(layer_map))
      .set("apis", std::move(list))
      .set("changed", changed)
      .set("ms", static_cast<double>(us) / 1000);
}

Result<Value> Deployer::call(const ServiceConfig& s, std::string_view service, std::string_view operation, const Value& input) {
  aws::Outcome out = cloud_.call(service, operation, input, s.region);
  if (!out.ok()) return error_of(out.error(), service, operation);
  return std::move(*out);
}

Result<std::string> Deployer::account() {
  aws::Outcome who = cloud_.call("sts", "GetCallerIdentity", Value::object(), "us-east-1");
  if (!who.ok()) return error_of(who.error(), "sts", "GetCallerIdentity");
  return who->str_or("Account", "");
}

Result<bool> Deployer::tell_findings(const std::vector<Finding>& findings, bool strict) {
  bool errors = false;
  for (const Finding& f : findings) {
    bool is_error = strict || f.level == Finding::Level::kError;
    errors = errors || is_error;
    std::string text = f.place.text() + ": " + f.message;
    if (is_error) {
      out_.error(text);
    } else {
      out_.warn(text);
    }
  }
  return !errors;
}

Result<ServiceConfig> Deployer::load(const WorkspaceApi& api, const DeployOptions& options,
                                     const std::map<std::string, int64_t>& layers) {
  auto file = api.config.find(options.environment);
  if (file == api.config.end()) {
    return Error::invalid(out_.say("{0} has no configuration for the environment {1}", {api.name, options.environment}));
  }
  VariableSources sources;
  sources.account_id = account_;
  sources.region = options.region.empty() ? "us-east-1" : options.region;
  sources.stage = options.stage;
  sources.options = options.options;
  if (!options.stage.empty()) sources.options["stage"] = options.stage;
  if (!options.region.empty()) sources.options["region"] = options.region;
  sources.lang = out_.lang();
  sources.env = [](const std::string& name) -> std::optional<std::string> {
    const char* v = std::getenv(name.c_str());
    return v != nullptr ? std::optional<std::string>(v) : std::nullopt;
  };
  for (const auto& [name, value] : api.params) {
    if (value.starts_with("layer:")) {
      auto version = layers.find(value.substr(6));
      // Before the first publish there is no version yet; the first pass only looks for findings.
      sources.params[name] = std::to_string(version != layers.end() ? version->second : 1);
    } else {
      sources.params[name] = value;
    }
  }
  for (const auto& [name, value] : options.params) sources.params[name] = value;
  return load_service({api.path + "/" + file->second, api.name + "/" + file->second, std::move(sources)});
}

void Deployer::check(const WorkspaceApi& api, DeployedApi& deployed) {
  // "http://HOST:PORT/STAGE" -> host and path
  std::string_view rest = std::string_view(deployed.url).substr(7);
  size_t slash = rest.find('/');
  std::string host(rest.substr(0, slash));
  std::string path = slash == std::string_view::npos ? "" : std::string(rest.substr(slash));
  path += api.check;
  int64_t start = real_clock().monotonic_us();
  auto cold = cloud_.get(host, path);
  deployed.cold_us = real_clock().monotonic_us() - start;
  if (!cold.ok()) return;
  start = real_clock().monotonic_us();
  auto warm = cloud_.get(host, path);
  deployed.warm_us = real_clock().monotonic_us() - start;
  deployed.status = warm.ok() ? *warm : 0;
}

Result<void> Deployer::deploy_api(const Loaded& loaded, const DeployOptions& options, DeployReport& report) {
  const ServiceConfig& service = loaded.config;
  DeployedApi deployed;
  deployed.api = loaded.api->name;
  int64_t start = real_clock().monotonic_us();
  std::string detail;

  out_.begin(out_.say("lambda {0}", {loaded.api->name}));
  NpmResult npm = TRY(npm_ci(service.base_dir, out_.lang()));
  if (npm.ran) detail += "npm ci " + human_ms(npm.us) + ", ";
  PackageRequest request;
  request.dir = service.base_dir;
  request.patterns = service.patterns;
  request.exclude_dev_dependencies = service.exclude_dev_dependencies;
  Package package = TRY_CONTEXT(make_package(request), loaded.api->name);
  for (const FunctionConfig& fn : service.functions) {
    if (options.ensure_runtime) TRY(options.ensure_runtime(fn.runtime));
    bool changed = TRY(deploy_function(service, fn, package.zip, package.sha256_base64));
    deployed.changed = deployed.changed || changed;
    deployed.function = fn.name;
  }
  if (service.uses_rest()) deployed.url = TRY(deploy_rest_api(service, deployed.changed));
  if (service.uses_http_api()) deployed.url = TRY(deploy_http_api(service, deployed.changed));
  int64_t took = real_clock().monotonic_us() - start;
  detail +=
      deployed.changed ? human_bytes(static_cast<int64_t>(package.zip.size())) + ", " + human_ms(took) : out_.say("unchanged");
  std::string line = out_.say("lambda {0}", {deployed.function});
  if (!deployed.url.empty()) {
    check(*loaded.api, deployed);
    line += "  → " + deployed.url + loaded.api->check;
    if (deployed.status != 0)
      line += "  " + out_.paint(deployed.status < 400 ? Style::kGood : Style::kBad, std::to_string(deployed.status)) + " " +
              out_.say("in {0}", {human_ms(deployed.warm_us)});
  }
  Style mark = deployed.status >= 500 || (deployed.status == 0 && !deployed.url.empty()) ? Style::kBad
               : deployed.changed                                                        ? Style::kGood
                                                                                         : Style::kPlain;
  out_.end(mark, line, detail);
  if (mark == Style::kBad)
    out_.warn(out_.say("{0} does not answer well: look at `savia logs {1}`", {loaded.api->name, deployed.function}));
  report.changed = report.changed || deployed.changed;
  report.apis.push_back(std::move(deployed));
  return {};
}

Result<DeployReport> Deployer::run(const DeployOptions& options) {
  int64_t start = real_clock().monotonic_us();
  DeployReport report;
  if (!TRY(tell_findings(workspace_.findings, options.strict))) return Error::invalid(out_.say("nothing was deployed"));
  std::vector<const WorkspaceApi*> apis;
  for (const std::string& name : options.apis) {
    const WorkspaceApi* api = workspace_.api(name);
    if (api == nullptr) {
      std::string known;
      for (const WorkspaceApi& a : workspace_.apis) known += (known.empty() ? "" : ", ") + a.name;
      return Error::not_found(out_.say("{0} is not an API of this workspace; it has {1}", {name, known}));
    }
    apis.push_back(api);
  }
  if (options.apis.empty()) {
    for (const WorkspaceApi& a : workspace_.apis) apis.push_back(&a);
  }
  account_ = TRY(account());

  // Look at everything before anything is changed.
  bool good = true;
  std::string region = options.region;
  for (const WorkspaceApi* api : apis) {
    ServiceConfig config = TRY(load(*api, options, {}));
    good = TRY(tell_findings(config.findings, options.strict)) && good;
    if (region.empty()) region = config.region;
  }
  if (!good) return Error::invalid(out_.say("nothing was deployed"));
  if (region.empty()) region = "us-east-1";

  std::set<std::string> wanted;
  for (const WorkspaceApi* api : apis) {
    for (const auto& [name, value] : api->params) {
      if (value.starts_with("layer:")) wanted.insert(value.substr(6));
    }
  }
  for (const WorkspaceLayer& layer : workspace_.layers) {
    if (!options.apis.empty() && !wanted.contains(layer.name)) continue;
    TRY_CONTEXT(deploy_layer(layer, region, report), layer.name);
  }
  for (const WorkspaceApi* api : apis) {
    Loaded loaded{api, TRY(load(*api, options, report.layers))};
    TRY_CONTEXT(deploy_api(loaded, options, report), api->name);
  }
  report.us = real_clock().monotonic_us() - start;
  return report;
}

}  // namespace savia::cli

#include "base/clock.h"
#include "cli/deploy/deploy.h"
#include "cli/package.h"
#include "os/file.h"

namespace savia::cli {
namespace {

struct LayerSource {
  LayerConfig config;
  PackageRequest package;
};

// A layer is a folder with a serverless.yaml that has a `layers:` entry of its name, or simply a folder that holds nodejs/,
// python/, bin/ and so on, as /opt will.
Result<LayerSource> source_of(const WorkspaceLayer& layer, const VariableSources& sources) {
  LayerSource out;
  out.config.name = layer.name;
  out.package.dir = layer.path;
  for (const char* name : {"serverless.yaml", "serverless.yml"}) {
    std::string path = layer.path + "/" + name;
    if (!os::exists(path)) continue;
    ServiceConfig service = TRY(load_service({path, layer.name + "/" + name, sources}));
    for (const Finding& f : service.findings) {
      if (f.level == Finding::Level::kError) return Error::invalid(f.place.text() + ": " + f.message);
    }
    for (LayerConfig& l : service.layers) {
      if (l.name != layer.name && l.key != layer.name && service.layers.size() != 1) continue;
      out.config = std::move(l);
      out.config.name = layer.name;
      out.package.patterns = out.config.patterns;
      out.package.only_patterns = true;
      if (!out.config.path.empty() && out.config.path != ".") out.package.dir = layer.path + "/" + out.config.path;
      return out;
    }
  }
  return out;
}

}  // namespace

Result<int64_t> Deployer::deploy_layer(const WorkspaceLayer& layer, const std::string& region, DeployReport& report) {
  int64_t start = real_clock().monotonic_us();
  out_.begin(out_.say("layer {0}", {layer.name}));
  VariableSources sources;
  sources.account_id = account_;
  sources.region = region;
  sources.lang = out_.lang();
  LayerSource source = TRY(source_of(layer, sources));
  std::string detail;
  for (const std::string& dir : {source.package.dir, source.package.dir + "/nodejs"}) {
    NpmResult npm = TRY(npm_ci(dir, out_.lang()));
    if (npm.ran) detail += "npm ci " + human_ms(npm.us) + ", ";
  }
  Package package = TRY_CONTEXT(make_package(source.package), layer.name);

  ServiceConfig at;
  at.region = region;
  Value newest;
  Value list = TRY(call(at, "lambda", "ListLayerVersions", Value().set("LayerName", layer.name).set("MaxItems", 1)));
  if (const Value::List* versions = list.list_at("LayerVersions"); versions != nullptr && !versions->empty()) {
    int64_t version = versions->front().num_or("Version", 0);
    newest = TRY(call(at, "lambda", "GetLayerVersion", Value().set("LayerName", layer.name).set("VersionNumber", version)));
    const Value* content = newest.object_at("Content");
    if (content != nullptr && content->str_or("CodeSha256", "") == package.sha256_base64) {
      out_.end(Style::kPlain, out_.say("layer {0}:{1}", {layer.name, std::to_string(version)}), out_.say("unchanged"));
      report.layers[layer.name] = version;
      return version;
    }
  }
  Value input;
  input.set("LayerName", layer.name);
  if (!source.config.description.empty()) input.set("Description", source.config.description);
  if (!source.config.compatible_runtimes.empty()) {
    Value runtimes = Value::list();
    for (const std::string& r : source.config.compatible_runtimes) runtimes.push(r);
    input.set("CompatibleRuntimes", std::move(runtimes));
  }
  size_t size = package.zip.size();
  input.set("Content", Value().set("ZipFile", Blob{std::move(package.zip)}));
  Value published = TRY(call(at, "lambda", "PublishLayerVersion", input));
  int64_t version = published.num_or("Version", 0);
  detail += human_bytes(static_cast<int64_t>(size)) + ", " + human_ms(real_clock().monotonic_us() - start);
  out_.end(Style::kGood, out_.say("layer {0}:{1}", {layer.name, std::to_string(version)}), detail);
  report.layers[layer.name] = version;
  report.changed = true;
  return version;
}

}  // namespace savia::cli

#include "cli/serverless/config.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/strings.h"

namespace savia::cli {
namespace {

// Reads one document; every read key is a known one, the rest becomes findings.
class Reader {
 public:
  Reader(const Node& root, const VariableSources& sources, ServiceConfig& out) : root_(root), sources_(sources), out_(out) {}

  void run();

 private:
  std::string say(std::string_view english, std::initializer_list<std::string> args = {}) const {
    return say_in(sources_.lang, english, args);
  }
  void warn(const Node& at, std::string text) {
    out_.findings.push_back({Finding::Level::kWarning, at.place, std::move(text)});
  }
  void error(const Node& at, std::string text) { out_.findings.push_back({Finding::Level::kError, at.place, std::move(text)}); }
  // Warns of every key of `map` that is not in `known`.
  void unknown_keys(const Node& map, std::string_view where, std::initializer_list<std::string_view> known);
  std::string text(const Node* n, std::string_view otherwise = {});
  std::optional<int64_t> number(const Node* n, std::string_view what);
  std::vector<std::string> texts(const Node* n, std::string_view what);
  std::map<std::string, std::string> text_map(const Node* n, std::string_view what);

  void provider(const Node& p);
  void package(const Node& p);
  void http_api(const Node& p);
  void function(const std::string& key, const Node& f);
  void event(FunctionConfig& fn, const Node& e);
  void rest_event(FunctionConfig& fn, const Node& body);
  void http_api_event(FunctionConfig& fn, const Node& body);
  void layer(const std::string& key, const Node& l);

  const Node& root_;
  const VariableSources& sources_;
  ServiceConfig& out_;
  FunctionConfig defaults_;
};

const std::vector<std::string> kAllMethods = {"OPTIONS", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

void Reader::unknown_keys(const Node& map, std::string_view where, std::initializer_list<std::string_view> known) {
  for (const auto& [key, node] : map.map) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      warn(node, say("{0}.{1} is not known to Savia and is left out", {std::string(where), key}));
    }
  }
}

std::string Reader::text(const Node* n, std::string_view otherwise) {
  if (n == nullptr || n->is_null()) return std::string(otherwise);
  if (n->kind != Node::Kind::kScalar) {
    error(*n, say("a text is expected here"));
    return std::string(otherwise);
  }
  return n->text();
}

std::optional<int64_t> Reader::number(const Node* n, std::string_view what) {
  if (n == nullptr || n->is_null()) return std::nullopt;
  if (n->kind == Node::Kind::kScalar) {
    if (auto v = parse_int(n->text())) return v;
  }
  error(*n, say("{0} must be a whole number", {std::string(what)}));
  return std::nullopt;
}

std::vector<std::string> Reader::texts(const Node* n, std::string_view what) {
  std::vector<std::string> out;
  if (n == nullptr || n->is_null()) return out;
  if (n->kind == Node::Kind::kScalar) return {n->text()};
  if (!n->is_list()) {
    error(*n, say("{0} must be a list", {std::string(what)}));
    return out;
  }
  for (const Node& item : n->list) {
    if (item.kind == Node::Kind::kScalar) {
      out.push_back(item.text());
    } else {
      error(item,
            say("{0}: references to resources of a stack are not supported yet; give the value itself", {std::string(what)}));
    }
  }
  return out;
}

std::map<std::string, std::string> Reader::text_map(const Node* n, std::string_view what) {
  std::map<std::string, std::string> out;
  if (n == nullptr || n->is_null()) return out;
  if (!n->is_map()) {
    error(*n, say("{0} must be a map", {std::string(what)}));
    return out;
  }
  for (const auto& [key, item] : n->map) {
    if (item.kind != Node::Kind::kScalar) {
      error(item, say("{0}: references to resources of a stack are not supported yet; give the value itself",
                      {std::string(what) + "." + key}));
    } else if (item.is_null()) {
      // The framework drops such a variable without a word; the function then misses it at run time.
      error(item, say("{0} has no value: write '' if it is meant to be empty", {std::string(what) + "." + key}));
    } else {
      out[key] = item.text();
    }
  }
  return out;
}

void Reader::package(const Node& p) {
  unknown_keys(p, "package", {"patterns", "exclude", "include", "individually", "excludeDevDependencies"});
  for (const std::string& pattern : texts(p.find("exclude"), "package.exclude")) out_.patterns.push_back("!" + pattern);
  for (const std::string& pattern : texts(p.find("include"), "package.include")) out_.patterns.push_back(pattern);
  for (const std::string& pattern : texts(p.find("patterns"), "package.patterns")) out_.patterns.push_back(pattern);
  if (text(p.find("excludeDevDependencies")) == "false") out_.exclude_dev_dependencies = false;
}

void Reader::http_api(const Node& p) {
  unknown_keys(p, "provider.httpApi", {"cors", "payload", "name", "useProviderTags"});
  out_.http_payload = text(p.find("payload"), "2.0");
  if (out_.http_payload != "1.0" && out_.http_payload != "2.0")
    error(*p.find("payload"), say("provider.httpApi.payload must be '1.0' or '2.0'"));
  if (const Node* name = p.find("name")) out_.http_api_name = text(name);
  const Node* cors = p.find("cors");
  if (cors == nullptr || cors->text() == "false") return;
  CorsConfig c;
  c.origins = {"*"};
  c.headers = {"Content-Type",         "X-Amz-Date",       "Authorization",  "X-Api-Key",
               "X-Amz-Security-Token", "X-Amz-User-Agent", "X-Amzn-Trace-Id"};
  c.methods = kAllMethods;
  if (cors->is_map()) {
    unknown_keys(
        *cors, "provider.httpApi.cors",
        {"allowedOrigins", "allowedHeaders", "allowedMethods", "allowCredentials", "exposedResponseHeaders", "maxAge"});
    if (const Node* n = cors->find("allowedOrigins")) c.origins = texts(n, "allowedOrigins");
    if (const Node* n = cors->find("allowedHeaders")) c.headers = texts(n, "allowedHeaders");
    if (const Node* n = cors->find("allowedMethods")) c.methods = texts(n, "allowedMethods");
    if (const Node* n = cors->find("exposedResponseHeaders")) c.exposed_headers = texts(n, "exposedResponseHeaders");
    c.max_age_s = number(cors->find("maxAge"), "maxAge");
    c.credentials = text(cors->find("allowCredentials")) == "true";
  }
  out_.http_cors = std::move(c);
}

void Reader::provider(const Node& p) {
  unknown_keys(p, "provider",
               {"name",
                "runtime",
                "stage",
                "region",
                "memorySize",
                "timeout",
                "environment",
                "layers",
                "tags",
                "stackTags",
                "apiName",
                "httpApi",
                "logRetentionInDays",
                "role",
                "iam",
                "architecture",
                "versionFunctions",
                "deploymentMethod",
                "lambdaHashingVersion",
                "stackName",
                "deploymentBucket",
                "endpointType",
                "profile",
                "ephemeralStorageSize",
                "disableRollback"});
  if (std::string name = text(p.find("name"), "aws"); name != "aws")
    error(*p.find("name"), say("provider.name must be aws, not {0}", {name}));
  defaults_.runtime = text(p.find("runtime"));
  if (auto v = number(p.find("memorySize"), "memorySize")) defaults_.memory_mib = *v;
  if (auto v = number(p.find("timeout"), "timeout")) defaults_.timeout_s = *v;
  if (auto v = number(p.find("ephemeralStorageSize"), "ephemeralStorageSize")) defaults_.ephemeral_mib = *v;
  defaults_.environment = text_map(p.find("environment"), "provider.environment");
  defaults_.layers = texts(p.find("layers"), "provider.layers");
  defaults_.tags = text_map(p.find("tags"), "provider.tags");
  out_.stage = text(p.find("stage"), sources_.stage.empty() ? "dev" : sources_.stage);
  if (!sources_.stage.empty()) out_.stage = sources_.stage;
  out_.region = text(p.find("region"), sources_.region);
  out_.rest_api_name = text(p.find("apiName"));
  out_.log_retention_days = number(p.find("logRetentionInDays"), "logRetentionInDays");
  if (std::string arch = text(p.find("architecture"), "x86_64"); arch != "x86_64") {
    error(*p.find("architecture"), say("architecture {0} is not supported here: this machine runs x86_64", {arch}));
  }
  out_.role = text(p.find("role"));
  if (const Node* iam = p.find("iam"); iam != nullptr && iam->is_map()) {
    unknown_keys(*iam, "provider.iam", {"role"});
    if (const Node* role = iam->find("role")) {
      if (role->kind == Node::Kind::kScalar) {
        out_.role = role->text();
      } else {
        warn(*role, say("provider.iam.role is accepted; its policies take effect once IAM is enforced"));
      }
    }
  }
  if (const Node* api = p.find("httpApi"); api != nullptr && api->is_map()) http_api(*api);
}

// "GET /x", "get x", "*"
void split_route(std::string_view text, std::string& method, std::string& path) {
  text = trim(text);
  size_t space = text.find_first_of(" \t");
  method = to_upper(text.substr(0, space));
  path = space == std::string_view::npos ? "" : std::string(trim(text.substr(space)));
}

std::string with_slash(std::string path) {
  if (path.empty() || path[0] != '/') path.insert(0, "/");
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

void Reader::rest_event(FunctionConfig& fn, const Node& body) {
  HttpEvent e;
  e.kind = HttpEvent::Kind::kRest;
  if (body.kind == Node::Kind::kScalar) {
    split_route(body.text(), e.method, e.path);
  } else if (body.is_map()) {
    unknown_keys(body, "http", {"path", "method", "cors", "integration"});
    e.method = to_upper(text(body.find("method")));
    e.path = text(body.find("path"));
    if (const Node* cors = body.find("cors")) {
      e.cors = cors->text() != "false";
      if (cors->is_map()) warn(*cors, say("http.cors: the default headers are used; its settings are left out"));
    }
    if (const Node* integration = body.find("integration")) {
      std::string kind = to_lower(replace_all(text(integration), "_", "-"));
      if (kind != "lambda-proxy" && kind != "aws-proxy")
        error(*integration, say("http.integration {0} is not supported yet", {kind}));
    }
  }
  if (e.method.empty()) {
    error(body, say("an http event needs method and path"));
    return;
  }
  e.path = with_slash(e.path);
  if (std::find(kAllMethods.begin(), kAllMethods.end(), e.method) == kAllMethods.end() && e.method != "ANY") {
    error(body, say("{0} is not an HTTP method", {e.method}));
    return;
  }
  fn.events.push_back(std::move(e));
}

void Reader::http_api_event(FunctionConfig& fn, const Node& body) {
  HttpEvent e;
  e.kind = HttpEvent::Kind::kHttpApi;
  if (body.kind == Node::Kind::kScalar) {
    split_route(body.text(), e.method, e.path);
  } else if (body.is_map()) {
    unknown_keys(body, "httpApi", {"path", "method"});
    e.method = to_upper(text(body.find("method"), "*"));
    e.path = text(body.find("path"));
  }
  if (e.method == "*" && (e.path.empty() || e.path == "*")) {
    e.method.clear();
    e.path.clear();
  } else {
    if (e.method == "*") e.method = "ANY";
    e.path = with_slash(e.path);
  }
  fn.events.push_back(std::move(e));
}

void Reader::event(FunctionConfig& fn, const Node& e) {
  if (e.is_string()) {
    warn(e, say("event {0} is not supported yet: the function is deployed without it", {e.text()}));
    return;
  }
  for (const auto& [kind, body] : e.map) {
    if (kind == "http") {
      rest_event(fn, body);
    } else if (kind == "httpApi") {
      http_api_event(fn, body);
    } else {
      warn(body, say("event {0} is not supported yet: the function is deployed without it", {kind}));
    }
  }
}

void Reader::function(const std::string& key, const Node& f) {
  if (!f.is_map()) {
    error(f, say("function {0} must be a map", {key}));
    return;
  }
  unknown_keys(f, "functions." + key,
               {"handler", "name", "runtime", "description", "memorySize", "timeout", "environment", "layers", "events", "tags",
                "package", "ephemeralStorageSize", "reservedConcurrency", "architecture", "role"});
  FunctionConfig fn = defaults_;
  fn.key = key;
  fn.place = f.place;
  fn.name = text(f.find("name"), out_.service + "-" + out_.stage + "-" + key);
  fn.handler = text(f.find("handler"));
  if (fn.handler.empty()) error(f, say("function {0} has no handler", {key}));
  fn.runtime = text(f.find("runtime"), defaults_.runtime);
  if (fn.runtime.empty()) error(f, say("function {0} has no runtime", {key}));
  fn.description = text(f.find("description"));
  if (auto v = number(f.find("memorySize"), "memorySize")) fn.memory_mib = *v;
  if (auto v = number(f.find("timeout"), "timeout")) fn.timeout_s = *v;
  if (auto v = number(f.find("ephemeralStorageSize"), "ephemeralStorageSize")) fn.ephemeral_mib = *v;
  fn.reserved_concurrency = number(f.find("reservedConcurrency"), "reservedConcurrency");
  for (auto& [name, value] : text_map(f.find("environment"), "environment")) fn.environment[name] = value;
  if (const Node* layers = f.find("layers")) fn.layers = texts(layers, "layers");
  for (auto& [name, value] : text_map(f.find("tags"), "tags")) fn.tags[name] = value;
  if (const Node* p = f.find("package"); p != nullptr && p->is_map())
    warn(*p, say("{0}.package: packaging per function is not supported; the service's package is used", {key}));
  if (const Node* events = f.find("events"); events != nullptr && events->is_list()) {
    for (const Node& e : events->list) event(fn, e);
  }
  out_.functions.push_back(std::move(fn));
}

void Reader::layer(const std::string& key, const Node& l) {
  if (!l.is_map()) {
    error(l, say("layer {0} must be a map", {key}));
    return;
  }
  unknown_keys(l, "layers." + key,
               {"path", "name", "description", "compatibleRuntimes", "compatibleArchitectures", "package", "retain",
                "licenseInfo", "allowedAccounts"});
  LayerConfig out;
  out.key = key;
  out.path = text(l.find("path"), ".");
  out.name = text(l.find("name"), key);
  out.description = text(l.find("description"));
  out.compatible_runtimes = texts(l.find("compatibleRuntimes"), "compatibleRuntimes");
  if (const Node* p = l.find("package"); p != nullptr && p->is_map()) {
    unknown_keys(*p, "package", {"patterns"});
    out.patterns = texts(p->find("patterns"), "package.patterns");
  }
  out_.layers.push_back(std::move(out));
}

void Reader::run() {
  if (!root_.is_map()) {
    error(root_, say("a serverless.yaml is a map of keys"));
    return;
  }
  unknown_keys(root_, "serverless",
               {"service", "frameworkVersion", "provider", "functions", "layers", "package", "custom", "plugins", "useDotenv",
                "configValidationMode", "variablesResolutionMode", "deprecationNotificationMode", "disabledDeprecations", "org",
                "app", "params", "console"});
  const Node* service = root_.find("service");
  out_.service = service != nullptr && service->is_map() ? text(service->find("name")) : text(service);
  if (out_.service.empty()) error(root_, say("service has no name"));
  if (const Node* plugins = root_.find("plugins"); plugins != nullptr && plugins->is_list()) {
    for (const Node& plugin : plugins->list) warn(plugin, say("plugin {0} is not run by Savia", {plugin.text()}));
  }
  if (const Node* p = root_.find("provider"); p != nullptr && p->is_map()) {
    provider(*p);
  } else {
    error(root_, say("provider is missing"));
  }
  if (out_.region.empty()) out_.region = "us-east-1";
  if (out_.rest_api_name.empty()) out_.rest_api_name = out_.stage + "-" + out_.service;
  if (out_.http_api_name.empty()) out_.http_api_name = out_.stage + "-" + out_.service;
  if (const Node* p = root_.find("package"); p != nullptr && p->is_map()) package(*p);
  if (const Node* functions = root_.find("functions"); functions != nullptr && functions->is_map()) {
    for (const auto& [key, f] : functions->map) function(key, f);
  }
  if (const Node* layers = root_.find("layers"); layers != nullptr && layers->is_map()) {
    for (const auto& [key, l] : layers->map) layer(key, l);
  }
}

}  // namespace

bool ServiceConfig::has_errors() const {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& f) { return f.level == Finding::Level::kError; });
}

bool ServiceConfig::uses_rest() const {
  return std::any_of(functions.begin(), functions.end(), [](const FunctionConfig& f) {
    return std::any_of(f.events.begin(), f.events.end(), [](const HttpEvent& e) { return e.kind == HttpEvent::Kind::kRest; });
  });
}

bool ServiceConfig::uses_http_api() const {
  return std::any_of(functions.begin(), functions.end(), [](const FunctionConfig& f) {
    return std::any_of(f.events.begin(), f.events.end(),
                       [](const HttpEvent& e) { return e.kind == HttpEvent::Kind::kHttpApi; });
  });
}

Result<ServiceConfig> load_service(ConfigRequest request) {
  Node root = TRY(load_node(request.path, request.shown));
  ServiceConfig out;
  out.file = request.shown;
  size_t slash = request.path.rfind('/');
  out.base_dir = slash == std::string::npos ? "." : request.path.substr(0, slash);
  out.account = request.sources.account_id;
  request.sources.base_dir = out.base_dir;
  VariableResolver resolver(root, request.sources);
  Node resolved = resolver.resolve_all();
  out.findings = resolver.findings();
  Reader(resolved, request.sources, out).run();
  std::stable_sort(out.findings.begin(), out.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.place.line < b.place.line; });
  return out;
}

}  // namespace savia::cli

// One serverless.yaml (or layer service) as typed values, after variables are resolved, with what Savia does not know of it.
// Names and defaults are those of the Serverless Framework 3: function `{service}-{stage}-{key}`, REST and HTTP API
// `{stage}-{service}`, 1024 MB and 6 s where nothing is said, HTTP API payload 2.0.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/lang.h"
#include "cli/node.h"
#include "cli/serverless/variables.h"

namespace savia::cli {

struct HttpEvent {
  enum class Kind { kRest, kHttpApi } kind = Kind::kRest;
  std::string method;  // "GET", "ANY"; "" for the HTTP API's `*`
  std::string path;    // "/recipes/{id}"; "" for the HTTP API's `*`
  bool cors = false;   // REST: an OPTIONS method that the gateway answers
  std::string route_key() const { return path.empty() ? "$default" : method + " " + path; }
};

struct FunctionConfig {
  std::string key;   // under `functions:`
  std::string name;  // multi-public-resources-dev-api
  std::string handler, runtime, description;
  int64_t memory_mib = 1024;
  int64_t timeout_s = 6;
  int64_t ephemeral_mib = 512;
  std::optional<int64_t> reserved_concurrency;
  std::map<std::string, std::string> environment;
  std::vector<std::string> layers;  // ARNs
  std::map<std::string, std::string> tags;
  std::vector<HttpEvent> events;
  Place place;
};

struct LayerConfig {
  std::string key, name, path, description;
  std::vector<std::string> compatible_runtimes;
  std::vector<std::string> patterns;
};

struct CorsConfig {  // HTTP API
  std::vector<std::string> origins, methods, headers, exposed_headers;
  std::optional<int64_t> max_age_s;
  bool credentials = false;
};

struct ServiceConfig {
  std::string file;      // as shown in messages
  std::string base_dir;  // its folder
  std::string service, stage, region, account;
  std::string rest_api_name, http_api_name;
  std::string http_payload = "2.0";
  std::string role;  // provider.iam.role or provider.role; "" for the default
  std::optional<CorsConfig> http_cors;
  std::optional<int64_t> log_retention_days;
  std::vector<std::string> patterns;  // package.patterns
  bool exclude_dev_dependencies = true;
  std::vector<FunctionConfig> functions;
  std::vector<LayerConfig> layers;
  std::vector<Finding> findings;  // in the order of the file; any kError forbids the deploy

  bool has_errors() const;
  bool uses_rest() const;
  bool uses_http_api() const;
};

struct ConfigRequest {
  std::string path;         // of the serverless.yaml
  std::string shown;        // its name in messages
  VariableSources sources;  // base_dir is set from path
};

Result<ServiceConfig> load_service(ConfigRequest request);

}  // namespace savia::cli

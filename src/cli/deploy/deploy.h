// `savia deploy`: from a workspace to layers, functions and APIs, through the public AWS operations, with the names that the
// Serverless Framework gives. Idempotent: what is there and equal is left alone, so a second run changes nothing, and a run
// that was broken off is finished by the next one.
//
// Order: everything is read and every finding told before anything is changed; then layers, then per API its packages,
// functions, and last the API's routes, so that no route ever leads to a function that is not there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/deploy/cloud.h"
#include "cli/output.h"
#include "cli/serverless/config.h"
#include "cli/workspace.h"

namespace savia::cli {

struct DeployOptions {
  std::vector<std::string> apis;  // empty: all
  std::string environment = "dev";
  std::string stage;  // empty: what the file says, else the environment's name
  std::string region;
  std::map<std::string, std::string> params;   // --param name=value, over the workspace's
  std::map<std::string, std::string> options;  // --opt name=value, for ${opt:…}
  bool strict = false;                         // findings of any level forbid the deploy
  // Called with each runtime that functions need, before they are created; `savia up` installs what is missing.
  std::function<Result<void>(const std::string& runtime)> ensure_runtime;
};

struct DeployedApi {
  std::string api, function, url;
  bool changed = false;
  int status = 0;  // of the check through the edge; 0: not asked
  int64_t cold_us = 0, warm_us = 0;
};

struct DeployReport {
  std::map<std::string, int64_t> layers;  // name -> version
  std::vector<DeployedApi> apis;
  int64_t us = 0;
  bool changed = false;
  Value json() const;
};

class Deployer {
 public:
  Deployer(Workspace workspace, Cloud& cloud, Output& out) : workspace_(std::move(workspace)), cloud_(cloud), out_(out) {}

  Result<DeployReport> run(const DeployOptions& options);

 private:
  struct Loaded {
    const WorkspaceApi* api;
    ServiceConfig config;
  };
  Result<std::string> account();
  Result<ServiceConfig> load(const WorkspaceApi& api, const DeployOptions& options,
                             const std::map<std::string, int64_t>& layers);
  Result<bool> tell_findings(const std::vector<Finding>& findings, bool strict);  // false: do not go on
  Result<std::map<std::string, int64_t>> newest_layers(const std::vector<std::string>& names, const std::string& region);

  // layers.cc
  Result<int64_t> deploy_layer(const WorkspaceLayer& layer, const std::string& region, DeployReport& report);
  // functions.cc
  Result<bool> deploy_function(const ServiceConfig& service, const FunctionConfig& fn, const std::string& zip,
                               const std::string& sha256);
  Result<bool> create_function(const ServiceConfig& service, const FunctionConfig& fn, const std::string& zip);
  Result<bool> update_function(const ServiceConfig& service, const FunctionConfig& fn, const Value& current,
                               const std::string& zip, const std::string& sha256);
  Result<void> wait_until_ready(const ServiceConfig& service, const std::string& function);
  Result<void> ensure_log_group(const ServiceConfig& service, const FunctionConfig& fn);
  Result<void> allow_api(const ServiceConfig& service, const FunctionConfig& fn, const std::string& api_id);
  // rest_api.cc, http_api.cc: answer the URL of the stage
  Result<std::string> deploy_rest_api(const ServiceConfig& service, bool& changed);
  Result<std::string> deploy_http_api(const ServiceConfig& service, bool& changed);
  // deploy.cc
  Result<void> deploy_api(const Loaded& loaded, const DeployOptions& options, DeployReport& report);
  void check(const WorkspaceApi& api, DeployedApi& deployed);

  Result<Value> call(const ServiceConfig& s, std::string_view service, std::string_view operation, const Value& input);

  Workspace workspace_;
  Cloud& cloud_;
  Output& out_;
  std::string account_;
};

// "arn:aws:lambda:us-east-1:000000000000:function:name"
std::string function_arn(const ServiceConfig& service, const std::string& name);
// A fault as an Error that says which call it was.
Error error_of(const aws::Fault& fault, std::string_view service, std::string_view operation);

// Calls `changed` with the folders' names (indices into `dirs`) a short while after the last change below them, until it
// answers false. node_modules, .git and build leftovers are not watched.
// `ready` is called once, when no change can be missed any more.
Result<void> watch(const std::vector<std::string>& dirs, const std::function<void()>& ready,
                   const std::function<bool(const std::vector<size_t>&)>& changed);

}  // namespace savia::cli

#include <unistd.h>

#include "base/clock.h"
#include "cli/deploy/deploy.h"

namespace savia::cli {
namespace {

constexpr int64_t kReadyTimeoutMs = 60'000;  // as the Serverless Framework waits
constexpr unsigned kReadyPollUs = 20'000;

Value configuration_of(const ServiceConfig& service, const FunctionConfig& fn) {
  Value v;
  v.set("FunctionName", fn.name);
  v.set("Handler", fn.handler);
  v.set("Runtime", fn.runtime);
  v.set("MemorySize", fn.memory_mib);
  v.set("Timeout", fn.timeout_s);
  v.set("Description", fn.description);
  v.set("Role", service.role.empty() ? "arn:aws:iam::" + service.account + ":role/" + service.service + "-" + service.stage +
                                           "-" + service.region + "-lambdaRole"
                                     : service.role);
  v.set("EphemeralStorage", Value().set("Size", fn.ephemeral_mib));
  Value variables = Value::object();
  for (const auto& [name, value] : fn.environment) variables.set(name, value);
  v.set("Environment", Value().set("Variables", std::move(variables)));
  Value layers = Value::list();
  for (const std::string& arn : fn.layers) layers.push(arn);
  v.set("Layers", std::move(layers));
  return v;
}

// The ARNs of a FunctionConfiguration's Layers, in order.
Value layer_arns(const Value& current) {
  Value out = Value::list();
  if (const Value::List* layers = current.list_at("Layers")) {
    for (const Value& l : *layers) out.push(l.str_or("Arn", ""));
  }
  return out;
}

bool same_configuration(const Value& current, const Value& wanted) {
  for (const char* key : {"Handler", "Runtime", "Description", "Role"}) {
    if (current.str_or(key, "") != wanted.str_or(key, "")) return false;
  }
  for (const char* key : {"MemorySize", "Timeout"}) {
    if (current.num_or(key, -1) != wanted.num_or(key, -2)) return false;
  }
  const Value* storage = current.object_at("EphemeralStorage");
  if (storage != nullptr && storage->num_or("Size", 512) != wanted.object_at("EphemeralStorage")->num_or("Size", 512))
    return false;
  const Value* environment = current.object_at("Environment");
  const Value* variables = environment != nullptr ? environment->object_at("Variables") : nullptr;
  Value have = variables != nullptr ? *variables : Value::object();
  if (!(have == *wanted.object_at("Environment")->object_at("Variables"))) return false;
  return layer_arns(current) == *wanted.find("Layers");
}

}  // namespace

Result<void> Deployer::wait_until_ready(const ServiceConfig& service, const std::string& function) {
  int64_t give_up = real_clock().monotonic_us() + kReadyTimeoutMs * 1000;
  for (;;) {
    Value now = TRY(call(service, "lambda", "GetFunctionConfiguration", Value().set("FunctionName", function)));
    std::string state = now.str_or("State", "Active");
    std::string update = now.str_or("LastUpdateStatus", "Successful");
    if (state == "Failed" || update == "Failed") {
      return Error::invalid(
          function + ": " +
          now.str_or("LastUpdateStatusReason", now.str_or("StateReason", "the function could not be made ready")));
    }
    if (state != "Pending" && update != "InProgress") return {};
    if (real_clock().monotonic_us() > give_up)
      return Error::unavailable(out_.say("function {0} is still {1}", {function, state}));
    usleep(kReadyPollUs);
  }
}

Result<void> Deployer::ensure_log_group(const ServiceConfig& service, const FunctionConfig& fn) {
  Value group = Value().set("logGroupName", "/aws/lambda/" + fn.name);
  auto made = cloud_.call("logs", "CreateLogGroup", group, service.region);
  if (!made.ok() && made.error().code != "ResourceAlreadyExistsException")
    return error_of(made.error(), "logs", "CreateLogGroup");
  if (service.log_retention_days)
    TRY(call(service, "logs", "PutRetentionPolicy", group.set("retentionInDays", *service.log_retention_days)));
  return {};
}

Result<bool> Deployer::create_function(const ServiceConfig& service, const FunctionConfig& fn, const std::string& zip) {
  Value input = configuration_of(service, fn);
  input.set("Code", Value().set("ZipFile", Blob{zip}));
  if (fn.description.empty()) input.erase("Description");
  if (fn.environment.empty()) input.erase("Environment");
  if (fn.layers.empty()) input.erase("Layers");
  Value tags = Value::object();
  tags.set("STAGE", service.stage);
  for (const auto& [name, value] : fn.tags) tags.set(name, value);
  input.set("Tags", std::move(tags));
  TRY(call(service, "lambda", "CreateFunction", input));
  TRY(wait_until_ready(service, fn.name));
  return true;
}

Result<bool> Deployer::update_function(const ServiceConfig& service, const FunctionConfig& fn, const Value& current,
                                       const std::string& zip, const std::string& sha256) {
  bool changed = false;
  if (current.str_or("CodeSha256", "") != sha256) {
    TRY(call(service, "lambda", "UpdateFunctionCode", Value().set("FunctionName", fn.name).set("ZipFile", Blob{zip})));
    TRY(wait_until_ready(service, fn.name));
    changed = true;
  }
  Value wanted = configuration_of(service, fn);
  if (!same_configuration(current, wanted)) {
    TRY(call(service, "lambda", "UpdateFunctionConfiguration", wanted));
    TRY(wait_until_ready(service, fn.name));
    changed = true;
  }
  return changed;
}

Result<bool> Deployer::deploy_function(const ServiceConfig& service, const FunctionConfig& fn, const std::string& zip,
                                       const std::string& sha256) {
  TRY(ensure_log_group(service, fn));
  auto found = cloud_.call("lambda", "GetFunction", Value().set("FunctionName", fn.name), service.region);
  bool changed = false;
  if (found.ok()) {
    const Value* current = found->object_at("Configuration");
    changed = TRY(update_function(service, fn, current != nullptr ? *current : Value(), zip, sha256));
  } else if (found.error().code == "ResourceNotFoundException") {
    changed = TRY(create_function(service, fn, zip));
  } else {
    return error_of(found.error(), "lambda", "GetFunction");
  }
  if (fn.reserved_concurrency) {
    TRY(call(service, "lambda", "PutFunctionConcurrency",
             Value().set("FunctionName", fn.name).set("ReservedConcurrentExecutions", *fn.reserved_concurrency)));
  }
  return changed;
}

Result<void> Deployer::allow_api(const ServiceConfig& service, const FunctionConfig& fn, const std::string& api_id) {
  Value input;
  input.set("FunctionName", fn.name);
  input.set("StatementId", fn.name + "-" + api_id);
  input.set("Action", "lambda:InvokeFunction");
  input.set("Principal", "apigateway.amazonaws.com");
  input.set("SourceArn", "arn:aws:execute-api:" + service.region + ":" + service.account + ":" + api_id + "/*/*");
  auto done = cloud_.call("lambda", "AddPermission", input, service.region);
  if (!done.ok() && done.error().code != "ResourceConflictException") return error_of(done.error(), "lambda", "AddPermission");
  return {};
}

}  // namespace savia::cli

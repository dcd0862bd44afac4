#include "services/lambda/engine/function_variables.h"

#include <array>
#include <string_view>

namespace savia::lambda {

std::map<std::string, std::string> function_variables(const FunctionSpec& spec, const Runtime& runtime,
                                                      const std::string& log_stream, const FunctionCredentials& credentials) {
  std::map<std::string, std::string> v = {
      {"_HANDLER", spec.handler},
      {"AWS_REGION", spec.region},
      {"AWS_DEFAULT_REGION", spec.region},
      {"AWS_LAMBDA_FUNCTION_NAME", spec.name},
      {"AWS_LAMBDA_FUNCTION_VERSION", spec.version},
      {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", std::to_string(spec.memory_mib)},
      {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
      {"AWS_LAMBDA_LOG_GROUP_NAME", spec.log_group.empty() ? "/aws/lambda/" + spec.name : spec.log_group},
      {"AWS_LAMBDA_LOG_STREAM_NAME", log_stream},
      {"AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"},
      {"AWS_ACCESS_KEY_ID", credentials.access_key_id},
      {"AWS_SECRET_ACCESS_KEY", credentials.secret_access_key},
      {"AWS_SESSION_TOKEN", credentials.session_token},
      {"AWS_ENDPOINT_URL", std::string("http://") + kGatewayAddress + ":" + std::to_string(kGatewayAwsPort)},
      {"AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"},
      {"AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1:2000"},
      {"_AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1"},
      {"_AWS_XRAY_DAEMON_PORT", "2000"},
      {"LAMBDA_TASK_ROOT", "/var/task"},
      {"LAMBDA_RUNTIME_DIR", "/var/runtime"},
      {"LANG", "en_US.UTF-8"},
      {"TZ", ":UTC"},
      {"PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"},
      {"LD_LIBRARY_PATH", "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"},
  };
  // A session token that is empty is worse than none: clients would send it.
  if (credentials.session_token.empty()) v.erase("AWS_SESSION_TOKEN");
  if (runtime.kind != RuntimeKind::kProvided) {
    v["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + spec.runtime;
    v["PWD"] = "/var/task";
    v["SHLVL"] = "0";
  }
  if (runtime.kind == RuntimeKind::kNode) {
    v["NODE_PATH"] = "/opt/nodejs/node" + std::to_string(runtime.major) +
                     "/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task";
  } else if (runtime.kind == RuntimeKind::kPython) {
    v["PYTHONPATH"] = "/var/runtime";
    v["LC_CTYPE"] = "C.UTF-8";
  }
  if (spec.log_format == "JSON") {
    v["AWS_LAMBDA_LOG_FORMAT"] = "JSON";
    v["AWS_LAMBDA_LOG_LEVEL"] = spec.application_log_level;
  }
  for (const auto& [name, value] : spec.environment) v[name] = value;
  return v;
}

bool needs_own_process(const FunctionSpec& spec) {
  // NODE_ENV is read by libraries, not by node; NODE_PATH is read again at take-over.
  static constexpr std::array<std::string_view, 6> kPrefixes = {"NODE_", "LD_", "PYTHON", "MALLOC_", "LC_", "OPENSSL_"};
  static constexpr std::array<std::string_view, 5> kNames = {"AWS_LAMBDA_EXEC_WRAPPER", "LANG", "GLIBC_TUNABLES",
                                                             "SSL_CERT_FILE", "SSL_CERT_DIR"};
  for (const auto& [name, value] : spec.environment) {
    if (name == "NODE_ENV" || name == "NODE_PATH") continue;
    for (std::string_view n : kNames) {
      if (name == n) return true;
    }
    for (std::string_view prefix : kPrefixes) {
      if (name.compare(0, prefix.size(), prefix) == 0) return true;
    }
  }
  return false;
}

}  // namespace savia::lambda

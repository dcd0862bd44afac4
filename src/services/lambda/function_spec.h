// Where Lambda's control plane (operations on functions, layers, versions, aliases) meets the engine that runs them.
//
// The control plane owns the rows and the unpacked code; for every version that can be invoked it hands the engine one
// FunctionSpec, at start and after each change. The engine keeps no state of its own across restarts: what it has been told
// is what exists. Every call below may come from any thread and does not wait for the engine's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ports/function_invoker.h"

namespace savia::lambda {

// One invocable version of one function, complete.
struct FunctionSpec {
  std::string account;
  std::string region;
  std::string name;
  std::string version = "$LATEST";  // or a published number
  std::string arn;                  // unqualified; the invoked ARN is this plus ":" and the caller's qualifier, if any

  // Changes whenever code, layers or configuration do. Environments are keyed by it: after put() with another revision the
  // old ones finish what is in flight and die.
  std::string revision;
  std::string code_digest;  // of code and layers together (hex): names the function's compile cache; "" for none

  std::string code_dir;  // host folder, becomes /var/task (read-only)
  std::string opt_dir;   // host folder of the merged layers, becomes /opt (read-only); "" without layers
  // Held by the engine until no environment uses the folders above any more; the control plane may delete them from its
  // destructor. May be null.
  std::shared_ptr<const void> hold;

  std::string runtime;  // "nodejs22.x", "python3.11", "provided.al2023"
  std::string handler;  // "index.handler"
  std::map<std::string, std::string> environment;
  int64_t memory_mib = 128;
  int64_t timeout_s = 3;
  int64_t ephemeral_mib = 512;

  std::string log_group;                       // "" means "/aws/lambda/" + name
  std::string log_format = "Text";             // or "JSON"
  std::string application_log_level = "INFO";  // JSON format only: TRACE DEBUG INFO WARN ERROR FATAL
  std::string system_log_level = "INFO";       // JSON format only: DEBUG INFO WARN

  // A function that is known but cannot be invoked now (State Pending or Failed) answers kNotReady with these.
  bool ready = true;
  std::string not_ready_code;  // "ResourceConflictException", …
  std::string not_ready_message;
};

struct WeightedVersion {
  std::string version;
  double weight = 1.0;  // shares of one alias sum to 1
};

// Whether functions of a runtime can run here.
struct RuntimeStatus {
  bool known = false;  // an identifier that AWS has issued and Savia can run in principle
  bool installed = false;
  std::string path;             // host path of the interpreter, when installed; "" for provided.*
  std::string version;          // "v22.11.0"
  std::string install_command;  // what a person types to get it: "savia runtime install nodejs22.x"
};

struct EngineStats {
  int64_t environments = 0;  // alive, all states
  int64_t starting = 0, busy = 0, idle = 0, frozen = 0, pooled = 0;
  int64_t queued = 0;                                                             // invocations that wait for an environment
  int64_t invocations = 0, errors = 0, throttles = 0, timeouts = 0, crashes = 0;  // since start
  int64_t cold_starts = 0, pooled_starts = 0;  // cold ones that began as a fresh process, or from the pool
  int64_t dropped_log_lines = 0;
};

class FunctionEngine : public ports::FunctionInvoker {
 public:
  // When it returns, every later invoke() uses this spec.
  virtual void put(FunctionSpec spec) = 0;
  // Forgets one version, or the whole function with its aliases where `version` is "". What is in flight finishes.
  virtual void remove(const std::string& account, const std::string& region, const std::string& name,
                      const std::string& version) = 0;
  // An empty list removes the alias.
  virtual void set_alias(const std::string& account, const std::string& region, const std::string& name,
                         const std::string& alias, std::vector<WeightedVersion> versions) = 0;
  // Reserved concurrency of the function, all versions together; nullopt takes it away.
  virtual void set_reserved_concurrency(const std::string& account, const std::string& region, const std::string& name,
                                        std::optional<int64_t> concurrency) = 0;

  // From now on keeps started runtimes without a function in reserve. The server calls it once it is ready.
  virtual void fill_pool() = 0;

  virtual RuntimeStatus runtime_status(const std::string& runtime) const = 0;
  // Looks again at what is installed (after `savia runtime install`).
  virtual void rescan_runtimes() = 0;

  // Forgets every function and kills every environment; in-flight invocations answer kInternal. `done` runs on the loop.
  virtual void reset(std::function<void()> done) = 0;
  // Shutdown: no new invocation is taken (kNotReady), those in flight get up to `grace_ms`, then everything is killed.
  virtual void drain(int64_t grace_ms, std::function<void()> done) = 0;

  virtual EngineStats stats() const = 0;
  // Prometheus text of the above, `savia_lambda_…`.
  virtual void append_metrics(std::string& out) const = 0;
};

}  // namespace savia::lambda

// The engine that runs functions: environments (a sandbox with a runtime each), the pool of started runtimes, the Runtime API
// that they speak, and the decision which environment serves an invocation.
//
// Confined to one net::Loop: everything but the calls marked "any thread" in function_spec.h happens on it, without locks.
// invoke() called on the loop with an idle environment writes the event into that environment's socket before it returns.
// It owns no durable state and reads nothing but the unpacked code of the functions it is given.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/random.h"
#include "base/result.h"
#include "net/loop.h"
#include "ports/log_sink.h"
#include "sandbox/sandbox.h"
#include "services/lambda/function_spec.h"

namespace savia::lambda {

// What a function's AWS clients sign with: AWS_ACCESS_KEY_ID and the rest of its environment.
struct FunctionCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;
};

struct EngineOptions {
  // Purpose: DATA; runtimes are looked for in DATA/runtimes, the engine's own files are below DATA/lambda.
  std::string data_dir;
  // Purpose: more folders like DATA/runtimes (DIR/nodejs22.x/bin/node), searched after it.
  std::vector<std::string> runtime_dirs;
  // Purpose: folders searched for node and python3.X, as PATH writes them. Default: the PATH of the process.
  std::string search_path;
  // Purpose: invocations of one account at a time; more are throttled.
  int64_t account_concurrency = limits::kAccountConcurrency;
  // Purpose: environments alive on this machine. Default 0: as many as fit three fifths of its memory at
  // limits::kEnvironmentMib each. Danger: too many, and the kernel kills functions at random.
  int64_t max_environments = 0;
  int64_t freeze_after_ms = limits::kFreezeAfterMs;
  int64_t reap_after_ms = limits::kReapAfterMs;
  // Purpose: started runtimes in reserve, for each runtime and memory size in use. 0 switches the pool off.
  int pool_size = 1;
  // Purpose: ports of this machine's loopback that functions may reach at host.savia.internal. Example: 3306.
  // Danger: whatever listens there must defend itself against every function.
  std::vector<uint16_t> host_ports;
  sandbox::Outgoing outgoing = sandbox::Outgoing::kAllowed;
  // Connections that functions open to the gateway address at :4566 and :8080; the callee owns the descriptor, a
  // non-blocking connected socket. Called on the loop. Null: the port is not opened.
  std::function<void(int fd)> on_aws_connection;
  std::function<void(int fd)> on_edge_connection;
  // By account; must be quick, called on the loop. Null: key "test" with secret "test".
  std::function<FunctionCredentials(const std::string& account)> credentials;
};

// Inside every sandbox: where the AWS front and the edge answer.
inline constexpr const char* kGatewayAddress = "169.254.77.1";
inline constexpr uint16_t kGatewayAwsPort = 4566;
inline constexpr uint16_t kGatewayEdgePort = 8080;

// `loop`, `spawner` (attached to that loop), `logs` and `random` outlive the engine. Call on the loop's thread or before it
// runs; destroy there too, after drain() or reset().
Result<std::unique_ptr<FunctionEngine>> create_engine(net::Loop& loop, sandbox::Spawner& spawner, ports::LogSink& logs,
                                                      Random& random, EngineOptions options);

}  // namespace savia::lambda

// What every command that talks to a server has: where it is, as whom, in which region, and how to print. Savia's own
// commands never read AWS profiles or AWS_* variables, so they cannot reach real AWS by accident: another endpoint than the
// machine's own server is used only by --endpoint or SAVIA_ENDPOINT.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/deploy/cloud.h"
#include "cli/output.h"

namespace savia::cli {

struct SessionOptions {
  std::string endpoint;    // --endpoint, SAVIA_ENDPOINT, else http://127.0.0.1:4566
  std::string access_key;  // SAVIA_ACCESS_KEY_ID, else "test"
  std::string secret_key;  // SAVIA_SECRET_ACCESS_KEY, else "test"
  std::string region;      // --region, SAVIA_REGION, else us-east-1
};

// Fills what is empty from the environment and the defaults.
SessionOptions complete(SessionOptions options);

class Session : public Cloud {
 public:
  static std::unique_ptr<Session> create(SessionOptions options);
  virtual const SessionOptions& options() const = 0;
  // GET of a path of the server itself ("/_savia/health"), as JSON.
  virtual Result<Value> get_json(const std::string& path) = 0;
  virtual Result<std::string> get_text(const std::string& path) = 0;
  virtual Result<Value> post_json(const std::string& path, const Value& body) = 0;
};

// Exit statuses: 0 done, 1 it failed, 2 the command line is wrong.
int fail_with(Output& out, const Error& error, const std::string& endpoint);

int cmd_status(Session& session, Output& out);
int cmd_ps(Session& session, Output& out);
struct LogsOptions {
  std::string name;  // function, API of a workspace, or log group beginning with '/'
  bool follow = false;
  std::string since = "10m";  // "30s", "5m", "2h", "1d" or an ISO time
  std::string filter;         // CloudWatch Logs filter pattern
};
int cmd_logs(Session& session, Output& out, const LogsOptions& options);
struct InvokeOptions {
  std::string name;
  std::string payload = "{}";  // JSON, @FILE or - for standard input
  bool log = false;            // print the last 4 KiB of the log
  bool event = false;          // do not wait for the answer
};
int cmd_invoke(Session& session, Output& out, const InvokeOptions& options);
int cmd_coverage(Session& session, Output& out);
int cmd_env(const SessionOptions& options, Output& out);

}  // namespace savia::cli

// Bodies of the commands that need more than the public API: the server itself, its data directory, runtimes, the machine's
// service manager. What only talks to a server stands in cli/commands.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/commands/session.h"
#include "cli/deploy/deploy.h"
#include "cli/output.h"
#include "server/config.h"

namespace savia::server {

// `savia serve`: runs until SIGTERM or SIGINT. Answers the exit status.
int serve(const Config& config, cli::Output& out);

struct UpOptions {
  std::string dir = ".";
  std::string lang_flag;  // --lang, "" when not given: the workspace's language decides
  cli::DeployOptions deploy;
  std::map<std::string, std::string> server_flags;  // for the server, when none runs
  std::string config_file;
  bool watch = false;
  bool detach = false;       // leave the server running
  bool start_server = true;  // false: `savia deploy`
};
int up(UpOptions options, const cli::SessionOptions& session, cli::Output& out);

int backup(const Config& config, const std::string& file, cli::Output& out);
int restore(const Config& config, const std::string& file, cli::Output& out);
int install_service(const Config& config, const std::map<std::string, std::string>& flags, bool print_only, cli::Output& out);

int runtime_list(const Config& config, cli::Output& out);
int runtime_install(const Config& config, const std::string& runtime, cli::Output& out);

int keys(const Config& config, const std::string& verb, const std::string& argument, cli::Output& out);

}  // namespace savia::server

#include "server/command_line.h"

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands/session.h"
#include "cli/output.h"
#include "os/file.h"
#include "server/commands.h"
#include "server/completions.h"
#include "server/config.h"

namespace savia::server {
namespace {

using cli::Lang;
using cli::Output;

// What options of all commands write into.
struct Parsed {
  std::string lang, endpoint, region, config_file;
  bool json = false;
  std::map<std::string, std::string> server_flags;
  std::vector<std::string> host_ports, runtimes;
  UpOptions up;
  std::vector<std::string> params, options;
  cli::LogsOptions logs;
  cli::InvokeOptions invoke;
  std::string word, file;
  bool print_only = false;
};

// "--lang" counts before anything is parsed, since help is printed by the parser.
Lang language_of(int argc, char** argv) {
  std::string flag;
  for (int i = 1; i < argc; ++i) {
    std::string_view a = argv[i];
    if (a == "--lang" && i + 1 < argc) flag = argv[i + 1];
    if (a.substr(0, 7) == "--lang=") flag = a.substr(7);
  }
  return cli::choose_lang(flag);
}

class CommandLine {
 public:
  explicit CommandLine(Lang lang)
      : lang_(lang), app_(say("A private cloud for API teams: API Gateway, Lambda and layers on this machine"), "savia") {
    build();
  }

  int run(int argc, char** argv);

 private:
  std::string say(std::string_view english) const { return cli::say_in(lang_, english); }

  void build();
  CLI::App* command(const char* name, std::string_view what, std::function<int(Output&)> body, CLI::App* parent = nullptr);
  void server_options(CLI::App* c);
  void deploy_options(CLI::App* c);
  void flag_option(CLI::App* c, const char* name, std::string_view what) {
    c->add_option_function<std::string>(
         "--" + std::string(name), [this, name](const std::string& v) { p_.server_flags[name] = v; }, say(what))
        ->take_last();
  }

  cli::SessionOptions session_options() const {
    cli::SessionOptions o;
    o.endpoint = p_.endpoint;
    o.region = p_.region;
    if (o.endpoint.empty() && std::getenv("SAVIA_ENDPOINT") == nullptr) {
      auto listen = p_.server_flags.find("listen");
      if (listen != p_.server_flags.end()) o.endpoint = "http://" + listen->second;
    }
    return cli::complete(o);
  }
  template <class F>
  int with_config(Output& out, F&& body) {
    auto config = load_config(p_.server_flags, p_.config_file);
    if (!config.ok()) {
      out.error(config.error().message());
      return 2;
    }
    return body(*config);
  }
  bool pairs(Output& out, const std::vector<std::string>& texts, std::map<std::string, std::string>& into);

  Lang lang_;
  Parsed p_;
  CLI::App app_;
  std::function<int(Output&)> chosen_;
};

CLI::App* CommandLine::command(const char* name, std::string_view what, std::function<int(Output&)> body, CLI::App* parent) {
  CLI::App* c = (parent != nullptr ? parent : &app_)->add_subcommand(name, say(what));
  c->fallthrough();
  if (body) c->final_callback([this, body = std::move(body)] { chosen_ = body; });
  return c;
}

void CommandLine::server_options(CLI::App* c) {
  flag_option(c, "data", "folder where everything is kept");
  flag_option(c, "listen", "address of the AWS APIs (127.0.0.1:4566)");
  flag_option(c, "edge", "address of the users' APIs (127.0.0.1:8080)");
  flag_option(c, "auth", "open, verify (default) or enforce");
  flag_option(c, "account", "account id, 12 digits (000000000000)");
  flag_option(c, "tls-cert", "certificate, PEM; needed beyond loopback");
  flag_option(c, "tls-key", "its key, PEM");
  flag_option(c, "outgoing", "on or off: may functions reach the network");
  flag_option(c, "edge-threads", "event loops of the edge");
  flag_option(c, "pool", "prewarmed runtimes kept of each kind");
  flag_option(c, "log-level", "debug, info, warn or error");
  c->add_option("--host-port", p_.host_ports,
                say("port of this machine's loopback that functions reach as host.savia.internal"));
  c->add_option("--runtimes", p_.runtimes, say("folder with runtimes, besides DATA/runtimes"));
  c->add_option("--config", p_.config_file, say("settings as a YAML file"));
}

void CommandLine::deploy_options(CLI::App* c) {
  c->add_option("--env", p_.up.deploy.environment, say("environment of the workspace (dev)"));
  c->add_option("--stage", p_.up.deploy.stage, say("stage, instead of the file's"));
  c->add_option("--param", p_.params, say("NAME=VALUE for ${param:NAME}"));
  c->add_option("--opt", p_.options, say("NAME=VALUE for ${opt:NAME}"));
  c->add_flag("--watch", p_.up.watch, say("deploy again whenever a file changes"));
  c->add_flag("--strict", p_.up.deploy.strict, say("refuse what Savia does not know instead of leaving it out"));
}

bool CommandLine::pairs(Output& out, const std::vector<std::string>& texts, std::map<std::string, std::string>& into) {
  for (const std::string& t : texts) {
    size_t eq = t.find('=');
    if (eq == std::string::npos || eq == 0) {
      out.error(out.say("NAME=VALUE is expected, not {0}", {t}));
      return false;
    }
    into[t.substr(0, eq)] = t.substr(eq + 1);
  }
  return true;
}

void CommandLine::build() {
  app_.require_subcommand(0, 1);
  app_.add_option("--lang", p_.lang, say("es or en"));
  app_.add_flag("--json", p_.json, say("machine-readable output"));
  app_.add_option("--endpoint", p_.endpoint, say("another server than this machine's"));
  app_.add_option("--region", p_.region, say("region (us-east-1)"));
  app_.set_version_flag("--version", std::string("savia ") + SAVIA_VERSION);
  app_.fallthrough();

  CLI::App* up_command = command("up", "start a server if none runs and deploy the workspace", [this](Output& out) {
    if (!pairs(out, p_.params, p_.up.deploy.params) || !pairs(out, p_.options, p_.up.deploy.options)) return 2;
    p_.up.server_flags = p_.server_flags;
    p_.up.config_file = p_.config_file;
    p_.up.deploy.region = p_.region;
    p_.up.lang_flag = p_.lang;
    return up(p_.up, session_options(), out);
  });
  up_command->add_option("dir", p_.up.dir, say("folder of the workspace (.)"));
  up_command->add_flag("--detach", p_.up.detach, say("leave the server running"));
  deploy_options(up_command);
  server_options(up_command);

  CLI::App* deploy = command("deploy", "deploy APIs of the workspace to the running server", [this](Output& out) {
    if (!pairs(out, p_.params, p_.up.deploy.params) || !pairs(out, p_.options, p_.up.deploy.options)) return 2;
    p_.up.start_server = false;
    p_.up.deploy.region = p_.region;
    p_.up.lang_flag = p_.lang;
    return up(p_.up, session_options(), out);
  });
  deploy->add_option("apis", p_.up.deploy.apis, say("names of APIs; all when none is given"));
  deploy->add_option("--dir", p_.up.dir, say("folder of the workspace (.)"));
  deploy_options(deploy);

  command("ps", "functions and their layers",
          [this](Output& out) { return cli::cmd_ps(*cli::Session::create(session_options()), out); });
  CLI::App* logs = command("logs", "log lines of a function", [this](Output& out) {
    return cli::cmd_logs(*cli::Session::create(session_options()), out, p_.logs);
  });
  logs->add_option("name", p_.logs.name, say("function, the beginning of its name, or a log group"))->required();
  logs->add_flag("-f,--follow", p_.logs.follow, say("go on with new lines"));
  logs->add_option("--since", p_.logs.since, say("30s, 5m, 2h, 1d or an ISO time (10m)"));
  logs->add_option("--filter", p_.logs.filter, say("CloudWatch Logs filter pattern"));
  CLI::App* invoke = command("invoke", "invoke a function", [this](Output& out) {
    return cli::cmd_invoke(*cli::Session::create(session_options()), out, p_.invoke);
  });
  invoke->add_option("name", p_.invoke.name, say("function or the beginning of its name"))->required();
  invoke->add_option("-p,--payload", p_.invoke.payload, say("JSON, @FILE, or - for standard input ({})"));
  invoke->add_flag("--log", p_.invoke.log, say("show the end of its log"));
  invoke->add_flag("--event", p_.invoke.event, say("do not wait for the answer"));

  CLI::App* serve_command = command("serve", "run the server", [this](Output& out) {
    return with_config(out, [&](const Config& c) { return serve(c, out); });
  });
  server_options(serve_command);
  command("status", "what the server is and what this machine gives",
          [this](Output& out) { return cli::cmd_status(*cli::Session::create(session_options()), out); });
  command("env", "export lines for AWS tools", [this](Output& out) { return cli::cmd_env(session_options(), out); });

  CLI::App* keys_command = command("keys", "access keys", nullptr);
  keys_command->require_subcommand(1);
  for (const auto& [verb, what] :
       {std::pair{"create", "make an access key"}, {"list", "access keys there are"}, {"delete", "take an access key away"}}) {
    CLI::App* k = command(
        verb, what,
        [this, verb = std::string(verb)](Output& out) {
          return with_config(out, [&](const Config& c) { return keys(c, verb, p_.word, out); });
        },
        keys_command);
    if (std::string_view(verb) == "delete") k->add_option("key", p_.word, say("access key id"))->required();
    flag_option(k, "data", "folder where everything is kept");
    flag_option(k, "account", "account id, 12 digits (000000000000)");
  }

  CLI::App* runtime = command("runtime", "runtimes of functions", nullptr);
  runtime->require_subcommand(1);
  CLI::App* list = command(
      "list", "runtimes and whether they are installed",
      [this](Output& out) { return with_config(out, [&](const Config& c) { return runtime_list(c, out); }); }, runtime);
  CLI::App* install = command(
      "install", "install a runtime into the data folder",
      [this](Output& out) { return with_config(out, [&](const Config& c) { return runtime_install(c, p_.word, out); }); },
      runtime);
  install->add_option("runtime", p_.word, "nodejs22.x")->required();
  for (CLI::App* c : {list, install}) {
    flag_option(c, "data", "folder where everything is kept");
    c->add_option("--runtimes", p_.runtimes, say("folder with runtimes, besides DATA/runtimes"));
  }

  CLI::App* backup_command = command("backup", "everything into one file, while the server runs or not", [this](Output& out) {
    return with_config(out, [&](const Config& c) { return backup(c, p_.file, out); });
  });
  backup_command->add_option("file", p_.file, say("file to write"))->required();
  flag_option(backup_command, "data", "folder where everything is kept");
  CLI::App* restore_command = command("restore", "a backup into an empty data folder", [this](Output& out) {
    return with_config(out, [&](const Config& c) { return restore(c, p_.file, out); });
  });
  restore_command->add_option("file", p_.file, say("file to read"))->required();
  flag_option(restore_command, "data", "folder where everything is kept");

  CLI::App* service = command("service", "the server as a service of this machine", nullptr);
  service->require_subcommand(1);
  CLI::App* unit = command(
      "install", "write a systemd unit and start it",
      [this](Output& out) {
        return with_config(out, [&](const Config& c) { return install_service(c, p_.server_flags, p_.print_only, out); });
      },
      service);
  unit->add_flag("--print", p_.print_only, say("print the unit and change nothing"));
  server_options(unit);

  CLI::App* completions = command("completions", "completion script for bash, zsh or fish", [this](Output& out) {
    std::string script = completion_script(app_, p_.word);
    if (script.empty()) {
      out.error(out.say("completions are for bash, zsh and fish, not {0}", {p_.word}));
      return 2;
    }
    std::fputs(script.c_str(), stdout);
    return 0;
  });
  completions->add_option("shell", p_.word, "bash, zsh, fish")->required();
  command("coverage", "every operation that answers, as Markdown",
          [this](Output& out) { return cli::cmd_coverage(*cli::Session::create(session_options()), out); });
  command("version", "this program's version", [](Output& out) {
    if (out.json()) {
      out.print_json(Value().set("version", SAVIA_VERSION));
    } else {
      out.line(std::string("savia ") + SAVIA_VERSION);
    }
    return 0;
  });
}

int CommandLine::run(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app_.exit(e);
    std::fprintf(stderr, "%s %s\n", say("error:").c_str(), e.what());
    std::fprintf(stderr, "  %s savia --help\n", say("next:").c_str());
    return 2;
  }
  if (!p_.host_ports.empty()) {
    std::string joined;
    for (const std::string& v : p_.host_ports) joined += (joined.empty() ? "" : ",") + v;
    p_.server_flags["host-port"] = joined;
  }
  if (!p_.runtimes.empty()) {
    std::string joined;
    for (const std::string& v : p_.runtimes) joined += (joined.empty() ? "" : ",") + v;
    p_.server_flags["runtimes"] = joined;
  }
  if (!chosen_) {
    std::fputs(app_.help().c_str(), stdout);
    return 0;
  }
  Output out(lang_, p_.json);
  return chosen_(out);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  CommandLine line(language_of(argc, argv));
  return line.run(argc, argv);
}

}  // namespace savia::server

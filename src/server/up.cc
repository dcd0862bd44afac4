// `savia up` and `savia deploy`: a server if none runs (up only), the workspace deployed, and with --watch deployed again
// whenever a file changes.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/clock.h"
#include "os/argv.h"
#include "os/fd.h"
#include "os/file.h"
#include "server/commands.h"

namespace savia::server {
namespace {

constexpr int64_t kStartTimeoutUs = 10'000'000;

volatile sig_atomic_t g_interrupted = 0;
void on_interrupt(int) {
  g_interrupted = 1;
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // no SA_RESTART: waiting calls return
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// The server as a child process, its log in DATA/server.log. Ended with us unless detached.
class ServerProcess {
 public:
  ~ServerProcess() { stop(); }

  Result<void> start(const Config& config, const UpOptions& options) {
    TRY(os::make_dirs(config.data_dir, 0700));
    log_path_ = config.data_dir + "/server.log";
    os::Fd log(open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log) return Error::from_errno(errno, "open " + log_path_);
    std::vector<std::string> args = {"savia", "serve"};
    if (!options.config_file.empty()) args.insert(args.end(), {"--config", options.config_file});
    for (const auto& [flag, value] : options.server_flags) args.insert(args.end(), {"--" + flag, value});
    const std::vector<char*> argv = os::exec_pointers(args);
    pid_ = fork();  // this command has one thread here
    if (pid_ < 0) return Error::from_errno(errno, "fork");
    if (pid_ == 0) {
      setsid();  // Ctrl-C is ours to pass on, after the drain is announced
      dup2(log.get(), 1);
      dup2(log.get(), 2);
      execv("/proc/self/exe", argv.data());
      _exit(127);
    }
    return {};
  }

  bool running() {
    if (pid_ <= 0) return false;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) pid_ = -1;
    return pid_ > 0;
  }
  bool started() const { return pid_ > 0; }
  void leave_running() { pid_ = -1; }
  const std::string& log_path() const { return log_path_; }

  void stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  std::string log_path_;
};

// The last lines of the server's log, for when it does not come up.
std::string log_end(const std::string& path) {
  auto text = os::read_file(path, 64u << 20);
  if (!text.ok()) return {};
  size_t from = text->size();
  for (int lines = 0; from > 0 && lines < 6; --from) {
    if ((*text)[from - 1] == '\n' && from != text->size()) ++lines;
  }
  return text->substr(from);
}

Result<void> ensure_server(ServerProcess& server, const Config& config, const UpOptions& options, cli::Session& session,
                           cli::Output& out) {
  if (session.get_json("/_savia/health").ok()) return {};
  int64_t start = real_clock().monotonic_us();
  TRY(server.start(config, options));
  for (;;) {
    auto health = session.get_json("/_savia/health");
    if (health.ok()) {
      out.end(cli::Style::kGood, out.say("server  http://{0}", {config.listen}),
              out.say("ready in {0}, data in {1}", {cli::human_ms(real_clock().monotonic_us() - start), config.data_dir}));
      return {};
    }
    if (!server.running()) return Error::internal(out.say("the server did not start:") + "\n" + log_end(server.log_path()));
    if (real_clock().monotonic_us() - start > kStartTimeoutUs)
      return Error::unavailable(out.say("the server does not answer; its log is {0}", {server.log_path()}));
    usleep(2000);
  }
}

void say_what_next(const cli::DeployReport& report, const cli::SessionOptions& session, cli::Output& out) {
  out.line();
  out.line(out.paint(cli::Style::kBold, out.say("Try:")));
  for (const cli::DeployedApi& api : report.apis) {
    if (!api.url.empty()) out.line("  curl " + api.url + "/");
  }
  if (!report.apis.empty()) {
    out.line("  savia logs " + report.apis.front().function + " -f");
    out.line("  aws --endpoint-url " + session.endpoint + " lambda list-functions   # " +
             out.say("keys: eval \"$(savia env)\""));
  }
}

// Indices of watched folders -> APIs to deploy; a layer concerns every API that uses it.
std::vector<std::string> concerned(const cli::Workspace& w, const std::vector<size_t>& changed) {
  std::set<std::string> names;
  for (size_t i : changed) {
    if (i < w.apis.size()) {
      names.insert(w.apis[i].name);
      continue;
    }
    const std::string& layer = w.layers[i - w.apis.size()].name;
    for (const cli::WorkspaceApi& api : w.apis) {
      for (const auto& [param, value] : api.params) {
        if (value == "layer:" + layer) names.insert(api.name);
      }
    }
  }
  return {names.begin(), names.end()};
}

int watch_and_deploy(const cli::Workspace& workspace, const UpOptions& options, const std::set<std::string>& chosen,
                     cli::Session& session, cli::Output& out) {
  std::vector<std::string> dirs;
  for (const cli::WorkspaceApi& api : workspace.apis) dirs.push_back(api.path);
  for (const cli::WorkspaceLayer& layer : workspace.layers) dirs.push_back(layer.path);
  auto ready = [&] {
    out.line();
    out.line(out.say("watching {0} folders; Ctrl-C ends", {std::to_string(dirs.size())}));
  };
  auto watched = cli::watch(dirs, ready, [&](const std::vector<size_t>& changed) {
    cli::DeployOptions deploy = options.deploy;
    deploy.apis.clear();
    for (const std::string& name : concerned(workspace, changed)) {
      if (chosen.empty() || chosen.contains(name)) deploy.apis.push_back(name);
    }
    if (deploy.apis.empty()) return g_interrupted == 0;
    cli::Deployer deployer(workspace, session, out);
    auto report = deployer.run(deploy);
    if (!report.ok()) {
      out.error(report.error().message());
    } else {
      out.line(out.paint(cli::Style::kDim, out.say("deployed in {0}", {cli::human_ms(report->us)})));
    }
    return g_interrupted == 0;
  });
  if (!watched.ok()) out.error(watched.error().message());
  return watched.ok() ? 0 : 1;
}

}  // namespace

int up(UpOptions options, const cli::SessionOptions& session_options, cli::Output& out) {
  catch_interrupts();
  auto workspace = cli::load_workspace(options.dir, out.lang());
  if (!workspace.ok()) return cli::fail_with(out, workspace.error(), session_options.endpoint);
  // The workspace's language speaks where the person named none.
  bool named = !options.lang_flag.empty() || std::getenv("SAVIA_LANG") != nullptr;
  cli::Lang lang = !named && workspace->language == "es"   ? cli::Lang::kSpanish
                   : !named && workspace->language == "en" ? cli::Lang::kEnglish
                                                           : out.lang();
  cli::Output speak(lang, out.json());

  auto session = cli::Session::create(session_options);
  ServerProcess server;
  Config config;
  if (options.start_server) {
    auto loaded = load_config(options.server_flags, options.config_file);
    if (!loaded.ok()) return cli::fail_with(speak, loaded.error(), session_options.endpoint);
    config = std::move(*loaded);
    auto ready = ensure_server(server, config, options, *session, speak);
    if (!ready.ok()) return cli::fail_with(speak, ready.error(), session_options.endpoint);
    options.deploy.ensure_runtime = [&](const std::string& runtime) -> Result<void> {
      auto status = session->get_json("/_savia/runtimes/" + runtime);
      if (!status.ok() || status->bool_or("installed", true) || !status->bool_or("known", false)) return {};
      speak.begin(speak.say("runtime {0}", {runtime}));
      if (runtime_install(config, runtime, speak) != 0)
        return Error::unavailable(speak.say("runtime {0} could not be installed", {runtime}));
      TRY(session->post_json("/_savia/runtimes/rescan", Value::object()));
      return {};
    };
  }
  cli::Deployer deployer(*workspace, *session, speak);
  auto report = deployer.run(options.deploy);
  if (!report.ok()) return cli::fail_with(speak, report.error(), session_options.endpoint);
  if (speak.json()) speak.print_json(report->json());
  speak.line();
  speak.line(speak.paint(cli::Style::kGood, report->changed ? speak.say("deployed in {0}", {cli::human_ms(report->us)})
                                                            : speak.say("nothing changed ({0})", {cli::human_ms(report->us)})));
  int status =
      std::any_of(report->apis.begin(), report->apis.end(), [](const cli::DeployedApi& a) { return a.status >= 500; }) ? 1 : 0;
  if (options.watch) {
    std::set<std::string> chosen(options.deploy.apis.begin(), options.deploy.apis.end());
    status = watch_and_deploy(*workspace, options, chosen, *session, speak);
  } else if (server.started()) {
    say_what_next(*report, session_options, speak);
    if (options.detach) {
      server.leave_running();
      return status;
    }
    speak.line();
    speak.line(speak.say("Savia runs until Ctrl-C."));
    while (g_interrupted == 0 && server.running()) usleep(100'000);
    if (g_interrupted == 0) {
      speak.error(speak.say("the server has ended; its log is {0}", {server.log_path()}));
      return 1;
    }
    speak.line();
  }
  if (server.started()) speak.line(speak.say("stopping: requests in flight are answered first"));
  return status;
}

}  // namespace savia::server

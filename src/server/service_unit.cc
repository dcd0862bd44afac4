// `savia service install`: the server as a systemd service.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "os/argv.h"
#include "os/file.h"
#include "server/commands.h"

namespace savia::server {
namespace {

constexpr const char* kUnitPath = "/etc/systemd/system/savia.service";

// systemd reads `%` and quotes in its own way; paths with them are quoted and doubled.
std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%') out += '%';
    out += c;
  }
  return out + "\"";
}

std::string unit_text(const std::string& program, const std::map<std::string, std::string>& flags,
                      const std::string& data_dir) {
  std::string command = quoted(program) + " serve";
  for (const auto& [flag, value] : flags) {
    if (flag != "data") command += " --" + flag + " " + quoted(value);
  }
  command += " --data " + quoted(data_dir);
  return "[Unit]\n"
         "Description=Savia, a private cloud for API teams\n"
         "After=network-online.target\n"
         "Wants=network-online.target\n"
         "\n"
         "[Service]\n"
         "ExecStart=" +
         command +
         "\n"
         "Restart=always\n"
         "RestartSec=1\n"
         "# Requests in flight are answered before the end.\n"
         "KillMode=mixed\n"
         "TimeoutStopSec=40\n"
         "# The sandboxes' limits are cgroups below the service's own.\n"
         "Delegate=yes\n"
         "LimitNOFILE=65536\n"
         "\n"
         "[Install]\n"
         "WantedBy=multi-user.target\n";
}

int systemctl(std::vector<std::string> args) {
  args.insert(args.begin(), "systemctl");
  const std::vector<char*> argv = os::exec_pointers(args);
  pid_t pid = fork();  // this command has one thread
  if (pid < 0) return -1;
  if (pid == 0) {
    execvp("systemctl", argv.data());
    _exit(127);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

int install_service(const Config& config, const std::map<std::string, std::string>& flags, bool print_only, cli::Output& out) {
  char program[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
  if (n <= 0) {
    out.error("/proc/self/exe");
    return 1;
  }
  std::string unit = unit_text(std::string(program, static_cast<size_t>(n)), flags, config.data_dir);
  if (print_only) {
    out.line(unit);
    return 0;
  }
  if (geteuid() != 0) {
    out.error(out.say("a service of the machine is installed as root"), "sudo savia service install");
    return 1;
  }
  auto written = os::write_file_atomic(kUnitPath, unit);
  if (!written.ok()) {
    out.error(written.error().message());
    return 1;
  }
  out.end(cli::Style::kGood, kUnitPath);
  if (!os::exists("/run/systemd/system")) {
    out.warn(out.say("systemd does not run on this machine: the unit is written and not started"));
    return 0;
  }
  if (systemctl({"daemon-reload"}) != 0 || systemctl({"enable", "--now", "savia.service"}) != 0) {
    out.error(out.say("systemd could not start the service"), "journalctl -u savia");
    return 1;
  }
  out.end(cli::Style::kGood, out.say("savia.service is enabled and running"));
  out.line("journalctl -fu savia");
  return 0;
}

}  // namespace savia::server

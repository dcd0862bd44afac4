#include "server/config.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/strings.h"
#include "cli/node.h"
#include "net/http_server.h"
#include "os/file.h"

namespace savia::server {
namespace {

// A setting's name in each of the three places.
struct Setting {
  const char* flag;
  const char* variable;
};
constexpr Setting kSettings[] = {{"data", "SAVIA_DATA"},
                                 {"listen", "SAVIA_LISTEN"},
                                 {"edge", "SAVIA_EDGE"},
                                 {"auth", "SAVIA_AUTH"},
                                 {"account", "SAVIA_ACCOUNT"},
                                 {"tls-cert", "SAVIA_TLS_CERT"},
                                 {"tls-key", "SAVIA_TLS_KEY"},
                                 {"runtimes", "SAVIA_RUNTIMES"},
                                 {"outgoing", "SAVIA_OUTGOING"},
                                 {"host-port", "SAVIA_HOST_PORTS"},
                                 {"edge-threads", "SAVIA_EDGE_THREADS"},
                                 {"pool", "SAVIA_POOL"},
                                 {"log-level", "SAVIA_LOG_LEVEL"}};

// In the file the names have underscores, and lists are lists.
std::string file_key(std::string_view flag) {
  if (flag == "host-port") return "host_ports";
  return replace_all(std::string(flag), "-", "_");
}

struct Given {
  std::string value;
  std::string from;  // "--listen", "SAVIA_LISTEN", "savia.conf:3"
};

Result<std::map<std::string, Given>> gather(const std::map<std::string, std::string>& flags, const std::string& config_file) {
  std::map<std::string, Given> out;
  if (!config_file.empty()) {
    cli::Node root = TRY(cli::load_node(config_file, config_file));
    if (!root.is_map() && !root.is_null()) return Error::invalid(config_file + ": a map of settings is expected");
    for (const cli::Node::Entry& entry : root.map) {
      const auto& key = entry.key;
      const cli::Node& node = entry.node;
      auto known =
          std::find_if(std::begin(kSettings), std::end(kSettings), [&](const Setting& s) { return file_key(s.flag) == key; });
      if (known == std::end(kSettings))
        return Error::invalid(node.place.text() + ": " + key + " is not a setting (docs/configuration.md has them all)");
      std::string value;
      if (node.is_list()) {
        for (const cli::Node& item : node.list) value += (value.empty() ? "" : ",") + item.text();
      } else {
        value = node.text();
      }
      out[known->flag] = {value, node.place.text()};
    }
  }
  for (const Setting& s : kSettings) {
    if (const char* v = std::getenv(s.variable); v != nullptr && *v != '\0') out[s.flag] = {v, s.variable};
  }
  for (const auto& [flag, value] : flags) out[flag] = {value, "--" + flag};
  return out;
}

Error wrong(const Given& g, const std::string& expected) {
  return Error::invalid(g.from + ": '" + g.value + "' is not " + expected);
}

Result<void> check_address(const Given& g) {
  size_t colon = g.value.rfind(':');
  auto port = colon == std::string::npos ? std::nullopt : parse_int(std::string_view(g.value).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535 || colon == 0) return wrong(g, "an address such as 127.0.0.1:4566 or [::1]:4566");
  return {};
}

std::vector<std::string> parts(std::string_view text, std::string_view separators) {
  std::vector<std::string> out;
  size_t start = 0;
  while (start <= text.size()) {
    size_t end = std::min(text.find_first_of(separators, start), text.size());
    if (std::string_view part = trim(text.substr(start, end - start)); !part.empty()) out.emplace_back(part);
    start = end + 1;
  }
  return out;
}

Result<void> apply(Config& c, const std::string& flag, const Given& g) {
  auto number = [&](int64_t low, int64_t high) -> Result<int64_t> {
    auto v = parse_int(g.value);
    if (!v || *v < low || *v > high)
      return wrong(g, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    return *v;
  };
  if (flag == "data") {
    c.data_dir = g.value;
  } else if (flag == "listen") {
    TRY(check_address(g));
    c.listen = g.value;
  } else if (flag == "edge") {
    TRY(check_address(g));
    c.edge = g.value;
  } else if (flag == "auth") {
    if (g.value == "open") {
      c.auth = AuthMode::kOpen;
    } else if (g.value == "verify") {
      c.auth = AuthMode::kVerify;
    } else if (g.value == "enforce") {
      c.auth = AuthMode::kEnforce;
    } else {
      return wrong(g, "open, verify or enforce");
    }
  } else if (flag == "account") {
    if (g.value.size() != 12 || g.value.find_first_not_of("0123456789") != std::string::npos)
      return wrong(g, "an account id of 12 digits");
    c.account = g.value;
  } else if (flag == "tls-cert") {
    c.tls_cert = g.value;
  } else if (flag == "tls-key") {
    c.tls_key = g.value;
  } else if (flag == "runtimes") {
    c.runtimes = parts(g.value, ":,");
  } else if (flag == "outgoing") {
    if (g.value != "on" && g.value != "off" && g.value != "true" && g.value != "false") return wrong(g, "on or off");
    c.outgoing = g.value == "on" || g.value == "true";
  } else if (flag == "host-port") {
    c.host_ports.clear();
    for (const std::string& p : parts(g.value, ",")) {
      auto v = parse_int(p);
      if (!v || *v < 1 || *v > 65535) return wrong(g, "a list of ports");
      c.host_ports.push_back(static_cast<uint16_t>(*v));
    }
  } else if (flag == "edge-threads") {
    c.edge_threads = static_cast<int>(TRY(number(0, 64)));
  } else if (flag == "pool") {
    c.pool = static_cast<int>(TRY(number(0, 16)));
  } else if (flag == "log-level") {
    if (g.value != "debug" && g.value != "info" && g.value != "warn" && g.value != "error")
      return wrong(g, "debug, info, warn or error");
    c.log_level = g.value;
  }
  return {};
}

std::string port_of(const std::string& address) {
  return address.substr(address.rfind(':') + 1);
}

}  // namespace

bool Config::loopback_only() const {
  return net::is_loopback(listen) && net::is_loopback(edge);
}
std::string Config::edge_port() const {
  return port_of(edge);
}
std::string Config::listen_port() const {
  return port_of(listen);
}

std::string default_data_dir() {
  if (geteuid() == 0) return "/var/lib/savia";
  if (const char* xdg = std::getenv("XDG_DATA_HOME"); xdg != nullptr && *xdg == '/') return std::string(xdg) + "/savia";
  const char* home = std::getenv("HOME");
  return (home != nullptr ? std::string(home) : std::string("/tmp")) + "/.local/share/savia";
}

Result<Config> load_config(const std::map<std::string, std::string>& flags, const std::string& config_file) {
  Config c;
  auto given = TRY(gather(flags, config_file));
  for (const auto& [flag, g] : given) TRY(apply(c, flag, g));
  if (c.data_dir.empty()) c.data_dir = default_data_dir();
  if (c.data_dir[0] != '/') {
    char cwd[4096];
    if (getcwd(cwd, sizeof cwd) == nullptr) return Error::from_errno(errno, "getcwd");
    c.data_dir = std::string(cwd) + "/" + c.data_dir;
  }
  for (std::string& dir : c.runtimes) {
    char real[4096];
    if (realpath(dir.c_str(), real) != nullptr) dir = real;
  }
  if (c.tls_cert.empty() != c.tls_key.empty()) return Error::invalid("tls-cert and tls-key go together: give both or none");
  if (!c.loopback_only() && c.tls_cert.empty()) {
    return Error::invalid("listening beyond loopback needs TLS: give --tls-cert and --tls-key, or listen on 127.0.0.1 (" +
                          c.listen + ", " + c.edge + ")");
  }
  if (!c.loopback_only() && c.auth == AuthMode::kOpen) return Error::invalid("--auth open is for loopback only: use verify");
  return c;
}

}  // namespace savia::server

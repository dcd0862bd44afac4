// What a server is told: flags, then SAVIA_* variables, then the config file (YAML, --config), then the defaults below.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace savia::server {

enum class AuthMode { kOpen, kVerify, kEnforce };

struct Config {
  // Where everything is kept. Default: /var/lib/savia as root, else $XDG_DATA_HOME/savia (~/.local/share/savia).
  //   --data DIR, SAVIA_DATA, data: DIR
  std::string data_dir;
  // The AWS APIs, one listener for all. Loopback unless a certificate is given.
  //   --listen 127.0.0.1:4566, SAVIA_LISTEN
  std::string listen = "127.0.0.1:4566";
  // The users' APIs.
  //   --edge 127.0.0.1:8080, SAVIA_EDGE
  std::string edge = "127.0.0.1:8080";
  // open: any credentials, loopback only. verify: signatures are checked. enforce: IAM policies too.
  //   --auth verify, SAVIA_AUTH
  AuthMode auth = AuthMode::kVerify;
  // The account of the built-in key and of whoever names none: 12 digits.
  //   --account 000000000000, SAVIA_ACCOUNT
  std::string account = "000000000000";
  // PEM files for TLS on both listeners; needed to listen beyond loopback, where the built-in key test/test does not exist.
  //   --tls-cert FILE --tls-key FILE, SAVIA_TLS_CERT, SAVIA_TLS_KEY
  std::string tls_cert, tls_key;
  // Folders with runtimes besides DATA/runtimes: DIR/nodejs22.x/bin/node.
  //   --runtimes DIR (repeatable), SAVIA_RUNTIMES (':' between), runtimes: [DIR, …]
  std::vector<std::string> runtimes;
  // May functions reach the network beyond this machine?
  //   --outgoing on|off, SAVIA_OUTGOING. Danger: "on" lets code that you deploy connect anywhere.
  bool outgoing = true;
  // Ports of this machine's loopback that functions reach as host.savia.internal, for a database say. None by default.
  //   --host-port 3306 (repeatable), SAVIA_HOST_PORTS (',' between), host_ports: [3306]
  std::vector<uint16_t> host_ports;
  // Event loops of the edge. 0: one on two cores or fewer, else half the cores.
  //   --edge-threads N, SAVIA_EDGE_THREADS
  int edge_threads = 0;
  // Prewarmed runtimes kept for each installed runtime in use.
  //   --pool N, SAVIA_POOL
  int pool = 1;
  // debug, info, warn, error
  //   --log-level info, SAVIA_LOG_LEVEL
  std::string log_level = "info";

  bool loopback_only() const;
  std::string edge_port() const;    // "8080"
  std::string listen_port() const;  // "4566"
};

std::string default_data_dir();

// `flags`: what the command line said, by the names above without dashes ("tls-cert"); lists joined by ','.
Result<Config> load_config(const std::map<std::string, std::string>& flags, const std::string& config_file);

}  // namespace savia::server

// Names inside a sandbox where the machine's resolver cannot be reached from there (it listens on the host's loopback, or
// the machine has it on one of its own addresses): queries to the gateway address, port 53, go to the resolver through the
// server. Bytes pass unread; nothing else on the host's loopback is reachable this way.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/loop.h"
#include "os/fd.h"

namespace savia::sandbox {

// What /etc/resolv.conf inside says, and whether it needs the relay.
struct ResolverPlan {
  std::string resolv_conf;
  bool relay = false;
  std::string upstream;  // IPv4 or IPv6 address of the host's resolver, when relayed
};
ResolverPlan plan_resolver(std::string_view host_resolv_conf, const std::string& gateway);

class DnsRelay {
 public:
  virtual ~DnsRelay() = default;
  // Serves the two sockets (non-blocking, bound inside the sandbox) until destroyed. On the loop's thread.
  static Result<std::unique_ptr<DnsRelay>> create(net::Loop& loop, os::Fd udp, os::Fd tcp, const std::string& upstream);
};

}  // namespace savia::sandbox

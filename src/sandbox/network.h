// The network of all sandboxes. Each has a name space of its own with a loopback; its eth0 is one end of a veth pair whose
// other end stands in the *router*, one more name space that only the helper lives in:
//
//   sandbox eth0 198.18.x.y/31 --- svN  router  up0 198.19.255.x/30 --- savia<n>  host  (as root: veth, two rules of nftables)
//                                               tap0 10.0.2.100     --- slirp4netns     (otherwise: a process of the user)
//
// The router forwards from sandboxes to its uplink and nothing else, so sandboxes cannot reach each other; the host drops what
// comes from savia<n> for itself, so they cannot reach its services. Both masquerade. The host sees one interface and one
// table; the interface goes with the router when the helper dies, however it dies, and a stale table is swept at the next
// start.
//
// Why a router and not veth pairs on the host: its interface list, sysctls and rules stay as they are, one code serves root
// and user alike, and nothing is left behind. The price is one more hop, about 2 microseconds a packet.
//
// 198.18.0.0/15 is set aside for benchmarks (RFC 2544), so no real network uses it. IPv6 exists on the loopback only.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/fd.h"
#include "sandbox/netlink.h"

namespace savia::sandbox {

inline constexpr Ipv4 kGatewayAddress = (169u << 24) | (254u << 16) | (77u << 8) | 1u;  // 169.254.77.1, on lo inside

class Network {
 public:
  // Makes the router and its uplink. Afterwards the calling process (single-threaded) lives in the router; it needs
  // CAP_NET_ADMIN over its user name space. As root the uplink is a veth pair; as a user, or where the machine's firewall drops
  // forwarded packets, it is `slirp` (start_slirp_waiter; -1: none). Never fails: without any, outgoing() is false and why()
  // says why.
  static Network set_up(bool root, int slirp);
  Network() = default;

  bool outgoing() const { return outgoing_; }
  const std::string& why() const { return why_; }
  int mtu() const { return mtu_; }
  void tear_down();  // gives the host back as it was

 private:
  Result<void> uplink_veth();
  Result<void> uplink_slirp(int slirp, const std::vector<std::string>& own, const Result<void>& before);
  Result<void> check_firewall();
  Result<void> router_rules(const std::string& uplink, const std::vector<std::string>& refused);
  Result<void> host_rules();
  Result<void> allow_forwarding();
  Result<std::set<std::string>> guarded_by_others();

  bool outgoing_ = false;
  std::string why_;
  int mtu_ = 1500;
  os::Fd host_ns_;
  int number_ = -1;                                           // of savia<n> and its table
  std::vector<std::pair<std::string, std::string>> restore_;  // sysctl path, old value
  std::vector<std::string> guarded_;                          // interfaces that forward only because of us
};

// For the init inside: leaves the router for a new network name space and furnishes it. `index` < 32768 tells the addresses.
// With `uplink`, eth0 is connected and up.
Result<void> enter_new_network(uint32_t index, bool uplink, int mtu);
// Cuts eth0 off again, for Outgoing::kDenied.
Result<void> cut_off();

// Runs `nft -f -` on `rules`, in the name space behind `netns` or, when -1, in the current one. Returns what it printed.
Result<std::string> run_nft(const std::string& rules, int netns);

// Forks what later becomes slirp4netns, while we are still outside of the helper's user name space. Returns a socket: one
// byte written starts it (with our pid's name spaces), one byte read says that it is ready, end of file that it failed.
Result<os::Fd> start_slirp_waiter(bool root);

}  // namespace savia::sandbox

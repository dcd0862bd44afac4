// Route netlink (rtnetlink(7)): the handful of requests that a sandbox's network takes, each sent and acknowledged on the
// spot. A socket belongs to the network name space in which it was opened, so one process can hold one for each side.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "os/fd.h"

namespace savia::sandbox {

using Ipv4 = uint32_t;  // host byte order

std::string to_text(Ipv4 address);

class Netlink {
 public:
  static Result<Netlink> open();  // in the current network name space

  Result<void> link_up(int index);
  Result<void> link_down(int index);
  Result<void> link_delete(int index);
  Result<int> link_index(const std::string& name);
  Result<void> add_address(int index, Ipv4 address, int prefix);
  Result<void> add_default_route(int index, Ipv4 gateway);

  // A pair of virtual cables: `name` here, `peer` in the name space behind `peer_netns`. An index of 0 lets the kernel choose.
  struct Veth {
    std::string name;
    int index = 0;
    std::string peer;
    int peer_index = 0;
    int peer_netns = -1;
    int mtu = 1500;
  };
  Result<void> add_veth(const Veth& v);

 private:
  explicit Netlink(os::Fd sock) : sock_(std::move(sock)) {}
  class Request;
  Result<void> ask(Request& request, const char* doing);

  os::Fd sock_;
  uint32_t sequence_ = 0;
};

}  // namespace savia::sandbox

#include "sandbox/netlink.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace savia::sandbox {

std::string to_text(Ipv4 address) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += std::to_string((address >> shift) & 0xff) + (shift != 0 ? "." : "");
  return out;
}

// One message being built: header, fixed part, attributes. 1 KiB holds the longest of ours several times.
class Netlink::Request {
 public:
  Request(uint16_t type, uint16_t flags) {
    header()->nlmsg_len = NLMSG_LENGTH(0);
    header()->nlmsg_type = type;
    header()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_); }
  void append(const void* data, size_t size) {
    std::memcpy(bytes_ + header()->nlmsg_len, data, size);
    header()->nlmsg_len += static_cast<uint32_t>(NLMSG_ALIGN(size));
  }
  template <class T>
  void fixed(const T& part) {
    append(&part, sizeof part);
  }
  void attribute(uint16_t type, const void* data, size_t size) {
    rtattr a{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    append(&a, sizeof a);
    append(data, size);
  }
  void attribute(uint16_t type, uint32_t value) { attribute(type, &value, sizeof value); }
  void attribute(uint16_t type, const std::string& text) { attribute(type, text.c_str(), text.size() + 1); }
  // Attributes between open and close lie inside it.
  size_t open(uint16_t type) {
    size_t at = header()->nlmsg_len;
    rtattr a{static_cast<uint16_t>(RTA_LENGTH(0)), type};
    append(&a, sizeof a);
    return at;
  }
  void close(size_t at) { reinterpret_cast<rtattr*>(bytes_ + at)->rta_len = static_cast<uint16_t>(header()->nlmsg_len - at); }

 private:
  alignas(nlmsghdr) char bytes_[1024] = {};
};

Result<Netlink> Netlink::open() {
  os::Fd sock(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!sock) return Error::from_errno(errno, "netlink socket");
  return Netlink(std::move(sock));
}

Result<void> Netlink::ask(Request& request, const char* doing) {
  request.header()->nlmsg_seq = ++sequence_;
  if (::send(sock_.get(), request.header(), request.header()->nlmsg_len, 0) < 0) return Error::from_errno(errno, doing);
  alignas(nlmsghdr) char reply[4096];
  while (true) {
    ssize_t n = ::recv(sock_.get(), reply, sizeof reply, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, doing);
    auto left = static_cast<unsigned>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(reply); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_seq != sequence_ || h->nlmsg_type != NLMSG_ERROR) continue;
      int error = static_cast<const nlmsgerr*>(NLMSG_DATA(h))->error;
      if (error == 0) return {};
      return Error::from_errno(-error, doing);
    }
  }
}

Result<void> Netlink::link_up(int index) {
  Request r(RTM_NEWLINK, 0);
  ifinfomsg link{};
  link.ifi_index = index;
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  r.fixed(link);
  return ask(r, "network link up");
}

Result<void> Netlink::link_down(int index) {
  Request r(RTM_NEWLINK, 0);
  ifinfomsg link{};
  link.ifi_index = index;
  link.ifi_change = IFF_UP;
  r.fixed(link);
  return ask(r, "network link down");
}

Result<void> Netlink::link_delete(int index) {
  Request r(RTM_DELLINK, 0);
  ifinfomsg link{};
  link.ifi_index = index;
  r.fixed(link);
  return ask(r, "network link delete");
}

Result<int> Netlink::link_index(const std::string& name) {
  Request r(RTM_GETLINK, 0);
  r.fixed(ifinfomsg{});
  r.attribute(IFLA_IFNAME, name);
  r.header()->nlmsg_flags = NLM_F_REQUEST;
  r.header()->nlmsg_seq = ++sequence_;
  if (::send(sock_.get(), r.header(), r.header()->nlmsg_len, 0) < 0) return Error::from_errno(errno, "find network link");
  alignas(nlmsghdr) char reply[16'384];
  ssize_t n = ::recv(sock_.get(), reply, sizeof reply, 0);
  if (n < 0) return Error::from_errno(errno, "find network link");
  auto* h = reinterpret_cast<nlmsghdr*>(reply);
  if (!NLMSG_OK(h, static_cast<unsigned>(n)) || h->nlmsg_type != RTM_NEWLINK) return Error::not_found("network link " + name);
  return static_cast<const ifinfomsg*>(NLMSG_DATA(h))->ifi_index;
}

Result<void> Netlink::add_address(int index, Ipv4 address, int prefix) {
  Request r(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  ifaddrmsg a{};
  a.ifa_family = AF_INET;
  a.ifa_prefixlen = static_cast<uint8_t>(prefix);
  a.ifa_index = static_cast<uint32_t>(index);
  r.fixed(a);
  r.attribute(IFA_LOCAL, htonl(address));
  r.attribute(IFA_ADDRESS, htonl(address));
  return ask(r, "network address");
}

Result<void> Netlink::add_default_route(int index, Ipv4 gateway) {
  Request r(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  rtmsg route{};
  route.rtm_family = AF_INET;
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_UNIVERSE;
  route.rtm_type = RTN_UNICAST;
  r.fixed(route);
  r.attribute(RTA_GATEWAY, htonl(gateway));
  r.attribute(RTA_OIF, static_cast<uint32_t>(index));
  return ask(r, "default route");
}

Result<void> Netlink::add_veth(const Veth& v) {
  Request r(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  ifinfomsg link{};
  link.ifi_index = v.index;
  r.fixed(link);
  r.attribute(IFLA_IFNAME, v.name);
  r.attribute(IFLA_MTU, static_cast<uint32_t>(v.mtu));
  size_t info = r.open(IFLA_LINKINFO);
  r.attribute(IFLA_INFO_KIND, "veth", 4);
  size_t data = r.open(IFLA_INFO_DATA);
  size_t peer = r.open(VETH_INFO_PEER);
  ifinfomsg other{};
  other.ifi_index = v.peer_index;
  r.fixed(other);
  r.attribute(IFLA_IFNAME, v.peer);
  r.attribute(IFLA_MTU, static_cast<uint32_t>(v.mtu));
  r.attribute(IFLA_NET_NS_FD, static_cast<uint32_t>(v.peer_netns));
  r.close(peer);
  r.close(data);
  r.close(info);
  return ask(r, "veth pair");
}

}  // namespace savia::sandbox

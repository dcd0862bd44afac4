#include "sandbox/network.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "sandbox/sys.h"

namespace savia::sandbox {

namespace {

constexpr Ipv4 kSandboxBase = (198u << 24) | (18u << 16);               // + 2 * index: router end, + 1: sandbox end
constexpr Ipv4 kUplinkBase = (198u << 24) | (19u << 16) | (255u << 8);  // + 4 * n: host end + 1, router end + 2
constexpr int kMaxServers = 63;                                         // of Savia on one machine
constexpr int kLoopback = 1;                                            // always the first interface
constexpr int kInnerIndex = 2;                                          // of eth0
constexpr int kRouterIndexBase = 1000;                                  // svN has index 1000 + N
constexpr int kSlirpTimeoutMs = 3000;

std::string find_program(std::initializer_list<const char*> paths) {
  for (const char* p : paths) {
    if (::access(p, X_OK) == 0) return p;
  }
  return "";
}

std::string nft_program() {
  return find_program({"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"});
}

// Interfaces with an IPv4 default route, from /proc/net/route (all other interfaces but lo when there is none).
std::vector<std::string> uplinks() {
  std::vector<std::string> found, all;
  auto text = read_small("/proc/net/route");
  if (!text.ok()) return found;
  bool head = true;
  for (std::string_view line : split(*text, '\n')) {
    auto f = split(line, '\t');
    if (std::exchange(head, false) || f.size() < 8) continue;
    std::string name(f[0]);
    if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
    if (f[1] == "00000000" && f[7] == "00000000" && std::find(found.begin(), found.end(), name) == found.end())
      found.push_back(name);
  }
  return found.empty() ? all : found;
}

// eth0 of a sandbox carries what the narrowest uplink carries, so that nothing depends on path MTU discovery.
int smallest_mtu(const std::vector<std::string>& interfaces) {
  int mtu = 1500;
  for (const std::string& name : interfaces) {
    auto text = read_small("/sys/class/net/" + name + "/mtu");
    if (!text.ok()) continue;
    auto value = parse_int(trim(*text));
    if (value && *value >= 576) mtu = std::min(mtu, static_cast<int>(*value));
  }
  return mtu;
}

// Runs `body` in a child that lives in another network name space. sysctls and nftables belong to the name space of who asks.
template <class F>
Result<void> in_netns(int netns, F&& body) {
  auto pipe = make_pipe();
  if (!pipe.ok()) return std::move(pipe).error();
  pid_t pid = fork_with(0, nullptr);
  if (pid < 0) return Error::from_errno(errno, "clone3");
  if (pid == 0) {
    Result<void> done = ::setns(netns, CLONE_NEWNET) == 0 ? body() : Result<void>(Error::from_errno(errno, "setns"));
    if (!done.ok()) (void)!::write(pipe->second.get(), done.error().message().data(), done.error().message().size());
    ::_exit(done.ok() ? 0 : 1);
  }
  pipe->second.reset();
  std::string text;
  char buffer[1024];
  for (ssize_t n = 0; (n = ::read(pipe->first.get(), buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return Error::internal(text.empty() ? "helper process failed" : text);
  return {};
}

}  // namespace

Result<void> run_nft(const std::string& rules, int netns) {
  std::string nft = nft_program();
  if (nft.empty()) return Error::not_found("nft (package nftables) is not installed");
  auto in = make_pipe();
  if (!in.ok()) return std::move(in).error();
  auto out = make_pipe();
  if (!out.ok()) return std::move(out).error();
  pid_t pid = fork_with(0, nullptr);
  if (pid < 0) return Error::from_errno(errno, "clone3");
  if (pid == 0) {
    if (netns >= 0 && ::setns(netns, CLONE_NEWNET) != 0) ::_exit(126);
    ::dup2(in->first.get(), 0);
    ::dup2(out->second.get(), 1);
    ::dup2(out->second.get(), 2);
    close_from(3);
    char* const argv[] = {const_cast<char*>("nft"), const_cast<char*>("-f"), const_cast<char*>("-"), nullptr};  // NOLINT
    char* const env[] = {nullptr};
    ::execve(nft.c_str(), argv, env);
    ::_exit(127);
  }
  in->first.reset();
  out->second.reset();
  // Our rules are far smaller than a pipe, so this write does not wait for the reader.
  (void)!::write(in->second.get(), rules.data(), rules.size());
  in->second.reset();
  std::string text;
  char buffer[1024];
  for (ssize_t n = 0; (n = ::read(out->first.get(), buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return Error::internal("nft: " + std::string(trim(text.substr(0, text.find('\n')))));
  return {};
}

// ------------------------------------------------------------------------------------------------------------- uplinks

Network Network::set_up(bool root, int slirp) {
  Network n;
  n.host_ns_.reset(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  std::vector<std::string> links = uplinks();
  n.mtu_ = smallest_mtu(links);
  Result<void> done;
  if (::unshare(CLONE_NEWNET) != 0) {
    done = Error::from_errno(errno, "network name space of the router");
  } else {
    // Sockets opened from here on belong to the router. IPv6 is off there: sandboxes have it on their loopback only.
    (void)write_small("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    (void)write_small("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    done = write_small("/proc/sys/net/ipv4/ip_forward", "1");
    if (done.ok()) done = root ? n.uplink_veth() : n.uplink_slirp(slirp);
  }
  n.outgoing_ = done.ok();
  if (!done.ok()) {
    n.why_ = done.error().message();
    n.tear_down();
  }
  return n;
}

Result<void> Network::router_rules(const std::string& uplink) {
  return run_nft(
      "table ip savia {\n"
      "  chain forward {\n"
      "    type filter hook forward priority 0; policy drop;\n"
      "    iifname \"sv*\" oifname \"" +
          uplink +
          "\" accept\n"
          "    iifname \"" +
          uplink +
          "\" oifname \"sv*\" ct state established,related accept\n"
          "  }\n"
          "  chain input {\n"
          "    type filter hook input priority 0; policy drop;\n"
          "  }\n"
          "  chain post {\n"
          "    type nat hook postrouting priority 100; policy accept;\n"
          "    oifname \"" +
          uplink +
          "\" masquerade\n"
          "  }\n"
          "}\n",
      -1);
}

Result<void> Network::uplink_veth() {
  if (nft_program().empty()) return Error::not_found("nft (package nftables) is not installed");
  TRY(router_rules("up0"));
  Netlink router = TRY(Netlink::open());
  os::Fd router_ns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!router_ns) return Error::from_errno(errno, "open /proc/self/ns/net");
  // A netlink socket made in the host's name space stays there when we return.
  if (::setns(host_ns_.get(), CLONE_NEWNET) != 0) return Error::from_errno(errno, "setns");
  auto host = Netlink::open();
  if (::setns(router_ns.get(), CLONE_NEWNET) != 0) return Error::from_errno(errno, "setns");
  if (!host.ok()) return std::move(host).error();
  for (int n = 0; n < kMaxServers; ++n) {
    Netlink::Veth pair;
    pair.name = "savia" + std::to_string(n);
    pair.peer = "up0";
    pair.peer_netns = router_ns.get();
    pair.mtu = mtu_;
    auto made = host->add_veth(pair);
    if (made.ok()) {
      number_ = n;
      break;
    }
    if (made.error().kind() != ErrorKind::kConflict) return made;  // EEXIST: another server of Savia's
  }
  if (number_ < 0) return Error::exhausted("all interface names savia0 to savia62 are taken");
  Ipv4 base = kUplinkBase + 4 * static_cast<Ipv4>(number_);
  int outer = TRY(host->link_index("savia" + std::to_string(number_)));
  int inner = TRY(router.link_index("up0"));
  TRY(host->add_address(outer, base + 1, 30));
  TRY(host->link_up(outer));
  TRY(router.add_address(inner, base + 2, 30));
  TRY(router.link_up(inner));
  TRY(router.add_default_route(inner, base + 1));
  TRY(allow_forwarding());
  return host_rules();
}

// The host must forward between savia<n> and its uplink. Where it forwards nothing so far, that is turned on for these
// interfaces only, and host_rules() keeps the uplink's neighbours from using it.
Result<void> Network::allow_forwarding() {
  std::string own = "savia" + std::to_string(number_);
  // Decided in the host's name space, remembered here for the way back.
  auto report = make_pipe();
  if (!report.ok()) return std::move(report).error();
  auto done = in_netns(host_ns_.get(), [&]() -> Result<void> {
    (void)write_small("/proc/sys/net/ipv6/conf/" + own + "/disable_ipv6", "1");  // fails where the kernel has no IPv6
    TRY(write_small("/proc/sys/net/ipv4/conf/" + own + "/forwarding", "1"));
    for (const std::string& name : uplinks()) {
      if (name == own) continue;
      std::string path = "/proc/sys/net/ipv4/conf/" + name + "/forwarding";
      auto old = read_small(path);
      if (!old.ok() || trim(*old) == "1") continue;
      TRY(write_small(path, "1"));
      std::string line = name + "\n";
      (void)!::write(report->second.get(), line.data(), line.size());
    }
    return {};
  });
  if (!done.ok()) return done;
  report->second.reset();
  std::string names;
  char buffer[1024];
  for (ssize_t n = 0; (n = ::read(report->first.get(), buffer, sizeof buffer)) > 0;)
    names.append(buffer, static_cast<size_t>(n));
  for (std::string_view name : split(names, '\n')) {
    if (name.empty()) continue;
    guarded_.emplace_back(name);
    restore_.emplace_back("/proc/sys/net/ipv4/conf/" + std::string(name) + "/forwarding", "0");
  }
  return {};
}

// Connection tracking, once anybody asks for it, covers all traffic of the host. Where nobody did before us, the host's own
// loopback (our listeners among it) is left out again.
Result<void> Network::host_rules() {
  std::string own = "savia" + std::to_string(number_);
  std::string address = to_text(kUplinkBase + 4 * static_cast<Ipv4>(number_) + 2);
  std::string guards;
  for (const std::string& name : guarded_) {
    // Connections that another program's DNAT sends on (a container engine started later) are its business.
    guards += "    iifname \"" + name + "\" oifname != \"" + own + "\" ct state new ct status dnat accept\n";
    guards += "    iifname \"" + name + "\" oifname != \"" + own + "\" ct state new drop\n";
  }
  std::string untracked;
  auto tracked = read_small("/proc/sys/net/netfilter/nf_conntrack_count");
  if (!tracked.ok() || trim(*tracked) == "0") {
    for (const char* hook : {"prerouting", "output"}) {
      untracked += std::string("  chain ") + hook + "_lo {\n    type filter hook " + hook + " priority -300; policy accept;\n" +
                   "    ip saddr 127.0.0.0/8 ip daddr 127.0.0.0/8 notrack\n  }\n";
    }
  }
  return run_nft("table ip " + own +
                     "\n"  // declared, then deleted: right whether it existed or not
                     "delete table ip " +
                     own +
                     "\n"
                     "table ip " +
                     own +
                     " {\n"
                     "  chain input {\n"
                     "    type filter hook input priority -10; policy accept;\n"
                     "    iifname \"" +
                     own +
                     "\" ct state established,related accept\n"
                     "    iifname \"" +
                     own +
                     "\" drop\n"
                     "  }\n"
                     "  chain forward {\n"
                     "    type filter hook forward priority -10; policy accept;\n"
                     "    oifname \"" +
                     own +
                     "\" ct state established,related accept\n"
                     "    oifname \"" +
                     own + "\" drop\n" + guards +
                     "  }\n"
                     "  chain post {\n"
                     "    type nat hook postrouting priority 100; policy accept;\n"
                     "    ip saddr " +
                     address + " oifname != \"" + own +
                     "\" masquerade\n"
                     "  }\n" +
                     untracked + "}\n",
                 host_ns_.get());
}

Result<void> Network::uplink_slirp(int slirp) {
  if (slirp < 0) return Error::not_found("slirp4netns is not installed");
  TRY(router_rules("tap0"));
  if (::write(slirp, "s", 1) != 1) return Error::internal("slirp4netns did not start");
  pollfd p{slirp, POLLIN, 0};
  char byte = 0;
  if (::poll(&p, 1, kSlirpTimeoutMs) != 1 || ::read(slirp, &byte, 1) != 1) {
    return Error::internal("slirp4netns failed; it needs read and write access to /dev/net/tun");
  }
  mtu_ = 1500;
  return {};
}

void Network::tear_down() {
  if (number_ < 0 || !host_ns_) return;
  std::string own = "savia" + std::to_string(number_);
  (void)run_nft("table ip " + own + "\ndelete table ip " + own + "\n", host_ns_.get());
  (void)in_netns(host_ns_.get(), [&]() -> Result<void> {
    for (const auto& [path, value] : restore_) (void)write_small(path, value);
    Netlink host = TRY(Netlink::open());
    int index = TRY(host.link_index(own));
    return host.link_delete(index);
  });
  number_ = -1;
}

Result<os::Fd> start_slirp_waiter() {
  std::string program = find_program({"/usr/bin/slirp4netns", "/usr/local/bin/slirp4netns"});
  if (program.empty()) return Error::not_found("slirp4netns is not installed");
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return Error::from_errno(errno, "socketpair");
  os::Fd ours(fds[0]), theirs(fds[1]);
  pid_t parent = ::getpid();
  pid_t pid = fork_with(0, nullptr);
  if (pid < 0) return Error::from_errno(errno, "clone3");
  if (pid > 0) return ours;
  // The waiter: stays in the user's own name spaces, goes when the helper goes.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ours.reset();
  char byte = 0;
  if (::getppid() != parent || ::read(theirs.get(), &byte, 1) != 1) ::_exit(1);
  std::string proc = "/proc/" + std::to_string(parent) + "/ns/";
  std::string user = "--userns-path=" + proc + "user", net = proc + "net";
  ::dup2(theirs.get(), 3);
  int null = ::open("/dev/null", O_RDWR);
  for (int fd : {0, 1, 2}) ::dup2(null, fd);
  close_from(4);
  const char* argv[] = {
      "slirp4netns", "--configure", "--disable-host-loopback", "--ready-fd=3", "--netns-type=path", user.c_str(), net.c_str(),
      "tap0",        nullptr};
  char* const env[] = {nullptr};
  ::execve(program.c_str(), const_cast<char* const*>(argv), env);  // NOLINT
  ::_exit(127);
}

// -------------------------------------------------------------------------------------------------------------- inside

Result<void> enter_new_network(uint32_t index, bool uplink, int mtu) {
  Netlink router = TRY(Netlink::open());
  if (::unshare(CLONE_NEWNET) != 0) return Error::from_errno(errno, "network name space");
  Netlink inside = TRY(Netlink::open());
  TRY(inside.link_up(kLoopback));
  TRY(inside.add_address(kLoopback, kGatewayAddress, 32));
  (void)write_small("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  if (!uplink) return {};
  os::Fd own(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!own) return Error::from_errno(errno, "open /proc/self/ns/net");
  Netlink::Veth pair;
  pair.name = "sv" + std::to_string(index);
  pair.index = kRouterIndexBase + static_cast<int>(index);
  pair.peer = "eth0";
  pair.peer_index = kInnerIndex;
  pair.peer_netns = own.get();
  pair.mtu = mtu;
  TRY(router.add_veth(pair));
  Ipv4 base = kSandboxBase + 2 * index;
  TRY(router.add_address(pair.index, base, 31));
  TRY(router.link_up(pair.index));
  TRY(inside.add_address(kInnerIndex, base + 1, 31));
  TRY(inside.link_up(kInnerIndex));
  return inside.add_default_route(kInnerIndex, base);
}

Result<void> cut_off() {
  Netlink inside = TRY(Netlink::open());
  auto gone = inside.link_delete(kInnerIndex);
  if (gone.ok() || gone.error().message().find("No such device") != std::string::npos) return {};
  return gone;
}

}  // namespace savia::sandbox

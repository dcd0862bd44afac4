#include "sandbox/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
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

#include "base/log.h"
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

// The machine's IPv4 addresses, but its loopback's.
std::vector<std::string> own_addresses() {
  std::vector<std::string> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
    std::string text = to_text(ntohl(reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr.s_addr));
    if (text.substr(0, 4) != "127.") found.push_back(text);
  }
  ::freeifaddrs(list);
  return found;
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

// A netlink socket made in another name space stays there when we return to ours.
Result<Netlink> open_netlink_in(int netns, int home) {
  if (::setns(netns, CLONE_NEWNET) != 0) return Error::from_errno(errno, "setns");
  auto sock = Netlink::open();
  if (::setns(home, CLONE_NEWNET) != 0) return Error::from_errno(errno, "setns");
  return sock;
}

}  // namespace

Result<std::string> run_nft(const std::string& rules, int netns) {
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
  return text;
}

// ------------------------------------------------------------------------------------------------------------- uplinks

Network Network::set_up(bool root, int slirp) {
  Network n;
  n.host_ns_.reset(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  std::vector<std::string> links = uplinks(), own = own_addresses();
  n.mtu_ = smallest_mtu(links);
  Result<void> done;
  if (::unshare(CLONE_NEWNET) != 0) {
    done = Error::from_errno(errno, "network name space of the router");
  } else {
    // Sockets opened from here on belong to the router. IPv6 is off there: sandboxes have it on their loopback only.
    (void)write_small("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    (void)write_small("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    done = write_small("/proc/sys/net/ipv4/ip_forward", "1");
    if (done.ok() && root) done = n.uplink_veth();
    if (!done.ok() && root && slirp >= 0) {
      log_info("sandbox.network.slirp", {{"because", done.error().message()}});
      n.tear_down();
    }
    if (!done.ok() || !root) done = n.uplink_slirp(slirp, own, done);
  }
  n.outgoing_ = done.ok();
  if (!done.ok()) {
    n.why_ = done.error().message();
    n.tear_down();
  }
  return n;
}

// From sandboxes to the uplink, answers back, nothing else: not between sandboxes, not to the router, and not to `refused`.
Result<void> Network::router_rules(const std::string& uplink, const std::vector<std::string>& refused) {
  std::string refuse;
  for (const std::string& address : refused) refuse += "    ip daddr " + address + " reject\n";
  std::string rules = R"(table ip savia
delete table ip savia
table ip savia {
  chain forward {
    type filter hook forward priority 0; policy drop;
$refuse
    iifname "sv*" oifname "$uplink" accept
    iifname "$uplink" oifname "sv*" ct state established,related accept
    iifname "sv*" reject
  }
  chain input {
    type filter hook input priority 0; policy drop;
    iifname "sv*" reject
  }
  chain post {
    type nat hook postrouting priority 100; policy accept;
    oifname "$uplink" masquerade
  }
}
)";
  (void)TRY(run_nft(replace_all(replace_all(rules, "$refuse", refuse), "$uplink", uplink), -1));
  return {};
}

Result<void> Network::uplink_veth() {
  if (nft_program().empty()) return Error::not_found("nft (package nftables) is not installed");
  TRY(router_rules("up0", {}));
  Netlink router = TRY(Netlink::open());
  os::Fd router_ns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!router_ns) return Error::from_errno(errno, "open /proc/self/ns/net");
  auto host = open_netlink_in(host_ns_.get(), router_ns.get());
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
  TRY(host_rules());
  return check_firewall();
}

// A chain of somebody else that drops forwarded packets by policy (a container engine's, a firewall's) has the last word: an
// accept in our table does not overrule it, and their rules are not ours to change.
Result<void> Network::check_firewall() {
  std::string chains = TRY(run_nft("list chains\n", host_ns_.get()));
  std::string table, chain;
  for (std::string_view line : split(chains, '\n')) {
    std::string_view text = trim(line);
    if (text.substr(0, 6) == "table ") table = trim(text.substr(6, text.size() - 7));
    if (text.substr(0, 6) == "chain ") chain = trim(text.substr(6, text.size() - 7));
    if (text.find("hook forward") == std::string_view::npos || text.find("policy drop") == std::string_view::npos) continue;
    if (table.substr(0, 4) == "ip6 " || table.substr(0, 7) == "bridge ") continue;
    return Error::conflict("the firewall drops forwarded packets: chain " + chain + " of table " + table + " has policy drop");
  }
  return {};
}

// Interfaces that forward only because of another server of Savia's, alive or killed, as its table's guards tell. Tables whose
// interface is gone are removed; one of our own number was left by a killed server and is replaced later.
Result<std::set<std::string>> Network::guarded_by_others() {
  std::set<std::string> names;
  os::Fd router_ns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  auto host = open_netlink_in(host_ns_.get(), router_ns.get());
  if (!host.ok()) return std::move(host).error();
  std::string tables = TRY(run_nft("list tables ip\n", host_ns_.get()));
  for (std::string_view line : split(tables, '\n')) {
    if (line.substr(0, 14) != "table ip savia") continue;
    std::string table(trim(line.substr(9)));
    if (!parse_int(table.substr(5))) continue;
    auto rules = run_nft("list table ip " + table + "\n", host_ns_.get());
    if (!rules.ok()) continue;  // removed by its owner meanwhile
    for (std::string_view rule : split(*rules, '\n')) {
      auto words = split(trim(rule), '"');
      if (words.size() > 2 && words[0] == "iifname " && rule.find("ct status dnat accept") != std::string_view::npos)
        names.emplace(words[1]);
    }
    if (!host->link_index(table).ok()) (void)run_nft("delete table ip " + table + "\n", host_ns_.get());
  }
  return names;
}

// The host must forward between savia<n> and its uplink. Where it forwards nothing so far, that is turned on for these
// interfaces only, and host_rules() keeps the uplink's neighbours from using it.
Result<void> Network::allow_forwarding() {
  std::string own = "savia" + std::to_string(number_);
  // Decided in the host's name space, remembered here for the way back.
  std::set<std::string> inherited = TRY(guarded_by_others());
  auto report = make_pipe();
  if (!report.ok()) return std::move(report).error();
  auto done = in_netns(host_ns_.get(), [&]() -> Result<void> {
    (void)write_small("/proc/sys/net/ipv6/conf/" + own + "/disable_ipv6", "1");  // fails where the kernel has no IPv6
    TRY(write_small("/proc/sys/net/ipv4/conf/" + own + "/forwarding", "1"));
    for (const std::string& name : uplinks()) {
      if (name == own) continue;
      std::string path = "/proc/sys/net/ipv4/conf/" + name + "/forwarding";
      auto old = read_small(path);
      if (!old.ok() || (trim(*old) == "1" && inherited.count(name) == 0)) continue;
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
  std::string guards, untracked;
  for (const std::string& name : guarded_) {
    // Connections that another program's DNAT sends on (a container engine started later) are its business.
    std::string rule = "    iifname \"" + name + "\" oifname != \"$own\" ct state new ";
    guards += rule + "ct status dnat accept\n" + rule + "drop\n";
  }
  auto tracked = read_small("/proc/sys/net/netfilter/nf_conntrack_count");
  if (!tracked.ok() || trim(*tracked) == "0") {
    for (const std::string hook : {"prerouting", "output"}) {
      untracked += "  chain lo_" + hook + " {\n    type filter hook " + hook + " priority -300; policy accept;\n" +
                   "    ip saddr 127.0.0.0/8 ip daddr 127.0.0.0/8 notrack\n  }\n";
    }
  }
  // Declared and deleted first: right whether a killed server left one or not.
  std::string rules = R"(table ip $own
delete table ip $own
table ip $own {
  chain input {
    type filter hook input priority -10; policy accept;
    iifname "$own" ct state established,related accept
    iifname "$own" reject
  }
  chain forward {
    type filter hook forward priority -10; policy accept;
    oifname "$own" ct state established,related accept
    oifname "$own" drop
$guards
  }
  chain post {
    type nat hook postrouting priority 100; policy accept;
    ip saddr $address oifname != "$own" masquerade
  }
$untracked
}
)";
  rules = replace_all(replace_all(rules, "$guards", guards), "$untracked", untracked);
  rules = replace_all(rules, "$address", to_text(kUplinkBase + 4 * static_cast<Ipv4>(number_) + 2));
  (void)TRY(run_nft(replace_all(rules, "$own", "savia" + std::to_string(number_)), host_ns_.get()));
  return {};
}

Result<void> Network::uplink_slirp(int slirp, const std::vector<std::string>& own, const Result<void>& before) {
  if (slirp < 0 && !before.ok()) return before;
  if (slirp < 0) return Error::not_found("slirp4netns is not installed");
  // slirp4netns makes connections as a process of this machine, so nothing but this keeps them from its own addresses.
  TRY(router_rules("tap0", own));
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
    Netlink host = TRY(Netlink::open());
    bool last = true;
    for (int n = 0; n < kMaxServers; ++n) last = last && (n == number_ || !host.link_index("savia" + std::to_string(n)).ok());
    for (const auto& [path, value] : restore_) {
      if (last) (void)write_small(path, value);  // otherwise the others' way out
    }
    int index = TRY(host.link_index(own));
    return host.link_delete(index);
  });
  number_ = -1;
}

Result<os::Fd> start_slirp_waiter(bool root) {
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
  std::vector<const char*> argv = {"slirp4netns", "--configure", "--disable-host-loopback", "--ready-fd=3",
                                   "--netns-type=path"};
  // As root it drops what it need not have; as a user it enters the helper's user name space.
  argv.push_back(root ? "--enable-sandbox" : user.c_str());
  for (const char* last : {net.c_str(), "tap0", static_cast<const char*>(nullptr)}) argv.push_back(last);
  char* const env[] = {nullptr};
  ::execve(program.c_str(), const_cast<char* const*>(argv.data()), env);  // NOLINT
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

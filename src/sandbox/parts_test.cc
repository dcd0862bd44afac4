// The parts that need no sandbox: specs and messages, resolvers, control groups of machines that this one is not.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "net/loop.h"
#include "os/file.h"
#include "sandbox/cgroup.h"
#include "sandbox/check_spec.h"
#include "sandbox/dns_relay.h"
#include "sandbox/sys.h"
#include "sandbox/wire.h"

namespace savia::sandbox {
namespace {

Spec good_spec() {
  Spec s;
  s.id = "fn-1";
  s.argv = {"/bin/true", "a b", ""};
  s.env = {"A=1", "B="};
  s.mounts = {{"/srv/code", "/var/task", true}, {"/srv/data", "/data", false}};
  s.mount_points = {"/opt"};
  s.listeners = {{"127.0.0.1", 9001}};
  s.hosts = {{"host.savia.internal", "169.254.77.1"}};
  s.control_socket = true;
  s.outgoing = Outgoing::kDenied;
  return s;
}

TEST(Wire, SpecsSurviveTheJourney) {
  WireSpec w{good_spec(), "nameserver 1.2.3.4\n", true};
  std::string bytes = encode_spec(w);
  auto back = decode_spec(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(encode_spec(*back), bytes);
  EXPECT_EQ(back->spec.argv, w.spec.argv);
  EXPECT_EQ(back->spec.mounts[1].target, "/data");
  EXPECT_FALSE(back->spec.mounts[1].read_only);
  EXPECT_EQ(back->spec.hosts, w.spec.hosts);
  EXPECT_EQ(back->resolv_conf, w.resolv_conf);
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(decode_spec(bytes.substr(0, n)).ok()) << n;
}

TEST(Wire, DescriptorsRideAlong) {
  auto pair = make_pair();
  ASSERT_TRUE(pair.ok());
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_TRUE(send_message(pair->first.get(), Op::kReady, 7, "body", {null, null}).ok());
  ASSERT_TRUE(send_message(pair->first.get(), Op::kDone, 8, "").ok());
  pair->first.reset();
  auto m = receive_message(pair->second.get());
  ASSERT_TRUE(m.ok() && m->has_value());
  EXPECT_EQ((*m)->op, Op::kReady);
  EXPECT_EQ((*m)->number, 7U);
  EXPECT_EQ((*m)->body, "body");
  ASSERT_EQ((*m)->fds.size(), 2U);
  EXPECT_NE(::fcntl((*m)->fds[0].get(), F_GETFD) & FD_CLOEXEC, 0);
  m = receive_message(pair->second.get());
  ASSERT_TRUE(m.ok() && m->has_value());
  EXPECT_TRUE((*m)->body.empty());
  auto end = receive_message(pair->second.get());
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().kind(), ErrorKind::kConflict);
  ::close(null);
}

TEST(Wire, ErrorsKeepKindAndText) {
  Error e = decode_error(encode_error(Error::denied("mount /x: Permission denied")));
  EXPECT_EQ(e.kind(), ErrorKind::kDenied);
  EXPECT_EQ(e.message(), "mount /x: Permission denied");
  EXPECT_EQ(decode_error("junk").kind(), ErrorKind::kInternal);
}

TEST(CheckSpec, RefusesWhatCouldHarm) {
  EXPECT_TRUE(check_spec(good_spec()).ok());
  auto bad = [](auto change) {
    Spec s = good_spec();
    change(s);
    auto r = check_spec(s);
    return !r.ok() && r.error().kind() == ErrorKind::kInvalid;
  };
  EXPECT_TRUE(bad([](Spec& s) { s.id = ""; }));
  EXPECT_TRUE(bad([](Spec& s) { s.id = std::string(41, 'a'); }));
  EXPECT_TRUE(bad([](Spec& s) { s.id = "../x"; }));
  EXPECT_TRUE(bad([](Spec& s) { s.argv = {}; }));
  EXPECT_TRUE(bad([](Spec& s) { s.argv = {"sh"}; }));
  EXPECT_TRUE(bad([](Spec& s) { s.env = {"NOVALUE"}; }));
  EXPECT_TRUE(bad([](Spec& s) { s.env = {std::string("A=1\0B", 5)}; }));
  EXPECT_TRUE(bad([](Spec& s) { s.cwd = "var"; }));
  EXPECT_TRUE(bad([](Spec& s) { s.hostname = "a\nb"; }));
  EXPECT_TRUE(bad([](Spec& s) { s.hosts = {{"evil\n127.0.0.1 bank", "1.2.3.4"}}; }));
  EXPECT_TRUE(bad([](Spec& s) { s.hosts = {{"name", "1.2.3.4 other"}}; }));
  for (const char* target : {"/", "", "relative", "/a/../b", "/a//b", "/a/", "/proc", "/proc/1", "/dev/null", "/sys"}) {
    EXPECT_TRUE(bad([&](Spec& s) { s.mounts[0].target = target; })) << target;
    EXPECT_TRUE(bad([&](Spec& s) { s.mount_points = {target}; })) << target;
  }
  EXPECT_TRUE(bad([](Spec& s) { s.mounts.resize(100, s.mounts[0]); }));
  EXPECT_TRUE(bad([](Spec& s) { s.memory_mib = 0; }));
  EXPECT_TRUE(bad([](Spec& s) { s.tmp_mib = 20'000; }));
  EXPECT_TRUE(bad([](Spec& s) { s.pids = 0; }));
  EXPECT_TRUE(bad([](Spec& s) { s.listeners = {{"::1", 80}}; }));
  EXPECT_TRUE(bad([](Spec& s) { s.listeners = {{"127.0.0.1", 0}}; }));
}

TEST(Resolver, PlanFollowsTheMachine) {
  const std::string gate = "169.254.77.1";
  auto plan = plan_resolver("search corp.example\nnameserver 192.0.2.53\nnameserver 127.0.0.53\n", gate);
  EXPECT_FALSE(plan.relay);
  EXPECT_EQ(plan.resolv_conf, "nameserver 192.0.2.53\nsearch corp.example\n");
  plan = plan_resolver("# stub\nnameserver 127.0.0.53\noptions edns0\n", gate);
  EXPECT_TRUE(plan.relay);
  EXPECT_EQ(plan.upstream, "127.0.0.53");
  EXPECT_EQ(plan.resolv_conf, "nameserver 169.254.77.1\noptions edns0\n");
  plan = plan_resolver("nameserver fe80::1%eth0\n", gate);
  EXPECT_TRUE(plan.relay);  // no IPv6 inside
  plan = plan_resolver("", gate);
  EXPECT_EQ(plan.upstream, "127.0.0.1");
}

os::Fd bound(int type, const char* address, uint16_t port, uint16_t* chosen) {
  os::Fd s(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &a.sin_addr);
  if (::bind(s.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) return {};
  if (type == SOCK_STREAM) ::listen(s.get(), 8);
  socklen_t size = sizeof a;
  ::getsockname(s.get(), reinterpret_cast<sockaddr*>(&a), &size);
  if (chosen != nullptr) *chosen = ntohs(a.sin_port);
  return s;
}

TEST(Resolver, RelayCarriesQuestionsAndAnswers) {
  std::string upstream = "127.53." + std::to_string(::getpid() % 250 + 1) + "." + std::to_string(::getpid() / 250 % 250 + 1);
  os::Fd resolver = bound(SOCK_DGRAM, upstream.c_str(), 53, nullptr),
         resolver_tcp = bound(SOCK_STREAM, upstream.c_str(), 53, nullptr);
  if (!resolver || !resolver_tcp) GTEST_SKIP() << "port 53 needs root";
  auto loop = net::Loop::create();
  ASSERT_TRUE(loop.ok());
  uint16_t udp_port = 0, tcp_port = 0;
  os::Fd udp = bound(SOCK_DGRAM, "127.0.0.1", 0, &udp_port), tcp = bound(SOCK_STREAM, "127.0.0.1", 0, &tcp_port);
  auto relay = DnsRelay::create(**loop, std::move(udp), std::move(tcp), upstream);
  ASSERT_TRUE(relay.ok());
  auto turn = [&] {
    (*loop)->after(20, [&] { (*loop)->stop(); });
    (*loop)->run();
  };
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(udp_port);
  os::Fd client(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  ASSERT_EQ(::send(client.get(), "question", 8, 0), 8);
  turn();
  char buffer[64] = {};
  sockaddr_in from{};
  socklen_t size = sizeof from;
  ASSERT_EQ(::recvfrom(resolver.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size), 8);
  ASSERT_EQ(::sendto(resolver.get(), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), size), 6);
  turn();
  ASSERT_EQ(::recv(client.get(), buffer, sizeof buffer, 0), 6);
  EXPECT_EQ(std::string(buffer, 6), "answer");

  to.sin_port = htons(tcp_port);
  os::Fd stream(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(stream.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  ASSERT_EQ(::send(stream.get(), "long question", 13, 0), 13);
  turn();
  os::Fd accepted(::accept(resolver_tcp.get(), nullptr, nullptr));
  ASSERT_TRUE(accepted);
  turn();
  ASSERT_EQ(::recv(accepted.get(), buffer, sizeof buffer, 0), 13);
  ASSERT_EQ(::send(accepted.get(), "long answer", 11, 0), 11);
  accepted.reset();
  turn();
  ASSERT_EQ(::recv(stream.get(), buffer, sizeof buffer, MSG_WAITALL), 11);
  EXPECT_EQ(std::string(buffer, 11), "long answer");
}

// A directory that looks like a cgroup tree: the kernel's files are ordinary ones here.
class FakeTree : public ::testing::Test {
 protected:
  void SetUp() override {
    auto d = os::TempDir::create();
    ASSERT_TRUE(d.ok());
    dir_.emplace(std::move(*d));
  }
  std::string path(const std::string& rest) { return dir_->path() + rest; }
  void file(const std::string& rest, const std::string& text = "") { std::ofstream(path(rest)) << text; }
  std::string content(const std::string& rest) { return read_small(path(rest)).value_or("(none)"); }
  void folder(const std::string& rest) { ::mkdir(path(rest).c_str(), 0755); }
  std::optional<os::TempDir> dir_;
};

TEST_F(FakeTree, PureV2) {
  file("/cgroup.controllers", "cpuset cpu io memory pids\n");
  file("/cgroup.subtree_control");
  file("/cgroup.procs");
  std::string info = "30 23 0:26 / " + dir_->path() + " rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
  Cgroups c = Cgroups::probe(info, "0::/user.slice\n", true, false);
  EXPECT_EQ(c.kind(), Facilities::Cgroups::kV2);
  EXPECT_TRUE(c.memory() && c.cpu() && c.pids() && c.freezer());
  folder("/savia.1.2");
  file("/savia.1.2/cgroup.subtree_control");
  ASSERT_TRUE(c.open("1.2").ok());
  auto g = c.make(5);
  ASSERT_TRUE(g.ok());
  for (const char* f : {"memory.max", "memory.swap.max", "memory.oom.group", "memory.high", "cpu.weight", "cpu.max", "pids.max",
                        "cgroup.freeze", "cgroup.kill", "cgroup.procs"}) {
    file(std::string("/savia.1.2/5/") + f);
  }
  file("/savia.1.2/5/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n");
  file("/savia.1.2/5/memory.current", "5000000\n");
  file("/savia.1.2/5/memory.peak", "7000000\n");
  file("/savia.1.2/5/memory.stat", "anon 3000000\nfile 900000\nshmem 100\ninactive_file 800000\n");
  file("/savia.1.2/5/cpu.stat", "usage_usec 1234\nuser_usec 1000\n");
  file("/savia.1.2/5/pids.current", "4\n");
  ASSERT_TRUE((*g)->set_limits({0, 250, 100}).ok());
  ASSERT_TRUE((*g)->set_memory(64 << 20).ok());
  EXPECT_EQ(content("/savia.1.2/5/memory.max"), "67108864");
  EXPECT_EQ(content("/savia.1.2/5/memory.swap.max"), "0");
  EXPECT_EQ(content("/savia.1.2/5/memory.oom.group"), "1");
  EXPECT_EQ(content("/savia.1.2/5/cpu.weight"), "25");
  EXPECT_EQ(content("/savia.1.2/5/cpu.max"), "100000 100000");
  EXPECT_EQ(content("/savia.1.2/5/pids.max"), "101");
  auto watch = (*g)->make_watch();
  ASSERT_TRUE(watch.ok() && (*g)->arm_watch(watch->get(), 1000).ok());
  EXPECT_EQ(content("/savia.1.2/5/memory.high"), "1000");
  EXPECT_EQ((*g)->held_bytes(), 3'000'100);
  EXPECT_EQ((*g)->oom_kills(), 2);
  Usage u = (*g)->usage();
  EXPECT_EQ(u.memory_bytes, 4'200'000);
  EXPECT_EQ(u.memory_peak_bytes, 7'000'000);
  EXPECT_EQ(u.cpu_us, 1234);
  EXPECT_EQ(u.pids, 3);
  EXPECT_EQ((*g)->freeze_file().path, path("/savia.1.2/5/cgroup.freeze"));
  (*g)->freeze(true);
  EXPECT_EQ(content("/savia.1.2/5/cgroup.freeze"), "1");
}

TEST_F(FakeTree, V2WithoutDelegation) {
  folder("/user.slice");
  file("/user.slice/cgroup.procs");
  ::chmod(path("/user.slice/cgroup.procs").c_str(), 0444);
  std::string info = "30 23 0:26 / " + dir_->path() + " rw - cgroup2 cgroup2 rw\n";
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  Cgroups c = Cgroups::probe(info, "0::/user.slice\n", false, true);
  EXPECT_FALSE(c.any());
  EXPECT_EQ(c.kind(), Facilities::Cgroups::kNone);
  EXPECT_EQ(c.notes().size(), 1U);
}

TEST_F(FakeTree, V2Delegated) {
  folder("/app.scope");
  file("/app.scope/cgroup.procs", "4242\n");
  file("/app.scope/cgroup.controllers", "memory pids\n");
  file("/app.scope/cgroup.subtree_control");
  std::string info = "30 23 0:26 / " + dir_->path() + " rw - cgroup2 cgroup2 rw\n";
  Cgroups c = Cgroups::probe(info, "0::/app.scope\n", false, true);
  EXPECT_TRUE(c.memory() && c.pids() && c.freezer());
  EXPECT_FALSE(c.cpu());
  EXPECT_EQ(c.kind(), Facilities::Cgroups::kV2);
}

TEST_F(FakeTree, V1AndHybrid) {
  for (const char* d : {"/memory", "/cpu,cpuacct", "/pids", "/freezer", "/unified"}) folder(d);
  file("/unified/cgroup.procs");
  file("/unified/cgroup.controllers");
  std::string at = dir_->path();
  std::string v1 = "1 1 0:1 / " + at + "/memory rw - cgroup cgroup rw,memory\n2 1 0:2 / " + at +
                   "/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n3 1 0:3 / " + at +
                   "/pids rw - cgroup cgroup rw,pids\n4 1 0:4 / " + at + "/freezer rw - cgroup cgroup rw,freezer\n";
  std::string unified = "5 1 0:5 / " + at + "/unified rw - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(Cgroups::probe(v1, "", true, false).kind(), Facilities::Cgroups::kV1);
  Cgroups c = Cgroups::probe(v1 + unified, "0::/\n", true, false);
  EXPECT_EQ(c.kind(), Facilities::Cgroups::kHybrid);
  EXPECT_TRUE(c.memory() && c.cpu() && c.pids() && c.freezer());
  ASSERT_TRUE(c.open("7.8").ok());
  auto g = c.make(1);
  ASSERT_TRUE(g.ok());
  for (const char* f :
       {"/memory/savia.7.8/1/memory.limit_in_bytes", "/memory/savia.7.8/1/memory.memsw.limit_in_bytes",
        "/cpu,cpuacct/savia.7.8/1/cpu.shares", "/cpu,cpuacct/savia.7.8/1/cpu.cfs_quota_us", "/pids/savia.7.8/1/pids.max"}) {
    file(f);
  }
  file("/memory/savia.7.8/1/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
  ASSERT_TRUE((*g)->set_limits({0, 2500, 10}).ok());
  ASSERT_TRUE((*g)->set_memory(4096).ok());
  EXPECT_EQ(content("/memory/savia.7.8/1/memory.memsw.limit_in_bytes"), "4096");
  EXPECT_EQ(content("/cpu,cpuacct/savia.7.8/1/cpu.shares"), "2560");
  EXPECT_EQ(content("/cpu,cpuacct/savia.7.8/1/cpu.cfs_quota_us"), "300000");
  EXPECT_EQ((*g)->oom_kills(), 3);
  EXPECT_TRUE((*g)->freeze_file().v2);
}

TEST(Cgroup, IdentityNamesTheLivingOnly) {
  EXPECT_EQ(process_identity(::getpid()).find(std::to_string(::getpid()) + "."), 0U);
  EXPECT_EQ(process_identity(0x7ffffff0), "");
}

}  // namespace
}  // namespace savia::sandbox

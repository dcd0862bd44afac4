// Programs that mean harm, and what is left of it. Each test is run twice where the tests run as root: once so, and once more
// as an unprivileged user (AsUnprivileged at the end), where other means must hold the same promises.
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "sandbox/cgroup.h"
#include "sandbox/process_tree.h"
#include "sandbox/sandbox_fixture.h"
#include "sandbox/sys.h"

namespace savia::sandbox {
namespace {

using HostileTest = SandboxTest;

bool alive(pid_t pid) {
  auto stat = read_small("/proc/" + std::to_string(pid) + "/stat");
  if (!stat.ok()) return false;
  size_t end = stat->rfind(')');
  return end != std::string::npos && (*stat)[end + 2] != 'Z' && (*stat)[end + 2] != 'X';
}

bool gone_within(pid_t pid, int ms) {
  for (; ms > 0 && alive(pid); ms -= 10) ::usleep(10'000);
  return !alive(pid);
}

pid_t helper_of(pid_t server) {
  for (pid_t pid : tree_of(server)) {
    auto name = read_small("/proc/" + std::to_string(pid) + "/comm");
    if (name.ok() && *name == "savia-helper\n") return pid;
  }
  return -1;
}

// Control groups that Savia's helper `pid` made, anywhere.
std::vector<std::string> groups_of(pid_t helper) {
  std::vector<std::string> found;
  std::string prefix = "savia." + std::to_string(helper) + ".";
  std::error_code ignored;
  for (const auto& top : std::filesystem::directory_iterator("/sys/fs/cgroup", ignored)) {
    if (top.path().filename().string().rfind(prefix, 0) == 0) found.push_back(top.path());
    if (!top.is_directory(ignored)) continue;
    for (const auto& e : std::filesystem::directory_iterator(top.path(), ignored)) {
      if (e.path().filename().string().rfind(prefix, 0) == 0) found.push_back(e.path());
    }
  }
  return found;
}

TEST_F(HostileTest, AllocatesWithoutEnd) {
  auto neighbour = world_->start(shell("echo up; exec sleep 100", "neighbour"));
  ASSERT_TRUE(neighbour.ok()) << neighbour.error().message();
  Spec s = python("a=[]\nwhile True: a.append(bytearray(1<<20))");
  s.memory_mib = 64;
  EXPECT_EQ(run(s), "");
  EXPECT_TRUE(last_.signaled);
  EXPECT_EQ(last_.status, SIGKILL);
  EXPECT_TRUE(last_.out_of_memory);
  // The same, spread over processes and shared memory.
  s = python(
      "import os,mmap,time\nfor i in range(30):\n  if os.fork()==0:\n    m=mmap.mmap(-1,8<<20)\n    for k in "
      "range(0,8<<20,4096): m[k]=1\n"
      "    time.sleep(100)\ntime.sleep(2)\nprint('survived')");
  s.memory_mib = 64;
  run(s);
  EXPECT_TRUE(last_.out_of_memory);
  EXPECT_FALSE((*neighbour)->exit.has_value());
}

TEST_F(HostileTest, ForksWithoutEnd) {
  Spec s = python(
      "import os,time\nwhile True:\n  try:\n    if os.fork()==0:\n      time.sleep(300)\n  except OSError as e:\n    "
      "print('full',flush=True)\n    time.sleep(300)");
  s.pids = 40;
  s.memory_mib = 512;
  auto r = world_->start(s);
  ASSERT_TRUE(r.ok()) << r.error().message();
  ASSERT_TRUE(printed(**r, "full"));
  EXPECT_LE(world_->usage("t").pids, 40);
  EXPECT_GE(world_->usage("t").pids, 35);
  EXPECT_EQ(run(shell("echo unharmed", "neighbour")), "unharmed\n");
  // A bomb that never rests is gone at one word.
  Spec bomb = shell("b() { b & b & }; while :; do b; done 2>/dev/null", "bomb");
  bomb.pids = 60;
  auto b = world_->start(bomb);
  ASSERT_TRUE(b.ok()) << b.error().message();
  pass(300);
  world_->spawner->kill("bomb");
  EXPECT_TRUE(world_->finish(**b, 5000));
  EXPECT_TRUE(gone_within((*b)->started.pid, 1000));
}

TEST_F(HostileTest, WritesEverywhere) {
  std::string out = run(shell(R"(
exec 2>/dev/null
for f in / /usr /usr/bin /usr/lib /etc /opt /var /dev /proc /root /home /run; do (echo x > $f/x) && echo "WROTE $f"; done
for f in /etc/passwd /etc/hosts /etc/resolv.conf /usr/bin/env /etc/ld.so.cache; do (echo x >> $f) && echo "WROTE $f"; done
for f in kernel/hostname kernel/core_pattern kernel/ns_last_pid vm/overcommit_memory net/ipv4/ip_forward; do
  (echo 1 > /proc/sys/$f) && echo "WROTE $f"
done
rm -rf /usr/bin/env; test -e /usr/bin/env || echo GONE
test -e /sys/kernel && echo SYS
test -e /var/run/docker.sock && echo DOCKER
test -e /var/lib && echo VAR
mknod /tmp/sda b 8 0 && echo DEVICE
mknod /tmp/mem c 1 1 && echo DEVICE
for f in kcore kmsg keys kallsyms sysrq-trigger timer_list cmdline; do test -s /proc/$f && echo "SIZE $f"; head -c 9 /proc/$f; done
echo done
)"));
  EXPECT_EQ(out, "done\n");
}

TEST_F(HostileTest, FillsTheDisk) {
  Spec s = shell(
      "head -c 50000000 /dev/zero > /tmp/a 2>/dev/null || echo full; stat -c %s /tmp/a; head -c 100000000 /dev/zero > "
      "/dev/shm/a 2>/dev/null || echo full");
  s.tmp_mib = 8;
  s.memory_mib = 256;
  EXPECT_EQ(run(s), "full\n8388608\nfull\n");
}

TEST_F(HostileTest, OpensTooManyFiles) {
  Spec s = python("import os\nn=0\ntry:\n  while True: os.open('/dev/null',0); n+=1\nexcept OSError as e: print(e.errno)\n");
  s.open_files = 64;
  EXPECT_EQ(run(s), "24\n");
}

TEST_F(HostileTest, CallsWhatIsForbidden) {
  // name, number and arguments on x86_64 and (number only) aarch64; every one must fail, and fail by refusal.
  std::string out = run(python(R"(
import ctypes, errno, os, platform, socket
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == 'aarch64'
NEWUSER, NEWNS, NEWNET = 0x10000000, 0x20000, 0x40000000
buf = ctypes.create_string_buffer(256)
calls = [
 ('mount',165,40,b'none',b'/tmp',b'tmpfs',0,0), ('umount2',166,39,b'/proc',2), ('pivot_root',155,41,b'/tmp',b'/tmp'),
 ('unshare user',272,97,NEWUSER), ('unshare mount',272,97,NEWNS), ('unshare net',272,97,NEWNET), ('setns',308,268,0,0),
 ('clone user',56,220,NEWUSER|17,0,0,0,0), ('clone3',435,435,buf,88), ('ptrace',101,117,16,os.getppid(),0,0),
 ('keyctl',250,219,0,-3,1), ('add_key',248,217,b'user',b'a',b'b',1,-3), ('request_key',249,218,b'user',b'a',0,-3),
 ('bpf',321,280,0,buf,64), ('perf_event_open',298,241,buf,0,-1,-1,0), ('init_module',175,105,buf,1,b''), ('finit_module',313,273,0,b'',0),
 ('delete_module',176,106,b'x',0), ('kexec_load',246,104,0,0,0,0), ('reboot',169,142,0xfee1dead,672274793,0), ('swapon',167,224,b'/tmp/a',0),
 ('userfaultfd',323,282,0), ('io_uring_setup',425,425,8,buf), ('open_by_handle_at',304,265,-100,buf,0), ('name_to_handle_at',303,264,-100,b'/',buf,buf,0),
 ('process_vm_readv',310,270,1,buf,1,buf,1,0), ('process_vm_writev',311,271,1,buf,1,buf,1,0), ('quotactl',179,60,0,0,0,0), ('acct',163,89,b'/tmp/a'),
 ('syslog',103,116,3,buf,10), ('settimeofday',164,170,buf,0), ('clock_settime',227,112,0,buf), ('adjtimex',159,171,buf),
 ('personality',135,92,0x0040000), ('sethostname',170,161,b'x',1), ('chroot',161,51,b'/tmp'), ('open_tree',428,428,-100,b'/',1),
 ('move_mount',429,429,-100,b'/',-100,b'/tmp',0), ('fsopen',430,430,b'tmpfs',0), ('mount_setattr',442,442,-100,b'/',0,buf,32),
 ('pidfd_getfd',438,438,0,0,0), ('kcmp',312,272,1,1,0,0,0), ('fanotify_init',300,262,0,0),
]
for name, x86, a64, *args in calls:
  r = libc.syscall(a64 if arm else x86, *args)
  e = ctypes.get_errno()
  if name.startswith('clone') and r == 0: os._exit(0)
  if r != -1 or e not in (errno.EPERM, errno.ENOSYS): print(name, r, errno.errorcode.get(e, e))
for what, args in {'packet': (17,3,0), 'raw': (2,3,1), 'icmp raw6': (10,3,58), 'generic netlink': (16,3,16), 'audit netlink': (16,3,9), 'vsock': (40,1,0),
                   'alg': (38,5,0), 'bluetooth': (31,3,0), 'can': (29,3,1), 'xdp': (44,3,0)}.items():
  try:
    socket.socket(*args); print('socket', what)
  except OSError as e:
    if e.errno not in (errno.EPERM, errno.EAFNOSUPPORT, errno.ENOSYS): print('socket', what, e)
for f in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chown('/tmp', 0, 0)):
  try:
    f(); print('became somebody')
  except OSError: pass
print('done')
)"));
  EXPECT_EQ(out, "done\n");
}

TEST_F(HostileTest, LooksForOthers) {
  auto other = world_->start(shell("exec sleep 300", "other"));
  ASSERT_TRUE(other.ok()) << other.error().message();
  // Only itself; not even its init. Signals reach nobody else, and not the init.
  std::string out =
      run(shell("ls /proc | grep -c '^[0-9]'; ls -d /proc/1 2>&1; kill -9 1; kill -STOP 1; kill -9 -1; (ls /proc/1/root "
                "/proc/1/fd) 2>&1; echo alive"));
  EXPECT_LE(out.substr(0, 2), "3\n") << out;  // sh, ls, grep
  EXPECT_NE(out.find("alive"), std::string::npos) << out;
  EXPECT_EQ(out.find("0 ->"), std::string::npos);
  EXPECT_EQ(out.find("/proc/1\n"), std::string::npos) << out;
  EXPECT_FALSE((*other)->exit.has_value());
  EXPECT_EQ(last_.status, 0);
  EXPECT_EQ(
      run(shell("ipcs 2>/dev/null | grep -c 0x; cat /proc/self/environ | tr '\\0' '\\n' | grep -vE '^(PATH|HOME|PWD)='; true")),
      "0\n");
}

TEST_F(HostileTest, SetuidProgramsDoNotRaise) {
  EXPECT_EQ(run(shell("grep NoNewPrivs /proc/self/status; grep -h '^Cap' /proc/self/status | cut -f2 | sort -u")),
            "NoNewPrivs:\t1\n0000000000000000\n");
  std::string bin = dir_->path() + "/bin";
  ::mkdir(bin.c_str(), 0755);
  ::chmod(dir_->path().c_str(), 0755);
  std::filesystem::copy("/usr/bin/id", bin + "/id");
  ::chmod((bin + "/id").c_str(), 06755);
  Spec s = shell("/data/id -u; /data/id -g; cp /usr/bin/id /tmp/id; chmod 6755 /tmp/id; /tmp/id -u");
  s.mounts = {{bin, "/data", false}};
  EXPECT_EQ(run(s), "993\n990\n993\n");
}

// A listener of this machine. `address` 0: every interface.
struct HostPort {
  explicit HostPort(uint32_t address) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(address);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    EXPECT_EQ(::listen(fd.get(), 8), 0);
    socklen_t size = sizeof a;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&a), &size);
    port = ntohs(a.sin_port);
  }
  bool somebody_came() const {
    int c = ::accept(fd.get(), nullptr, nullptr);
    if (c >= 0) ::close(c);
    return c >= 0;
  }
  os::Fd fd;
  uint16_t port = 0;
};

TEST_F(HostileTest, KnocksAtTheHost) {
  HostPort loopback(INADDR_LOOPBACK), everywhere(INADDR_ANY);
  std::string addresses = "'127.0.0.1','127.0.1.1','169.254.77.1','198.19.255.1','198.19.255.5','10.0.2.2','localhost'";
  ifaddrs* list = nullptr;
  ASSERT_EQ(::getifaddrs(&list), 0);
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN];
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr, text, sizeof text);
    addresses += std::string(",'") + text + "'";
  }
  ::freeifaddrs(list);
  std::string ports = std::to_string(loopback.port) + "," + std::to_string(everywhere.port);
  Spec s = python("import socket\nfor a in {" + addresses + "}:\n  for p in (" + ports +
                  "):\n    try: socket.create_connection((a,p),0.7).close()\n    except OSError: pass\nprint('done')");
  EXPECT_EQ(run(s, 60'000), "done\n");
  EXPECT_FALSE(loopback.somebody_came());
  EXPECT_FALSE(everywhere.somebody_came());
}

TEST_F(HostileTest, TakesOverListeners) {
  // The ports of the way in cannot be taken, and what others listen on is not there.
  Spec s = python(
      "import socket\nfor a in ('127.0.0.1','169.254.77.1','0.0.0.0'):\n  s=socket.socket()\n  "
      "s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n"
      "  s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEPORT,1)\n  try: s.bind((a,9001)); print('took',a)\n  except OSError: "
      "pass\nprint('done')");
  s.listeners = {{"127.0.0.1", 9001}, {"169.254.77.1", 9001}};
  EXPECT_EQ(run(s), "done\n");
}

TEST_F(HostileTest, ReachesItsNeighbour) {
  auto a = world_->start(
      python("import socket,subprocess\ns=socket.socket(); s.bind(('0.0.0.0',5000)); s.listen()\n"
             "print('at',subprocess.run(['ip','-4','-br','addr','show'],capture_output=True,text=True).stdout,flush=True)\n"
             "s.accept(); print('REACHED',flush=True)",
             "a"));
  ASSERT_TRUE(a.ok()) << a.error().message();
  ASSERT_TRUE(printed(**a, "at"));
  if (!facilities().outgoing_network) GTEST_SKIP() << "no sandbox has an interface here";
  size_t eth = (*a)->out.find("198.18.");
  ASSERT_NE(eth, std::string::npos) << (*a)->out;
  std::string address = (*a)->out.substr(eth, (*a)->out.find('/', eth) - eth);
  EXPECT_EQ(run(python("import socket\ntry: socket.create_connection(('" + address +
                           "',5000),1); print('reached')\nexcept OSError: print('no')",
                       "b")),
            "no\n");
  EXPECT_FALSE((*a)->exit.has_value());
}

// A machine beyond the host: a name space with a cable to it, and a server there.
TEST_F(HostileTest, OutgoingReachesTheWorldOnly) {
  if (!facilities().root || !facilities().outgoing_network)
    GTEST_SKIP() << "needs root and an uplink to build a world beyond the host";
  std::string n = std::to_string(::getpid() % 10'000), ns = "savia-out-" + n, link = "svo" + n;
  std::string net = "198.51." + std::to_string(::getpid() % 250) + ".";  // TEST-NET-2 and its neighbours
  auto shell_out = [](const std::string& command) { return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()); };
  ASSERT_EQ(shell_out("ip netns add " + ns + " && ip link add " + link + " type veth peer name out netns " + ns +
                      " && ip addr add " + net + "1/24 dev " + link + " && ip link set " + link + " up && ip -n " + ns +
                      " addr add " + net + "2/24 dev out && ip -n " + ns + " link set out up" +
                      " && echo 1 > /proc/sys/net/ipv4/conf/" + link + "/forwarding"),
            0);
  pid_t server = ::fork();
  if (server == 0) {
    ::execlp("ip", "ip", "netns", "exec", ns.c_str(), "/usr/bin/python3", "-c",
             "import socket\ns=socket.socket(); s.bind(('0.0.0.0',7000)); s.listen()\nwhile True:\n  c,a=s.accept(); "
             "c.sendall(a[0].encode()); c.close()",
             nullptr);
    ::_exit(1);
  }
  std::string ask = "import socket,time\nfor i in range(50):\n  try:\n    c=socket.create_connection(('" + net +
                    "2',7000),1); print(c.recv(99).decode()); break\n  except OSError: time.sleep(0.1)\nelse: print('no')";
  EXPECT_EQ(run(python(ask)), net + "1\n");  // masqueraded: the world sees the host
  Spec s = python("import socket\ntry: socket.create_connection(('" + net +
                  "2',7000),1); print('reached')\nexcept OSError as e: print(e.errno)");
  s.outgoing = Outgoing::kDenied;
  EXPECT_EQ(run(s), "101\n");  // ENETUNREACH
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  shell_out("ip netns pids " + ns + " | xargs -r kill -9; ip link del " + link + "; ip netns del " + ns);
}

TEST_F(HostileTest, OutgoingCanBeDenied) {
  Spec s = shell("ip -br link | wc -l; cat /etc/resolv.conf");
  s.outgoing = Outgoing::kDenied;
  EXPECT_EQ(run(s), "1\n");
}

TEST_F(HostileTest, LogsWithoutEnd) {
  auto r = world_->start(shell("yes 'a long line of logging that nobody reads'"));
  ASSERT_TRUE(r.ok()) << r.error().message();
  pass(300);
  int64_t before = world_->usage("t").cpu_us;
  pass(500);
  // Blocked in write(2): the pipe is full and nobody reads. Everybody else goes on.
  EXPECT_LT(world_->usage("t").cpu_us - before, 50'000);
  EXPECT_EQ(run(shell("echo fine", "neighbour")), "fine\n");
  world_->spawner->kill("t");
  EXPECT_TRUE(world_->finish(**r, 3000));
}

TEST_F(HostileTest, NothingIsInherited) {
  // Descriptors without close-on-exec, as a careless library leaves them, from before and after the helper's start.
  int leak = ::open("/etc/passwd", O_RDONLY);
  auto dir = os::TempDir::create();
  ASSERT_TRUE(dir.ok());
  Harness second(dir->path());
  ASSERT_TRUE(second.ok);
  auto r = second.start(shell("ls -l /proc/self/fd | grep -v total | awk '{print $9}' | tr '\\n' ' '"));
  ASSERT_TRUE(r.ok()) << r.error().message();
  ASSERT_TRUE(second.finish(**r));
  EXPECT_EQ((*r)->out, "0 1 2 3 ");
  ::close(leak);
}

TEST_F(HostileTest, TheHelperIsKilled) {
  auto r = world_->start(shell("exec sleep 300"));
  ASSERT_TRUE(r.ok()) << r.error().message();
  pid_t helper = helper_of(::getpid());
  ASSERT_GT(helper, 0);
  std::vector<pid_t> all = tree_of(helper);
  ASSERT_GE(all.size(), 2U);
  ::kill(helper, SIGKILL);
  EXPECT_TRUE(world_->finish(**r, 5000));
  EXPECT_TRUE((*r)->exit->signaled);
  for (pid_t pid : all) EXPECT_TRUE(gone_within(pid, 2000)) << pid;
  EXPECT_EQ(world_->spawner->living(), 0U);
  EXPECT_EQ(run(shell("true")), "error: the sandbox helper is gone; restart the server");
  // The next server's helper sweeps what this one could not.
  auto dir = os::TempDir::create();
  ASSERT_TRUE(dir.ok());
  Harness next(dir->path());
  EXPECT_TRUE(next.ok);
  (void)next.spawner->facilities();
  EXPECT_TRUE(groups_of(helper).empty());
}

TEST_F(HostileTest, TheServerIsKilled) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  world_.reset();  // a fork must not own it
  std::string state = dir_->path() + "/second";
  pid_t server = ::fork();
  if (server == 0) {
    Harness h(state);
    auto r = h.start(shell("exec sleep 300"));
    pid_t pids[2] = {helper_of(::getpid()), r.ok() ? (*r)->started.pid : -1};
    (void)!::write(fds[1], pids, sizeof pids);
    while (true) ::pause();
  }
  ::close(fds[1]);
  pid_t pids[2] = {-1, -1};
  ASSERT_EQ(::read(fds[0], pids, sizeof pids), static_cast<ssize_t>(sizeof pids));
  ::close(fds[0]);
  ASSERT_GT(pids[0], 0);
  ASSERT_GT(pids[1], 0);
  EXPECT_TRUE(alive(pids[1]));
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  EXPECT_TRUE(gone_within(pids[1], 3000));
  EXPECT_TRUE(gone_within(pids[0], 4000));
  EXPECT_TRUE(groups_of(pids[0]).empty());
}

TEST_F(HostileTest, LimitsAreWhatFacilitiesSay) {
  const Facilities& f = facilities();
  std::string text;
  for (const std::string& line : f.weaker) text += line + "\n";
  std::printf("%s", text.c_str());
  // Each missing limit is named, and only those.
  EXPECT_EQ(f.memory_limit, text.find("memory limits:") == std::string::npos);
  EXPECT_EQ(f.cpu_share, text.find("CPU shares:") == std::string::npos);
  EXPECT_EQ(f.pids_limit, text.find("process limits:") == std::string::npos);
  EXPECT_EQ(f.freezer, text.find("freezing:") == std::string::npos);
  EXPECT_EQ(f.seccomp, text.find("system call filter:") == std::string::npos);
  EXPECT_EQ(f.outgoing_network, text.find("outgoing network:") == std::string::npos);
  EXPECT_EQ(f.root, text.find("identity:") == std::string::npos);
}

// All tests of this program once more, as nobody.
TEST(AsUnprivileged, TheSamePromisesHold) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root: the tests run unprivileged anyway";
  auto dir = os::TempDir::create();
  ASSERT_TRUE(dir.ok());
  ASSERT_EQ(::chown(dir->path().c_str(), 65534, 65534), 0);
  // Opened before: nobody may not be able to enter the folder that holds the program.
  os::Fd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  pid_t pid = ::fork();
  if (pid == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0)
      ::_exit(99);
    ::setenv("TMPDIR", dir->path().c_str(), 1);
    ::setenv("HOME", dir->path().c_str(), 1);
    if (::chdir("/") != 0) ::_exit(99);
    const char* argv[] = {"savia_sandbox_test", "--gtest_filter=-AsUnprivileged.*", "--gtest_brief=1", nullptr};
    ::fexecve(self.get(), const_cast<char* const*>(argv), environ);  // NOLINT
    ::_exit(98);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace savia::sandbox

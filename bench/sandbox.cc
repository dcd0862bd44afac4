// What a sandbox costs, from the request to the first byte that its main process wrote. The floor beside it is fork and exec of
// the same program without any sandbox; the peer is crun, when it is installed and takes this machine's control groups.
//
//   bench_sandbox [starts]        prints p50 and p90 in milliseconds, and the ratios
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "sandbox/sandbox_harness.h"

extern char** environ;  // NOLINT

namespace {

using savia::real_clock;
using namespace savia::sandbox;  // NOLINT

struct Times {
  std::vector<double> ms;
  double at(double q) {
    if (ms.empty()) return 0;
    std::sort(ms.begin(), ms.end());
    return ms[static_cast<size_t>(q * static_cast<double>(ms.size() - 1))];
  }
};

double since(int64_t start_us) {
  return static_cast<double>(real_clock().monotonic_us() - start_us) / 1000;
}

Spec echo(const std::string& id) {
  Spec s;
  s.id = id;
  s.argv = {"/bin/echo", "x"};
  s.mount_points = {"/var/task", "/opt"};
  s.mounts = {{"/usr/share", "/var/runtime", true}};
  s.listeners = {{"127.0.0.1", 9001}, {"169.254.77.1", 80}};
  s.control_socket = true;
  return s;
}

bool wait_readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 5000) == 1;
}

// `pause_ms` between starts: 0 finds the pool of warm sandboxes empty.
void sandboxes(int count, int pause_ms, Times& answered, Times& first_byte) {
  auto dir = savia::os::TempDir::create();
  if (!dir.ok()) return;
  Harness world(dir->path());
  if (!world.ok) std::exit(1);
  world.run_until([] { return false; }, 200);
  for (int i = 0; i < count; ++i) {
    int64_t t = real_clock().monotonic_us();
    auto r = world.start(echo("b" + std::to_string(i)));
    if (!r.ok()) {
      std::fprintf(stderr, "%s\n", r.error().message().c_str());
      std::exit(1);
    }
    answered.ms.push_back(since(t));
    wait_readable((*r)->started.stdout_fd);
    first_byte.ms.push_back(since(t));
    world.finish(**r);
    if (pause_ms > 0) world.run_until([] { return false; }, pause_ms);
  }
}

void run_program(const std::vector<std::string>& argv, int count, Times& out, bool* works) {
  for (int i = 0; i < count; ++i) {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    std::vector<char*> args;
    for (const std::string& a : argv) args.push_back(const_cast<char*>(a.c_str()));  // NOLINT
    args.push_back(nullptr);
    int64_t t = real_clock().monotonic_us();
    pid_t pid = -1;
    bool spawned = ::posix_spawn(&pid, args[0], &actions, nullptr, args.data(), environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    ::close(fds[1]);
    char byte;
    bool read = spawned && wait_readable(fds[0]) && ::read(fds[0], &byte, 1) == 1;
    out.ms.push_back(since(t));
    ::close(fds[0]);
    int status = 1;
    if (spawned) ::waitpid(pid, &status, 0);
    if (!read || status != 0) {
      *works = false;
      return;
    }
  }
}

// crun with a bundle of the same shape: the machine's /usr, new name spaces, no network set-up.
void crun(int count, double ours) {
  if (::access("/usr/bin/crun", X_OK) != 0) {
    std::printf("peer crun: not installed, skipped\n");
    return;
  }
  auto dir = savia::os::TempDir::create();
  if (!dir.ok()) return;
  std::string root = dir->path();
  ::mkdir((root + "/rootfs").c_str(), 0755);
  for (const char* d : {"/usr", "/proc", "/dev"}) ::mkdir((root + "/rootfs" + d).c_str(), 0755);
  for (const char* l : {"bin", "lib", "lib64"})
    (void)!::symlink((std::string("usr/") + l).c_str(), (root + "/rootfs/" + l).c_str());
  std::ofstream(root + "/config.json")
      << R"({"ociVersion":"1.0.0","process":{"user":{"uid":0,"gid":0},"args":["/bin/echo","x"],"cwd":"/",
    "env":["PATH=/bin"],"noNewPrivileges":true},"root":{"path":"rootfs","readonly":true},"mounts":[
    {"destination":"/usr","type":"bind","source":"/usr","options":["rbind","ro"]},{"destination":"/proc","type":"proc","source":"proc"},
    {"destination":"/dev","type":"tmpfs","source":"tmpfs"}],"linux":{"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},
    {"type":"uts"},{"type":"network"}]}})";
  // In a mount name space of its own without the v2 tree: crun refuses the hybrid layout.
  std::string script = "umount /sys/fs/cgroup/unified 2>/dev/null; for i in $(seq " + std::to_string(count) +
                       "); do s=$(date +%s%N); crun run -b " + root +
                       " bench-$$-$i >/dev/null || exit 1; e=$(date +%s%N); echo $(( (e - s) / 1000 )); done";
  FILE* p = ::popen(("unshare -m sh -c '" + script + "' 2>&1").c_str(), "r");
  if (p == nullptr) return;
  Times t;
  char line[512];
  bool failed = false;
  while (std::fgets(line, sizeof line, p) != nullptr) {
    char* end = nullptr;
    double us = std::strtod(line, &end);
    if (end == line) {
      std::printf("peer crun: %s", line);
      failed = true;
    } else {
      t.ms.push_back(us / 1000);
    }
  }
  if (::pclose(p) != 0 || failed || t.ms.empty()) return;
  std::printf("peer crun run echo (whole command, with date's own time): p50 %.2f  p90 %.2f   crun/ours %.1f\n", t.at(.5),
              t.at(.9), t.at(.5) / ours);
}

}  // namespace

int main(int argc, char** argv) {
  int count = argc > 1 ? std::atoi(argv[1]) : 100;
  Times warm_answer, warm_byte, cold_answer, cold_byte, bare;
  bool works = true;
  sandboxes(count, 60, warm_answer, warm_byte);
  sandboxes(count, 0, cold_answer, cold_byte);
  run_program({"/bin/echo", "x"}, count, bare, &works);
  std::printf("sandbox, pool filled:   started p50 %.2f  p90 %.2f ms   first byte p50 %.2f  p90 %.2f ms\n", warm_answer.at(.5),
              warm_answer.at(.9), warm_byte.at(.5), warm_byte.at(.9));
  std::printf("sandbox, back to back:  started p50 %.2f  p90 %.2f ms   first byte p50 %.2f  p90 %.2f ms\n", cold_answer.at(.5),
              cold_answer.at(.9), cold_byte.at(.5), cold_byte.at(.9));
  std::printf("bare posix_spawn:       first byte p50 %.2f  p90 %.2f ms\n", bare.at(.5), bare.at(.9));
  std::printf("ratio sandbox/bare, first byte: pool %.2f  back to back %.2f\n", warm_byte.at(.5) / bare.at(.5),
              cold_byte.at(.5) / bare.at(.5));
  crun(std::min(count, 40), warm_byte.at(.5));
  return 0;
}

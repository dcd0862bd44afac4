// What the sandbox promises to those who use it. What it promises against those who are in it: hostile_test.cc.
#include "sandbox/sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "sandbox/sandbox_fixture.h"

namespace savia::sandbox {
namespace {

TEST_F(SandboxTest, RunsAndReportsItsEnd) {
  EXPECT_EQ(run(shell("echo out; echo err >&2; exit 7")), "out\nerr\n");
  EXPECT_FALSE(last_.signaled);
  EXPECT_EQ(last_.status, 7);
  EXPECT_EQ(run(shell("kill -TERM $$")), "");
  EXPECT_TRUE(last_.signaled);
  EXPECT_EQ(last_.status, SIGTERM);
  EXPECT_EQ(world_->spawner->living(), 0U);
}

TEST_F(SandboxTest, ItsWorldIsSmall) {
  EXPECT_EQ(run(shell("id -u; id -g; hostname; pwd")), "993\n990\nsandbox\n/\n");
  EXPECT_EQ(run(shell("cd /; for d in *; do case $d in lib*) ;; *) printf '%s ' $d;; esac; done")),
            "bin dev etc home opt proc root run sbin tmp usr var ");
  EXPECT_EQ(run(shell("ls /home /root /run /opt; ls /var")), "/home:\n\n/opt:\n\n/root:\n\n/run:\ntmp\n");
  EXPECT_EQ(run(shell("env | sort")), "HOME=/tmp\nPATH=/usr/bin:/bin:/usr/sbin\nPWD=/\n");
  EXPECT_EQ(run(shell("ls /proc/self/fd | tr '\\n' ' '")), "0 1 2 3 ");  // 3 is ls's own
  EXPECT_EQ(run(shell("echo x > /tmp/a && echo y > /dev/null && cat /tmp/a; head -c 4 /dev/zero | wc -c")), "x\n4\n");
}

TEST_F(SandboxTest, ErrorsComeBackInWords) {
  Spec s = shell("");
  s.argv = {"/usr/bin/nothing-of-the-kind"};
  EXPECT_EQ(run(s), "error: sandbox t: exec /usr/bin/nothing-of-the-kind: No such file or directory");
  s = shell("");
  s.cwd = "/var/task";
  EXPECT_EQ(run(s), "error: sandbox t: chdir /var/task: No such file or directory");
  s = shell("");
  s.mounts = {{"/nonexistent-source", "/var/task", true}};
  EXPECT_EQ(run(s), "error: sandbox t: mount /nonexistent-source: No such file or directory");
  s = shell("");
  s.mounts = {{"/usr", "/usr/inside", true}};
  EXPECT_EQ(run(s).substr(0, 36), "error: sandbox t: mkdir /usr/inside:");
  s = shell("");
  s.id = "Not An Id";
  EXPECT_EQ(run(s), "error: sandbox spec: id must match [a-z0-9-]{1,40}");
  s = shell("");
  s.env = {std::string(200'000, 'x') + "=1"};
  EXPECT_EQ(run(s), "error: sandbox t: arguments, environment and mounts exceed 160 KiB");
  EXPECT_EQ(world_->spawner->living(), 0U);
  EXPECT_EQ(run(shell("echo still here")), "still here\n");
}

TEST_F(SandboxTest, IdsAreUniqueAmongTheLiving) {
  auto first = world_->start(shell("exec sleep 100"));
  ASSERT_TRUE(first.ok()) << first.error().message();
  EXPECT_EQ(world_->spawner->living(), 1U);
  EXPECT_EQ(run(shell("true")), "error: a sandbox named t lives");
  world_->spawner->kill("t");
  ASSERT_TRUE(world_->finish(**first));
  EXPECT_TRUE((*first)->exit->signaled);
  EXPECT_EQ((*first)->exit->status, SIGKILL);
  EXPECT_FALSE((*first)->exit->out_of_memory);
  EXPECT_EQ(run(shell("echo again")), "again\n");
}

TEST_F(SandboxTest, TheWholeTreeDies) {
  auto r = world_->start(shell("(trap '' TERM HUP; sleep 300) & (setsid sleep 300 &) ; echo ready; wait"));
  ASSERT_TRUE(r.ok()) << r.error().message();
  ASSERT_TRUE(world_->run_until([&] {
    Harness::drain(**r);
    return (*r)->out == "ready\n";
  }));
  world_->spawner->kill("t");
  ASSERT_TRUE(world_->finish(**r));
  // The write ends of its pipes are closed: nobody is left.
  char byte;
  EXPECT_EQ(::read((*r)->started.stdout_fd, &byte, 1), 0);
  EXPECT_NE(::kill((*r)->started.pid, 0), 0);
}

TEST_F(SandboxTest, MainProcessEndsTheRest) {
  EXPECT_EQ(run(shell("sleep 300 & exit 3")), "");
  EXPECT_EQ(last_.status, 3);
}

TEST_F(SandboxTest, MountsAreReadOnlyUnlessAsked) {
  std::string ro = dir_->path() + "/ro", rw = dir_->path() + "/rw";
  ::mkdir(ro.c_str(), 0755);
  ::mkdir(rw.c_str(), 0777);
  ::chmod(rw.c_str(), 0777);
  std::ofstream(ro + "/code.js") << "code";
  std::ofstream(dir_->path() + "/file") << "one file";
  Spec s = shell(
      "cat /var/task/code.js /etc/one; echo x > /var/task/new; echo kept > /data/out; grep -c nosuid,nodev /proc/mounts > "
      "/dev/null");
  s.mounts = {{ro, "/var/task", true}, {rw, "/data", false}, {dir_->path() + "/file", "/etc/one", true}};
  s.cwd = "/var/task";
  EXPECT_EQ(run(s), "codeone file/bin/sh: 1: cannot create /var/task/new: Read-only file system\n");
  std::string kept;
  std::ifstream(rw + "/out") >> kept;
  EXPECT_EQ(kept, "kept");
}

TEST_F(SandboxTest, MountsIntoARunningSandbox) {
  std::string code = dir_->path() + "/code";
  ::mkdir(code.c_str(), 0700);  // nobody but the server may enter it
  std::ofstream(code + "/index.js") << "taken over";
  Spec s = shell("until cat /var/task/index.js 2>/dev/null; do sleep 0.01; done; echo x > /var/task/y");
  s.mount_points = {"/var/task", "/opt"};
  ::chmod(code.c_str(), 0755);
  auto r = world_->start(s);
  ASSERT_TRUE(r.ok()) << r.error().message();
  auto into = [&](std::vector<Mount> m) {
    return world_->wait([&](auto done) { world_->spawner->mount_into("t", std::move(m), std::move(done)); });
  };
  auto bad = into({{code, "/nowhere", true}});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().message(), "mount point /nowhere: No such file or directory");
  EXPECT_FALSE(into({{code, "/proc/self", true}}).ok());
  EXPECT_FALSE(into({{code + "/none", "/var/task", true}}).ok());
  EXPECT_FALSE(into({{code, "/etc/localtime/../..", true}}).ok());
  auto good = into({{code, "/var/task", true}});
  ASSERT_TRUE(good.ok()) << good.error().message();
  ASSERT_TRUE(world_->finish(**r));
  EXPECT_EQ((*r)->out, "taken over");
  EXPECT_NE((*r)->err.find("Read-only file system"), std::string::npos);
}

TEST_F(SandboxTest, ListenersAreTheWayIn) {
  Spec s = shell(
      "exec /usr/bin/python3 -c '\nimport socket\nfor a in "
      "[(\"127.0.0.1\",9001),(\"169.254.77.1\",80),(\"gate.savia\",8080)]:\n"
      "  c=socket.create_connection(a); c.sendall(b\"hi\"); print(c.recv(9).decode(),c.getpeername()[1]); c.close()'");
  s.listeners = {{"127.0.0.1", 9001}, {"169.254.77.1", 80}, {"169.254.77.1", 8080}};
  s.hosts = {{"gate.savia", "169.254.77.1"}};
  auto r = world_->start(s);
  ASSERT_TRUE(r.ok()) << r.error().message();
  ASSERT_EQ((*r)->started.listener_fds.size(), 3U);
  for (int listener : (*r)->started.listener_fds) {
    int c = -1;
    ASSERT_TRUE(world_->run_until([&] { return (c = ::accept(listener, nullptr, nullptr)) >= 0 || (*r)->exit.has_value(); }));
    ASSERT_GE(c, 0);
    char buffer[8] = {};
    EXPECT_EQ(::recv(c, buffer, 2, MSG_WAITALL), 2);
    EXPECT_STREQ(buffer, "hi");
    EXPECT_EQ(::send(c, "yes", 3, 0), 3);
    ::close(c);
  }
  ASSERT_TRUE(world_->finish(**r));
  EXPECT_EQ((*r)->out, "yes 9001\nyes 80\nyes 8080\n") << (*r)->err;
}

TEST_F(SandboxTest, ControlSocketIsDescriptorThree) {
  Spec s = shell("read line <&3; echo \"got $line\"; echo back >&3");
  s.control_socket = true;
  auto r = world_->start(s);
  ASSERT_TRUE(r.ok()) << r.error().message();
  ASSERT_GE((*r)->started.control_fd, 0);
  ASSERT_EQ(::write((*r)->started.control_fd, "go\n", 3), 3);
  ASSERT_TRUE(world_->finish(**r));
  EXPECT_EQ((*r)->out, "got go\n");
  char buffer[8] = {};
  EXPECT_EQ(::read((*r)->started.control_fd, buffer, sizeof buffer), 5);
  EXPECT_STREQ(buffer, "back\n");
}

TEST_F(SandboxTest, FreezeStopsAndThawContinues) {
  auto r = world_->start(shell("while :; do echo tick; sleep 0.01; done"));
  ASSERT_TRUE(r.ok()) << r.error().message();
  auto ticks = [&] {
    Harness::drain(**r);
    return (*r)->out.size();
  };
  ASSERT_TRUE(world_->run_until([&] { return ticks() > 20; }));
  world_->spawner->freeze("t");
  world_->run_until([] { return false; }, 100);
  size_t before = ticks();
  world_->run_until([] { return false; }, 200);
  EXPECT_EQ(ticks(), before);
  world_->spawner->thaw("t");
  EXPECT_TRUE(world_->run_until([&] { return ticks() > before + 20; }));
  world_->spawner->freeze("t");
  world_->run_until([] { return false; }, 50);
  world_->spawner->kill("t");  // frozen or not
  EXPECT_TRUE(world_->finish(**r));
}

TEST_F(SandboxTest, TellsWhatItUses) {
  auto r =
      world_->start(shell("exec /usr/bin/python3 -c '\nimport time\nb=bytearray(40<<20)\nt=time.process_time()\nwhile "
                          "time.process_time()<t+0.2: pass\nprint(\"ready\",flush=True)\ntime.sleep(100)'"));
  ASSERT_TRUE(r.ok()) << r.error().message();
  ASSERT_TRUE(world_->run_until([&] {
    Harness::drain(**r);
    return !(*r)->out.empty();
  }));
  Usage u = world_->usage("t");
  EXPECT_GT(u.memory_bytes, 40 << 20);
  EXPECT_LT(u.memory_bytes, 128 << 20);
  EXPECT_GE(u.memory_peak_bytes, u.memory_bytes);
  EXPECT_GT(u.cpu_us, 150'000);
  EXPECT_LT(u.cpu_us, 5'000'000);
  EXPECT_EQ(u.pids, 1);
  auto set = [&](int64_t mib) {
    return world_->wait([&](auto done) { world_->spawner->set_limits("t", mib, 2000, std::move(done)); });
  };
  EXPECT_TRUE(set(512).ok());
  EXPECT_FALSE(set(0).ok());
  EXPECT_EQ(world_->usage("other").memory_bytes, -1);
}

TEST_F(SandboxTest, TmpIsGrantedOnTopOfMemory) {
  Spec s = shell(
      "head -c 300000000 /dev/zero > /tmp/a && stat -c %s /tmp/a; rm /tmp/a; head -c 200000000 /dev/zero > /tmp/b && echo "
      "again; sleep 0.2");
  s.memory_mib = 64;
  s.tmp_mib = 400;
  EXPECT_EQ(run(s), "300000000\nagain\n");
  EXPECT_FALSE(last_.out_of_memory);
  // But it is not memory: what was granted for files that are gone does not serve processes.
  s = python(
      "import subprocess\nsubprocess.run(['/bin/sh','-c','head -c 300000000 /dev/zero > /tmp/a; rm /tmp/a; sleep "
      "0.2'])\na=[]\nwhile "
      "len(a)<160: a.append(bytearray(1<<20))\nprint('got it')");
  s.memory_mib = 64;
  s.tmp_mib = 400;
  EXPECT_EQ(run(s).find("got it"), std::string::npos);
  EXPECT_TRUE(last_.out_of_memory);
}

TEST_F(SandboxTest, FacilitiesAreSaid) {
  const Facilities& f = world_->spawner->facilities();
  for (const std::string& line : f.weaker) std::printf("  weaker: %s\n", line.c_str());
  EXPECT_EQ(f.root, ::geteuid() == 0);
  EXPECT_TRUE(f.seccomp);
  size_t missing = (f.memory_limit ? 0 : 1) + (f.cpu_share ? 0 : 1) + (f.pids_limit ? 0 : 1) + (f.freezer ? 0 : 1) +
                   (f.outgoing_network ? 0 : 1);
  EXPECT_GE(f.weaker.size(), missing);
}

TEST_F(SandboxTest, ManyAtOnce) {
  std::vector<std::shared_ptr<Harness::Running>> all(30);
  size_t answered = 0, exited = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    all[i] = std::make_shared<Harness::Running>();
    world_->spawner->start(
        shell("echo " + std::to_string(i), "many-" + std::to_string(i)),
        [&, r = all[i]](Result<Started> s) {
          ASSERT_TRUE(s.ok()) << s.error().message();
          r->started = std::move(*s);
          ++answered;
        },
        [&, r = all[i]](Exit e) {
          r->exit = e;
          ++exited;
        });
  }
  ASSERT_TRUE(world_->run_until([&] { return exited == all.size(); }, 60'000)) << answered << " " << exited;
  for (size_t i = 0; i < all.size(); ++i) {
    Harness::drain(*all[i]);
    EXPECT_EQ(all[i]->out, std::to_string(i) + "\n");
  }
}

TEST_F(SandboxTest, StartsBeforeTheHelperIsReady) {
  Harness early(dir_->path() + "/early");
  ASSERT_TRUE(early.ok);
  auto gone = std::make_shared<std::optional<Result<Started>>>();
  early.spawner->start(
      shell("true", "gone"), [gone](Result<Started> s) { *gone = std::move(s); }, [](Exit) {});
  early.spawner->kill("gone");
  auto r = early.start(shell("echo early"));
  ASSERT_TRUE(r.ok()) << r.error().message();
  ASSERT_TRUE(early.finish(**r));
  EXPECT_EQ((*r)->out, "early\n");
  ASSERT_TRUE(gone->has_value());
  EXPECT_EQ((*gone)->error().message(), "sandbox gone: killed before it had started");
}

TEST_F(SandboxTest, KillBeforeItHasStarted) {
  std::optional<Result<Started>> answer;
  bool exited = false;
  world_->spawner->start(
      shell("sleep 100"), [&](Result<Started> s) { answer = std::move(s); }, [&](Exit) { exited = true; });
  world_->spawner->kill("t");
  ASSERT_TRUE(world_->run_until([&] { return answer.has_value(); }));
  if (answer->ok()) {  // it was faster
    EXPECT_TRUE(world_->run_until([&] { return exited; }));
  } else {
    EXPECT_EQ(answer->error().message(), "sandbox t: killed before it had started");
    EXPECT_FALSE(exited);
  }
  EXPECT_EQ(world_->spawner->living(), 0U);
}

}  // namespace
}  // namespace savia::sandbox

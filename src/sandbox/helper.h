// The helper process: single-threaded, forked before the server had threads, owner of every sandbox.
//
// One epoll over the server's socket, a signalfd, and a socket and a pidfd per sandbox. It blocks on nothing but its own
// sends to the server, whose loop always reads. Sandboxes are made ahead: a *warm* one has its name spaces, root and network
// and waits for a spec, so that a start costs the mounts, the privileges and the exec.
//
//   kPreparing --kWarm--> kWarm --kRun sent--> kStarting --kReady--> kRunning --end--> reported, groups removed, forgotten
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/fd.h"
#include "sandbox/cgroup.h"
#include "sandbox/network.h"
#include "sandbox/seccomp.h"
#include "sandbox/wire.h"

namespace savia::sandbox {

class Helper {
 public:
  Helper(os::Fd server, std::string state_dir) : server_(std::move(server)), state_dir_(std::move(state_dir)) {}
  // Sets up, says hello, serves until the server is gone or SIGTERM comes, cleans up.
  int run();

 private:
  enum class Phase { kPreparing, kWarm, kStarting, kRunning };
  struct Sandbox {
    uint64_t number = 0;  // the start request's, once there is one
    uint32_t index = 0;
    pid_t pid = -1;
    os::Fd pidfd, sock;
    os::Fd mounts;        // its mount name space
    os::Fd tmp;           // its /tmp
    os::Fd memory_watch;  // readable when the memory limit comes near
    int64_t granted = 0;  // what the memory limit has on top for /tmp
    std::unique_ptr<Group> group;
    Phase phase = Phase::kPreparing;
    GroupLimits limits;
    bool has_exit = false;
    int status = 0;  // wait(2) status of the main process, once has_exit
    bool killed_for_memory = false;
    int64_t memory_peak = 0;  // as polled
    bool frozen = false;
    std::string failure;  // encoded error, when the init gave up
  };
  // helper_setup.cc
  Result<void> set_up();
  Result<void> enter_own_namespaces();
  void probe_cgroups(bool root);
  void say_hello();

  void serve();
  void on_server();
  void on_request(Message m);
  void start(Message m);
  void give_spec(Sandbox& s, Message m);
  void mount_into(const Message& m);
  Result<void> do_mount_into(const Message& m);
  void set_limits(const Message& m);
  void freeze(uint64_t number, bool frozen);
  void usage(const Message& m);

  Result<void> prepare_one();
  void refill();
  void on_init(Sandbox& s);
  void on_init_says(Sandbox& s, Message& m);
  void on_end(Sandbox& s);
  void report_end(Sandbox& s);
  void kill(Sandbox& s);
  void poll_memory();
  int64_t memory_limit(Sandbox& s);
  void watch_memory(Sandbox& s);
  void on_memory(Sandbox& s);
  void end_errands();
  int next_timeout_ms() const;

  Sandbox* find(uint64_t number);
  void answer(Op op, uint64_t number, std::string_view body = {}, const std::vector<int>& fds = {});
  void fail(uint64_t number, const Error& error);
  void watch(int fd, uint32_t index, uint32_t kind);
  void clean_up();

  os::Fd server_, epoll_, signals_, home_mounts_;
  std::string state_dir_, root_dir_;
  Facilities facilities_;
  Cgroups cgroups_;
  Network network_;
  std::vector<sock_filter> seccomp_;
  bool poll_memory_ = false;  // no memory cgroup
  bool stop_ = false;
  bool keep_warm_ = false;

  std::map<uint32_t, std::unique_ptr<Sandbox>> sandboxes_;  // by index
  std::map<uint64_t, uint32_t> by_number_;
  std::deque<Message> waiting_;  // starts without a sandbox yet
  uint32_t next_index_ = 0;
  uint64_t next_group_ = 0;
  int64_t refill_at_ms_ = 0;  // 0: nothing to refill
  int64_t poll_at_ms_ = 0;
  std::vector<pid_t> errands_;  // short-lived children, to be waited for
};

}  // namespace savia::sandbox

// One process tree from a spec: its own pid, mount, ipc, uts, user and network name spaces, a read-only root, limits, a
// seccomp filter and no capabilities. Knows nothing of AWS: Lambda environments, and later containers, build steps and
// workflow jobs, are the same thing with other specs.
//
// The server is threaded, so it never forks: `Spawner::start_helper` forks one small helper process before any thread
// exists; the helper makes every sandbox and passes back descriptors. When the server dies, the helper and every sandbox die
// with it (PR_SET_PDEATHSIG and a watched socket), so nothing runs that nobody owns.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/loop.h"

namespace savia::sandbox {

// What this machine gives; printed at start and by `savia status`. Each `weaker` line says in words what is missing.
struct Facilities {
  bool root = false;
  bool user_namespaces = false;
  enum class Cgroups { kNone, kV1, kHybrid, kV2 } cgroups = Cgroups::kNone;
  bool memory_limit = false, cpu_share = false, pids_limit = false, freezer = false;
  bool seccomp = false;
  bool outgoing_network = false;  // veth and NAT as root, slirp4netns otherwise
  bool late_mounts = false;       // mount_into works (open_tree and mount_setattr, Linux 5.12)
  std::vector<std::string> weaker;
};

struct Mount {
  std::string source;  // host path
  std::string target;  // absolute path inside
  bool read_only = true;
};

// A socket that listens inside the sandbox's network name space but is accepted by the server: the way in for the runtime
// API, the AWS front and opened host ports, and the only one. It needs no veth and no root.
struct InnerListener {
  std::string address;  // "127.0.0.1", or the gateway address "169.254.77.1"
  uint16_t port = 0;
};

enum class Outgoing { kAllowed, kDenied };

struct Spec {
  std::string id;                 // [a-z0-9-]{1,40}, unique among the living
  std::vector<std::string> argv;  // argv[0] an absolute path inside
  std::vector<std::string> env;   // "K=V"
  std::string cwd = "/";
  std::string hostname = "sandbox";
  std::vector<Mount> mounts;              // on top of the machine's /usr /bin /lib* /etc (chosen files), read-only
  std::vector<std::string> mount_points;  // empty folders to be mounted on later with mount_into: "/var/task", "/opt"
  int64_t tmp_mib = 512;                  // private /tmp
  int64_t memory_mib = 128;
  int64_t cpu_milli = 1000;  // thousandths of a core
  int64_t pids = 1024;
  int64_t open_files = 1024;
  Outgoing outgoing = Outgoing::kAllowed;
  std::vector<InnerListener> listeners;
  std::map<std::string, std::string> hosts;  // /etc/hosts entries inside: name -> address
  bool control_socket = false;  // a connected Unix stream socket as fd 3 inside (env names it), its peer is returned
};

struct Exit {
  bool signaled = false;
  int status = 0;              // exit status, or the signal's number
  bool out_of_memory = false;  // something inside was killed for its memory limit
};

struct Started {
  pid_t pid = -1;                      // on the host
  std::vector<int> listener_fds;       // in the order of Spec::listeners; owned by the caller
  int control_fd = -1;                 // owned by the caller
  int stdout_fd = -1, stderr_fd = -1;  // read ends, non-blocking; owned by the caller
};

struct Usage {
  int64_t memory_bytes = 0;  // now
  int64_t memory_peak_bytes = 0;
  int64_t cpu_us = 0;
  int64_t pids = 0;
};

class Spawner {
 public:
  // Forks the helper. Before any thread; `state_dir` (private, made if missing) holds a mount point. The helper looks at the
  // machine beside the caller. Destroyed: every sandbox is killed; control groups, interface and firewall table are removed
  // (some 50 ms).
  static Result<std::unique_ptr<Spawner>> start_helper(const std::string& state_dir);
  virtual ~Spawner() = default;

  // Waits for what the helper found, up to 50 ms after its start: call it when the server is ready, not before.
  virtual const Facilities& facilities() const = 0;
  // Binds callbacks to the loop; everything below is called on its thread, and every callback runs there.
  virtual Result<void> attach(net::Loop& loop) = 0;

  // `done` is called once; on_exit once afterwards, unless `done` got an error. The argv runs as an unprivileged user (993,
  // group 990) with stdin from /dev/null; when it ends, everything that it started ends.
  virtual void start(Spec spec, std::function<void(Result<Started>)> done, std::function<void(Exit)> on_exit) = 0;
  // Bind-mounts into a running sandbox: how a pooled runtime takes over a function.
  virtual void mount_into(const std::string& id, std::vector<Mount> mounts, std::function<void(Result<void>)> done) = 0;
  virtual void set_limits(const std::string& id, int64_t memory_mib, int64_t cpu_milli,
                          std::function<void(Result<void>)> done) = 0;
  virtual void freeze(const std::string& id) = 0;
  virtual void thaw(const std::string& id) = 0;  // takes effect before anything written to the sandbox afterwards is answered
  virtual void kill(const std::string& id) = 0;  // the whole tree; on_exit follows
  virtual void usage(const std::string& id, std::function<void(Result<Usage>)> done) = 0;
  virtual size_t living() const = 0;
};

}  // namespace savia::sandbox

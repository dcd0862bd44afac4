#include "net/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "base/strings.h"

namespace savia::net {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Result<Address> ip_address(const std::string& ip, int port) {
  Address a;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&a.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&a.storage);
  if (::inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    a.size = sizeof *v4;
    return a;
  }
  if (::inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    a.size = sizeof *v6;
    return a;
  }
  return Error::invalid("'" + ip + "' is not an IP address");
}

Result<Address> unix_address(const std::string& path) {
  Address a;
  auto* un = reinterpret_cast<sockaddr_un*>(&a.storage);
  if (path.empty() || path.size() >= sizeof un->sun_path) {
    return Error::invalid("socket path must have 1 to " + std::to_string(sizeof un->sun_path - 1) + " bytes: '" + path + "'");
  }
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.data(), path.size());
  a.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return a;
}

struct HostPort {
  std::string host;
  int port = 0;
};

Result<HostPort> split_address(const std::string& address) {
  size_t colon = address.rfind(':');
  std::optional<int64_t> port =
      colon == std::string::npos ? std::nullopt : parse_int(std::string_view(address).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return Error::invalid("'" + address + "' is not HOST:PORT");
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  if (host.empty()) host = "0.0.0.0";
  return HostPort{host, static_cast<int>(*port)};
}

void set_nodelay(int fd) {
  int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

Peer named(int fd, int (*name)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage s{};
  socklen_t size = sizeof s;
  if (name(fd, reinterpret_cast<sockaddr*>(&s), &size) != 0) return {};
  char text[INET6_ADDRSTRLEN] = "";
  if (s.ss_family == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&s);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return {text, ntohs(v4->sin_port)};
  }
  if (s.ss_family == AF_INET6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&s);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
      ::inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    }
    return {text, ntohs(v6->sin6_port)};
  }
  return {"unix", 0};
}

}  // namespace

Result<int> listen_tcp(const std::string& address, bool reuse_port) {
  HostPort hp = TRY(split_address(address));
  Address a = TRY(ip_address(hp.host, hp.port));
  os::Fd fd(::socket(a.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return Error::from_errno(errno, "socket");
  int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (reuse_port && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) {
    return Error::from_errno(errno, "SO_REUSEPORT");
  }
  set_nodelay(fd.get());
  if (::bind(fd.get(), a.get(), a.size) != 0) return Error::from_errno(errno, "bind " + address);
  if (::listen(fd.get(), limits::kListenBacklog) != 0) return Error::from_errno(errno, "listen " + address);
  return fd.release();
}

Result<int> listen_unix(const std::string& path, uint32_t mode) {
  Address a = TRY(unix_address(path));
  os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return Error::from_errno(errno, "socket");
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) ::unlink(path.c_str());
  ::fchmod(fd.get(), mode);  // Linux gives the file this mode at once; chmod below covers others
  if (::bind(fd.get(), a.get(), a.size) != 0) return Error::from_errno(errno, "bind " + path);
  if (::chmod(path.c_str(), mode) != 0) return Error::from_errno(errno, "chmod " + path);
  if (::listen(fd.get(), limits::kListenBacklog) != 0) return Error::from_errno(errno, "listen " + path);
  return fd.release();
}

Peer peer_of(int fd) {
  return named(fd, ::getpeername);
}
Peer local_of(int fd) {
  return named(fd, ::getsockname);
}
int bound_port(int fd) {
  return local_of(fd).port;
}

std::string bound_address(int fd) {
  Peer p = local_of(fd);
  return (p.ip.find(':') != std::string::npos ? "[" + p.ip + "]" : p.ip) + ":" + std::to_string(p.port);
}

bool is_loopback(const std::string& address) {
  if (address.find('/') != std::string::npos) return true;
  Result<HostPort> hp = split_address(address);
  std::string host = hp.ok() ? hp->host : address;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
  }
  return host == "localhost";
}

Result<os::Fd> connect_nonblocking(const std::string& ip, int port) {
  bool local = ip.rfind("unix:", 0) == 0;
  Address a = local ? TRY(unix_address(ip.substr(5))) : TRY(ip_address(ip, port));
  os::Fd fd(::socket(a.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return Error::from_errno(errno, "socket");
  if (!local) set_nodelay(fd.get());
  if (::connect(fd.get(), a.get(), a.size) != 0 && errno != EINPROGRESS) {
    return Error::from_errno(errno, "connect " + ip + (local ? "" : ":" + std::to_string(port)));
  }
  return fd;
}

Accepted accept_one(int listen_fd) {
  for (;;) {
    os::Fd fd(::accept4(listen_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) return {std::move(fd), false};
    switch (errno) {
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
        continue;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return {os::Fd(), true};
      default:
        return {os::Fd(), false};
    }
  }
}

}  // namespace savia::net

// Sockets by address text: "127.0.0.1:4566", "[::1]:4566", ":8080" (every address), "localhost:4566".
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "os/fd.h"

namespace savia::net {

// Listening sockets are non-blocking and close-on-exec. TCP: SO_REUSEADDR, TCP_NODELAY inherited by what is accepted;
// SO_REUSEPORT where asked. Port 0 lets the kernel choose.
Result<int> listen_tcp(const std::string& address, bool reuse_port = false);
Result<int> listen_unix(const std::string& path, uint32_t mode = 0600);  // replaces a socket left behind
std::string bound_address(int fd);                                       // what port 0 became, "127.0.0.1:43210"
int bound_port(int fd);                                                  // 0 when it has none
bool is_loopback(const std::string& address);                            // 127.0.0.0/8, ::1, localhost; Unix paths too

// Starts a connection; the socket is non-blocking and becomes writable when it stands (or failed: see SO_ERROR).
// `ip` is a numeric address; Unix: "unix:/path" with port 0.
Result<os::Fd> connect_nonblocking(const std::string& ip, int port);
// Takes one connection: non-blocking, close-on-exec, TCP_NODELAY. No fd when none waits or the descriptors are used up
// (`exhausted` then).
struct Accepted {
  os::Fd fd;
  bool exhausted = false;
};
Accepted accept_one(int listen_fd);
struct Peer {
  std::string ip;  // "unix" for Unix sockets
  int port = 0;
};
Peer peer_of(int fd);
Peer local_of(int fd);

}  // namespace savia::net

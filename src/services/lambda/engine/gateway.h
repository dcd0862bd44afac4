// The way from inside a sandbox to this machine: connections to the gateway address and to the runtime API's port arrive at
// listening sockets that live in the sandbox's network name space but are accepted here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "net/http_server.h"
#include "net/loop.h"
#include "os/fd.h"

namespace savia::lambda {

// Accepts and hands on.
class GatewayListener final : public net::IoHandler {
 public:
  GatewayListener(net::Loop& loop, os::Fd listener, std::function<void(int fd)> take);
  ~GatewayListener() override;
  Result<void> start();
  void on_io(uint32_t events) override;

 private:
  net::Loop& loop_;
  os::Fd fd_;
  std::function<void(int fd)> take_;
};

// The Runtime API over TCP, for runtime clients that are not ours. Most environments never see a connection, so that the
// server is made when the first one arrives.
class TcpApi final : public net::IoHandler {
 public:
  TcpApi(net::Loop& loop, os::Fd listener, net::HttpHandler handler);
  ~TcpApi() override;
  Result<void> start();
  void on_io(uint32_t events) override;

 private:
  net::Loop& loop_;
  os::Fd fd_;
  net::HttpHandler handler_;
  std::unique_ptr<net::HttpServer> server_;
};

// Relays connections from functions to ports of this machine's loopback (host_ports).
class Gateway {
 public:
  explicit Gateway(net::Loop& loop);
  ~Gateway();
  void relay(int client_fd, uint16_t host_port);  // takes the descriptor
  size_t relays() const { return relays_.size(); }

 private:
  class Relay;
  void remove(uint64_t id);
  void later(uint64_t id);
  net::Loop& loop_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);  // owner: this; timers hold it weakly
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, std::unique_ptr<Relay>> relays_;
};

}  // namespace savia::lambda

// An HTTP/1.1 server on one loop for complete messages: the AWS front, the functions' runtime API, health and metrics.
// (The edge has its own connection type on the same push parser, since it relays bodies without holding them.)
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "net/loop.h"

namespace savia::net {

struct HttpServerOptions {
  size_t head_bytes = 0;   // 0: limits::kHeadBytes
  size_t body_bytes = 0;   // 0: limits::kApiBodyBytes
  int64_t idle_ms = 0;     // 0: limits::kIdleConnectionMs
  std::string server_name;  // Server header, none when empty
  // Called as soon as the head is complete, before the body is read and before "100 Continue" is sent: an answer here ends
  // the request (too large, no credentials). Null: everything is read.
  std::function<std::optional<HttpResponse>(const HttpRequest& head, std::optional<int64_t> content_length)> on_head;
};

class HttpServer {
 public:
  // `listen_fd`: a listening TCP or Unix socket, non-blocking; owned from here. Call on the loop's thread or before it runs.
  static Result<std::unique_ptr<HttpServer>> create(Loop& loop, int listen_fd, HttpServerOptions options, HttpHandler handler);
  virtual ~HttpServer() = default;
  // Stops accepting; answers what is in flight with Connection: close; calls `done` when the last connection has gone.
  virtual void drain(std::function<void()> done) = 0;
  virtual size_t connections() const = 0;
};

// "127.0.0.1:4566" or "[::1]:4566" -> listening socket (SO_REUSEADDR, non-blocking, close-on-exec; SO_REUSEPORT where asked).
Result<int> listen_tcp(const std::string& address, bool reuse_port = false);
Result<int> listen_unix(const std::string& path);
std::string bound_address(int fd);  // what port 0 became
bool is_loopback(const std::string& address);

}  // namespace savia::net

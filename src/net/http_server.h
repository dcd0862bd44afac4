// An HTTP/1.1 server on one loop for complete messages: the AWS front, the functions' runtime API, health and metrics.
// (The edge has its own connection type on the same push parser, since it relays bodies without holding them.)
//
// One request of a connection is handled at a time; what the client pipelines behind it waits in the socket. Handlers run
// on the loop and must not block; they may answer before returning, later, or from another thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/stream.h"

namespace savia::net {

struct HttpServerOptions {
  size_t head_bytes = 0;            // 0: limits::kHeadBytes
  size_t body_bytes = 0;            // 0: limits::kApiBodyBytes
  size_t connections = 0;           // 0: limits::kConnections; more wait in the backlog
  int64_t idle_ms = 0;              // 0: limits::kIdleConnectionMs
  int64_t head_ms = 0;              // 0: limits::kHeadTimeoutMs
  int64_t body_ms = 0;              // 0: limits::kBodyTimeoutMs
  std::string server_name;          // Server header, none when empty
  std::shared_ptr<TlsContext> tls;  // null: plain HTTP
  // Called as soon as the head is complete, before the body is read and before "100 Continue" is sent: an answer here ends
  // the request (too large, no credentials). Null: everything is read.
  std::function<std::optional<HttpResponse>(const HttpRequest& head, std::optional<int64_t> content_length)> on_head;
  // The answer to a request that cannot be parsed or is too large, or was not sent in time (400, 408, 413, 414, 417, 431,
  // 501, 505); the connection ends after it. Null: plain text.
  std::function<HttpResponse(int status, const char* reason)> on_bad_request;
};

class HttpServer {
 public:
  // `listen_fd`: a listening TCP or Unix socket, non-blocking; owned from here. Call on the loop's thread or before it runs.
  // The loop must outlive the server and all its responders; destroy the server on the loop's thread or when it is stopped.
  static Result<std::unique_ptr<HttpServer>> create(Loop& loop, int listen_fd, HttpServerOptions options, HttpHandler handler);
  virtual ~HttpServer() = default;
  // Stops accepting; answers what is in flight with Connection: close; calls `done` when the last connection has gone.
  // On the loop's thread.
  virtual void drain(std::function<void()> done) = 0;
  // Takes over a connected, non-blocking socket that somebody else accepted, as if it had come to the listener; never TLS. On
  // the loop's thread. Closed at once when the server is draining or full.
  virtual void adopt(int fd) = 0;
  virtual size_t connections() const = 0;
};

}  // namespace savia::net

// The edge: HTTP data plane of API Gateway REST (v1) and HTTP (v2) APIs.
//
// It finds the API by Host ({api-id}.execute-api.…) or path (/_aws/execute-api/{api-id}/{stage}/…), matches the route in a
// compiled trie, and answers from a function, an HTTP upstream or a MOCK. It owns its listeners, client and upstream
// connections and the compiled APIs; it runs on the loops that it is given and starts no thread but the name resolver's. It
// reads no state: what it serves came through publish(). Nothing on a request's path blocks or takes a lock.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/stream.h"
#include "ports/function_invoker.h"
#include "ports/route_snapshot.h"

namespace savia::edge {

struct EdgeOptions {
  std::vector<net::Loop*> loops;              // not empty; each outlives the edge
  ports::FunctionInvoker* invoker = nullptr;  // outlives the edge; on the same loop its invoke() is a direct call
  // Answers paths outside execute-api (/_savia/health, …) whose Host names no API; must not block. Null or status 0: the
  // edge's own 404.
  std::function<net::HttpResponse(const net::HttpRequest&)> other;
  Metrics* metrics = nullptr;                     // savia_edge_requests_total, savia_edge_request_seconds; null: not counted
  std::shared_ptr<net::TlsContext> upstream_tls;  // https upstreams; null: the system's authorities, made at first use
  int64_t idle_ms = 0;                            // 0: limits::kIdleConnectionMs
  size_t connections = 0;                         // of one loop; 0: limits::kConnections
};

class Edge : public ports::RouteSink {
 public:
  static Result<std::unique_ptr<Edge>> create(EdgeOptions options);

  // Adds a listening socket (net::listen_tcp, net::listen_unix) served by loop `loop_index`; owned from here. With several
  // loops give each its own socket of one address (reuse_port). Call before the loops run or on that loop.
  virtual Result<void> listen(int listen_fd, size_t loop_index = 0, std::shared_ptr<net::TlsContext> tls = nullptr) = 0;
  // Takes over a connected, non-blocking socket that somebody else accepted (a function's, to its gateway address); never TLS.
  // On the first loop's thread. Closed at once when the edge is draining or full.
  virtual void adopt(int fd) = 0;
  // Any thread: stops accepting, lets requests in flight finish; `done` runs on the last loop that became idle.
  virtual void drain(std::function<void()> done) = 0;
  virtual size_t connections() const = 0;  // of all loops; any thread
};

}  // namespace savia::edge

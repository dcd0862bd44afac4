// A blocking HTTP/1.1 client for the command line and tests (one request, one connection unless kept). Not for data planes.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "net/stream.h"

namespace savia::net {

class HttpClient {
 public:
  // "http://127.0.0.1:4566", "http://localhost:4566", "https://host:443", "unix:/path". `timeout_ms` bounds connecting and
  // each whole exchange. `tls`: for https; null makes a context with the system's authorities.
  static Result<std::unique_ptr<HttpClient>> connect(const std::string& endpoint, int64_t timeout_ms,
                                                     std::shared_ptr<TlsContext> tls = nullptr);
  virtual ~HttpClient() = default;
  // Sends and waits for the whole answer. Host and Content-Length are added when absent. Keeps the connection open and makes
  // a new one when the server has closed it (a request that was not answered at all is then sent again once).
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

}  // namespace savia::net

// A blocking HTTP/1.1 client for the command line and tests (one request, one connection unless kept). Not for data planes.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"

namespace savia::net {

class HttpClient {
 public:
  // "http://127.0.0.1:4566", "unix:/path"
  static Result<std::unique_ptr<HttpClient>> connect(const std::string& endpoint, int64_t timeout_ms);
  virtual ~HttpClient() = default;
  // Sends and waits for the whole answer. Host and Content-Length are added when absent. Keeps the connection open.
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

}  // namespace savia::net

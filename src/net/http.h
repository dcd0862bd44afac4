// HTTP messages as both ends see them. Header names compare without case; their case and order are kept as sent, since
// API Gateway hands them to functions so.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace savia::net {

class Headers {
 public:
  using Field = std::pair<std::string, std::string>;
  void add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }
  void set(std::string_view name, std::string_view value);  // replaces every field of that name
  void remove(std::string_view name);
  const std::string* find(std::string_view name) const;  // first, nullptr when absent
  std::string_view get(std::string_view name) const;     // "" when absent
  bool has(std::string_view name) const { return find(name) != nullptr; }
  const std::vector<Field>& fields() const { return fields_; }
  bool empty() const { return fields_.empty(); }

 private:
  std::vector<Field> fields_;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // as sent: "/a%20b?x=1" (origin form; absolute form is reduced to it)
  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  std::string_view query() const {
    size_t q = target.find('?');
    return q == std::string::npos ? std::string_view() : std::string_view(target).substr(q + 1);
  }
  int minor_version = 1;
  Headers headers;
  std::string body;  // whole, de-chunked (transfer coding only; aws-chunked is the front's business)
  Headers trailers;
  std::string peer_ip;  // "127.0.0.1"; "unix" for Unix sockets
  int peer_port = 0;
  bool secure = false;
};

struct HttpResponse {
  int status = 200;
  Headers headers;  // Content-Length, Date and Connection are added by the server
  std::string body;
  bool close = false;  // end the connection after it
};

// Answers one request once, from any thread; dropped unanswered it answers 500 and logs. Head and body leave in one write.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;
  virtual void respond(HttpResponse response) = 0;
  // `fn` runs on the server's loop if the client's connection breaks before the answer; call on that loop. The answer that
  // follows nevertheless is dropped quietly.
  virtual void on_abort(std::function<void()> fn) { (void)fn; }
};

// Called on the server's loop with a complete request; must not block.
using HttpHandler = std::function<void(HttpRequest request, std::unique_ptr<HttpResponder> responder)>;

}  // namespace savia::net

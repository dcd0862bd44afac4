// One connection to an HTTP upstream: serves one exchange at a time, then waits in its loop's pool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "edge/proxy_target.h"
#include "net/http1.h"
#include "net/loop.h"
#include "net/stream.h"

namespace savia::edge {

class Client;
class Worker;

enum class UpstreamFailure {
  kConnect,    // no connection: name, refused, TLS
  kClosed,     // it broke before a byte of the answer: the request may be sent again if it is idempotent
  kBroken,     // it broke in the middle of the answer
  kMalformed,  // the answer is not HTTP
};

class Upstream final : public net::IoHandler {
 public:
  static constexpr size_t kBuffered = 64 * 1024;  // request bytes waiting before the client is read no further

  Upstream(Worker& worker, const ProxyTarget& target);
  ~Upstream() override;

  // Begins an exchange: sends `head` and `body` now or as soon as the connection stands. Failures reach the client by
  // upstream_failed(), never from inside this call.
  void start(Client* client, std::string_view head, std::string_view body, bool head_request);
  void send(std::string_view bytes);  // more of the request's body
  bool congested() const { return out_.size() - out_at_ > kBuffered; }
  void resume();  // the client can take more
  void shut();    // its exchange is given up: closes the connection

  bool reused() const { return exchanges_ > 1; }
  // The request as sent, kept on reused connections: their end may have been closed just then. Empty when it was too long.
  const std::string& sent() const { return sent_; }
  const std::string& key() const { return key_; }
  int64_t idle_since_us() const { return idle_since_us_; }
  void set_idle(int64_t now_us) {
    client_ = nullptr;
    idle_since_us_ = now_us;
  }
  void on_io(uint32_t events) override;

 private:
  enum class State : uint8_t { kUnconnected, kResolving, kConnecting, kOpen, kDead };
  void connect();
  void connect_to(const std::string& ip);
  bool connected();
  void pump();
  bool flush();
  void write(std::string_view a, std::string_view b);
  bool read();
  bool take(std::string_view bytes);
  bool take_head(std::string_view& bytes);
  bool take_body(std::string_view bytes);
  void finish(bool reusable);
  void fail(UpstreamFailure failure);
  void fail_later(UpstreamFailure failure);
  void fail_if_silent();

  Worker& worker_;
  std::string key_, host_;
  int port_;
  bool tls_;
  State state_ = State::kUnconnected;
  bool readable_ = false, writable_ = false, half_closed_ = false, head_done_ = false, head_request_ = false, any_byte_ = false;
  bool pumping_ = false, again_ = false;
  Client* client_ = nullptr;  // null: idle
  uint64_t exchanges_ = 0;
  int64_t idle_since_us_ = 0;
  net::Stream stream_;
  net::http1::HeadParser parser_;
  net::http1::Head head_;
  net::http1::BodyReader body_;
  std::string in_;   // an incomplete head
  std::string out_;  // request bytes not taken yet
  size_t out_at_ = 0;
  std::string sent_;
  std::shared_ptr<bool> alive_;  // for callbacks of the resolver
};

}  // namespace savia::edge

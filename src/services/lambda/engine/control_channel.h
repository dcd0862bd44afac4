// The Runtime API on the Unix socket that our own bootstraps inherit: an HTTP/1.1 server for exactly one client that
// pipelines. It differs from net::HttpServer in one thing that halves the system calls of an invocation: answers to requests
// behind which the client already waits with another one ("POST response", then "GET next") are held back and leave together
// with the answer to the latter.
//
// The client is the function's process and not trusted: it may send anything, at any time. While a request is parked nothing
// more is read, so that a flood ends in the socket's buffer.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "net/http1.h"
#include "net/loop.h"
#include "os/fd.h"

namespace savia::lambda {

struct ApiRequest {
  std::string_view method;
  std::string_view path;
  std::function<std::string_view(std::string_view)> header;  // "" when absent
  std::string body;
  bool too_large = false;  // the body was over limits::kRuntimeResponseBytes and is cut
  size_t body_size = 0;    // as announced or received
};

struct ApiReply {
  bool parked = false;  // answered later
  int status = 200;
  std::string body;
};

class ControlChannel final : public net::IoHandler {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual ApiReply on_control_request(ApiRequest request) = 0;
    virtual void on_control_closed() = 0;  // end of stream, or broken framing; at most once
  };
  // `scratch`: a receive buffer that all channels of a loop share; used within one call only.
  ControlChannel(net::Loop& loop, os::Fd fd, Owner& owner, std::string& scratch);
  ~ControlChannel() override;
  Result<void> start();

  void on_io(uint32_t events) override;
  // Answers the parked request with 200. `fields`: header lines, each ended by CRLF.
  void answer(std::string_view fields, std::string_view body);
  bool parked() const { return parked_; }
  void drain();  // handles what has arrived, then the end: the process is gone

 private:
  void read_all();
  bool consume(std::string_view bytes);  // false: broken
  bool take_head(std::string_view& bytes);
  bool take_body(std::string_view& bytes);
  void dispatch();
  void flush(std::string_view more = {});
  void close();

  net::Loop& loop_;
  os::Fd fd_;
  Owner& owner_;
  std::string& scratch_;
  std::string in_;   // an unfinished head, or what came behind a parked request
  std::string out_;  // held back, or what the socket did not take
  net::http1::HeadParser parser_;
  net::http1::Head head_;
  net::http1::BodyReader reader_;
  std::string head_text_;  // the head of the message whose body is being read
  std::string body_;
  size_t body_size_ = 0;
  bool in_body_ = false;
  bool parked_ = false;
  bool edge_missed_ = false;  // readable while parked
  bool busy_ = false;         // inside read_all(): no recursion
  bool closed_ = false;
};

}  // namespace savia::lambda

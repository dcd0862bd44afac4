// One client connection of the edge and the request that it is serving: a state machine on the push parser.
//
//   head -> (body) -> answered at once, waiting for a function, or relaying an upstream
//        -> writing -> head …, or -> lingering -> closed
//
// A request that is in one receive buffer is parsed, matched and answered from there without a copy. pump() repeats step()
// until there is nothing to do; answers that come while it runs are picked up by it, so the stack does not grow with
// pipelined requests, and a connection is destroyed in one place. Idle connections hold no buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "edge/api.h"
#include "edge/request.h"
#include "edge/upstream.h"
#include "net/http1.h"
#include "net/loop.h"
#include "net/stream.h"
#include "ports/function_invoker.h"

namespace savia::edge {

class Worker;

class Client final : public net::IoHandler {
 public:
  Client(Worker& worker, uint64_t id, net::Stream stream, int local_port);
  ~Client() override;
  bool start();
  void on_io(uint32_t events) override;
  void drain();
  void pump();

  // From the invoker, on the loop.
  void invoked(uint64_t sequence, ports::InvokeResult result);

  // From the upstream that serves this connection.
  void upstream_head(const net::http1::Head& head, const char* base);
  void upstream_body(std::string_view piece);
  void upstream_batch_end();  // everything of one read has been handed over
  void upstream_done(bool reusable);
  void upstream_failed(UpstreamFailure failure);
  void upstream_drained();  // it can take more of the request's body
  bool congested() const { return out_.size() - out_at_ > Upstream::kBuffered; }

 private:
  enum class State : uint8_t { kHead, kBody, kWaiting, kRelay, kWriting, kLingering, kClosed };
  // Where in a reply the length comes from.
  enum class Length { kKnown, kChunked, kUntilClose, kNone };
  // A request that did not come in one piece.
  struct Partial {
    net::http1::Head head;
    std::string in;    // the head, whole or not, and before it is parsed whatever follows it
    std::string body;  // collected for a function
  };

  // reading (client.cc)
  bool step();
  bool step_head();
  bool step_body();
  bool step_relay();
  bool step_write();
  bool step_linger();
  std::optional<std::string_view> receive();
  void begin(std::string_view buffer, net::http1::Head& head);
  void fill_request(Request& r, const char* base, const net::http1::Head& head);
  bool take_whole_body(std::string_view rest, Request& r);
  void collect_body(std::string_view buffer, std::string_view rest);
  void take_body(std::string_view bytes);
  void rerun();

  // the pipeline (pipeline.cc); each phase says whether the next one follows
  void run_pipeline(Request& r);
  bool find_api(Request& r);
  bool check_limits(Request& r);
  bool match(Request& r);
  bool preflight(Request& r);
  bool await_body(Request& r);
  bool integrate(Request& r);
  void answer_other(Request& r);
  void answer_mock(Request& r);
  void invoke(Request& r);
  void answer_lambda(ports::InvokeResult& result);
  void lambda_failed(const ports::InvokeResult& result);

  // HTTP proxy (relay.cc)
  void relay(Request& r);
  void compose_upstream_head(Request& r, std::string& out);
  void relay_request_bytes(std::string_view bytes);
  void release_upstream();

  // answering (answer.cc)
  void begin_head(int status);
  void end_head(Length length, uint64_t bytes);
  void answer(int status, std::string_view fields, std::string_view body);
  void answer_message(int rest_status, std::string_view rest_body, std::string_view rest_error, int http_status,
                      std::string_view http_body);
  void internal_error(int rest_status);
  void timed_out();
  void unreachable();
  void refuse(int status, const char* reason);
  void send(std::string_view head, std::string_view body);  // one write now, the rest later
  bool flush();
  void finish_answer();
  void append_cors(std::string& out) const;

  void close() { state_ = State::kClosed; }
  void set_deadline(int64_t delay_ms);
  void on_timer();

  Worker& worker_;
  uint64_t id_;
  net::Stream stream_;
  State state_ = State::kHead;
  bool pumping_ = false, readable_ = true, writable_ = true, gone_ = false, half_closed_ = false;
  bool keep_alive_ = true, head_request_ = false, old_version_ = false, continue_pending_ = false, body_ready_ = false;
  bool decode_base64_ = false, head_sent_ = false, idempotent_ = false;
  bool batch_ = false;              // worker_.out holds chunks of the answer being relayed
  bool chunked_request_ = false;    // its body is framed anew on the way to the upstream
  Length length_ = Length::kKnown;  // of the answer being relayed
  int status_ = 0;
  int local_port_;
  uint64_t sequence_ = 0;  // of the request being served
  int64_t began_us_ = 0;
  net::TimerId timer_ = 0;
  int64_t deadline_us_ = 0, timer_us_ = 0;
  std::string peer_ip_;
  net::http1::HeadParser parser_;
  net::http1::BodyReader body_;
  std::unique_ptr<Partial> partial_;
  std::string next_;       // pipelined behind the request being served
  std::string_view rest_;  // what followed the head in its buffer; valid only inside begin()
  std::string_view buffer_;
  size_t body_bytes_ = 0;
  std::string out_;  // answer bytes not taken yet
  size_t out_at_ = 0;
  size_t lingered_ = 0;

  RequestIds ids_;
  std::shared_ptr<const Api> api_;  // holds what the request in flight was matched on
  const Route* route_ = nullptr;
  std::string origin_;  // for CORS
  std::unique_ptr<Upstream> upstream_;
};

}  // namespace savia::edge

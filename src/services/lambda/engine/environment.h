// One environment: a sandbox with a runtime in it, from its start to its end. It serves one invocation at a time.
//
//            start()                                   adopt()
//   fresh ───────────► starting ──► initialising ◄─────────────── pooled ◄── starting ◄── start_pooled()
//                                        │  first `next`
//                                        ▼
//                       ┌──────────►  idle  ◄───────────┐
//                       │ thaw          │ run()          │ `next`
//                     frozen            ▼                │
//                                     busy ──────────► settling (answered, not back yet)
//                                       │ timeout, exit
//   any state ──── retire(), kill() ────┴──► dying ──► gone (EnvironmentHost::on_gone, once)
//
// The engine decides what runs where; the environment knows the protocol, the deadlines, the log lines and the answers that
// AWS gives when a function fails. Confined to the engine's loop. Owned by the engine's table; callbacks of the spawner hold
// weak pointers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "ports/function_invoker.h"
#include "ports/log_sink.h"
#include "sandbox/sandbox.h"
#include "services/lambda/engine/control_channel.h"
#include "services/lambda/engine/counters.h"
#include "services/lambda/engine/engine.h"
#include "services/lambda/engine/function_log.h"
#include "services/lambda/engine/gateway.h"
#include "services/lambda/engine/runtimes.h"

namespace savia::lambda {

// Invocations accepted and not yet answered.
struct AccountLoad {
  int64_t in_flight = 0;  // of functions without reserved concurrency
  int64_t reserved = 0;   // sum over the account's functions
};
struct FunctionLoad {
  std::shared_ptr<AccountLoad> account;  // shared by the account's functions and their invocations
  int64_t in_flight = 0;
  std::optional<int64_t> reserved;
};

struct Invocation {
  ports::InvokeRequest request;
  ports::FunctionInvoker::Done done;
  std::shared_ptr<FunctionLoad> load;  // owners: the function's record and its invocations
  bool counts_for_account = false;
  int64_t queued_us = 0;

  // Exactly once.
  void answer(ports::InvokeResult result) {
    --load->in_flight;
    if (counts_for_account) --load->account->in_flight;
    ports::FunctionInvoker::Done call = std::move(done);
    call(std::move(result));
  }
};

// How an environment came to nothing before it could serve.
struct InitFailure {
  std::string payload;     // what an invocation is answered with; holds the AWS error object
  std::string error_type;  // "Runtime.ImportModuleError"
  bool machine = false;    // the sandbox itself could not be made: not the function's fault; `payload` is the reason
};

class Environment;

class EnvironmentHost {
 public:
  virtual ~EnvironmentHost() = default;
  virtual void on_pooled(Environment& environment) = 0;  // waits for a function
  virtual void on_idle(Environment& environment) = 0;    // waits for an invocation
  virtual void on_init_failed(Environment& environment, InitFailure failure) = 0;
  virtual void on_gone(Environment& environment) = 0;  // nothing of it is left; may be destroyed after this returns
};

struct EnvironmentContext {
  net::Loop& loop;
  sandbox::Spawner& spawner;
  ports::LogSink& logs;
  Random& random;
  const EngineOptions& options;
  Counters& counters;
  Gateway& gateway;
  std::string& scratch;  // receive buffer, shared
  std::string node_dir;  // host folders of the bootstraps, become /var/runtime
  std::string python_dir;
};

class Environment final : public ControlChannel::Owner, public std::enable_shared_from_this<Environment> {
 public:
  enum class State { kStarting, kPooled, kInit, kIdle, kFrozen, kBusy, kSettling, kDying, kGone };

  Environment(EnvironmentContext& context, EnvironmentHost& host, Runtime runtime, int64_t memory_mib);
  ~Environment() override;

  // A process of its own for this function. `bound`: the invocation that waits inside this start, after a first start has
  // failed ("suppressed init": AWS tries once more, within the invocation and its timeout).
  void start(std::shared_ptr<const FunctionSpec> spec, std::optional<Invocation> bound);
  void start_pooled();
  void adopt(std::shared_ptr<const FunctionSpec> spec);  // kPooled
  void run(Invocation invocation);                       // kIdle or kFrozen

  void freeze();  // kIdle
  void retire();  // ends as soon as nothing is in flight
  void kill();    // at once; what is in flight answers kInternal
  // Log lines that wait, and what has been silent for too long.
  void tick();

  State state() const { return state_; }
  bool retiring() const { return retiring_; }
  const std::string& id() const { return id_; }
  const Runtime& runtime() const { return runtime_; }
  int64_t memory_mib() const { return memory_mib_; }
  const std::shared_ptr<const FunctionSpec>& spec() const { return spec_; }
  int64_t idle_since_us() const { return since_us_; }
  // What its last invocation took; -1 when asked before.
  int64_t take_duration_us() { return std::exchange(last_duration_us_, -1); }
  bool was_pooled() const { return was_pooled_; }  // came up, and waited for a function
  bool has_invocation() const { return current_.has_value(); }
  void* owner = nullptr;  // the engine's record of the version it serves; null while pooled

  ApiReply on_control_request(ApiRequest request) override;
  void on_control_closed() override;

 private:
  struct Failed {  // of a running invocation
    std::string payload, error_type, log_line, status;
  };
  sandbox::Spec sandbox_spec() const;
  void spawn(sandbox::Spec spec);
  void on_started(sandbox::Started started);
  void on_exit(sandbox::Exit exit);
  void begin_init();
  void send_adoption();
  void init_failed(InitFailure failure, std::string_view status);
  void become_idle();
  void send_event();
  // Deadlines come and go with every invocation; the timer behind them stays and looks again when it runs.
  void set_deadline(int64_t ms);
  void clear_deadline() { deadline_us_ = 0; }
  void arm(int64_t at_us);
  void on_timer();
  void on_timeout();

  ApiReply on_api(ApiRequest& request, bool control);
  ApiReply on_next();
  ApiReply on_response(ApiRequest& request, std::string_view id);
  ApiReply on_error(ApiRequest& request, std::string_view id);
  ApiReply on_init_error(ApiRequest& request);
  void serve_tcp(net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder);
  void answer_parked(std::string_view fields, std::string_view body);

  void finish(ports::InvokeStatus status, std::string payload, std::string_view report_status);
  void fail_running(Failed failed);
  void log_start();
  void log_end(std::string_view report_status);
  void drain_pipes();
  void ask_memory();
  void release();

  EnvironmentContext& c_;
  EnvironmentHost& host_;
  const Runtime runtime_;
  const int64_t memory_mib_;
  const std::string id_;
  State state_ = State::kStarting;
  bool retiring_ = false;
  bool was_pooled_ = false;
  bool spawned_ = false;        // the sandbox exists, or may
  bool init_reported_ = false;  // Init Duration has been in a REPORT
  bool init_in_invoke_ = false;
  bool out_of_memory_ = false;
  std::shared_ptr<const FunctionSpec> spec_;

  int64_t since_us_ = 0;  // in this state
  int64_t init_started_us_ = 0, init_us_ = 0;
  int64_t started_us_ = 0;  // of the invocation
  int64_t last_duration_us_ = -1;
  int64_t memory_peak_ = 0;
  int64_t memory_asked_us_ = 0;

  std::optional<Invocation> current_;
  net::TimerId timer_ = 0;
  int64_t timer_at_us_ = 0, deadline_us_ = 0;
  std::string head_;  // reused

  std::unique_ptr<ControlChannel> channel_;
  std::unique_ptr<net::HttpResponder> tcp_next_;  // `next` asked over TCP, parked
  bool control_next_ = false;                     // `next` or adoption asked over the control socket, parked
  std::unique_ptr<TcpApi> tcp_;
  std::vector<std::unique_ptr<GatewayListener>> listeners_;
  FunctionLog log_;
  std::unique_ptr<LogPipe> stdout_, stderr_;
};

}  // namespace savia::lambda

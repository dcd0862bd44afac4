// The life of an environment: sandbox, initialisation, taking over, freezing, dying. What is said over the Runtime API is in
// environment_api.cc.
#include "services/lambda/engine/environment.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "codec/json.h"
#include "net/http1.h"
#include "services/lambda/engine/function_variables.h"
#include "services/lambda/engine/report.h"

namespace savia::lambda {
namespace {

constexpr int64_t kMemoryAskUs = 1'000'000;  // how often the spawner is asked for an environment's memory
constexpr int64_t kMillisPerCore = 1769;     // AWS: a function has one virtual CPU at 1,769 MB

std::string path_at(const FunctionSpec& spec, std::string_view name) {
  for (const auto& [dir, inside] : {std::pair{&spec.code_dir, "/var/task/"}, std::pair{&spec.opt_dir, "/opt/"}}) {
    if (!dir->empty() && ::access((*dir + "/" + std::string(name)).c_str(), X_OK) == 0) return inside + std::string(name);
  }
  return {};
}

// AWS starts Node 20 and 22 with `require` of ES modules and (22) syntax detection off; NODE_OPTIONS may turn them on.
std::vector<std::string> node_flags(const Runtime& runtime, const std::string& node_options) {
  std::vector<std::string> flags;
  const bool has_require = (runtime.major == 20 && runtime.minor >= 17) || runtime.major == 22;
  if (has_require && node_options.find("experimental-require-module") == std::string::npos) {
    flags.push_back("--no-experimental-require-module");
  }
  if (runtime.major == 22 && runtime.minor >= 7 && node_options.find("experimental-detect-module") == std::string::npos) {
    flags.push_back("--no-experimental-detect-module");
  }
  return flags;
}

}  // namespace

Environment::Environment(EnvironmentContext& context, EnvironmentHost& host, Runtime runtime, int64_t memory_mib)
    : c_(context),
      host_(host),
      runtime_(std::move(runtime)),
      memory_mib_(memory_mib),
      id_("fn-" + new_hex(context.random, 12)),
      log_(context.loop, context.logs) {}

Environment::~Environment() {
  release();
}

sandbox::Spec Environment::sandbox_spec() const {
  sandbox::Spec spec;
  spec.id = id_;
  spec.hostname = "169-254-77-2";
  spec.memory_mib = memory_mib_;
  spec.cpu_milli = std::max<int64_t>(1, memory_mib_ * 1000 / kMillisPerCore);
  spec.outgoing = c_.options.outgoing;
  spec.listeners = {{"127.0.0.1", 9001}};
  if (c_.options.on_aws_connection) spec.listeners.push_back({kGatewayAddress, kGatewayAwsPort});
  if (c_.options.on_edge_connection) spec.listeners.push_back({kGatewayAddress, kGatewayEdgePort});
  for (uint16_t port : c_.options.host_ports) spec.listeners.push_back({kGatewayAddress, port});
  spec.hosts["host.savia.internal"] = kGatewayAddress;
  spec.control_socket = runtime_.kind != RuntimeKind::kProvided;
  if (!runtime_.host_dir.empty()) spec.mounts.push_back({runtime_.host_dir, "/var/lang"});
  if (runtime_.kind == RuntimeKind::kNode) {
    spec.mounts.push_back({c_.node_dir, "/var/runtime"});
    spec.argv = {runtime_.argv0};
  } else if (runtime_.kind == RuntimeKind::kPython) {
    spec.mounts.push_back({c_.python_dir, "/var/runtime"});
    spec.argv = {runtime_.argv0};
  }
  return spec;
}

void Environment::start(std::shared_ptr<const FunctionSpec> function, std::optional<Invocation> bound) {
  spec_ = std::move(function);
  init_in_invoke_ = bound.has_value();
  log_.set_target(spec_, log_stream_name(spec_->version, new_hex(c_.random, 32), c_.loop.now_ms()));
  sandbox::Spec spec = sandbox_spec();
  spec.tmp_mib = spec_->ephemeral_mib;
  spec.cwd = "/var/task";
  spec.mounts.push_back({spec_->code_dir, "/var/task"});
  if (spec_->opt_dir.empty()) {
    spec.mount_points.push_back("/opt");
  } else {
    spec.mounts.push_back({spec_->opt_dir, "/opt"});
  }
  FunctionCredentials credentials =
      c_.options.credentials ? c_.options.credentials(spec_->account) : FunctionCredentials{"test", "test", ""};
  const std::map<std::string, std::string> variables = function_variables(*spec_, runtime_, log_.stream(), credentials);
  for (const auto& [name, value] : variables) spec.env.push_back(name + "=" + value);
  c_.counters.fresh_starts.add();

  std::string program = runtime_.argv0;
  if (runtime_.kind == RuntimeKind::kProvided) {
    program = path_at(*spec_, "bootstrap");
    spec.argv = {program};
  } else if (runtime_.kind == RuntimeKind::kNode) {
    const auto options = spec_->environment.find("NODE_OPTIONS");
    for (std::string& flag : node_flags(runtime_, options == spec_->environment.end() ? "" : options->second))
      spec.argv.push_back(flag);
    spec.argv.push_back("/var/runtime/index.cjs");
  } else {
    spec.argv.push_back("/var/runtime/bootstrap.py");
  }
  const auto wrapper = spec_->environment.find("AWS_LAMBDA_EXEC_WRAPPER");
  if (wrapper != spec_->environment.end() && !wrapper->second.empty()) spec.argv.insert(spec.argv.begin(), wrapper->second);

  begin_init();
  if (bound) {
    current_ = std::move(bound);
    log_start();
    set_deadline(spec_->timeout_s * 1000);
  } else {
    set_deadline(limits::kInitTimeoutMs);
  }
  if (program.empty()) {
    const std::string what = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    c_.loop.post([self = weak_from_this(), what] {
      if (auto e = self.lock())
        e->init_failed({platform_error("Runtime.InvalidEntrypoint", e->current_ ? e->current_->request.request_id : "", what),
                        "Runtime.InvalidEntrypoint"},
                       "error");
    });
    return;
  }
  spawn(std::move(spec));
}

void Environment::start_pooled() {
  sandbox::Spec spec = sandbox_spec();
  spec.mount_points = {"/var/task", "/opt"};
  spec.env = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=en_US.UTF-8", "TZ=:UTC"};
  if (runtime_.kind == RuntimeKind::kPython) spec.env.push_back("LC_CTYPE=C.UTF-8");
  spec.env.push_back(
      "LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib");
  if (runtime_.kind == RuntimeKind::kNode) {
    for (std::string& flag : node_flags(runtime_, "")) spec.argv.push_back(flag);
    spec.argv.push_back("/var/runtime/index.cjs");
  } else {
    spec.argv.push_back("/var/runtime/bootstrap.py");
  }
  spec.argv.push_back("--pool");
  set_deadline(limits::kInitTimeoutMs);
  spawn(std::move(spec));
}

void Environment::spawn(sandbox::Spec spec) {
  spawned_ = true;
  since_us_ = c_.loop.monotonic_us();
  auto self = weak_from_this();
  c_.spawner.start(
      std::move(spec),
      [self](Result<sandbox::Started> started) {
        auto e = self.lock();
        if (!e) {
          if (started.ok()) {  // nobody waits any more: close what came
            os::Fd(started->control_fd), os::Fd(started->stdout_fd), os::Fd(started->stderr_fd);
            for (int fd : started->listener_fds) os::Fd{fd};
          }
          return;
        }
        if (started.ok()) return e->on_started(std::move(started).value());
        e->spawned_ = false;
        if (e->state_ == State::kDying) return e->on_exit({});
        log_error("lambda.sandbox", {{"environment", e->id_}, {"error", started.error().message()}});
        e->init_failed({started.error().message(), "Sandbox.Failure", true}, "error");
      },
      [self](sandbox::Exit exit) {
        if (auto e = self.lock()) e->on_exit(exit);
      });
}

void Environment::on_started(sandbox::Started started) {
  stdout_ = std::make_unique<LogPipe>(c_.loop, log_, os::Fd(started.stdout_fd));
  stderr_ = std::make_unique<LogPipe>(c_.loop, log_, os::Fd(started.stderr_fd));
  if (started.stdout_fd >= 0) (void)c_.loop.add(started.stdout_fd, stdout_.get());
  if (started.stderr_fd >= 0) (void)c_.loop.add(started.stderr_fd, stderr_.get());
  size_t next = 0;
  const auto take = [&]() -> os::Fd { return os::Fd(next < started.listener_fds.size() ? started.listener_fds[next++] : -1); };
  if (os::Fd fd = take()) {
    tcp_ = std::make_unique<TcpApi>(
        c_.loop, std::move(fd),
        [self = weak_from_this()](net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
          if (auto e = self.lock()) return e->serve_tcp(std::move(request), std::move(responder));
          responder->respond({410, {}, "", true});
        });
    (void)tcp_->start();
  }
  const auto listen = [&](std::function<void(int)> to) {
    if (os::Fd fd = take()) {
      listeners_.push_back(std::make_unique<GatewayListener>(c_.loop, std::move(fd), std::move(to)));
      (void)listeners_.back()->start();
    }
  };
  if (c_.options.on_aws_connection) listen(c_.options.on_aws_connection);
  if (c_.options.on_edge_connection) listen(c_.options.on_edge_connection);
  for (uint16_t port : c_.options.host_ports) listen([this, port](int fd) { c_.gateway.relay(fd, port); });
  if (started.control_fd >= 0) {
    channel_ = std::make_unique<ControlChannel>(c_.loop, os::Fd(started.control_fd), *this, c_.scratch);
    (void)channel_->start();
  }
  if (state_ == State::kDying) c_.spawner.kill(id_);  // decided while it started
}

void Environment::begin_init() {
  state_ = State::kInit;
  since_us_ = init_started_us_ = c_.loop.monotonic_us();
  if (!init_in_invoke_) {
    if (std::string line = init_start_line(*spec_, runtime_, c_.loop.now_ms()); !line.empty())
      log_.add_platform(c_.loop.now_ms(), std::move(line));
  }
}

void Environment::adopt(std::shared_ptr<const FunctionSpec> function) {
  spec_ = std::move(function);
  c_.counters.pooled_starts.add();
  log_.set_target(spec_, log_stream_name(spec_->version, new_hex(c_.random, 32), c_.loop.now_ms()));
  begin_init();
  set_deadline(limits::kInitTimeoutMs);
  std::vector<sandbox::Mount> mounts = {{spec_->code_dir, "/var/task"}};
  if (!spec_->opt_dir.empty()) mounts.push_back({spec_->opt_dir, "/opt"});
  c_.spawner.mount_into(id_, std::move(mounts), [self = weak_from_this()](Result<void> mounted) {
    auto e = self.lock();
    if (!e || e->state_ != State::kInit) return;
    if (mounted.ok()) return e->send_adoption();
    log_error("lambda.adopt", {{"environment", e->id_}, {"error", mounted.error().message()}});
    e->init_failed({mounted.error().message(), "Sandbox.Failure", true}, "error");
  });
}

void Environment::send_adoption() {
  FunctionCredentials credentials =
      c_.options.credentials ? c_.options.credentials(spec_->account) : FunctionCredentials{"test", "test", ""};
  Value variables = Value::object();
  for (auto& [name, value] : function_variables(*spec_, runtime_, log_.stream(), credentials))
    variables.as_object().emplace_back(name, value);
  Value message = Value::object();
  message.set("env", std::move(variables));
  control_next_ = false;
  if (channel_) channel_->answer("", to_json(message));
}

// The first failure of an initialisation is the engine's to handle (it may try again inside an invocation); inside an
// invocation it is that invocation's answer.
void Environment::init_failed(InitFailure failure, std::string_view status) {
  if (state_ == State::kDying || state_ == State::kGone) return;
  c_.counters.init_failures.add();
  init_us_ = c_.loop.monotonic_us() - init_started_us_;
  drain_pipes();
  if (spec_ != nullptr) {
    log_.add_platform(c_.loop.now_ms(),
                      init_report_line(*spec_, c_.loop.now_ms(), init_us_, init_in_invoke_, status, failure.error_type));
  }
  auto self = shared_from_this();
  if (current_) {
    if (failure.machine) {
      Invocation i = std::move(*current_);
      current_.reset();
      ports::InvokeResult result;
      result.message = failure.payload;
      i.answer(std::move(result));
    } else {
      fail_running({failure.payload, failure.error_type, "", "error"});
    }
  }
  kill();
  host_.on_init_failed(*this, std::move(failure));
}

void Environment::become_idle() {
  state_ = State::kIdle;
  since_us_ = c_.loop.monotonic_us();
  if (retiring_) return kill();
  host_.on_idle(*this);
}

void Environment::freeze() {
  if (state_ != State::kIdle) return;
  drain_pipes();
  log_.flush();
  state_ = State::kFrozen;
  c_.spawner.freeze(id_);
}

void Environment::retire() {
  retiring_ = true;
  if (state_ != State::kBusy && state_ != State::kSettling && !(state_ == State::kInit && current_)) kill();
}

void Environment::kill() {
  if (state_ == State::kDying || state_ == State::kGone) return;
  state_ = State::kDying;
  clear_deadline();
  if (current_) {
    Invocation i = std::move(*current_);
    current_.reset();
    ports::InvokeResult result;
    result.message = "the environment was stopped";
    i.answer(std::move(result));
  }
  if (spawned_) {
    c_.spawner.kill(id_);
  } else {
    c_.loop.post([self = weak_from_this()] {
      if (auto e = self.lock()) e->on_exit({});
    });
  }
}

void Environment::on_exit(sandbox::Exit exit) {
  if (state_ == State::kGone) return;
  auto self = shared_from_this();
  spawned_ = false;
  out_of_memory_ = exit.out_of_memory;
  // What it said before it ended still counts: an answer, an init error, log lines.
  if (channel_ && state_ != State::kDying) channel_->drain();
  std::string reason;
  if (exit.signaled) {
    static constexpr std::pair<int, std::string_view> kSignals[] = {{4, "illegal instruction"},
                                                                    {6, "aborted"},
                                                                    {7, "bus error"},
                                                                    {8, "floating point exception"},
                                                                    {9, "killed"},
                                                                    {11, "segmentation fault"},
                                                                    {13, "broken pipe"},
                                                                    {14, "alarm clock"},
                                                                    {15, "terminated"},
                                                                    {31, "bad system call"}};
    std::string_view name;
    for (const auto& [number, text] : kSignals) {
      if (number == exit.status) name = text;
    }
    reason =
        "Runtime exited with error: signal: " + (name.empty() ? "signal " + std::to_string(exit.status) : std::string(name));
  } else if (exit.status != 0) {
    reason = "Runtime exited with error: exit status " + std::to_string(exit.status);
  } else {
    reason = "Runtime exited without providing a reason";
  }
  if (exit.out_of_memory) reason = "Runtime exited with error: signal: killed";
  if (state_ == State::kBusy || state_ == State::kInit) {
    c_.counters.crashes.add();
    const std::string id = current_ ? current_->request.request_id : "";
    const std::string payload = platform_error("Runtime.ExitError", id, reason);
    if (state_ == State::kInit) {
      init_failed({payload, exit.out_of_memory ? "Runtime.OutOfMemory" : "Runtime.ExitError"}, "error");
    } else {
      fail_running({payload, exit.out_of_memory ? "Runtime.OutOfMemory" : "Runtime.ExitError",
                    "RequestId: " + id + " Error: " + reason + "\nRuntime.ExitError", "error"});
    }
  } else if (state_ == State::kStarting) {
    log_warn("lambda.pool", {{"runtime", runtime_.id}, {"error", reason}});
  }
  if (stdout_) stdout_->finish();
  if (stderr_) stderr_->finish();
  log_.flush();
  state_ = State::kGone;
  release();
  host_.on_gone(*this);
}

void Environment::release() {
  if (timer_ != 0) c_.loop.cancel(timer_);
  timer_ = 0;
  if (tcp_next_) {
    tcp_next_->respond({410, {}, "", true});
    tcp_next_.reset();
  }
  // Callbacks of these may be on the stack; their memory goes with this object, which the engine keeps until the next turn.
  listeners_.clear();
}

void Environment::set_deadline(int64_t ms) {
  deadline_us_ = c_.loop.monotonic_us() + ms * 1000;
  if (timer_ == 0 || timer_at_us_ > deadline_us_) arm(deadline_us_);
}

void Environment::arm(int64_t at_us) {
  if (timer_ != 0) c_.loop.cancel(timer_);
  timer_at_us_ = at_us;
  timer_ = c_.loop.after(std::max<int64_t>((at_us - c_.loop.monotonic_us() + 999) / 1000, 1), [this] {
    timer_ = 0;
    if (deadline_us_ == 0) return;
    if (c_.loop.monotonic_us() < deadline_us_) return arm(deadline_us_);
    deadline_us_ = 0;
    on_timer();
  });
}

void Environment::on_timer() {
  if (current_) return on_timeout();
  if (state_ == State::kInit) {
    init_failed({platform_error("Sandbox.Timedout", "", "Init timed out after 10.00 seconds"), ""}, "timeout");
  } else if (state_ == State::kStarting || state_ == State::kSettling) {
    kill();  // a pooled runtime that does not come up; one that answered but does not ask for the next
  }
}

void Environment::on_timeout() {
  auto self = shared_from_this();
  c_.counters.timeouts.add();
  char what[64];
  std::snprintf(what, sizeof what, "Task timed out after %lld.00 seconds", static_cast<long long>(spec_->timeout_s));
  const std::string& id = current_->request.request_id;
  const bool was_init = state_ == State::kInit;
  drain_pipes();
  fail_running({platform_error("Sandbox.Timedout", id, what), "", format_iso8601_ms(c_.loop.now_ms()) + " " + id + " " + what,
                "timeout"});
  kill();
  if (was_init) host_.on_init_failed(*this, {});
}

void Environment::drain_pipes() {
  if (stdout_) stdout_->drain();
  if (stderr_) stderr_->drain();
}

void Environment::tick() {
  if (log_.has_lines() && state_ != State::kFrozen) log_.flush();
}

void Environment::ask_memory() {
  const int64_t now = c_.loop.monotonic_us();
  if (now - memory_asked_us_ < kMemoryAskUs) return;
  memory_asked_us_ = now;
  c_.spawner.usage(id_, [self = weak_from_this()](Result<sandbox::Usage> usage) {
    if (auto e = self.lock(); e && usage.ok())
      e->memory_peak_ = std::max({e->memory_peak_, usage->memory_peak_bytes, usage->memory_bytes});
  });
}

}  // namespace savia::lambda

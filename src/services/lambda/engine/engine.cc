#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/log.h"
#include "base/strings.h"
#include "net/http1.h"
#include "services/lambda/engine/bootstraps.h"
#include "services/lambda/engine/engine_impl.h"

namespace savia::lambda {
namespace {

constexpr size_t kScratchBytes = 64 * 1024;

void make_key(std::string& out, std::string_view account, std::string_view region, std::string_view name) {
  out.assign(account);
  out += '\n';
  out += region;
  out += '\n';
  out += name;
}

ports::InvokeResult refusal(ports::InvokeStatus status, std::string code, std::string message) {
  ports::InvokeResult result;
  result.status = status;
  result.error_code = std::move(code);
  result.message = std::move(message);
  return result;
}

size_t environments_that_fit() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  if (pages <= 0 || page <= 0) return 64;
  const int64_t mib = static_cast<int64_t>(pages) / (1024 * 1024 / page);
  return static_cast<size_t>(std::clamp<int64_t>(mib * 3 / 5 / limits::kEnvironmentMib, 8, 4096));
}

std::string new_trace_id(Random& random, int64_t now_ms) {
  char time[16];
  std::snprintf(time, sizeof time, "%08llx", static_cast<unsigned long long>(now_ms / 1000));
  return "Root=1-" + std::string(time) + "-" + new_hex(random, 24) + ";Parent=" + new_hex(random, 16) + ";Sampled=0";
}

}  // namespace

Engine::Engine(net::Loop& loop, sandbox::Spawner& spawner, ports::LogSink& logs, Random& random, EngineOptions options,
               const std::string& runtimes_dir)
    : loop_(loop),
      spawner_(spawner),
      random_(random),
      options_(std::move(options)),
      gateway_(loop),
      scratch_(kScratchBytes, '\0'),
      context_{loop,
               spawner,
               logs,
               random,
               options_,
               counters_,
               gateway_,
               scratch_,
               runtimes_dir + "/node",
               runtimes_dir + "/python"},
      runtimes_(options_.data_dir, options_.search_path, options_.runtime_dirs) {
  max_environments_ = options_.max_environments > 0 ? static_cast<size_t>(options_.max_environments) : environments_that_fit();
  cores_ = std::max<size_t>(1, std::thread::hardware_concurrency());
  parallel_starts_ = std::max<size_t>(2, cores_);
  rescan_runtimes();
}

Engine::~Engine() {
  loop_.cancel(sweep_timer_);
  for (auto& [key, function] : functions_) {
    for (auto& [name, version] : function->versions) loop_.cancel(version->scale_timer);
  }
}

void Engine::update(std::function<void()> change) {
  updates_.with([&](Updates& u) {
    u.changes.push_back(std::move(change));
    updates_waiting_.store(true, std::memory_order_release);
  });
  loop_.post([this, life = std::weak_ptr<int>(life_)] {
    if (!life.expired()) apply_updates();
  });
}

void Engine::apply_updates() {
  if (!updates_waiting_.load(std::memory_order_acquire)) return;
  std::vector<std::function<void()>> changes;
  updates_.with([&](Updates& u) {
    changes.swap(u.changes);
    updates_waiting_.store(false, std::memory_order_release);
  });
  for (auto& change : changes) change();
}

void Engine::put(FunctionSpec spec) {
  auto moved = std::make_shared<FunctionSpec>(std::move(spec));
  update([this, moved] { do_put(std::move(*moved)); });
}

void Engine::remove(const std::string& account, const std::string& region, const std::string& name,
                    const std::string& version) {
  std::string key;
  make_key(key, account, region, name);
  update([this, key, version] { do_remove(key, version); });
}

void Engine::set_alias(const std::string& account, const std::string& region, const std::string& name, const std::string& alias,
                       std::vector<WeightedVersion> versions) {
  update([this, account, region, name, alias, versions = std::move(versions)] {
    Function& function = function_at(account, region, name);
    if (versions.empty()) {
      function.aliases.erase(alias);
    } else {
      function.aliases[alias] = versions;
    }
  });
}

void Engine::set_reserved_concurrency(const std::string& account, const std::string& region, const std::string& name,
                                      std::optional<int64_t> concurrency) {
  update([this, account, region, name, concurrency] {
    FunctionLoad& load = *function_at(account, region, name).load;
    load.account->reserved += concurrency.value_or(0) - load.reserved.value_or(0);
    load.reserved = concurrency;
  });
}

Engine::Function& Engine::function_at(const std::string& account, const std::string& region, const std::string& name) {
  make_key(key_, account, region, name);
  std::unique_ptr<Function>& slot = functions_[key_];
  if (slot == nullptr) {
    slot = std::make_unique<Function>();
    slot->key = key_;
    std::shared_ptr<AccountLoad>& load = accounts_[account];
    if (load == nullptr) load = std::make_shared<AccountLoad>();
    slot->load = std::make_shared<FunctionLoad>();
    slot->load->account = load;
  }
  return *slot;
}

Engine::Function* Engine::find_function(const ports::InvokeRequest& request) {
  make_key(key_, request.account, request.region, request.function);
  const auto it = functions_.find(key_);
  return it == functions_.end() ? nullptr : it->second.get();
}

// The new revision takes the old one's place and what waits in its queue; the old one's environments finish and go.
void Engine::do_put(FunctionSpec spec) {
  Function& function = function_at(spec.account, spec.region, spec.name);
  std::unique_ptr<Version>& slot = function.versions[spec.version];
  auto shared = std::make_shared<const FunctionSpec>(std::move(spec));
  if (slot != nullptr && slot->spec->revision == shared->revision) {
    slot->spec = std::move(shared);  // only its state has changed
    return;
  }
  std::deque<Invocation> waiting;
  bool was_warm = false;
  int64_t duration_us = 0;
  if (slot != nullptr) {
    was_warm = !slot->all.empty();
    duration_us = slot->duration_us;
    detach(std::move(slot), waiting);
  }
  slot = std::make_unique<Version>();
  slot->function = &function;
  slot->spec = std::move(shared);
  slot->duration_us = duration_us;
  note_pool_key(*slot->spec);
  Version& version = *slot;
  for (Invocation& invocation : waiting) enqueue(version, std::move(invocation));
  // A function that was warm stays warm across a deploy.
  if (was_warm && version.spec->ready && !version.starting()) scale_out(version);
}

void Engine::do_remove(const std::string& key, const std::string& version) {
  const auto it = functions_.find(key);
  if (it == functions_.end()) return;
  Function& function = *it->second;
  std::deque<Invocation> orphans;
  for (auto v = function.versions.begin(); v != function.versions.end();) {
    if (!version.empty() && v->first != version) {
      ++v;
      continue;
    }
    std::unique_ptr<Version> gone = std::move(v->second);
    v = function.versions.erase(v);
    detach(std::move(gone), orphans);
  }
  if (version.empty()) {
    function.load->account->reserved -= function.load->reserved.value_or(0);
    functions_.erase(it);
  }
  for (Invocation& invocation : orphans) {
    invocation.answer(refusal(ports::InvokeStatus::kNotFound, "ResourceNotFoundException", "the function was deleted"));
  }
}

void Engine::detach(std::unique_ptr<Version> version, std::deque<Invocation>& orphans) {
  loop_.cancel(version->scale_timer);
  version->scale_timer = 0;
  version->function = nullptr;
  for (Invocation& invocation : version->queue) orphans.push_back(std::move(invocation));
  version->queue.clear();
  std::erase(waiting_starts_, version.get());
  version->idle.clear();
  replaced_.push_back(std::move(version));
  Version& old = *replaced_.back();
  for (Environment* environment : std::vector<Environment*>(old.all)) environment->retire();
  arm_sweep(50);
}

void Engine::invoke(ports::InvokeRequest request, Done done) {
  if (loop_.in_loop()) return do_invoke(std::move(request), std::move(done));
  auto moved = std::make_shared<std::pair<ports::InvokeRequest, Done>>(std::move(request), std::move(done));
  loop_.post([this, moved, life = std::weak_ptr<int>(life_)] {
    if (!life.expired()) return do_invoke(std::move(moved->first), std::move(moved->second));
    moved->second(refusal(ports::InvokeStatus::kInternal, "", "the server is stopping"));
  });
}

Engine::Version* Engine::resolve(Function& function, const std::string& qualifier) {
  const auto version = function.versions.find(qualifier.empty() ? "$LATEST" : qualifier);
  if (version != function.versions.end()) return version->second.get();
  const auto alias = function.aliases.find(qualifier);
  if (alias == function.aliases.end()) return nullptr;
  double point = static_cast<double>(random_.below(1'000'000)) / 1e6;
  for (const WeightedVersion& share : alias->second) {
    point -= share.weight;
    if (point < 0 || &share == &alias->second.back()) {
      const auto target = function.versions.find(share.version);
      return target == function.versions.end() ? nullptr : target->second.get();
    }
  }
  return nullptr;
}

// Concurrency: a function with a reservation has exactly that; the others share what the account has left.
bool Engine::admit(Invocation& invocation) {
  FunctionLoad& load = *invocation.load;
  if (load.reserved) {
    if (load.in_flight >= *load.reserved) return false;
  } else {
    if (load.account->in_flight >= options_.account_concurrency - load.account->reserved) return false;
    ++load.account->in_flight;
    invocation.counts_for_account = true;
  }
  ++load.in_flight;
  return true;
}

void Engine::do_invoke(ports::InvokeRequest request, Done done) {
  apply_updates();
  using ports::InvokeStatus;
  if (draining_) return done(refusal(InvokeStatus::kNotReady, "ServiceException", "the server is stopping"));
  Function* function = find_function(request);
  Version* version = function == nullptr ? nullptr : resolve(*function, request.qualifier);
  if (version == nullptr) {
    return done(refusal(InvokeStatus::kNotFound, "ResourceNotFoundException",
                        "Function not found: arn:aws:lambda:" + request.region + ":" + request.account +
                            ":function:" + request.function + (request.qualifier.empty() ? "" : ":" + request.qualifier)));
  }
  if (request.payload.size() > limits::kInvokePayloadBytes) {
    return done(refusal(InvokeStatus::kTooLarge, "RequestEntityTooLargeException",
                        std::to_string(request.payload.size()) +
                            " byte payload is too large for the RequestResponse invocation type (limit " +
                            std::to_string(limits::kInvokePayloadBytes) + " bytes)"));
  }
  const FunctionSpec& spec = *version->spec;
  if (!spec.ready) return done(refusal(InvokeStatus::kNotReady, spec.not_ready_code, spec.not_ready_message));

  Invocation invocation;
  invocation.request = std::move(request);
  invocation.done = std::move(done);
  if (version->idle.empty()) {  // nothing runs yet, so this is the time to look whether it can
    if (!runtimes_known_) {
      before_scan_.push_back(std::move(invocation));
      return;
    }
    if (!runtimes_.find(spec.runtime)) {
      const std::string command = install_command(spec.runtime);
      return invocation.done(
          refusal(InvokeStatus::kNotReady, "InvalidRuntimeException",
                  command.empty() ? "Savia cannot run functions of runtime " + spec.runtime + " yet"
                                  : "The runtime " + spec.runtime + " is not installed on this machine. Run: " + command));
    }
  }
  if (invocation.request.request_id.empty() || !net::http1::is_token(invocation.request.request_id)) {
    invocation.request.request_id = new_uuid(random_);
  }
  if (invocation.request.trace_id.empty()) invocation.request.trace_id = new_trace_id(random_, loop_.now_ms());
  invocation.load = function->load;
  if (!admit(invocation)) {
    counters_.throttles.add();
    return invocation.done(refusal(
        InvokeStatus::kThrottled,
        function->load->reserved ? "ReservedFunctionConcurrentInvocationLimitExceeded" : "ConcurrentInvocationLimitExceeded",
        "Rate Exceeded."));
  }
  counters_.invocations.add();
  if (!version->idle.empty() && version->queue.empty() && !better_queued(*version)) {
    Environment* environment = version->idle.back();
    version->idle.pop_back();
    environment->run(std::move(invocation));
    return;
  }
  enqueue(*version, std::move(invocation));
}

void Engine::enqueue(Version& version, Invocation invocation) {
  invocation.queued_us = loop_.monotonic_us();
  version.queue.push_back(std::move(invocation));
  if (!dispatch(version)) want_environment(version);
}

Invocation Engine::take_queued(Version& version) {
  Invocation invocation = std::move(version.queue.front());
  version.queue.pop_front();
  return invocation;
}

bool Engine::dispatch(Version& version) {
  while (!version.queue.empty() && !version.idle.empty() && !better_queued(version)) {
    Invocation invocation = take_queued(version);
    const int64_t deadline = invocation.request.deadline_ms;
    if (deadline > 0 && loop_.now_ms() >= deadline) {
      invocation.answer(refusal(ports::InvokeStatus::kThrottled, "ConcurrentInvocationLimitExceeded",
                                "no environment became free before the caller's deadline"));
      continue;
    }
    Environment* environment = version.idle.back();
    version.idle.pop_back();
    environment->run(std::move(invocation));
    return true;
  }
  return version.queue.empty();
}

void Engine::on_idle(Environment& environment) {
  auto& version = *static_cast<Version*>(environment.owner);
  version.init_failed = false;
  version.idle.push_back(&environment);
  if (const int64_t took = environment.take_duration_us(); took >= 0) version.duration_us += (took - version.duration_us) / 8;
  arm_sweep(50);
  if (!version.queue.empty()) dispatch(version);
  if (!waiting_starts_.empty()) pump_starts();
}

EngineStats Engine::stats() const {
  EngineStats s;
  const Counters& c = counters_;
  s.environments = c.environments.get();
  s.starting = c.starting.get();
  s.busy = c.busy.get();
  s.idle = c.idle.get();
  s.frozen = c.frozen.get();
  s.pooled = c.pooled.get();
  s.queued = c.queued.get();
  s.invocations = c.invocations.get();
  s.errors = c.errors.get();
  s.throttles = c.throttles.get();
  s.timeouts = c.timeouts.get();
  s.crashes = c.crashes.get();
  s.cold_starts = c.fresh_starts.get();
  s.pooled_starts = c.pooled_starts.get();
  s.dropped_log_lines = c.dropped_log_lines.get();
  return s;
}

void Engine::append_metrics(std::string& out) const {
  const auto line = [&](std::string_view name, std::string_view type, int64_t value) {
    out += "# TYPE savia_lambda_" + std::string(name) + " " + std::string(type) + "\nsavia_lambda_" + std::string(name) + " " +
           std::to_string(value) + "\n";
  };
  const Counters& c = counters_;
  out += "# TYPE savia_lambda_environments gauge\n";
  for (const auto& [state, gauge] : {std::pair{"starting", &c.starting},
                                     {"busy", &c.busy},
                                     {"idle", &c.idle},
                                     {"frozen", &c.frozen},
                                     {"pooled", &c.pooled}}) {
    out += "savia_lambda_environments{state=\"" + std::string(state) + "\"} " + std::to_string(gauge->get()) + "\n";
  }
  line("queued_invocations", "gauge", c.queued.get());
  line("invocations_total", "counter", c.invocations.get());
  line("errors_total", "counter", c.errors.get());
  line("throttles_total", "counter", c.throttles.get());
  line("timeouts_total", "counter", c.timeouts.get());
  line("crashes_total", "counter", c.crashes.get());
  line("init_failures_total", "counter", c.init_failures.get());
  out += "# TYPE savia_lambda_starts_total counter\nsavia_lambda_starts_total{from=\"process\"} " +
         std::to_string(c.fresh_starts.get()) + "\nsavia_lambda_starts_total{from=\"pool\"} " +
         std::to_string(c.pooled_starts.get()) + "\n";
  line("duration_microseconds_total", "counter", c.duration_us.get());
  line("init_microseconds_total", "counter", c.init_us.get());
  line("dropped_log_lines_total", "counter", c.dropped_log_lines.get());
}

Result<std::unique_ptr<FunctionEngine>> create_engine(net::Loop& loop, sandbox::Spawner& spawner, ports::LogSink& logs,
                                                      Random& random, EngineOptions options) {
  if (options.search_path.empty()) {
    const char* path = std::getenv("PATH");
    options.search_path = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  }
  std::string dir = TRY_CONTEXT(unpack_runtimes(options.data_dir + "/lambda/bootstraps"), "write the runtimes' files");
  return std::unique_ptr<FunctionEngine>(std::make_unique<Engine>(loop, spawner, logs, random, std::move(options), dir));
}

}  // namespace savia::lambda

// When a function gets one more environment, from where, and when environments end.
//
// An invocation that finds no idle environment waits in its function's queue. If the function has none at all, one is
// started at once. If it has busy ones and its invocations are short, it is usually quicker to wait for one of them than
// for a new process: only when the oldest has waited limits::kScaleOutAfterMs is another environment started, and then
// one more each time that passes. Where all cores are busy a further process only takes time from those that run: beyond
// one environment a core it is then started only for what has waited very long. At most `parallel_starts_` are on their way at
// a time, since more would only slow each other down.
#include <algorithm>

#include "base/log.h"
#include "services/lambda/engine/engine_impl.h"
#include "services/lambda/engine/function_variables.h"

namespace savia::lambda {
namespace {

constexpr int64_t kLongInvocationUs = 20'000;  // a function whose invocations take this long scales out at once
constexpr int64_t kWaitAtMostUs = 250'000;     // even with all cores busy
constexpr int64_t kPatienceAtMostUs = 50'000;  // in a queue beside idle environments
constexpr int64_t kSweepBusyMs = 50, kSweepIdleMs = 5'000;
constexpr size_t kPoolKeys = 3;           // kinds of started runtimes that are kept at a time
constexpr int kPoolGivesUpAfter = 3;      // failures of one runtime in a row
constexpr int64_t kPoolMemoryMib = 1024;  // before any function is known: the Serverless Framework's default size

}  // namespace

size_t Engine::Version::starts() const {
  return static_cast<size_t>(std::count_if(all.begin(), all.end(), [](const Environment* e) {
    return e->state() == Environment::State::kInit || e->state() == Environment::State::kStarting;
  }));
}

bool Engine::Version::starting() const {
  return starts() > 0;
}

void Engine::want_environment(Version& version) {
  const bool first = version.all.empty();
  if (first || version.init_failed || (version.duration_us >= kLongInvocationUs && !better_to_wait(version))) {
    if (first || version.starts() < version.queue.size()) scale_out(version);
    if (version.queue.empty()) return;
  }
  if (version.scale_timer != 0) return;
  version.scale_timer = loop_.after(limits::kScaleOutAfterMs, [this, v = &version] {
    v->scale_timer = 0;
    if (v->queue.empty() || v->function == nullptr) return;
    while (!v->idle.empty() && !v->queue.empty() && dispatch(*v)) {
    }
    if (v->queue.empty()) return;
    const int64_t waited_ms = (loop_.monotonic_us() - v->queue.front().queued_us) / 1000;
    if (v->idle.empty() && waited_ms >= limits::kScaleOutAfterMs && v->starts() < v->queue.size() && !better_to_wait(*v))
      scale_out(*v);
    if (!v->queue.empty()) want_environment(*v);
  });
}

bool Engine::better_to_wait(const Version& version) {
  if (version.all.size() < cores_ || version.queue.empty()) return false;
  const int64_t waited_us = loop_.monotonic_us() - version.queue.front().queued_us;
  return waited_us < kWaitAtMostUs && cpu_.saturated(loop_.monotonic_us());
}

// Whether an invocation waits although an environment is idle. With as many at work as there are cores, and the cores all busy,
// one more process gets its time from the others and costs them their caches: measured with 16 callers of an Express
// application on two cores, 16 environments need three times the CPU of two for each request. What has waited as long as for a
// new environment runs.
bool Engine::better_queued(const Version& version) {
  if (version.all.size() - version.idle.size() < cores_ || version.duration_us >= kLongInvocationUs) return false;
  const int64_t now_us = loop_.monotonic_us();
  // The slower the machine makes its invocations, the longer the others' queue is worth it.
  const int64_t patience_us = std::clamp<int64_t>(8 * version.duration_us, limits::kScaleOutAfterMs * 1000, kPatienceAtMostUs);
  if (!version.queue.empty() && now_us - version.queue.front().queued_us >= patience_us) return false;
  return cpu_.saturated(now_us);
}

void Engine::scale_out(Version& version) {
  if (version.init_failed && !version.queue.empty()) {
    // Its last start failed. This one belongs to the invocation that waits for it, which gets the error if it fails again.
    Invocation bound = take_queued(version);
    if (start_environment(version, std::move(bound))) return;
    return;
  }
  start_environment(version, std::nullopt);
}

// False when it must wait; the version is then in waiting_starts_ (a bound invocation is back in its queue).
bool Engine::start_environment(Version& version, std::optional<Invocation> bound) {
  const std::optional<Runtime> runtime = runtimes_.find(version.spec->runtime);
  if (!runtime) {
    fail_queue(version, {"the runtime " + version.spec->runtime + " is no longer installed", "", true});
    return false;
  }
  size_t coming = 0;
  for (const auto& [e, owned] : environments_) {
    if (e->state() == Environment::State::kInit || (e->state() == Environment::State::kStarting && e->owner != nullptr))
      ++coming;
  }
  // The pool's runtimes count as processes of this machine, but may be given up for a function.
  Environment* pooled = bound ? nullptr : take_pooled(*version.spec);
  if (pooled == nullptr && (coming >= parallel_starts_ || !make_room())) {
    if (bound) version.queue.push_front(std::move(*bound));
    if (std::find(waiting_starts_.begin(), waiting_starts_.end(), &version) == waiting_starts_.end())
      waiting_starts_.push_back(&version);
    return false;
  }
  arm_sweep(kSweepBusyMs);
  if (pooled != nullptr) {
    pooled->owner = &version;
    version.all.push_back(pooled);
    pooled->adopt(version.spec);
    return true;
  }
  std::shared_ptr<Environment> environment = make_environment(*runtime, version.spec->memory_mib);
  environment->owner = &version;
  version.all.push_back(environment.get());
  environment->start(version.spec, std::move(bound));
  return true;
}

std::shared_ptr<Environment> Engine::make_environment(const Runtime& runtime, int64_t memory_mib) {
  auto environment = std::make_shared<Environment>(context_, *this, runtime, memory_mib);
  environments_.emplace(environment.get(), environment);
  return environment;
}

// Under the machine's limit there is room; at it, the environment that has been idle longest makes way, or a pooled one.
bool Engine::make_room() {
  if (environments_.size() < max_environments_) return true;
  Environment* victim = nullptr;
  for (Environment* e : pool_) {
    if (e->state() == Environment::State::kPooled) victim = e;
  }
  for (const auto& [e, owned] : environments_) {
    if (victim != nullptr && victim->state() == Environment::State::kPooled) break;
    const bool idle = e->state() == Environment::State::kIdle || e->state() == Environment::State::kFrozen;
    if (idle && (victim == nullptr || e->idle_since_us() < victim->idle_since_us())) victim = e;
  }
  if (victim != nullptr) victim->kill();  // on_gone() continues
  return false;
}

void Engine::pump_starts() {
  std::vector<Version*> waiting = std::move(waiting_starts_);
  waiting_starts_.clear();
  for (Version* version : waiting) {
    if (version->queue.empty() || version->starts() >= version->queue.size()) continue;
    if (version->function != nullptr) scale_out(*version);
  }
}

void Engine::fail_queue(Version& version, const InitFailure& failure) {
  std::deque<Invocation> queue = std::move(version.queue);
  version.queue.clear();
  for (Invocation& invocation : queue) {
    ports::InvokeResult result;
    result.message = failure.payload;
    invocation.answer(std::move(result));
  }
}

void Engine::on_init_failed(Environment& environment, InitFailure failure) {
  forget_idle(environment);
  if (environment.owner == nullptr) return;  // of the pool; on_gone() counts it
  auto& version = *static_cast<Version*>(environment.owner);
  if (version.function == nullptr) return;
  if (failure.machine) {
    const bool others = std::any_of(version.all.begin(), version.all.end(),
                                    [](const Environment* e) { return e->state() != Environment::State::kDying; });
    if (!others) fail_queue(version, failure);
    return;
  }
  version.init_failed = true;
  if (!version.queue.empty()) scale_out(version);
}

void Engine::forget_idle(Environment& environment) {
  if (environment.owner != nullptr) std::erase(static_cast<Version*>(environment.owner)->idle, &environment);
}

void Engine::on_gone(Environment& environment) {
  forget_idle(environment);
  if (environment.owner != nullptr) {
    auto& version = *static_cast<Version*>(environment.owner);
    std::erase(version.all, &environment);
    if (version.function != nullptr && !version.queue.empty() && version.all.empty()) {
      if (std::find(waiting_starts_.begin(), waiting_starts_.end(), &version) == waiting_starts_.end())
        waiting_starts_.push_back(&version);
    }
  } else if (std::erase(pool_, &environment) > 0 && environment.memory_mib() > 0 && !environment.was_pooled()) {
    ++pool_failures_[environment.runtime().id];
  }
  const auto it = environments_.find(&environment);
  if (it != environments_.end()) {
    graveyard_.push_back(std::move(it->second));
    environments_.erase(it);
    loop_.post([this, life = std::weak_ptr<int>(life_)] {
      if (life.expired()) return;
      graveyard_.clear();
      pump_starts();
      set_gauges();
      check_gone();
    });
  }
}

void Engine::on_pooled(Environment& environment) {
  pool_failures_[environment.runtime().id] = 0;
  arm_sweep(kSweepBusyMs);
}

Environment* Engine::take_pooled(const FunctionSpec& spec) {
  if (pool_.empty() || needs_own_process(spec) || spec.ephemeral_mib != 512) return nullptr;
  for (auto it = pool_.begin(); it != pool_.end(); ++it) {
    Environment* e = *it;
    if (e->state() == Environment::State::kPooled && e->runtime().id == spec.runtime && e->memory_mib() == spec.memory_mib) {
      pool_.erase(it);
      return e;
    }
  }
  return nullptr;
}

void Engine::note_pool_key(const FunctionSpec& spec) {
  const PoolKey key{spec.runtime, spec.memory_mib};
  if (!pool_keys_.empty() && pool_keys_.front() == key) return;
  std::erase(pool_keys_, key);
  pool_keys_.push_front(key);
  if (pool_keys_.size() > kPoolKeys) pool_keys_.pop_back();
  if (pool_on_) arm_sweep(kSweepBusyMs);
}

std::vector<Engine::PoolKey> Engine::wanted_pool() const {
  std::vector<PoolKey> wanted;
  for (const PoolKey& key : pool_keys_) {
    const std::optional<Runtime> runtime = runtimes_.find(key.first);
    if (runtime && runtime->kind != RuntimeKind::kProvided) wanted.push_back(key);
  }
  if (!wanted.empty()) return wanted;
  std::optional<Runtime> newest;
  for (const Runtime& runtime : runtimes_.installed()) {
    if (runtime.kind == RuntimeKind::kNode && (!newest || runtime.major > newest->major)) newest = runtime;
  }
  if (newest) wanted.emplace_back(newest->id, kPoolMemoryMib);
  return wanted;
}

// One start at a time, and none while functions are starting: the pool is for later.
void Engine::ensure_pool() {
  if (!pool_on_ || draining_ || !when_gone_.empty() || !runtimes_known_ || options_.pool_size <= 0 || !waiting_starts_.empty())
    return;
  const std::vector<PoolKey> wanted = wanted_pool();
  for (const auto& [e, owned] : environments_) {
    if (e->state() == Environment::State::kInit || e->state() == Environment::State::kStarting) return;
  }
  const auto key_of = [](const Environment* e) { return PoolKey{e->runtime().id, e->memory_mib()}; };
  for (Environment* e : std::vector<Environment*>(pool_)) {
    if (std::find(wanted.begin(), wanted.end(), key_of(e)) == wanted.end()) e->kill();
  }
  if (environments_.size() + 1 >= max_environments_) return;
  for (const PoolKey& key : wanted) {
    const auto have = std::count_if(pool_.begin(), pool_.end(), [&](const Environment* e) { return key_of(e) == key; });
    if (have >= options_.pool_size || pool_failures_[key.first] >= kPoolGivesUpAfter) continue;
    std::shared_ptr<Environment> environment = make_environment(*runtimes_.find(key.first), key.second);
    pool_.push_back(environment.get());
    environment->start_pooled();
    return;
  }
}

void Engine::fill_pool() {
  update([this] {
    pool_on_ = true;
    ensure_pool();
    arm_sweep(kSweepBusyMs);
  });
}

RuntimeStatus Engine::runtime_status(const std::string& runtime) const {
  return runtimes_.status(runtime);
}

void Engine::rescan_runtimes() {
  runtimes_.scan_async([this, loop = &loop_, life = std::weak_ptr<int>(life_)] {
    // The engine waits for the scan's thread before it goes, so that the loop is there to post to.
    loop->post([this, life] {
      if (!life.expired()) on_runtimes_scanned();
    });
  });
}

void Engine::on_runtimes_scanned() {
  runtimes_known_ = true;
  pool_failures_.clear();
  std::vector<Invocation> waiting = std::move(before_scan_);
  before_scan_.clear();
  for (Invocation& invocation : waiting) do_invoke(std::move(invocation.request), std::move(invocation.done));
  ensure_pool();
}

void Engine::arm_sweep(int64_t ms) {
  if (sweep_timer_ != 0 && sweep_ms_ <= ms) return;
  loop_.cancel(sweep_timer_);
  sweep_ms_ = ms;
  sweep_timer_ = loop_.after(ms, [this] {
    sweep_timer_ = 0;
    sweep();
  });
}

void Engine::sweep() {
  const int64_t now = loop_.monotonic_us();
  bool lively = false;
  std::vector<Environment*> all;
  all.reserve(environments_.size());
  for (const auto& [e, owned] : environments_) all.push_back(e);
  for (Environment* e : all) {
    e->tick();
    const int64_t idle_ms = (now - e->idle_since_us()) / 1000;
    if (e->state() == Environment::State::kIdle && idle_ms >= options_.freeze_after_ms) e->freeze();
    if (e->state() == Environment::State::kFrozen) {
      auto& version = *static_cast<Version*>(e->owner);
      if (idle_ms >= options_.reap_after_ms && version.all.size() > 1) {
        forget_idle(*e);
        e->kill();
      }
    } else if (e->state() != Environment::State::kPooled) {
      lively = true;
    }
  }
  std::erase_if(replaced_, [](const std::unique_ptr<Version>& v) { return v->all.empty(); });
  ensure_pool();
  set_gauges();
  const bool pool_grows =
      std::any_of(pool_.begin(), pool_.end(), [](const Environment* e) { return e->state() != Environment::State::kPooled; });
  if (!environments_.empty()) arm_sweep(lively || pool_grows ? kSweepBusyMs : kSweepIdleMs);
}

void Engine::set_gauges() {
  int64_t starting = 0, busy = 0, idle = 0, frozen = 0, pooled = 0, queued = 0;
  for (const auto& [e, owned] : environments_) {
    switch (e->state()) {
      case Environment::State::kStarting:
      case Environment::State::kInit:
        ++starting;
        break;
      case Environment::State::kPooled:
        ++pooled;
        break;
      case Environment::State::kIdle:
        ++idle;
        break;
      case Environment::State::kFrozen:
        ++frozen;
        break;
      case Environment::State::kBusy:
      case Environment::State::kSettling:
        ++busy;
        break;
      case Environment::State::kDying:
      case Environment::State::kGone:
        break;
    }
  }
  for (const auto& [key, function] : functions_) {
    for (const auto& [name, version] : function->versions) queued += static_cast<int64_t>(version->queue.size());
  }
  counters_.environments.set(static_cast<int64_t>(environments_.size()));
  counters_.starting.set(starting);
  counters_.busy.set(busy);
  counters_.idle.set(idle);
  counters_.frozen.set(frozen);
  counters_.pooled.set(pooled);
  counters_.queued.set(queued);
}

void Engine::kill_everything() {
  for (auto& [key, function] : functions_) {
    for (auto& [name, version] : function->versions) fail_queue(*version, {"the server is being reset or stopped", "", true});
  }
  std::vector<Environment*> all;
  for (const auto& [e, owned] : environments_) all.push_back(e);
  for (Environment* e : all) e->kill();
}

void Engine::check_gone() {
  if (!environments_.empty() || when_gone_.empty()) return;
  std::vector<std::function<void()>> calls = std::move(when_gone_);
  when_gone_.clear();
  for (auto& call : calls) call();
  if (pool_on_) arm_sweep(kSweepBusyMs);  // the pool is filled anew after a reset
}

void Engine::reset(std::function<void()> done) {
  update([this, done] {
    kill_everything();
    std::vector<std::string> keys;
    for (const auto& [key, function] : functions_) keys.push_back(key);
    for (const std::string& key : keys) do_remove(key, "");
    accounts_.clear();
    pool_keys_.clear();
    when_gone_.push_back(done);
    check_gone();
  });
}

void Engine::drain(int64_t grace_ms, std::function<void()> done) {
  update([this, grace_ms, done] {
    draining_ = true;
    when_gone_.push_back(done);
    for (auto& [key, function] : functions_) {
      for (auto& [name, version] : function->versions) {
        version->idle.clear();
        if (version->queue.empty()) {
          for (Environment* e : std::vector<Environment*>(version->all)) e->retire();
        }
      }
    }
    for (Environment* e : std::vector<Environment*>(pool_)) e->kill();
    loop_.after(grace_ms, [this, life = std::weak_ptr<int>(life_)] {
      if (!life.expired()) kill_everything();
    });
    check_gone();
  });
}

}  // namespace savia::lambda

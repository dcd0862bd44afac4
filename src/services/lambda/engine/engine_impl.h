// The engine's records and decisions. engine.cc has invocations and updates, engine_pool.cc starts, the pool and the end.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "services/lambda/engine/counters.h"
#include "services/lambda/engine/cpu_load.h"
#include "services/lambda/engine/engine.h"
#include "services/lambda/engine/environment.h"
#include "services/lambda/engine/runtimes.h"

namespace savia::lambda {

class Engine final : public FunctionEngine, public EnvironmentHost {
 public:
  Engine(net::Loop& loop, sandbox::Spawner& spawner, ports::LogSink& logs, Random& random, EngineOptions options,
         const std::string& runtimes_dir);
  ~Engine() override;

  void put(FunctionSpec spec) override;
  void remove(const std::string& account, const std::string& region, const std::string& name,
              const std::string& version) override;
  void set_alias(const std::string& account, const std::string& region, const std::string& name, const std::string& alias,
                 std::vector<WeightedVersion> versions) override;
  void set_reserved_concurrency(const std::string& account, const std::string& region, const std::string& name,
                                std::optional<int64_t> concurrency) override;
  void fill_pool() override;
  RuntimeStatus runtime_status(const std::string& runtime) const override;
  void rescan_runtimes() override;
  void reset(std::function<void()> done) override;
  void drain(int64_t grace_ms, std::function<void()> done) override;
  EngineStats stats() const override;
  void append_metrics(std::string& out) const override;
  void invoke(ports::InvokeRequest request, Done done) override;

  void on_pooled(Environment& environment) override;
  void on_idle(Environment& environment) override;
  void on_init_failed(Environment& environment, InitFailure failure) override;
  void on_gone(Environment& environment) override;

 private:
  struct Function;
  // One revision of one version. When a new one replaces it, it lives on until its last environment is gone.
  struct Version {
    Function* function = nullptr;  // null once replaced or removed
    std::shared_ptr<const FunctionSpec> spec;
    std::deque<Invocation> queue;
    std::vector<Environment*> all;   // alive, any state
    std::vector<Environment*> idle;  // idle or frozen; the last used is last
    net::TimerId scale_timer = 0;
    bool init_failed = false;  // the last start failed: the next one runs inside an invocation
    int64_t duration_us = 0;   // moving average of what an invocation takes
    bool starting() const;     // an environment is on its way
    size_t starts() const;
  };
  struct Function {
    std::string key;
    std::map<std::string, std::unique_ptr<Version>> versions;
    std::map<std::string, std::vector<WeightedVersion>> aliases;
    std::shared_ptr<FunctionLoad> load;
  };
  using PoolKey = std::pair<std::string, int64_t>;  // runtime, memory

  // Updates come from any thread and take effect in order, at the latest before the next invocation.
  void update(std::function<void()> change);
  void apply_updates();
  void do_put(FunctionSpec spec);
  void do_remove(const std::string& key, const std::string& version);
  void detach(std::unique_ptr<Version> version, std::deque<Invocation>& orphans);
  Function& function_at(const std::string& account, const std::string& region, const std::string& name);
  Function* find_function(const ports::InvokeRequest& request);

  void do_invoke(ports::InvokeRequest request, Done done);
  Version* resolve(Function& function, const std::string& qualifier);
  bool admit(Invocation& invocation);
  void enqueue(Version& version, Invocation invocation);
  bool dispatch(Version& version);  // one queued invocation to one idle environment
  static Invocation take_queued(Version& version);

  // engine_pool.cc
  void want_environment(Version& version);
  void scale_out(Version& version);
  bool better_to_wait(const Version& version);
  bool better_queued(const Version& version);
  bool start_environment(Version& version, std::optional<Invocation> bound);
  bool make_room();
  void pump_starts();
  std::shared_ptr<Environment> make_environment(const Runtime& runtime, int64_t memory_mib);
  Environment* take_pooled(const FunctionSpec& spec);
  void note_pool_key(const FunctionSpec& spec);
  std::vector<PoolKey> wanted_pool() const;
  void ensure_pool();
  void fail_queue(Version& version, const InitFailure& failure);
  void forget_idle(Environment& environment);
  void sweep();
  void arm_sweep(int64_t ms);
  void set_gauges();
  void on_runtimes_scanned();
  void kill_everything();
  void check_gone();

  net::Loop& loop_;
  sandbox::Spawner& spawner_;
  Random& random_;
  const EngineOptions options_;
  Counters counters_;
  Gateway gateway_;
  std::string scratch_;
  EnvironmentContext context_;
  Runtimes runtimes_;
  bool runtimes_known_ = false;
  std::vector<Invocation> before_scan_;  // came before the first scan ended; `load` is null

  struct Updates {
    std::vector<std::function<void()>> changes;
  };
  Guarded<Updates> updates_;
  std::atomic<bool> updates_waiting_{false};

  std::string key_;  // reused
  std::unordered_map<std::string, std::unique_ptr<Function>> functions_;
  std::unordered_map<std::string, std::shared_ptr<AccountLoad>> accounts_;  // owners: here and functions' loads
  std::vector<std::unique_ptr<Version>> replaced_;                          // without environments they go with the next sweep
  std::unordered_map<Environment*, std::shared_ptr<Environment>> environments_;
  std::vector<std::shared_ptr<Environment>> graveyard_;  // off the stack with the next turn
  std::vector<Environment*> pool_;                       // kPooled or coming up
  std::deque<PoolKey> pool_keys_;                        // recently put, newest first
  std::map<std::string, int> pool_failures_;
  std::vector<Version*> waiting_starts_;  // want an environment and may not start one now
  size_t max_environments_ = 0, parallel_starts_ = 2, cores_ = 1;
  CpuLoad cpu_;
  bool pool_on_ = false, draining_ = false;
  net::TimerId sweep_timer_ = 0;
  int64_t sweep_ms_ = 0;
  std::vector<std::function<void()>> when_gone_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);  // owner: this; posted work holds it weakly
};

}  // namespace savia::lambda

#include "services/lambda/events.h"

#include <algorithm>

#include "base/limits.h"
#include "base/log.h"

namespace savia::lambda {
namespace {

constexpr int64_t kFunctionRetries = 2;  // AWS: MaximumRetryAttempts, its default
constexpr int64_t kFunctionRetryMs[] = {60'000, 120'000};
constexpr int64_t kDeferFirstMs = 1000, kDeferMostMs = 300'000;
constexpr int64_t kMaximumAgeMs = 6 * 3600 * 1000;  // AWS: MaximumEventAgeInSeconds, its default
constexpr int64_t kLookMs = 60'000;                 // the longest sleep

}  // namespace

EventQueue::EventQueue(state::Database& db, ports::FunctionInvoker& invoker, const Clock& clock,
                       std::function<void()> idle_work)
    : db_(db), invoker_(invoker), clock_(clock), idle_work_(std::move(idle_work)) {}

void EventQueue::start() {
  if (worker_.joinable()) return;
  {
    std::lock_guard lock(shared_->mutex);
    shared_->stopping = false;
    shared_->woken = true;
  }
  worker_ = std::thread([this] { run(); });
}

void EventQueue::stop() {
  if (!worker_.joinable()) return;
  {
    std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->wake.notify_all();
  worker_.join();
}

void EventQueue::wake(Shared& shared) {
  {
    std::lock_guard lock(shared.mutex);
    shared.woken = true;
  }
  shared.wake.notify_all();
}
void EventQueue::wake() {
  wake(*shared_);
}

void EventQueue::forget_all() {
  {
    std::lock_guard lock(shared_->mutex);
    forget_ = true;
  }
  wake();
}

void EventQueue::submit(EventRow event, std::function<void(Result<void>)> done) {
  int64_t now = clock_.now_ms();
  event.created_ms = now;
  db_.write_async([event = std::move(event), now](state::Tx& tx) { return store::insert_event(tx, event, now); },
                  [shared = shared_, done = std::move(done)](Result<void> r) {
                    bool ok = r.ok();
                    done(std::move(r));
                    if (ok) wake(*shared);
                  });
}

void EventQueue::run() {
  int64_t sleep_ms = 0;
  while (true) {
    std::vector<Finished> finished;
    {
      std::unique_lock lock(shared_->mutex);
      shared_->wake.wait_for(lock, std::chrono::milliseconds(sleep_ms),
                             [&] { return shared_->stopping || shared_->woken || !shared_->finished.empty(); });
      if (shared_->stopping) return;
      shared_->woken = false;
      finished.swap(shared_->finished);
      if (std::exchange(forget_, false)) in_flight_.clear();
    }
    if (!finished.empty()) settle(std::move(finished));
    sleep_ms = dispatch();
    idle_work_();
  }
}

// One transaction for all that ended meanwhile.
void EventQueue::settle(std::vector<Finished> finished) {
  int64_t now = clock_.now_ms();
  auto written = db_.write(
      [&](state::Tx& tx) -> Result<void> {
        for (Finished& f : finished) {
          EventRow& e = f.event;
          bool old = now - e.created_ms >= kMaximumAgeMs;
          bool drop = false;
          int64_t wait = 0;
          switch (f.result.status) {
            case ports::InvokeStatus::kOk:
              TRY(store::delete_event(tx, e.id));
              continue;
            case ports::InvokeStatus::kFunctionError:
              drop = e.failures >= kFunctionRetries || old;
              if (!drop) wait = kFunctionRetryMs[e.failures++];
              break;
            case ports::InvokeStatus::kNotFound:
            case ports::InvokeStatus::kTooLarge:
              drop = true;
              break;
            default:
              drop = old;
              wait = std::min(kDeferFirstMs << std::min<int64_t>(e.deferrals, 20), kDeferMostMs);
              ++e.deferrals;
          }
          if (drop) {
            log_warn("lambda.event.dropped", {{"function", e.name}, {"account", e.account}, {"request", e.request_id}});
            TRY(store::delete_event(tx, e.id));
          } else {
            TRY(store::defer_event(tx, e.id, e.failures, e.deferrals, now + wait));
          }
        }
        return {};
      },
      state::WriteKind::kFree);
  if (!written.ok()) log_error("lambda.event.store", {{"error", written.error().message()}});
  // Rows that could not be written are due again, which is what at least once means.
  for (const Finished& f : finished) in_flight_.erase(f.event.id);
}

int64_t EventQueue::dispatch() {
  int64_t now = clock_.now_ms(), next = kLookMs;
  std::vector<EventRow> due;
  auto looked = db_.read([&](state::Tx& tx) -> Result<void> {
    // Those in flight are still due: among the first so many ids, only the others are read with their payload.
    for (int64_t id : TRY(store::due_events(tx, now, static_cast<int64_t>(limits::kEventsInFlight)))) {
      if (in_flight_.size() + due.size() >= limits::kEventsInFlight) break;
      if (in_flight_.count(id) != 0) continue;
      if (auto e = TRY(store::event(tx, id))) due.push_back(std::move(*e));
    }
    if (auto at = TRY(store::next_due(tx, now))) next = std::clamp<int64_t>(*at - now, 1, kLookMs);
    return {};
  });
  if (!looked.ok()) {
    log_error("lambda.event.store", {{"error", looked.error().message()}});
    return kDeferFirstMs;
  }
  for (EventRow& e : due) {
    in_flight_.insert(e.id);
    begin(std::move(e));
  }
  return next;
}

void EventQueue::begin(EventRow e) {
  ports::InvokeRequest request;
  request.account = e.account;
  request.region = e.region;
  request.function = e.name;
  request.qualifier = e.qualifier;
  request.payload = std::move(e.payload);
  request.request_id = e.request_id;
  request.trace_id = e.trace_id;
  request.client_context = e.client_context;
  invoker_.invoke(std::move(request), [shared = shared_, e = std::move(e)](ports::InvokeResult result) {
    {
      std::lock_guard lock(shared->mutex);
      if (shared->stopping) return;  // the row stays
      shared->finished.push_back({e, std::move(result)});
    }
    shared->wake.notify_all();
  });
}

}  // namespace savia::lambda

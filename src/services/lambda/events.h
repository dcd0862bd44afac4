// Accepted events (Invoke with InvocationType Event): durable rows before the 202, run by one worker thread until the function
// takes them or AWS would give up.
//
// A function that answers an error gets the event again after one and after two minutes (three attempts). When it cannot be run
// at all (throttled, not ready, our fault) the event waits 1 s, 2 s, 4 s … up to 5 minutes, for 6 hours at most. Delivery is at
// least once: a kill between the function's end and the row's deletion runs it again.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "ports/function_invoker.h"
#include "services/lambda/store.h"
#include "state/database.h"

namespace savia::lambda {

class EventQueue {
 public:
  // `idle_work` runs on the worker about once a second while there is something to do, and after each burst.
  EventQueue(state::Database& db, ports::FunctionInvoker& invoker, const Clock& clock, std::function<void()> idle_work);
  ~EventQueue() { stop(); }

  void start();
  void stop();
  // Any thread, does not block; `done` runs on the store's writer thread when the event is durable.
  void submit(EventRow event, std::function<void(Result<void>)> done);
  void wake();        // look again soon: a delete may have left folders to clear
  void forget_all();  // the rows are gone

 private:
  struct Finished {
    EventRow event;
    ports::InvokeResult result;
  };
  // What the engine's callbacks touch lives apart: they may come after this object stopped.
  struct Shared {
    std::mutex mutex;
    std::condition_variable wake;
    std::vector<Finished> finished;
    bool woken = false;
    bool stopping = false;
  };

  static void wake(Shared& shared);
  void run();
  void settle(std::vector<Finished> finished);
  int64_t dispatch();  // answers the milliseconds until there is more to do
  void begin(EventRow event);

  state::Database& db_;
  ports::FunctionInvoker& invoker_;
  const Clock& clock_;
  std::function<void()> idle_work_;

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::set<int64_t> in_flight_;  // the worker's
  bool forget_ = false;          // guarded by Shared::mutex
  std::thread worker_;
};

}  // namespace savia::lambda

// The writer thread and its queue; internal to src/state. See database.cc for how a group of requests becomes one commit.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.h"
#include "state/database.h"

namespace savia::state {

// One write from its arrival to its answer. A blocking caller keeps it on its stack and sleeps on `answered`; an
// asynchronous one leaves it on the heap with `done`, which then deletes it.
struct WriteRequest {
  const Database::WriteFn* fn = nullptr;
  WriteKind kind = WriteKind::kGrow;

  Database::WriteFn owned_fn;
  std::function<void(Result<void>)> done;

  std::mutex mutex;
  std::condition_variable answered;
  bool is_answered = false;

  Result<void> outcome;
  std::vector<std::function<void()>> hooks;
};

// Many producers, one consumer; the consumer takes everything that waits.
class WriteQueue {
 public:
  void push(WriteRequest* r);
  // Waits for requests; false when stopped and empty.
  bool take(std::vector<WriteRequest*>& out);
  void stop();

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<WriteRequest*> waiting_;
  bool sleeping_ = false;
  bool stopped_ = false;
};

}  // namespace savia::state

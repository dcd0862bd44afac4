#include "state/writer.h"

#include "base/check.h"

namespace savia::state {

void WriteQueue::push(WriteRequest* r) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    CHECK(!stopped_);  // whoever writes must be gone before the database is
    waiting_.push_back(r);
    wake = sleeping_;
    sleeping_ = false;
  }
  if (wake) wake_.notify_one();
}

bool WriteQueue::take(std::vector<WriteRequest*>& out) {
  out.clear();
  std::unique_lock lock(mutex_);
  while (waiting_.empty()) {
    if (stopped_) return false;
    sleeping_ = true;
    wake_.wait(lock);
  }
  sleeping_ = false;
  out.swap(waiting_);
  return true;
}

void WriteQueue::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_one();
}

}  // namespace savia::state

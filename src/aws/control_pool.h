// The threads on which control-plane bodies run: a bounded number of threads over a bounded queue. Threads start when work
// waits for them, so an idle server has none.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace savia::aws {

class ControlPool {
 public:
  ControlPool(size_t threads, size_t queue) : max_threads_(threads), max_queue_(queue) {}
  ~ControlPool() { stop(); }
  ControlPool(const ControlPool&) = delete;
  ControlPool& operator=(const ControlPool&) = delete;

  bool submit(std::function<void()> work);  // false: the queue is full, or the pool has stopped
  void stop();                              // finishes what was submitted, then ends the threads
  size_t waiting() const;

 private:
  void work();
  const size_t max_threads_;
  const size_t max_queue_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_, as all below
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace savia::aws

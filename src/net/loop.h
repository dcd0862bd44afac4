// One event loop, one thread: edge-triggered epoll, a timer wheel, and a queue for what other threads have to say.
// Objects registered here belong to the loop's thread; `post` and `stop` alone may be called from elsewhere.
// A loop outlives everything registered with it and every responder that may still post to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace savia::net {

// Receives readiness of one file descriptor. The fd stays registered for its life (EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLET):
// a handler tries first and waits for the next edge only after EAGAIN.
class IoHandler {
 public:
  virtual ~IoHandler() = default;
  virtual void on_io(uint32_t epoll_events) = 0;
};

using TimerId = uint64_t;  // 0 is never a timer

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> create(const Clock& clock = real_clock());
  virtual ~Loop() = default;

  virtual void run() = 0;                           // until stop(); the calling thread becomes the loop's
  virtual void stop() = 0;                          // any thread; what was posted before it still runs
  virtual void post(std::function<void()> fn) = 0;  // any thread; runs soon on the loop, in order per caller
  // Is this the loop's thread? Before run() that is the thread that made it and sets things up.
  virtual bool in_loop() const = 0;

  virtual Result<void> add(int fd, IoHandler* handler) = 0;  // fd non-blocking; borrowed
  virtual void remove(int fd) = 0;                           // before close; no on_io after it

  virtual TimerId after(int64_t delay_ms, std::function<void()> fn) = 0;  // resolution 1 ms; never early
  virtual void cancel(TimerId id) = 0;                                    // fine when it has run
  virtual int64_t now_ms() const = 0;                                     // wall clock, cached once a turn
  virtual int64_t monotonic_us() const = 0;                               // cached once a turn
};

}  // namespace savia::net

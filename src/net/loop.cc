#include "net/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"
#include "net/timer_wheel.h"
#include "os/fd.h"

namespace savia::net {
namespace {

constexpr int kBatch = 256;  // events taken by one epoll_wait
constexpr int64_t kMaxWaitMs = 60'000;

// An event carries fd and generation, not a pointer: a handler that one event of a batch destroys may have another event in
// the same batch, and its fd number may even belong to somebody else by then.
uint64_t tag(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}

class EpollLoop final : public Loop {
 public:
  EpollLoop(const Clock& clock, os::Fd epoll, os::Fd wake)
      : clock_(clock),
        epoll_(std::move(epoll)),
        wake_(std::move(wake)),
        now_ms_(clock.now_ms()),
        monotonic_us_(clock.monotonic_us()),
        wheel_(monotonic_us_ / 1000) {}

  void run() override;

  void stop() override {
    stopping_.store(true, std::memory_order_release);
    wake();
  }

  void post(std::function<void()> fn) override {
    {
      std::lock_guard lock(posted_mutex_);
      posted_.push_back(std::move(fn));
    }
    // One write wakes the loop for any number of posts; the flag is cleared before the queue is taken.
    if (!signalled_.exchange(true, std::memory_order_acq_rel)) wake();
  }

  bool in_loop() const override { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  Result<void> add(int fd, IoHandler* handler) override;
  void remove(int fd) override;

  TimerId after(int64_t delay_ms, std::function<void()> fn) override {
    // The cached time may be older than the caller's idea of now by one turn: never early.
    int64_t now_us = clock_.monotonic_us();
    return wheel_.add((now_us + 999) / 1000 + std::max<int64_t>(delay_ms, 0), std::move(fn));
  }
  void cancel(TimerId id) override { wheel_.cancel(id); }
  int64_t now_ms() const override { return now_ms_; }
  int64_t monotonic_us() const override { return monotonic_us_; }

 private:
  struct Registration {
    IoHandler* handler = nullptr;
    uint32_t generation = 0;
  };

  void wake() {
    uint64_t one = 1;
    ssize_t n = ::write(wake_.get(), &one, sizeof one);
    (void)n;  // EAGAIN: the counter is full, so the loop wakes anyway
  }
  void tick() {
    now_ms_ = clock_.now_ms();
    monotonic_us_ = clock_.monotonic_us();
  }
  void run_posted();
  void dispatch(const epoll_event& event);

  const Clock& clock_;
  os::Fd epoll_, wake_;
  int64_t now_ms_, monotonic_us_;
  TimerWheel wheel_;
  std::vector<Registration> registered_;  // by fd
  uint32_t next_generation_ = 1;
  std::atomic<std::thread::id> owner_{std::this_thread::get_id()};
  std::atomic<bool> stopping_{false}, signalled_{false};
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_, running_;
};

Result<void> EpollLoop::add(int fd, IoHandler* handler) {
  CHECK(fd >= 0 && handler != nullptr);
  if (static_cast<size_t>(fd) >= registered_.size()) registered_.resize(static_cast<size_t>(fd) + 64);
  Registration& r = registered_[static_cast<size_t>(fd)];
  CHECK(r.handler == nullptr);
  r.generation = next_generation_++;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = tag(fd, r.generation);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return Error::from_errno(errno, "epoll_ctl");
  r.handler = handler;
  return {};
}

void EpollLoop::remove(int fd) {
  if (fd < 0 || static_cast<size_t>(fd) >= registered_.size()) return;
  Registration& r = registered_[static_cast<size_t>(fd)];
  if (r.handler == nullptr) return;
  r.handler = nullptr;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EpollLoop::dispatch(const epoll_event& event) {
  int fd = static_cast<int>(event.data.u64 & UINT32_MAX);
  if (fd == wake_.get()) {
    uint64_t count;
    ssize_t n = ::read(wake_.get(), &count, sizeof count);
    (void)n;
    return;
  }
  Registration& r = registered_[static_cast<size_t>(fd)];
  if (r.handler != nullptr && r.generation == event.data.u64 >> 32) r.handler->on_io(event.events);
}

void EpollLoop::run_posted() {
  if (!signalled_.load(std::memory_order_relaxed)) return;
  signalled_.store(false, std::memory_order_seq_cst);
  {
    std::lock_guard lock(posted_mutex_);
    running_.swap(posted_);
  }
  for (auto& fn : running_) {
    std::function<void()> mine = std::move(fn);
    mine();
  }
  running_.clear();
}

void EpollLoop::run() {
  owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  epoll_event events[kBatch];
  while (!stopping_.load(std::memory_order_acquire)) {
    int64_t wait = signalled_.load(std::memory_order_acquire) ? 0 : wheel_.wait_ms(clock_.monotonic_us() / 1000, kMaxWaitMs);
    int n = ::epoll_wait(epoll_.get(), events, kBatch, static_cast<int>(wait));
    tick();
    for (int i = 0; i < n; ++i) dispatch(events[i]);
    run_posted();
    wheel_.advance(monotonic_us_ / 1000);
  }
  signalled_.store(true, std::memory_order_release);
  run_posted();
  stopping_.store(false, std::memory_order_release);
}

}  // namespace

Result<std::unique_ptr<Loop>> Loop::create(const Clock& clock) {
  os::Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error::from_errno(errno, "epoll_create1");
  os::Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return Error::from_errno(errno, "eventfd");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = tag(wake.get(), 0);
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) return Error::from_errno(errno, "epoll_ctl");
  return std::unique_ptr<Loop>(std::make_unique<EpollLoop>(clock, std::move(epoll), std::move(wake)));
}

}  // namespace savia::net

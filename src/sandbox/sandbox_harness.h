// For tests and the benchmark: a helper, a loop, and blocking forms of the spawner's calls.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/loop.h"
#include "os/file.h"
#include "sandbox/sandbox.h"

namespace savia::sandbox {

class Harness {
 public:
  explicit Harness(const std::string& state_dir) {
    auto s = Spawner::start_helper(state_dir);
    if (!s.ok()) return;
    spawner = std::move(*s);
    auto l = net::Loop::create();
    if (!l.ok()) return;
    loop = std::move(*l);
    ok = spawner->attach(*loop).ok();
  }
  ~Harness() { spawner.reset(); }

  // Turns the loop until `done` holds; false after `timeout_ms`.
  bool run_until(const std::function<bool()>& done, int timeout_ms = 20'000) {
    int64_t until = real_clock().monotonic_us() + int64_t{timeout_ms} * 1000;
    while (!done()) {
      if (real_clock().monotonic_us() > until) return false;
      net::TimerId t = loop->after(5, [this] { loop->stop(); });
      wake_ = [this] { loop->stop(); };
      loop->run();
      loop->cancel(t);
    }
    return true;
  }

  struct Running {
    Started started;
    std::optional<Exit> exit;
    std::string out, err;
    void close_all() {
      for (int* fd : {&started.stdout_fd, &started.stderr_fd, &started.control_fd}) {
        if (*fd >= 0) ::close(*fd);
        *fd = -1;
      }
      for (int fd : started.listener_fds) ::close(fd);
      started.listener_fds.clear();
    }
    ~Running() { close_all(); }
  };

  Result<std::shared_ptr<Running>> start(Spec spec) {
    auto r = std::make_shared<Running>();  // shared with the exit callback
    std::optional<Result<void>> answer;
    spawner->start(
        std::move(spec),
        [&](Result<Started> s) {
          if (s.ok()) r->started = std::move(*s);
          answer = s.ok() ? Result<void>() : Result<void>(s.error());
          wake_();
        },
        [this, r](Exit e) {
          r->exit = e;
          wake_();
        });
    if (!run_until([&] { return answer.has_value(); })) return Error::unavailable("start was not answered");
    if (!answer->ok()) return answer->error();
    return r;
  }

  // Until it has ended and its output is read, or the time is over.
  bool finish(Running& r, int timeout_ms = 20'000) {
    bool ended = run_until(
        [&] {
          drain(r);
          return r.exit.has_value();
        },
        timeout_ms);
    drain(r);
    return ended;
  }
  static void drain(Running& r) {
    read_into(r.started.stdout_fd, r.out);
    read_into(r.started.stderr_fd, r.err);
  }

  Result<void> wait(const std::function<void(std::function<void(Result<void>)>)>& call) {
    std::optional<Result<void>> answer;
    call([&](Result<void> r) {
      answer = std::move(r);
      wake_();
    });
    if (!run_until([&] { return answer.has_value(); })) return Error::unavailable("not answered");
    return *answer;
  }
  Usage usage(const std::string& id) {
    std::optional<Usage> u;
    spawner->usage(id, [&](Result<Usage> r) {
      u = r.ok() ? *r : Usage{-1, -1, -1, -1};
      wake_();
    });
    run_until([&] { return u.has_value(); });
    return u.value_or(Usage{});
  }

  std::unique_ptr<net::Loop> loop;
  std::unique_ptr<Spawner> spawner;
  bool ok = false;

 private:
  static void read_into(int fd, std::string& out) {
    char buffer[65'536];
    while (fd >= 0) {
      ssize_t n = ::read(fd, buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      out.append(buffer, static_cast<size_t>(n));
    }
  }
  std::function<void()> wake_ = [] {};
};

}  // namespace savia::sandbox

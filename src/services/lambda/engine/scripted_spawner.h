// For tests: a Spawner whose sandboxes are nothing but sockets and pipes. The test plays the runtime: it reads what the
// engine sends and writes what a runtime would. Everything happens on the test's thread, which turns the loop itself.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "net/loop.h"
#include "net/socket.h"
#include "os/fd.h"
#include "ports/log_sink.h"
#include "sandbox/sandbox.h"

namespace savia::lambda::testing {

// Runs the loop until `until` holds, at most `ms`.
inline bool turn(net::Loop& loop, const std::function<bool()>& until, int64_t ms = 5'000) {
  bool reached = until();
  if (reached) return true;
  int64_t left = ms;
  std::function<void()> look = [&] {
    reached = until();
    if (reached || --left <= 0) return loop.stop();
    loop.after(1, look);
  };
  loop.after(1, look);
  loop.run();
  return reached;
}

class MemoryLogs final : public ports::LogSink {
 public:
  void append(std::string_view, std::string_view, std::string_view group, std::string_view stream,
              std::vector<ports::LogLine> lines) override {
    for (ports::LogLine& line : lines) {
      all.push_back(std::move(line.message));
      groups[std::string(group)]++;
      streams[std::string(stream)]++;
    }
  }
  bool has(std::string_view part) const {
    for (const std::string& line : all) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }
  std::string text() const { return join(all, "\n"); }
  std::vector<std::string> all;
  std::map<std::string, int> groups, streams;
};

struct FakeSandbox {
  sandbox::Spec spec;
  os::Fd control;   // the runtime's end
  os::Fd out, err;  // write ends
  std::vector<sandbox::Mount> mounted;
  bool frozen = false, killed = false;
  std::function<void(sandbox::Exit)> on_exit;
  std::string in;  // received, not yet looked at

  void send(std::string_view bytes) {
    ASSERT_EQ(::send(control.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void get(std::string_view path) { send("GET " + std::string(path) + " HTTP/1.1\r\nHost: runtime\r\n\r\n"); }
  void next() { get("/2018-06-01/runtime/invocation/next"); }
  void post(std::string_view path, std::string_view body, bool then_next = false) {
    std::string text = "POST " + std::string(path) +
                       " HTTP/1.1\r\nHost: runtime\r\nLambda-Runtime-Function-Error-Type: Error\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
    if (then_next) text += "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n";
    send(text);
  }
  void respond(std::string_view body, bool then_next = true) {
    post("/2018-06-01/runtime/invocation/" + request_id() + "/response", body, then_next);
  }
  void print(std::string_view text) {
    ASSERT_EQ(::write(out.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void receive() {
    char buffer[65536];
    for (ssize_t n; (n = ::recv(control.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0;)
      in.append(buffer, static_cast<size_t>(n));
  }
  bool has_event() {
    receive();
    return in.find("Lambda-Runtime-Aws-Request-Id: ") != std::string::npos;
  }
  std::string field(std::string_view name) {
    receive();
    const size_t at = in.rfind(std::string(name) + ": ");
    if (at == std::string::npos) return {};
    const size_t from = at + name.size() + 2;
    return in.substr(from, in.find("\r\n", from) - from);
  }
  std::string request_id() { return field("Lambda-Runtime-Aws-Request-Id"); }
};

class ScriptedSpawner final : public sandbox::Spawner {
 public:
  const sandbox::Facilities& facilities() const override { return facilities_; }
  Result<void> attach(net::Loop& loop) override {
    loop_ = &loop;
    return {};
  }
  void start(sandbox::Spec spec, std::function<void(Result<sandbox::Started>)> done,
             std::function<void(sandbox::Exit)> on_exit) override {
    if (refuse) return loop_->post([done] { done(Error::exhausted("no room for a sandbox")); });
    auto box = std::make_shared<FakeSandbox>();
    box->spec = spec;
    box->on_exit = std::move(on_exit);
    boxes.push_back(box);
    sandbox::Started started;
    if (spec.control_socket) {
      int pair[2];
      CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
      started.control_fd = pair[0];
      box->control = os::Fd(pair[1]);
    }
    int out[2], err[2];
    CHECK(pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0 && pipe2(err, O_CLOEXEC | O_NONBLOCK) == 0);
    started.stdout_fd = out[0];
    started.stderr_fd = err[0];
    box->out = os::Fd(out[1]);
    box->err = os::Fd(err[1]);
    for (size_t i = 0; i < spec.listeners.size(); ++i) {
      Result<int> fd = net::listen_tcp("127.0.0.1:0");
      CHECK(fd.ok());
      started.listener_fds.push_back(fd.value());
      addresses[spec.id].push_back(net::bound_address(fd.value()));
    }
    loop_->post([done, started] { done(started); });
  }
  void mount_into(const std::string& id, std::vector<sandbox::Mount> mounts, std::function<void(Result<void>)> done) override {
    find(id)->mounted = std::move(mounts);
    loop_->post([done] { done({}); });
  }
  void set_limits(const std::string&, int64_t, int64_t, std::function<void(Result<void>)> done) override {
    loop_->post([done] { done({}); });
  }
  void freeze(const std::string& id) override { find(id)->frozen = true; }
  void thaw(const std::string& id) override { find(id)->frozen = false; }
  void kill(const std::string& id) override {
    std::shared_ptr<FakeSandbox> box = find(id);
    if (box == nullptr || box->killed) return;
    box->killed = true;
    exit(box, {true, 9, false});
  }
  void usage(const std::string&, std::function<void(Result<sandbox::Usage>)> done) override {
    loop_->post([done] { done(sandbox::Usage{40 << 20, 44 << 20, 1000, 1}); });
  }
  size_t living() const override { return boxes.size(); }

  void exit(const std::shared_ptr<FakeSandbox>& box, sandbox::Exit how) {
    loop_->post([box, how] {
      box->control.reset();
      box->out.reset();
      box->err.reset();
      box->killed = true;
      box->on_exit(how);
    });
  }
  std::shared_ptr<FakeSandbox> find(const std::string& id) {
    for (auto& box : boxes) {
      if (box->spec.id == id) return box;
    }
    return nullptr;
  }
  std::shared_ptr<FakeSandbox> at(size_t i) { return i < boxes.size() ? boxes[i] : nullptr; }

  std::vector<std::shared_ptr<FakeSandbox>> boxes;
  std::map<std::string, std::vector<std::string>> addresses;
  bool refuse = false;

 private:
  sandbox::Facilities facilities_;
  net::Loop* loop_ = nullptr;
};

}  // namespace savia::lambda::testing

// What the engine adds to a function, warm and cold.
//
//   bench_lambda [APP_DIR] [RUNTIME]
//
// APP_DIR holds node_modules with express and serverless-http (`npm install express serverless-http`); without it only the
// no-op handler is measured. RUNTIME is "nodejs22.x" and so on; default: the newest that this machine has in PATH.
//
// Warm: an invocation through the engine (sandbox, Runtime API, log lines) beside the same handler in a node process of its
// own behind the smallest loop over a Unix socket: 4 bytes of length, JSON there, JSON back, the driver blocking in read(2).
// The difference of the medians is Savia's own share.
// Cold: the first invocation, from a fresh process and from the pool, beside `node -e 0` plus the application's own load time.
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "sandbox/sandbox.h"
#include "services/lambda/engine/engine.h"

extern char** environ;  // NOLINT

namespace {

using namespace savia;  // NOLINT
using savia::lambda::FunctionEngine;
using savia::lambda::FunctionSpec;

class NoLogs final : public ports::LogSink {
 public:
  void append(std::string_view, std::string_view, std::string_view, std::string_view, std::vector<ports::LogLine>) override {}
};

double at(std::vector<double> v, double q) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  return v[static_cast<size_t>(q * static_cast<double>(v.size() - 1))];
}

double us_since(int64_t start_us) {
  return static_cast<double>(real_clock().monotonic_us() - start_us);
}

constexpr const char* kExpressEvent =
    R"({"resource":"/{proxy+}","path":"/recipes/7","httpMethod":"GET","headers":{"Host":"x.execute-api.localhost","Accept":"*/*","User-Agent":"bench"},)"
    R"("multiValueHeaders":{"Host":["x.execute-api.localhost"],"Accept":["*/*"],"User-Agent":["bench"]},"queryStringParameters":{"a":"1"},)"
    R"("multiValueQueryStringParameters":{"a":["1"]},"pathParameters":{"proxy":"recipes/7"},"stageVariables":null,)"
    R"("requestContext":{"accountId":"000000000000","resourcePath":"/{proxy+}","httpMethod":"GET","path":"/dev/recipes/7","stage":"dev","requestId":"r","identity":{"sourceIp":"127.0.0.1"}},"body":null,"isBase64Encoded":false})";

constexpr const char* kNoop = "exports.handler = async (event) => ({ statusCode: 200, body: 'ok' });\n";
constexpr const char* kExpress =
    "const express = require('express');\nconst serverless = require('serverless-http');\nconst app = express();\n"
    "app.use(express.json());\napp.get('/recipes/:id', (req, res) => res.json({ id: req.params.id, a: req.query.a }));\n"
    "exports.handler = serverless(app);\n";
constexpr const char* kLoop =
    "const net = require('net');\nconst { handler } = require(process.argv[2]);\nconst s = new net.Socket({ fd: 3 });\n"
    "let rest = Buffer.alloc(0);\n"
    "s.on('data', async (d) => {\n"
    "  rest = rest.length ? Buffer.concat([rest, d]) : d;\n"
    "  if (rest.length < 4 || rest.length < 4 + rest.readUInt32LE(0)) return;\n"
    "  const text = rest.utf8Slice(4); rest = Buffer.alloc(0);\n"
    "  const out = JSON.stringify(await handler(JSON.parse(text), {}));\n"
    "  const b = Buffer.allocUnsafe(4 + Buffer.byteLength(out)); b.writeUInt32LE(b.length - 4); b.utf8Write(out, 4); "
    "s.write(b);\n"
    "});\ns.on('end', () => process.exit());\n";

pid_t spawn(const std::vector<std::string>& argv, int fd3) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (fd3 >= 0) posix_spawn_file_actions_adddup2(&actions, fd3, 3);
  std::vector<std::string> copy = argv;
  std::vector<char*> args;
  for (std::string& a : copy) args.push_back(a.data());
  args.push_back(nullptr);
  pid_t pid = -1;
  if (posix_spawn(&pid, args[0], &actions, nullptr, args.data(), environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

bool read_exactly(int fd, char* into, size_t size) {
  while (size > 0) {
    const ssize_t n = ::read(fd, into, size);
    if (n <= 0) return false;
    into += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// The floor: microseconds of each round trip.
class Loop3 {
 public:
  Loop3(const std::string& node, const std::string& loop_js, const std::string& index_js) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return;
    mine_ = os::Fd(pair[0]);
    os::Fd theirs(pair[1]);
    pid_ = spawn({node, loop_js, index_js}, theirs.get());
  }
  ~Loop3() {
    mine_.reset();
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  double call(std::string_view event) {
    const int64_t start = real_clock().monotonic_us();
    std::string message(4, '\0');
    const auto size = static_cast<uint32_t>(event.size());
    std::memcpy(message.data(), &size, 4);
    message += event;
    if (::write(mine_.get(), message.data(), message.size()) < 0) return -1;
    uint32_t length = 0;
    if (!read_exactly(mine_.get(), reinterpret_cast<char*>(&length), 4)) return -1;
    std::string answer(length, '\0');
    if (!read_exactly(mine_.get(), answer.data(), length)) return -1;
    return us_since(start);
  }

 private:
  os::Fd mine_;
  pid_t pid_ = -1;
};

class Bench {
 public:
  Bench(sandbox::Spawner& spawner, net::Loop& loop, std::string dir, int pool) : loop_(loop) {
    lambda::EngineOptions options;
    options.data_dir = std::move(dir);
    options.pool_size = pool;
    auto engine = lambda::create_engine(loop, spawner, logs_, secure_random(), options);
    if (!engine.ok()) std::exit(1);
    engine_ = std::move(engine).value();
    if (pool > 0) engine_->fill_pool();
  }
  ~Bench() {
    engine_->reset([this] { loop_.stop(); });
    loop_.run();
  }
  FunctionEngine& engine() { return *engine_; }
  void put(const std::string& code_dir, const std::string& runtime) {
    FunctionSpec s;
    s.account = "000000000000";
    s.region = "us-east-1";
    s.name = "f" + std::to_string(++functions_);
    s.arn = "arn:aws:lambda:us-east-1:000000000000:function:" + s.name;
    s.revision = "1";
    s.code_dir = code_dir;
    s.runtime = runtime;
    s.handler = "index.handler";
    s.memory_mib = 1024;
    s.timeout_s = 30;
    engine_->put(std::move(s));
  }
  double call(std::string_view event, ports::InvokeResult* out = nullptr) {
    const int64_t start = real_clock().monotonic_us();
    double us = 0;
    ports::InvokeRequest request;
    request.account = "000000000000";
    request.region = "us-east-1";
    request.function = "f" + std::to_string(functions_);
    request.payload = event;
    engine_->invoke(std::move(request), [&](ports::InvokeResult r) {
      us = us_since(start);
      if (r.status != ports::InvokeStatus::kOk) {
        std::fprintf(stderr, "failed: %s%s\n", r.payload.c_str(), r.message.c_str());
        std::exit(1);
      }
      if (out != nullptr) *out = std::move(r);
      loop_.stop();
    });
    loop_.run();
    return us;
  }
  // `count` invocations one after the other, each begun from the loop as the edge does.
  std::vector<double> calls(const std::string& event, int count) {
    std::vector<double> times;
    std::function<void()> next = [&] {
      const int64_t start = real_clock().monotonic_us();
      ports::InvokeRequest request;
      request.account = "000000000000";
      request.region = "us-east-1";
      request.function = "f" + std::to_string(functions_);
      request.payload = event;
      engine_->invoke(std::move(request), [&, start](ports::InvokeResult) {
        times.push_back(us_since(start));
        if (times.size() >= static_cast<size_t>(count)) return loop_.stop();
        loop_.post(next);
      });
    };
    loop_.post(next);
    loop_.run();
    return times;
  }
  // `width` invocations at a time; returns invocations per second.
  double rate(const std::string& event, int width, int count) {
    int begun = 0, done = 0;
    std::function<void()> next = [&] {
      if (begun++ >= count) return;
      ports::InvokeRequest request;
      request.account = "000000000000";
      request.region = "us-east-1";
      request.function = "f" + std::to_string(functions_);
      request.payload = event;
      engine_->invoke(std::move(request), [&](ports::InvokeResult) {
        if (++done >= count) return loop_.stop();
        loop_.post(next);
      });
    };
    const int64_t start = real_clock().monotonic_us();
    for (int i = 0; i < width; ++i) loop_.post(next);
    loop_.run();
    return count / (us_since(start) / 1e6);
  }
  void wait_ms(int64_t ms) {
    loop_.after(ms, [this] { loop_.stop(); });
    loop_.run();
  }
  void wait_pooled() {
    for (int i = 0; i < 200 && engine_->stats().pooled < 1; ++i) wait_ms(20);
    wait_ms(100);  // it settles
  }

 private:
  net::Loop& loop_;
  NoLogs logs_;
  std::unique_ptr<FunctionEngine> engine_;
  int functions_ = 0;
};

void warm(sandbox::Spawner& spawner, net::Loop& loop, const std::string& dir, const std::string& node,
          const std::string& runtime, const char* name, const std::string& code_dir, const std::string& event) {
  constexpr int kWarmUp = 3000, kRounds = 5, kCalls = 2000;
  Loop3 floor(node, dir + "/loop.js", code_dir + "/index.js");
  Bench bench(spawner, loop, dir, 0);
  bench.put(code_dir, runtime);
  bench.call(event);
  for (int i = 0; i < kWarmUp; ++i) floor.call(event);
  bench.calls(event, kWarmUp);
  // In turns, so that a busy machine disturbs both alike; the quietest round counts.
  double floor_us = 1e9, engine_us = 1e9, engine_p99 = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> times;
    for (int i = 0; i < kCalls; ++i) times.push_back(floor.call(event));
    floor_us = std::min(floor_us, at(times, 0.5));
    times = bench.calls(event, kCalls);
    if (const double p50 = at(times, 0.5); p50 < engine_us) {
      engine_us = p50;
      engine_p99 = at(times, 0.99);
    }
  }
  std::printf("warm %-8s engine p50 %6.1f us  p99 %6.1f us   bare loop p50 %6.1f us   own share %6.1f us (bar: 100)\n", name,
              engine_us, engine_p99, floor_us, engine_us - floor_us);
  for (int width : {4, 16, 64}) {
    (void)bench.rate(event, width, kCalls);
    const double rate = bench.rate(event, width, 5 * kCalls);
    bench.wait_ms(60);
    std::printf("     %-8s %2d at a time: %7.0f/s, %lld environments\n", name, width, rate,
                static_cast<long long>(bench.engine().stats().environments));
  }
}

void cold(sandbox::Spawner& spawner, net::Loop& loop, const std::string& dir, const std::string& node,
          const std::string& runtime, const std::string& code_dir, const std::string& event) {
  constexpr int kStarts = 15;
  std::vector<double> empty, fresh, pooled, load;
  for (int i = 0; i < kStarts; ++i) {
    const int64_t start = real_clock().monotonic_us();
    waitpid(spawn({node, "-e", "0"}, -1), nullptr, 0);
    empty.push_back(us_since(start) / 1000);
  }
  for (int i = 0; i < kStarts; ++i) {
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) return;
    os::Fd r(out[0]), w(out[1]);
    const pid_t pid = spawn({node, "-e",
                             "const t = process.hrtime.bigint(); require('" + code_dir +
                                 "/index.js'); require('fs').writeSync(3, String(process.hrtime.bigint() - t))"},
                            w.get());
    w.reset();
    char text[32] = {};
    (void)!::read(r.get(), text, sizeof text - 1);
    waitpid(pid, nullptr, 0);
    load.push_back(std::atof(text) / 1e6);
  }
  {
    Bench bench(spawner, loop, dir, 0);
    bench.engine().runtime_status(runtime);
    for (int i = 0; i < kStarts; ++i) {
      bench.put(code_dir, runtime);
      bench.wait_ms(30);
      fresh.push_back(bench.call(event) / 1000);
    }
  }
  {
    Bench bench(spawner, loop, dir, 1);
    bench.put(code_dir, runtime);
    bench.wait_pooled();
    for (int i = 0; i < kStarts; ++i) {
      bench.put(code_dir, runtime);
      bench.wait_pooled();
      pooled.push_back(bench.call(event) / 1000);
    }
    if (bench.engine().stats().pooled_starts < kStarts)
      std::printf("note: only %lld of %d came from the pool\n", static_cast<long long>(bench.engine().stats().pooled_starts),
                  kStarts);
  }
  const double base = at(empty, 0.5) + at(load, 0.5);
  std::printf("cold express  node -e 0 %.1f ms + load %.1f ms = %.1f ms\n", at(empty, 0.5), at(load, 0.5), base);
  std::printf("cold express  fresh  p50 %6.1f ms  p90 %6.1f ms   %.2f x of that (bar: 1.30)\n", at(fresh, 0.5), at(fresh, 0.9),
              at(fresh, 0.5) / base);
  std::printf("cold express  pooled p50 %6.1f ms  p90 %6.1f ms   %.2f x of fresh (bar: 0.75)\n", at(pooled, 0.5),
              at(pooled, 0.9), at(pooled, 0.5) / at(fresh, 0.5));
}

}  // namespace

int main(int argc, char** argv) {
  auto dir = os::TempDir::create();
  if (!dir.ok()) return 1;
  auto loop = net::Loop::create();
  auto spawner = sandbox::Spawner::start_helper(dir->path() + "/sandboxes");
  if (!loop.ok() || !spawner.ok() || !spawner.value()->attach(*loop.value()).ok()) return 1;
  std::string runtime = argc > 2 ? argv[2] : "", node;
  {
    Bench probe(*spawner.value(), *loop.value(), dir->path(), 0);
    for (const char* id : {"nodejs24.x", "nodejs22.x", "nodejs20.x", "nodejs18.x"}) {
      const lambda::RuntimeStatus status = probe.engine().runtime_status(id);
      if (status.installed && (runtime.empty() || runtime == id)) {
        runtime = id;
        node = status.path;
      }
    }
  }
  if (node.empty()) {
    std::fprintf(stderr, "no node for %s in PATH\n", runtime.c_str());
    return 1;
  }
  std::printf("%s: %s\n", runtime.c_str(), node.c_str());
  const std::string noop = dir->path() + "/noop", express = dir->path() + "/express";
  (void)os::make_dirs(noop);
  (void)os::write_file_atomic(noop + "/index.js", kNoop);
  (void)os::write_file_atomic(dir->path() + "/loop.js", kLoop);
  warm(*spawner.value(), *loop.value(), dir->path(), node, runtime, "no-op", noop, "{\"a\":1}");
  if (argc > 1 && argv[1][0] != '\0') {
    (void)os::make_dirs(express);
    (void)os::write_file_atomic(express + "/index.js", kExpress);
    if (std::system(("cp -r '" + std::string(argv[1]) + "/node_modules' '" + express + "/'").c_str()) != 0) return 1;
    warm(*spawner.value(), *loop.value(), dir->path(), node, runtime, "express", express, kExpressEvent);
    cold(*spawner.value(), *loop.value(), dir->path(), node, runtime, express, kExpressEvent);
  }
  spawner.value().reset();
  return 0;
}

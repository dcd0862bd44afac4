// Real functions in real sandboxes: our bootstraps under the node and python3 that this machine has, and custom runtimes.
// Skipped, by name, where the machine has no such interpreter.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <cstdlib>
#include <thread>

#include "codec/json.h"
#include "os/file.h"
#include "sandbox/sandbox.h"
#include "services/lambda/engine/engine.h"
#include "services/lambda/engine/scripted_spawner.h"

namespace savia::lambda {
namespace {

using testing::MemoryLogs;
using testing::turn;

class FunctionsTest : public ::testing::Test {
 protected:
  struct Shared {
    std::unique_ptr<os::TempDir> dir;
    std::unique_ptr<net::Loop> loop;
    std::unique_ptr<sandbox::Spawner> spawner;  // leaves the loop when it goes
  };
  static std::unique_ptr<Shared>& shared() {
    static std::unique_ptr<Shared> s;
    return s;
  }
  static void SetUpTestSuite() {
    auto s = std::make_unique<Shared>();
    s->dir = std::make_unique<os::TempDir>(os::TempDir::create().value());
    auto spawner = sandbox::Spawner::start_helper(s->dir->path() + "/sandboxes");
    ASSERT_TRUE(spawner.ok()) << spawner.error().message();
    s->spawner = std::move(spawner).value();
    s->loop = net::Loop::create().value();
    ASSERT_TRUE(s->spawner->attach(*s->loop).ok());
    for (const std::string& line : s->spawner->facilities().weaker) std::printf("weaker here: %s\n", line.c_str());
    shared() = std::move(s);
  }
  static void TearDownTestSuite() { shared().reset(); }

  void SetUp() override {
    ASSERT_NE(shared(), nullptr);
    dir_ = std::make_unique<os::TempDir>(os::TempDir::create().value());
    options_.data_dir = dir_->path();
    options_.pool_size = 0;
  }
  void make() {
    auto engine = create_engine(loop(), *shared()->spawner, logs_, secure_random(), options_);
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    engine_ = std::move(engine).value();
    // Which one: SAVIA_TEST_RUNTIME, else the first of these that is here.
    const char* wanted = std::getenv("SAVIA_TEST_RUNTIME");
    if (wanted != nullptr && engine_->runtime_status(wanted).installed) node_ = wanted;
    for (const char* id : {"nodejs22.x", "nodejs20.x", "nodejs24.x", "nodejs18.x"}) {
      if (node_.empty() && engine_->runtime_status(id).installed) node_ = id;
    }
  }
  void TearDown() override {
    if (engine_ == nullptr) return;
    bool gone = false;
    engine_->reset([&] { gone = true; });
    EXPECT_TRUE(turn(loop(), [&] { return gone; }))
        << engine_->stats().environments << " environments, " << shared()->spawner->living() << " sandboxes";
    engine_.reset();
  }
  net::Loop& loop() { return *shared()->loop; }

  std::string folder(const std::map<std::string, std::string>& files) {
    const std::string path = dir_->path() + "/code" + std::to_string(folders_++);
    for (const auto& [name, text] : files) {
      const std::string file = path + "/" + name;
      EXPECT_TRUE(os::make_dirs(file.substr(0, file.rfind('/'))).ok());
      EXPECT_TRUE(os::write_file_atomic(file, text, text.rfind("#!", 0) == 0 ? 0755 : 0644).ok());
    }
    return path;
  }
  FunctionSpec spec(const std::string& code_dir, const std::string& handler = "index.handler") {
    FunctionSpec s;
    s.account = "000000000000";
    s.region = "us-east-1";
    s.name = "f";
    s.arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    s.revision = "r" + std::to_string(++revisions_);
    s.code_dir = code_dir;
    s.runtime = node_;
    s.handler = handler;
    s.memory_mib = 256;
    return s;
  }
  struct Call {
    bool done = false;
    ports::InvokeResult result;
  };
  std::shared_ptr<Call> start(const std::string& payload = "{}") {
    ports::InvokeRequest request;
    request.account = "000000000000";
    request.region = "us-east-1";
    request.function = "f";
    request.payload = payload;
    request.want_log_tail = true;
    auto call = std::make_shared<Call>();
    engine_->invoke(std::move(request), [call](ports::InvokeResult r) {
      call->done = true;
      call->result = std::move(r);
    });
    return call;
  }
  ports::InvokeResult invoke(const std::string& payload = "{}") {
    auto call = start(payload);
    EXPECT_TRUE(turn(
        loop(), [&] { return call->done; }, 20'000))
        << logs_.text();
    return call->result;
  }
  std::string run(FunctionSpec s, const std::string& payload = "{}") {
    engine_->put(std::move(s));
    return invoke(payload).payload;
  }
  std::string js(const std::string& code, const std::string& payload = "{}") {
    return run(spec(folder({{"index.js", code}})), payload);
  }
  std::string error_of(const std::string& payload) {
    Result<Value> v = parse_json(payload);
    if (!v.ok()) return payload;
    return v->str_or("errorType", "") + "|" + v->str_or("errorMessage", "");
  }
  bool no_node() const { return node_.empty(); }

  std::unique_ptr<os::TempDir> dir_;
  MemoryLogs logs_;
  EngineOptions options_;
  std::unique_ptr<FunctionEngine> engine_;
  std::string node_;
  int folders_ = 0, revisions_ = 0;
};

#define NEED_NODE() \
  if (no_node()) GTEST_SKIP() << "no node 18, 20, 22 or 24 on this machine"

TEST_F(FunctionsTest, NodeHandlerKinds) {
  make();
  NEED_NODE();
  EXPECT_EQ(js("exports.handler = async (e) => ({ got: e.a })", "{\"a\":\"ñ\"}"), "{\"got\":\"ñ\"}");
  EXPECT_EQ(run(spec(folder({{"src/app.mjs", "await 0; export const a = { b: async () => 'nested' };"}}), "src/app.a.b")),
            "\"nested\"");
  EXPECT_EQ(
      run(spec(folder({{"package.json", "{\"type\":\"module\"}"},
                       {"index.js", "import fs from 'fs'; export const handler = async () => typeof fs.readFileSync;"}}))),
      "\"function\"");
  EXPECT_EQ(run(spec(folder({{"index.cjs", "exports.handler = async () => 1"}}))), "1");
  EXPECT_EQ(js("exports.handler = async () => undefined"), "null");
  if (node_ != "nodejs24.x") {
    EXPECT_EQ(js("exports.handler = (e, c, cb) => setTimeout(() => cb(null, 'later'), 20)"), "\"later\"");
    EXPECT_EQ(js("exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; setInterval(() => 0, 1000); "
                 "cb(null, 'now') }"),
              "\"now\"");
    EXPECT_EQ(js("exports.handler = (e, c) => c.succeed('old')"), "\"old\"");
    EXPECT_EQ(error_of(js("exports.handler = (e, c, cb) => cb(new TypeError('no'))")), "TypeError|no");
    EXPECT_EQ(js("exports.handler = (e, c, cb) => {}"), "null");
  }
  EXPECT_EQ(js("exports.handler = awslambda.streamifyResponse(async (e, s) => { s.write('a'); s.end('b') })"), "ab");
}

TEST_F(FunctionsTest, NodeErrors) {
  make();
  NEED_NODE();
  EXPECT_EQ(error_of(js("exports.handler = async () => { throw new RangeError('bad') }")), "RangeError|bad");
  EXPECT_TRUE(logs_.has("\tERROR\tInvoke Error \t{\"errorType\":\"RangeError\""));
  EXPECT_EQ(error_of(js("exports.other = 1")), "Runtime.HandlerNotFound|index.handler is undefined or not exported");
  EXPECT_EQ(error_of(run(spec(folder({{"a.js", ""}})))).substr(0, 26), "Runtime.ImportModuleError|");
  EXPECT_EQ(error_of(js("require('nope')")).substr(0, 59), "Runtime.ImportModuleError|Error: Cannot find module 'nope'\n");
  EXPECT_EQ(error_of(js("exports.handler = (")).substr(0, 28), "Runtime.UserCodeSyntaxError|");
  EXPECT_EQ(error_of(run(spec(folder({{"index.js", ""}}), "nodot"))), "Runtime.MalformedHandlerName|Bad handler");
  EXPECT_EQ(error_of(js("exports.handler = async () => { setTimeout(() => { throw new Error('late') }, 1); await new Promise(r "
                        "=> setTimeout(r, 500)) }")),
            "Error|late");
  EXPECT_EQ(
      error_of(
          js("exports.handler = async () => { Promise.reject(new Error('x')); await new Promise(r => setTimeout(r, 500)) }")),
      "Runtime.UnhandledPromiseRejection|Error: x");
  const std::string crash = error_of(js("exports.handler = async () => process.exit(7)"));
  EXPECT_NE(crash.find("Runtime.ExitError|RequestId: "), std::string::npos);
  EXPECT_NE(crash.find(" Error: Runtime exited with error: exit status 7"), std::string::npos);
  EXPECT_NE(
      error_of(js("exports.handler = async () => new Promise(() => {})")).find("Runtime exited without providing a reason"),
      std::string::npos);
  EXPECT_EQ(js("exports.handler = async () => 'still here'"), "\"still here\"");
}

TEST_F(FunctionsTest, NodeTimeoutAndMemory) {
  make();
  NEED_NODE();
  FunctionSpec s = spec(folder({{"index.js", "exports.handler = async (e) => { while (e.spin); return 1 }"}}));
  s.timeout_s = 1;
  engine_->put(s);
  EXPECT_NE(invoke("{\"spin\":true}").payload.find("\"Sandbox.Timedout\""), std::string::npos);
  EXPECT_EQ(invoke().payload, "1");
  if (!shared()->spawner->facilities().memory_limit) return;
  FunctionSpec hungry =
      spec(folder({{"index.js", "exports.handler = async () => { const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1)) }"}}));
  hungry.memory_mib = 128;
  hungry.timeout_s = 20;
  engine_->put(hungry);
  const ports::InvokeResult r = invoke();
  EXPECT_NE(error_of(r.payload).find("Runtime.ExitError|RequestId: "), std::string::npos) << r.payload;
  EXPECT_NE(error_of(r.payload).find("signal: killed"), std::string::npos) << r.payload;
  EXPECT_NE(r.log_tail.find("Error Type: Runtime.OutOfMemory"), std::string::npos) << r.log_tail;
}

TEST_F(FunctionsTest, NodeEnvironmentContextAndLayers) {
  make();
  NEED_NODE();
  FunctionSpec s = spec(folder({{"index.js", R"(
    const commons = require('commons');
    exports.handler = async (e, c) => {
      console.log('multi\nline', { a: 1 });
      process.stdout.write('raw\n');
      const esm = await import('only-esm').then(m => m.default, e => e.code);
      return { env: process.env, argv: process.argv.length, cwd: process.cwd(), commons: commons.where, esm,
               c: [c.functionName, c.functionVersion, c.memoryLimitInMB, c.invokedFunctionArn, c.logGroupName, c.logStreamName, c.awsRequestId.length, c.getRemainingTimeInMillis() > 2000] };
    })"}}));
  s.opt_dir = folder({{"nodejs/node_modules/commons/index.js", "exports.where = __dirname"},
                      {"nodejs/node_modules/only-esm/package.json", "{\"type\":\"module\",\"main\":\"index.js\"}"},
                      {"nodejs/node_modules/only-esm/index.js", "export default 'esm'"}});
  s.environment = {{"TEST_KEY", "TEST_VAL"}};
  for (int pool = 0; pool < 2; ++pool) {
    if (pool == 1) {
      bool gone = false;
      engine_->reset([&] { gone = true; });
      ASSERT_TRUE(turn(loop(), [&] { return gone; }));
      engine_.reset();
      options_.pool_size = 1;
      make();
      engine_->put(s);
      engine_->fill_pool();
      ASSERT_TRUE(turn(loop(), [&] { return engine_->stats().pooled == 1; }));
      s.revision = "pooled";
    }
    engine_->put(s);
    const ports::InvokeResult r = invoke();
    Result<Value> v = parse_json(r.payload);
    ASSERT_TRUE(v.ok() && v->find("env") != nullptr) << r.payload << logs_.text();
    const Value& env = *v->find("env");
    EXPECT_EQ(env.str_or("TEST_KEY", ""), "TEST_VAL");
    EXPECT_EQ(env.str_or("_HANDLER", ""), "index.handler");
    EXPECT_EQ(env.str_or("AWS_EXECUTION_ENV", ""), "AWS_Lambda_" + node_);
    EXPECT_EQ(env.str_or("AWS_ENDPOINT_URL", ""), "http://169.254.77.1:4566");
    EXPECT_EQ(env.str_or("TZ", ""), ":UTC");
    EXPECT_EQ(env.str_or("_X_AMZN_TRACE_ID", "").substr(0, 7), "Root=1-");
    for (const auto& [name, value] : env.as_object()) EXPECT_EQ(name.find("SAVIA"), std::string::npos) << name;
    EXPECT_EQ(env.as_object().size(), 31u - 2u) << to_json(env);
    EXPECT_EQ(v->num_or("argv", 0), 2);
    EXPECT_EQ(v->str_or("cwd", ""), "/var/task");
    EXPECT_EQ(v->str_or("commons", ""), "/opt/nodejs/node_modules/commons");
    if (node_ == "nodejs22.x" || node_ == "nodejs24.x") {
      EXPECT_EQ(v->str_or("esm", ""), "esm");
    }
    const Value::List& c = v->find("c")->as_list();
    EXPECT_EQ(c[0].as_string(), "f");
    EXPECT_EQ(c[1].as_string(), "$LATEST");
    EXPECT_EQ(c[2].as_string(), "256");
    EXPECT_EQ(c[3].as_string(), s.arn);
    EXPECT_EQ(c[4].as_string(), "/aws/lambda/f");
    EXPECT_EQ(c[6].as_int(), 36);
    EXPECT_TRUE(c[7].as_bool());
    EXPECT_NE(r.log_tail.find("\tINFO\tmulti\nline { a: 1 }\nraw\nEND"), std::string::npos) << r.log_tail;
    EXPECT_EQ(engine_->stats().pooled_starts, pool);
  }
}

TEST_F(FunctionsTest, EsModuleFindsLayer) {
  make();
  NEED_NODE();
  FunctionSpec s = spec(folder({{"index.mjs", "import where from 'layered'; export const handler = async () => where"}}));
  s.opt_dir = folder({{"nodejs/node_modules/layered/package.json", "{\"type\":\"module\",\"exports\":\"./i.js\"}"},
                      {"nodejs/node_modules/layered/i.js", "export default import.meta.url"}});
  EXPECT_EQ(run(s), "\"file:///opt/nodejs/node_modules/layered/i.js\"");
}

TEST_F(FunctionsTest, NodeJsonLogs) {
  make();
  NEED_NODE();
  FunctionSpec s = spec(folder({{"index.js",
                                 "exports.handler = async () => { console.log('hello', 1); console.debug('quiet'); "
                                 "console.error(new Error('boom')) }"}}));
  s.log_format = "JSON";
  s.application_log_level = "INFO";
  run(s);
  EXPECT_TRUE(logs_.has("\"type\":\"platform.start\",\"record\":{\"requestId\":"));
  EXPECT_TRUE(logs_.has("\"level\":\"INFO\",\"requestId\":"));
  EXPECT_TRUE(logs_.has("\"message\":\"hello 1\"}"));
  EXPECT_FALSE(logs_.has("quiet"));
  EXPECT_TRUE(logs_.has("\"errorType\":\"Error\",\"errorMessage\":\"boom\""));
  EXPECT_TRUE(logs_.has("\"type\":\"platform.report\""));
}

TEST_F(FunctionsTest, UpdatesUnderLoadFailNoRequest) {
  options_.pool_size = 1;
  make();
  NEED_NODE();
  engine_->fill_pool();
  int answered = 0, wrong = 0, outstanding = 0, put = 0;
  std::string first_failure;
  std::function<void()> again = [&] {
    const int newest = put;
    ++outstanding;
    ports::InvokeRequest request;
    request.account = "000000000000";
    request.region = "us-east-1";
    request.function = "f";
    request.payload = "{}";
    engine_->invoke(std::move(request), [&, newest](ports::InvokeResult r) {
      --outstanding;
      ++answered;
      const auto version = parse_int(r.payload);
      if (r.status != ports::InvokeStatus::kOk || !version || *version < newest) {
        ++wrong;
        if (first_failure.empty()) first_failure = r.payload + r.message;
      }
      if (put < 30) loop().post(again);
    });
  };
  const auto update = [&] {
    ++put;
    engine_->put(spec(folder({{"index.js", "exports.handler = async () => { await new Promise(r => setTimeout(r, 2)); return " +
                                               std::to_string(put) + " }"}})));
  };
  update();
  for (int i = 0; i < 4; ++i) again();
  while (put < 30) {
    const int target = answered + 20;
    turn(
        loop(), [&] { return answered >= target; }, 10'000);
    update();
  }
  EXPECT_TRUE(turn(
      loop(), [&] { return outstanding == 0; }, 20'000));
  EXPECT_EQ(wrong, 0) << first_failure;
  EXPECT_GT(answered, 500);
}

TEST_F(FunctionsTest, Python) {
  make();
  std::string python;
  for (int minor = 9; minor <= 14; ++minor) {
    const std::string id = "python3." + std::to_string(minor);
    if (engine_->runtime_status(id).installed) python = id;
  }
  if (python.empty()) GTEST_SKIP() << "no python3.9 to python3.14 on this machine";
  FunctionSpec s = spec(folder({{"pkg/app.py", R"(
import logging, os, layered
from decimal import Decimal
logging.getLogger().setLevel("INFO")
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no ñ")
    if event.get("exit"):
        import sys; sys.exit(3)
    print("plain")
    logging.info("logged\ntwice")
    return {"e": event, "n": context.function_name, "left": context.get_remaining_time_in_millis() > 1000, "layer": layered.WHERE,
            "d": Decimal("1.5"), "env": os.environ["AWS_EXECUTION_ENV"], "mem": context.memory_limit_in_mb})"}}),
                        "pkg/app.handler");
  s.runtime = python;
  s.opt_dir = folder({{"python/layered.py", "WHERE = __file__"}});
  engine_->put(s);
  ports::InvokeResult r = invoke("{\"a\":\"ü\"}");
  EXPECT_EQ(r.payload,
            "{\"e\": {\"a\": \"ü\"}, \"n\": \"f\", \"left\": true, \"layer\": \"/opt/python/layered.py\", \"d\": 1.5, \"env\": "
            "\"AWS_Lambda_" +
                python + "\", \"mem\": \"256\"}")
      << logs_.text();
  EXPECT_NE(r.log_tail.find("plain\n[INFO]\t"), std::string::npos) << r.log_tail;
  EXPECT_NE(r.log_tail.find("\tlogged\ntwice\nEND"), std::string::npos) << r.log_tail;
  r = invoke("{\"fail\":true}");
  EXPECT_EQ(error_of(r.payload), "ValueError|no ñ");
  EXPECT_NE(r.payload.find("\"stackTrace\": [\"  File \\\"/var/task/pkg/app.py\\\", line "), std::string::npos) << r.payload;
  EXPECT_NE(r.log_tail.find(
                "[ERROR] ValueError: no ñ\nTraceback (most recent call last):\n\u00a0\u00a0File \"/var/task/pkg/app.py\""),
            std::string::npos)
      << r.log_tail;
  EXPECT_NE(error_of(invoke("{\"exit\":true}").payload).find("exit status 3"), std::string::npos);
  s.handler = "pkg/app.missing";
  s.revision = "m";
  EXPECT_EQ(error_of(run(s)), "Runtime.HandlerNotFound|Handler 'missing' missing on module 'pkg/app'");
  s.handler = "gone.handler";
  s.revision = "g";
  EXPECT_EQ(error_of(run(s)), "Runtime.ImportModuleError|Unable to import module 'gone': No module named 'gone'");
}

TEST_F(FunctionsTest, CustomRuntimeInShell) {
  make();
  if (::access("/usr/bin/curl", X_OK) != 0) GTEST_SKIP() << "no curl on this machine";
  FunctionSpec s = spec(folder({{"bootstrap", R"(#!/bin/sh
set -e
while true; do
  headers=$(mktemp)
  event=$(curl -sS -L -D "$headers" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
  id=$(grep -i '^lambda-runtime-aws-request-id' "$headers" | tr -d '[:space:]' | cut -d: -f2)
  echo "handling $id" >&2
  curl -sS -X POST "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$id/response" -d "{\"echo\":$event,\"handler\":\"$_HANDLER\"}" > /dev/null
done
)"}}));
  s.runtime = "provided.al2023";
  engine_->put(s);
  ports::InvokeResult r = invoke("[1]");
  EXPECT_EQ(r.payload, "{\"echo\":[1],\"handler\":\"index.handler\"}") << logs_.text();
  EXPECT_NE(r.log_tail.find("handling "), std::string::npos);
  EXPECT_EQ(invoke("2").payload, "{\"echo\":2,\"handler\":\"index.handler\"}");
  FunctionSpec none = spec(folder({{"readme", ""}}));
  none.runtime = "provided.al2023";
  EXPECT_NE(error_of(run(none)).find("Runtime.InvalidEntrypoint|RequestId: "), std::string::npos);
}

TEST_F(FunctionsTest, GatewayConnectionsReachTheServer) {
  int aws_fd = -1;
  options_.on_aws_connection = [&](int fd) { aws_fd = fd; };
  Result<int> listener = net::listen_tcp("127.0.0.1:0");
  ASSERT_TRUE(listener.ok());
  os::Fd host(listener.value());
  const std::string address = net::bound_address(host.get());
  const auto port = static_cast<uint16_t>(*parse_int(address.substr(address.rfind(':') + 1)));
  options_.host_ports = {port};
  make();
  NEED_NODE();
  std::thread server([&] {
    pollfd p{host.get(), POLLIN, 0};
    if (::poll(&p, 1, 15'000) != 1) return;
    os::Fd client(::accept4(host.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char text[5] = {};
    (void)!::recv(client.get(), text, 4, MSG_WAITALL);
    (void)!::send(client.get(), (std::string("host:") + text).data(), 9, MSG_NOSIGNAL);
  });
  FunctionSpec s = spec(folder({{"index.js", R"(
    const net = require('net');
    exports.handler = async (e) => {
      net.connect(4566, '169.254.77.1').on('error', () => {});
      return await new Promise((ok, no) => {
        let got = '';
        const c = net.connect(e.port, 'host.savia.internal', () => c.write('ping'));
        c.on('data', d => got += d).on('end', () => ok(got)).on('error', no);
      });
    })"}}));
  EXPECT_EQ(run(s, "{\"port\":" + std::to_string(port) + "}"), "\"host:ping\"") << logs_.text();
  server.join();
  EXPECT_TRUE(turn(loop(), [&] { return aws_fd >= 0; }));
  if (aws_fd >= 0) ::close(aws_fd);
}

}  // namespace
}  // namespace savia::lambda

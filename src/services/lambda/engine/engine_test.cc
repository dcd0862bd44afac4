// The engine's decisions and the Runtime API, with the test as runtime: nothing here starts a process but `node --version`.
#include "services/lambda/engine/engine.h"

#include <gtest/gtest.h>

#include "base/check.h"
#include "codec/json.h"
#include "net/http_client.h"
#include "os/file.h"
#include "services/lambda/engine/scripted_spawner.h"

namespace savia::lambda {
namespace {

using testing::FakeSandbox;
using testing::MemoryLogs;
using testing::ScriptedSpawner;
using testing::turn;

// A machine that has exactly Node 22 and Python 3.11, as far as the engine looks.
void fake_runtimes(const std::string& data) {
  ASSERT_TRUE(os::make_dirs(data + "/runtimes/nodejs22.x/bin").ok());
  ASSERT_TRUE(os::write_file_atomic(data + "/runtimes/nodejs22.x/bin/node", "\177ELF", 0755).ok());
  ASSERT_TRUE(os::write_file_atomic(data + "/runtimes/nodejs22.x/version", "v22.11.0").ok());
}

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<os::TempDir> dir = os::TempDir::create();
    ASSERT_TRUE(dir.ok());
    dir_ = std::make_unique<os::TempDir>(std::move(dir).value());
    fake_runtimes(dir_->path());
    loop_ = net::Loop::create().value();
    ASSERT_TRUE(spawner_.attach(*loop_).ok());
    options_.data_dir = dir_->path();
    options_.search_path = "/nowhere";
    options_.pool_size = 0;
    options_.freeze_after_ms = 100'000;
  }
  void make() {
    Result<std::unique_ptr<FunctionEngine>> engine = create_engine(*loop_, spawner_, logs_, random_, options_);
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    engine_ = std::move(engine).value();
    engine_->runtime_status("nodejs22.x");
    loop_->post([] {});
    turn(*loop_, [n = 0]() mutable { return ++n > 2; });
  }
  void TearDown() override {
    if (engine_ == nullptr) return;
    bool gone = false;
    engine_->reset([&] { gone = true; });
    EXPECT_TRUE(turn(*loop_, [&] { return gone; }));
    engine_.reset();
  }
  FunctionSpec spec(const std::string& revision = "r1") {
    FunctionSpec s;
    s.account = "000000000000";
    s.region = "us-east-1";
    s.name = "f";
    s.arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    s.revision = revision;
    s.code_dir = dir_->path();
    s.runtime = "nodejs22.x";
    s.handler = "index.handler";
    return s;
  }
  struct Call {
    bool done = false;
    ports::InvokeResult result;
  };
  std::shared_ptr<Call> invoke(const std::string& payload = "{}", const std::string& qualifier = "", bool tail = false) {
    ports::InvokeRequest request;
    request.account = "000000000000";
    request.region = "us-east-1";
    request.function = "f";
    request.qualifier = qualifier;
    request.payload = payload;
    request.want_log_tail = tail;
    auto call = std::make_shared<Call>();
    engine_->invoke(std::move(request), [call](ports::InvokeResult r) {
      EXPECT_FALSE(call->done);
      call->done = true;
      call->result = std::move(r);
    });
    return call;
  }
  // The i-th sandbox has come up and asks for work.
  std::shared_ptr<FakeSandbox> ready(size_t i = 0) {
    EXPECT_TRUE(turn(*loop_, [&] { return spawner_.at(i) != nullptr; }));
    if (spawner_.at(i) == nullptr) return nullptr;
    spawner_.at(i)->next();
    return spawner_.at(i);
  }
  bool event(const std::shared_ptr<FakeSandbox>& box) {
    return turn(*loop_, [&] { return box->has_event(); });
  }
  bool done(const std::shared_ptr<Call>& call, int64_t ms = 5000) {
    return turn(
        *loop_, [&] { return call->done; }, ms);
  }

  std::unique_ptr<os::TempDir> dir_;
  std::unique_ptr<net::Loop> loop_;
  ScriptedSpawner spawner_;
  MemoryLogs logs_;
  SeededRandom random_{1};
  EngineOptions options_;
  std::unique_ptr<FunctionEngine> engine_;
};

TEST_F(EngineTest, InvokesColdThenWarm) {
  make();
  engine_->put(spec());
  auto first = invoke("{\"a\":1}", "", true);
  auto box = ready();
  ASSERT_TRUE(event(box));
  EXPECT_NE(box->in.find("{\"a\":1}"), std::string::npos);
  EXPECT_EQ(box->field("Lambda-Runtime-Invoked-Function-Arn"), "arn:aws:lambda:us-east-1:000000000000:function:f");
  box->print("one\ntwo");
  box->print("\n\xa5\x5a" + std::string("\0\x03\0\0\0\x03\0\0\0\0\0\0\0\0x\ny", 17) + "tail\n");
  box->respond("{\"b\":2}");
  ASSERT_TRUE(done(first));
  EXPECT_EQ(first->result.status, ports::InvokeStatus::kOk);
  EXPECT_EQ(first->result.payload, "{\"b\":2}");
  EXPECT_EQ(first->result.executed_version, "$LATEST");
  const std::string& tail = first->result.log_tail;
  EXPECT_NE(tail.find("START RequestId: "), std::string::npos);
  EXPECT_NE(tail.find("one\ntwo\nx\ny\ntail\nEND RequestId: "), std::string::npos) << tail;
  EXPECT_NE(tail.find("\tMemory Size: 128 MB\tMax Memory Used: "), std::string::npos);
  EXPECT_NE(tail.find("Init Duration: "), std::string::npos);
  EXPECT_TRUE(
      logs_.has("INIT_START Runtime Version: nodejs:22.v22.11.0\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:"));
  EXPECT_EQ(logs_.groups.size(), 1u);
  EXPECT_EQ(logs_.groups.begin()->first, "/aws/lambda/f");
  EXPECT_NE(logs_.streams.begin()->first.find("/[$LATEST]"), std::string::npos);

  box->in.clear();
  auto second = invoke("2");
  ASSERT_TRUE(box->has_event());  // left before invoke() returned
  box->respond("3");
  ASSERT_TRUE(done(second));
  EXPECT_EQ(second->result.payload, "3");
  EXPECT_EQ(spawner_.boxes.size(), 1u);
  EXPECT_EQ(engine_->stats().invocations, 2);
}

TEST_F(EngineTest, RefusesWhatCannotRun) {
  make();
  auto call = invoke();
  ASSERT_TRUE(call->done);
  EXPECT_EQ(call->result.status, ports::InvokeStatus::kNotFound);
  EXPECT_EQ(call->result.message, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f");

  FunctionSpec s = spec();
  s.runtime = "nodejs18.x";
  engine_->put(s);
  call = invoke();
  ASSERT_TRUE(call->done);
  EXPECT_EQ(call->result.status, ports::InvokeStatus::kNotReady);
  EXPECT_EQ(call->result.message,
            "The runtime nodejs18.x is not installed on this machine. Run: savia runtime install nodejs18.x");

  s = spec("r2");
  s.ready = false;
  s.not_ready_code = "ResourceConflictException";
  engine_->put(s);
  EXPECT_EQ(invoke()->result.error_code, "ResourceConflictException");
  engine_->put(spec("r3"));
  EXPECT_EQ(invoke(std::string(6 * 1024 * 1024 + 1, ' '))->result.status, ports::InvokeStatus::kTooLarge);
  engine_->remove("000000000000", "us-east-1", "f", "");
  EXPECT_EQ(invoke()->result.status, ports::InvokeStatus::kNotFound);
  EXPECT_EQ(spawner_.boxes.size(), 0u);
}

TEST_F(EngineTest, FunctionErrorsPassThrough) {
  make();
  engine_->put(spec());
  auto call = invoke();
  auto box = ready();
  ASSERT_TRUE(event(box));
  box->post("/2018-06-01/runtime/invocation/" + box->request_id() + "/error", "{\"errorType\":\"E\"}", true);
  ASSERT_TRUE(done(call));
  EXPECT_EQ(call->result.status, ports::InvokeStatus::kFunctionError);
  EXPECT_EQ(call->result.payload, "{\"errorType\":\"E\"}");
  box->in.clear();
  auto again = invoke();
  EXPECT_TRUE(box->has_event());  // the environment goes on
  box->respond("1");
  EXPECT_TRUE(done(again));
}

TEST_F(EngineTest, TimesOutAndKills) {
  make();
  FunctionSpec s = spec();
  s.timeout_s = 1;
  engine_->put(s);
  auto call = invoke("{}", "", true);
  auto box = ready();
  ASSERT_TRUE(event(box));
  const std::string id = box->request_id();
  ASSERT_TRUE(done(call));
  EXPECT_EQ(call->result.status, ports::InvokeStatus::kFunctionError);
  EXPECT_EQ(call->result.payload, "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: " + id +
                                      " Error: Task timed out after 1.00 seconds\"}");
  EXPECT_NE(call->result.log_tail.find(id + " Task timed out after 1.00 seconds"), std::string::npos);
  EXPECT_NE(call->result.log_tail.find("Status: timeout"), std::string::npos);
  EXPECT_TRUE(box->killed);
  auto again = invoke();
  auto box2 = ready(1);
  ASSERT_TRUE(event(box2));
  box2->respond("1");
  EXPECT_TRUE(done(again));
}

TEST_F(EngineTest, CrashesAnswerAsAws) {
  make();
  engine_->put(spec());
  const std::pair<sandbox::Exit, std::string> cases[] = {
      {{false, 1, false}, "Runtime exited with error: exit status 1"},
      {{false, 0, false}, "Runtime exited without providing a reason"},
      {{true, 9, true}, "Runtime exited with error: signal: killed"},
      {{true, 11, false}, "Runtime exited with error: signal: segmentation fault"}};
  size_t i = 0;
  for (const auto& [how, text] : cases) {
    auto call = invoke();
    auto box = ready(i++);
    ASSERT_TRUE(event(box));
    const std::string id = box->request_id();
    spawner_.exit(box, how);
    ASSERT_TRUE(done(call));
    EXPECT_EQ(call->result.payload,
              "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: " + id + " Error: " + text + "\"}");
  }
  EXPECT_TRUE(logs_.has("Status: error\tError Type: Runtime.OutOfMemory"));
  // An answer that was written before the process died is an answer.
  auto call = invoke();
  auto box = ready(i);
  ASSERT_TRUE(event(box));
  box->respond("\"last words\"", false);
  spawner_.exit(box, {false, 129, false});
  ASSERT_TRUE(done(call));
  EXPECT_EQ(call->result.payload, "\"last words\"");
}

TEST_F(EngineTest, InitFailsTwiceThenAnswers) {
  make();
  engine_->put(spec());
  auto call = invoke();
  ASSERT_TRUE(turn(*loop_, [&] { return spawner_.at(0) != nullptr; }));
  spawner_.at(0)->post("/2018-06-01/runtime/init/error", "{\"errorType\":\"Runtime.ImportModuleError\"}");
  ASSERT_TRUE(turn(*loop_, [&] { return spawner_.at(1) != nullptr; }));  // tried again, inside the invocation
  EXPECT_FALSE(call->done);
  spawner_.at(1)->post("/2018-06-01/runtime/init/error", "{\"errorType\":\"Runtime.ImportModuleError\"}");
  ASSERT_TRUE(done(call));
  EXPECT_EQ(call->result.status, ports::InvokeStatus::kFunctionError);
  EXPECT_EQ(call->result.payload, "{\"errorType\":\"Runtime.ImportModuleError\"}");
  EXPECT_TRUE(logs_.has("Phase: init\tStatus: error"));
  EXPECT_TRUE(logs_.has("Phase: invoke\tStatus: error"));
  // The next one begins inside the invocation at once, and may succeed.
  auto next = invoke();
  auto box = ready(2);
  ASSERT_TRUE(event(box));
  box->respond("1");
  ASSERT_TRUE(done(next));
  EXPECT_EQ(next->result.status, ports::InvokeStatus::kOk);
}

TEST_F(EngineTest, SandboxThatCannotBeMadeIsOurFault) {
  make();
  engine_->put(spec());
  spawner_.refuse = true;
  auto call = invoke();
  ASSERT_TRUE(done(call));
  EXPECT_EQ(call->result.status, ports::InvokeStatus::kInternal);
  EXPECT_EQ(call->result.message, "no room for a sandbox");
}

TEST_F(EngineTest, OneAtATimeAndScalesOut) {
  make();
  engine_->put(spec());
  auto a = invoke("1");
  auto b = invoke("2");
  auto box = ready();
  ASSERT_TRUE(event(box));
  auto box2 = ready(1);  // `b` has waited long enough
  ASSERT_TRUE(event(box2));
  box->respond("\"a\"");
  box2->respond("\"b\"");
  ASSERT_TRUE(done(a) && done(b));
  EXPECT_EQ(a->result.payload, "\"a\"");
  EXPECT_EQ(b->result.payload, "\"b\"");
}

TEST_F(EngineTest, ShortInvocationsShareAnEnvironment) {
  make();
  engine_->put(spec());
  auto warm = invoke();
  auto box = ready();
  ASSERT_TRUE(event(box));
  box->respond("0");
  ASSERT_TRUE(done(warm));
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(invoke());
  for (auto& call : calls) {
    box->in.clear();
    turn(*loop_, [&] { return box->has_event() || call->done; });
    if (box->has_event()) box->respond("1");
    ASSERT_TRUE(done(call));
  }
  EXPECT_LE(spawner_.boxes.size(), 3u);
}

TEST_F(EngineTest, ConcurrencyLimits) {
  options_.account_concurrency = 3;
  make();
  engine_->put(spec());
  engine_->set_reserved_concurrency("000000000000", "us-east-1", "f", 1);
  auto a = invoke();
  auto b = invoke();
  EXPECT_FALSE(a->done);
  ASSERT_TRUE(b->done);
  EXPECT_EQ(b->result.status, ports::InvokeStatus::kThrottled);
  EXPECT_EQ(b->result.error_code, "ReservedFunctionConcurrentInvocationLimitExceeded");
  EXPECT_EQ(b->result.message, "Rate Exceeded.");
  engine_->set_reserved_concurrency("000000000000", "us-east-1", "f", std::nullopt);
  auto c = invoke(), d = invoke(), e = invoke(), f = invoke();
  EXPECT_FALSE(c->done);
  ASSERT_TRUE(f->done);
  EXPECT_EQ(f->result.status, ports::InvokeStatus::kThrottled);
}

TEST_F(EngineTest, NewRevisionServesWhatComesAfterPut) {
  make();
  auto guard = std::make_shared<int>(1);
  std::weak_ptr<int> folder = guard;
  FunctionSpec s = spec("r1");
  s.hold = std::move(guard);
  engine_->put(std::move(s));
  auto a = invoke("1");
  auto old_box = ready();
  ASSERT_TRUE(event(old_box));
  engine_->put(spec("r2"));
  auto b = invoke("2");
  auto new_box = ready(1);
  ASSERT_TRUE(event(new_box));
  new_box->respond("\"new\"");
  ASSERT_TRUE(done(b));
  EXPECT_FALSE(old_box->killed);
  EXPECT_FALSE(folder.expired());
  old_box->respond("\"old\"");  // in flight: finishes
  ASSERT_TRUE(done(a));
  EXPECT_EQ(a->result.payload, "\"old\"");
  EXPECT_TRUE(turn(*loop_, [&] { return old_box->killed && folder.expired(); }));
}

TEST_F(EngineTest, AliasesAndVersions) {
  make();
  FunctionSpec one = spec("a");
  one.version = "1";
  engine_->put(one);
  engine_->set_alias("000000000000", "us-east-1", "f", "live", {{"1", 1.0}});
  auto call = invoke("{}", "live");
  auto box = ready();
  ASSERT_TRUE(event(box));
  EXPECT_EQ(box->field("Lambda-Runtime-Invoked-Function-Arn"), "arn:aws:lambda:us-east-1:000000000000:function:f:live");
  box->respond("1");
  ASSERT_TRUE(done(call));
  EXPECT_EQ(call->result.executed_version, "1");
  EXPECT_EQ(invoke("{}", "2")->result.status, ports::InvokeStatus::kNotFound);
  EXPECT_EQ(invoke()->result.status, ports::InvokeStatus::kNotFound);  // no $LATEST was put
}

TEST_F(EngineTest, FreezesIdleOnesAndThaws) {
  options_.freeze_after_ms = 60;
  make();
  engine_->put(spec());
  auto call = invoke();
  auto box = ready();
  ASSERT_TRUE(event(box));
  box->respond("1");
  ASSERT_TRUE(done(call));
  ASSERT_TRUE(turn(*loop_, [&] { return box->frozen; }));
  box->in.clear();
  auto again = invoke();
  EXPECT_FALSE(box->frozen);
  ASSERT_TRUE(box->has_event());
  box->respond("1");
  EXPECT_TRUE(done(again));
}

TEST_F(EngineTest, PoolTakesOver) {
  options_.pool_size = 1;
  make();
  FunctionSpec s = spec();
  s.environment["A"] = "b";
  s.opt_dir = dir_->path();
  engine_->put(s);
  engine_->fill_pool();
  ASSERT_TRUE(turn(*loop_, [&] { return spawner_.at(0) != nullptr; }));
  auto box = spawner_.at(0);
  EXPECT_EQ(box->spec.argv.back(), "--pool");
  EXPECT_EQ(box->spec.memory_mib, 128);
  box->get("/savia/adopt");
  ASSERT_TRUE(turn(*loop_, [&] { return engine_->stats().pooled == 1; }));
  auto call = invoke();
  ASSERT_TRUE(turn(*loop_, [&] {
    box->receive();
    return box->in.find("\"A\":\"b\"") != std::string::npos;
  }));
  ASSERT_EQ(box->mounted.size(), 2u);
  EXPECT_EQ(box->mounted[0].target, "/var/task");
  EXPECT_NE(box->in.find("\"_HANDLER\":\"index.handler\""), std::string::npos);
  box->next();
  ASSERT_TRUE(event(box));
  box->respond("1");
  ASSERT_TRUE(done(call));
  EXPECT_EQ(engine_->stats().pooled_starts, 1);
  EXPECT_TRUE(turn(*loop_, [&] { return spawner_.at(1) != nullptr; }));  // the pool is filled again
}

TEST_F(EngineTest, StandardRuntimesSpeakTcp) {
  make();
  engine_->put(spec());
  auto call = invoke("[1]");
  ASSERT_TRUE(turn(*loop_, [&] { return spawner_.at(0) != nullptr; }));
  const std::string address = spawner_.addresses[spawner_.at(0)->spec.id][0];
  std::thread runtime([&] {
    auto client = net::HttpClient::connect("http://" + address, 5000);
    ASSERT_TRUE(client.ok());
    net::HttpRequest next;
    next.method = "GET";
    next.target = "/2018-06-01/runtime/invocation/next";
    auto event = client.value()->send(next);
    ASSERT_TRUE(event.ok());
    EXPECT_EQ(event->status, 200);
    EXPECT_EQ(event->body, "[1]");
    net::HttpRequest wrong;
    wrong.method = "POST";
    wrong.target = "/2018-06-01/runtime/invocation/nope/response";
    wrong.body = "1";
    EXPECT_EQ(client.value()->send(wrong)->status, 400);
    wrong.target = "/2020-01-01/extension/register";
    EXPECT_EQ(client.value()->send(wrong)->status, 501);
    wrong.target =
        "/2018-06-01/runtime/invocation/" + std::string(event->headers.get("Lambda-Runtime-Aws-Request-Id")) + "/response";
    wrong.body = "\"over tcp\"";
    auto accepted = client.value()->send(wrong);
    EXPECT_EQ(accepted->status, 202);
    EXPECT_EQ(accepted->body, "{\"status\":\"OK\"}");
  });
  EXPECT_TRUE(done(call));
  EXPECT_EQ(call->result.payload, "\"over tcp\"");
  turn(
      *loop_, [&] { return false; }, 50);
  runtime.join();
}

TEST_F(EngineTest, TooLargeAnswer) {
  make();
  engine_->put(spec());
  auto call = invoke();
  auto box = ready();
  ASSERT_TRUE(event(box));
  const std::string body(6 * 1024 * 1024 + 101, 'x');
  const std::string head = "POST /2018-06-01/runtime/invocation/" + box->request_id() +
                           "/response HTTP/1.1\r\nHost: r\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  std::thread writer([&] {
    std::string all = head + body;
    size_t at = 0;
    while (at < all.size()) {
      ssize_t n = ::send(box->control.get(), all.data() + at, all.size() - at, MSG_NOSIGNAL);
      if (n > 0) at += static_cast<size_t>(n);
    }
  });
  ASSERT_TRUE(done(call));
  writer.join();
  EXPECT_EQ(call->result.payload,
            "{\"errorType\":\"Function.ResponseSizeTooLarge\",\"errorMessage\":\"Response payload size exceeded maximum "
            "allowed payload size (6291556 bytes).\"}");
}

TEST_F(EngineTest, EndlessLogIsBounded) {
  make();
  engine_->put(spec());
  auto call = invoke();
  auto box = ready();
  ASSERT_TRUE(event(box));
  fcntl(box->out.get(), F_SETFL, 0);
  std::thread writer([&] {
    const std::string line = std::string(99, 'x') + "\n";
    std::string many;
    for (int i = 0; i < 100; ++i) many += line;
    for (int i = 0; i < 200; ++i) (void)!::write(box->out.get(), many.data(), many.size());
  });
  turn(
      *loop_, [&] { return false; }, 400);
  writer.join();
  box->respond("1");
  ASSERT_TRUE(done(call));
  EXPECT_LE(logs_.all.size(), limits::kLogLinesPerInvocation + 10);
  EXPECT_TRUE(logs_.has(" further log lines of this invocation were dropped"));
}

TEST_F(EngineTest, HostileControlTraffic) {
  make();
  engine_->put(spec());
  for (std::string_view bytes :
       {"\x00\x01garbage\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: r\r\n\r\nGET /y HTTP/1.1\r\nHost: r\r\n\r\n",
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: r\r\nContent-Length: 99999999999\r\n\r\n"}) {
    const size_t before = spawner_.boxes.size();
    auto call = invoke();
    ASSERT_TRUE(turn(*loop_, [&] { return spawner_.at(before) != nullptr; }));
    auto box = spawner_.at(before);
    box->send(bytes);
    turn(
        *loop_, [&] { return false; }, 20);
    spawner_.exit(box, {false, 1, false});
    if (!turn(
            *loop_, [&] { return spawner_.at(before + 1) != nullptr || call->done; }, 2000))
      FAIL() << bytes;
    if (!call->done) spawner_.exit(spawner_.at(before + 1), {false, 1, false});
    ASSERT_TRUE(done(call)) << bytes;
    EXPECT_EQ(call->result.status, ports::InvokeStatus::kFunctionError);
  }
}

TEST_F(EngineTest, DrainWaitsForWhatIsInFlight) {
  make();
  engine_->put(spec());
  auto call = invoke();
  auto box = ready();
  ASSERT_TRUE(event(box));
  bool drained = false;
  engine_->drain(5'000, [&] { drained = true; });
  turn(
      *loop_, [&] { return false; }, 20);
  EXPECT_FALSE(drained);
  EXPECT_EQ(invoke()->result.status, ports::InvokeStatus::kNotReady);
  box->respond("1");
  ASSERT_TRUE(done(call));
  EXPECT_EQ(call->result.status, ports::InvokeStatus::kOk);
  EXPECT_TRUE(turn(*loop_, [&] { return drained; }));
}

}  // namespace
}  // namespace savia::lambda

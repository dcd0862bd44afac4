#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/timer_wheel.h"
#include "os/file.h"

namespace savia::net {
namespace {

TEST(TimerWheel, RunsInOrderAndNeverEarly) {
  TimerWheel wheel(1000);
  std::vector<int> ran;
  wheel.add(1010, [&] { ran.push_back(2); });
  wheel.add(1005, [&] { ran.push_back(1); });
  wheel.add(1000 + 3 * 4096 + 10, [&] { ran.push_back(3); });  // same slot, later turns
  uint64_t cancelled = wheel.add(1007, [&] { ran.push_back(9); });
  wheel.cancel(cancelled);
  wheel.cancel(cancelled);
  EXPECT_EQ(wheel.wait_ms(1000, 100), 5);
  wheel.advance(1004);
  EXPECT_TRUE(ran.empty());
  wheel.advance(1012);
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
  wheel.advance(1000 + 3 * 4096);
  EXPECT_EQ(ran.size(), 2u);
  wheel.advance(1000 + 9 * 4096);
  EXPECT_EQ(ran.size(), 3u);
  EXPECT_EQ(wheel.size(), 0u);
  EXPECT_EQ(wheel.wait_ms(0, 100), -1);
}

TEST(TimerWheel, EveryDelay) {
  for (int64_t start : {0, 63, 64, 4095, 4096}) {
    for (int64_t delay = 1; delay < 9000; delay += 37) {
      TimerWheel wheel(start);
      int64_t fired = -1, now = start;
      wheel.add(start + delay, [&] { fired = now; });
      while (fired < 0) {
        int64_t wait = wheel.wait_ms(now, 100'000);
        ASSERT_GT(wait, 0);
        now += wait;
        wheel.advance(now);
      }
      ASSERT_EQ(fired, start + delay);
    }
  }
}

TEST(TimerWheel, CallbacksMayAddAndCancel) {
  TimerWheel wheel(0);
  int ran = 0;
  uint64_t second = 0;
  wheel.add(5, [&] {
    ++ran;
    wheel.cancel(second);
    wheel.add(0, [&] { ran += 10; });
  });
  second = wheel.add(6, [&] { ran += 100; });
  wheel.advance(10);
  EXPECT_EQ(ran, 1);
  wheel.advance(11);
  EXPECT_EQ(ran, 11);
}

TEST(Loop, PostsFromManyThreadsAndTimers) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop.ok());
  std::atomic<int> count{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) (*loop)->post([&] { ++count; });
    });
  }
  int64_t began = real_clock().monotonic_us(), fired = 0;
  (*loop)->after(20, [&] {
    fired = real_clock().monotonic_us();
    for (auto& t : threads) t.join();
    (*loop)->post([&] { (*loop)->stop(); });
  });
  (*loop)->run();
  EXPECT_EQ(count, 4000);
  EXPECT_GE(fired - began, 20'000);
}

// A server on its own thread, with an echo handler.
class ServerFixture : public testing::Test {
 protected:
  void start(HttpServerOptions options = {}, HttpHandler handler = nullptr) {
    loop_ = std::move(Loop::create()).value();
    Result<int> fd = listen_tcp("127.0.0.1:0");
    ASSERT_TRUE(fd.ok()) << fd.error().message();
    address_ = bound_address(*fd);
    if (!handler) {
      handler = [](HttpRequest request, std::unique_ptr<HttpResponder> responder) {
        HttpResponse response;
        response.headers.add("X-Method", request.method);
        response.headers.add("X-Target", request.target);
        response.body = std::move(request.body);
        responder->respond(std::move(response));
      };
    }
    auto server = HttpServer::create(*loop_, *fd, std::move(options), std::move(handler));
    ASSERT_TRUE(server.ok());
    server_ = std::move(server).value();
    thread_ = std::thread([this] { loop_->run(); });
  }
  void TearDown() override {
    if (!loop_) return;
    loop_->post([this] { server_.reset(); });
    loop_->stop();
    thread_.join();
  }
  // Sends bytes as they are and reads until the server closes.
  std::string raw(std::string_view bytes, size_t step = std::string::npos) {
    os::Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    auto made = connect_nonblocking("127.0.0.1", std::stoi(address_.substr(address_.find(':') + 1)));
    EXPECT_TRUE(made.ok());
    int flags = ::fcntl(made->get(), F_GETFL);
    ::fcntl(made->get(), F_SETFL, flags & ~O_NONBLOCK);
    timeval limit{5, 0};
    ::setsockopt(made->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    for (size_t at = 0; at < bytes.size();) {
      size_t n = std::min(step, bytes.size() - at);
      if (::send(made->get(), bytes.data() + at, n, MSG_NOSIGNAL) < 0) break;
      at += n;
      if (step != std::string::npos) ::usleep(200);
    }
    std::string out;
    char buffer[4096];
    ssize_t n;
    while ((n = ::recv(made->get(), buffer, sizeof buffer, 0)) > 0) out.append(buffer, static_cast<size_t>(n));
    return out;
  }
  std::unique_ptr<HttpClient> client(int64_t timeout_ms = 5000) {
    auto c = HttpClient::connect("http://" + address_, timeout_ms);
    EXPECT_TRUE(c.ok());
    return std::move(c).value();
  }

  std::unique_ptr<Loop> loop_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  std::string address_;
};

TEST_F(ServerFixture, EchoesOverOneConnection) {
  start();
  auto c = client();
  for (size_t size : {size_t{0}, size_t{5}, size_t{100'000}, size_t{20'000'000}}) {
    HttpRequest request;
    request.method = "POST";
    request.target = "/x?y";
    request.body.assign(size, 'z');
    auto response = c->send(request);
    ASSERT_TRUE(response.ok()) << response.error().message();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body.size(), size);
    EXPECT_EQ(response->headers.get("x-target"), "/x?y");
    EXPECT_FALSE(response->headers.get("date").empty());
  }
  HttpRequest head;
  head.method = "HEAD";
  head.target = "/";
  auto response = c->send(head);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->headers.get("content-length"), "0");
}

TEST_F(ServerFixture, Pipelining) {
  start();
  std::string all;
  for (int i = 0; i < 50; ++i) all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  all += "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  for (size_t step : {std::string::npos, size_t{7}}) {
    std::string answers = raw(all, step);
    size_t count = 0;
    for (size_t at = 0; (at = answers.find("HTTP/1.1 200 OK", at)) != std::string::npos; ++at) ++count;
    EXPECT_EQ(count, 51u);
    EXPECT_LT(answers.find("X-Target: /7\r\n"), answers.find("X-Target: /8\r\n"));
    EXPECT_NE(answers.find("Connection: close"), std::string::npos);
  }
}

TEST_F(ServerFixture, ErrorsAnswerAndClose) {
  HttpServerOptions options;
  options.body_bytes = 1000;
  options.head_ms = options.body_ms = 100;
  start(options);
  auto status = [&](std::string_view request) { return raw(request).substr(0, 12); };
  EXPECT_EQ(status("BAD\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"), "HTTP/1.1 413");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + std::string(1024, 'x') +
                   "\r\n0\r\n\r\n"),
            "HTTP/1.1 413");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("GET /" + std::string(40'000, 'x')), "HTTP/1.1 414");
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nx: " + std::string(40'000, 'x')), "HTTP/1.1 431");
  EXPECT_EQ(status("GET / HTTP/2.0\r\n\r\n"), "HTTP/1.1 505");
  EXPECT_EQ(status("GET / HTT"), "HTTP/1.1 408");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"), "HTTP/1.1 408");
  // The client is still sending when the refusal comes: it must be able to read it.
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" + std::string(900'000, 'x')), "HTTP/1.1 413");
}

TEST_F(ServerFixture, ExpectContinueAndOnHead) {
  HttpServerOptions options;
  options.on_head = [](const HttpRequest& head, std::optional<int64_t>) -> std::optional<HttpResponse> {
    if (head.target != "/no") return std::nullopt;
    HttpResponse response;
    response.status = 403;
    return response;
  };
  start(options);
  std::string refused = raw("POST /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(refused.substr(0, 12), "HTTP/1.1 403");
  EXPECT_NE(refused.find("Connection: close"), std::string::npos);
  std::string taken =
      raw("POST /yes HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 70);
  EXPECT_NE(taken.find("hello"), std::string::npos);
}

TEST_F(ServerFixture, AnswersFromOtherThreadsAndDroppedResponders) {
  std::vector<std::thread> workers;
  std::mutex mutex;
  start({}, [&](HttpRequest request, std::unique_ptr<HttpResponder> responder) {
    if (request.target == "/drop") return;
    std::shared_ptr<HttpResponder> shared = std::move(responder);
    std::lock_guard lock(mutex);
    workers.emplace_back([shared, request = std::move(request)] {
      HttpResponse response;
      response.body = request.target;
      shared->respond(std::move(response));
    });
  });
  auto c = client();
  HttpRequest request;
  request.method = "GET";
  request.target = "/drop";
  auto dropped = c->send(request);
  ASSERT_TRUE(dropped.ok());
  EXPECT_EQ(dropped->status, 500);
  for (int i = 0; i < 20; ++i) {
    request.target = "/" + std::to_string(i);
    auto response = c->send(request);
    ASSERT_TRUE(response.ok());
    EXPECT_EQ(response->body, request.target);
  }
  for (auto& w : workers) w.join();
}

TEST_F(ServerFixture, AbortIsSeen) {
  std::atomic<bool> aborted{false};
  std::unique_ptr<HttpResponder> held;
  start({}, [&](HttpRequest, std::unique_ptr<HttpResponder> responder) {
    responder->on_abort([&] { aborted = true; });
    held = std::move(responder);
  });
  {
    auto made = connect_nonblocking("127.0.0.1", std::stoi(address_.substr(address_.find(':') + 1)));
    ::usleep(20'000);
    std::string_view get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    ::send(made->get(), get.data(), get.size(), MSG_NOSIGNAL);
    ::usleep(50'000);
    linger reset{1, 0};
    ::setsockopt(made->get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  for (int i = 0; i < 100 && !aborted; ++i) ::usleep(10'000);
  EXPECT_TRUE(aborted);
  // The responder is of the loop's thread: it ends there, before the test does.
  std::atomic<bool> answered{false};
  loop_->post([&] {
    held->respond({});
    held.reset();
    answered = true;
  });
  for (int i = 0; i < 500 && !answered; ++i) ::usleep(10'000);
  EXPECT_TRUE(answered);
}

TEST_F(ServerFixture, DrainFinishesWhatIsInFlight) {
  std::unique_ptr<HttpResponder> held;
  std::atomic<bool> holding{false}, done{false};
  start({}, [&](HttpRequest, std::unique_ptr<HttpResponder> responder) {
    held = std::move(responder);
    holding = true;
  });
  auto idle = client();
  std::thread asker([&] {
    auto c = client();
    HttpRequest request;
    request.method = "GET";
    request.target = "/";
    auto response = c->send(request);
    ASSERT_TRUE(response.ok()) << response.error().message();
    EXPECT_EQ(response->headers.get("connection"), "close");
  });
  while (!holding) ::usleep(1000);
  loop_->post([&] { server_->drain([&] { done = true; }); });
  ::usleep(30'000);
  EXPECT_FALSE(done);
  loop_->post([&] { held->respond({}); });
  asker.join();
  for (int i = 0; i < 100 && !done; ++i) ::usleep(10'000);
  EXPECT_TRUE(done);
  EXPECT_FALSE(HttpClient::connect("http://" + address_, 500).ok());
}

TEST_F(ServerFixture, ConnectionCapMakesOthersWait) {
  HttpServerOptions options;
  options.connections = 1;
  start(options);
  auto first = client();
  HttpRequest request;
  request.method = "GET";
  request.target = "/";
  ASSERT_TRUE(first->send(request).ok());
  auto second = client(300);
  EXPECT_FALSE(second->send(request).ok());
  auto third = client(3000);
  std::thread free([&] {
    ::usleep(100'000);
    first.reset();
  });
  EXPECT_TRUE(third->send(request).ok());
  free.join();
}

TEST(Socket, Addresses) {
  EXPECT_TRUE(is_loopback("127.0.0.1:1"));
  EXPECT_TRUE(is_loopback("127.9.9.9:1"));
  EXPECT_TRUE(is_loopback("[::1]:1"));
  EXPECT_TRUE(is_loopback("localhost:1"));
  EXPECT_TRUE(is_loopback("/run/x.sock"));
  EXPECT_FALSE(is_loopback("0.0.0.0:1"));
  EXPECT_FALSE(is_loopback(":1"));
  EXPECT_FALSE(is_loopback("192.168.1.1:1"));
  EXPECT_FALSE(is_loopback("[::]:1"));
  EXPECT_FALSE(listen_tcp("nonsense").ok());
  EXPECT_FALSE(listen_tcp("127.0.0.1:99999").ok());
}

TEST(UnixSocket, ServerAndClient) {
  auto dir = os::TempDir::create();
  ASSERT_TRUE(dir.ok());
  std::string path = dir->path() + "/s";
  auto loop = std::move(Loop::create()).value();
  Result<int> fd = listen_unix(path);
  ASSERT_TRUE(fd.ok()) << fd.error().message();
  auto server = HttpServer::create(*loop, *fd, {}, [](HttpRequest request, std::unique_ptr<HttpResponder> responder) {
    HttpResponse response;
    response.body = request.peer_ip;
    responder->respond(std::move(response));
  });
  ASSERT_TRUE(server.ok());
  std::thread thread([&] { loop->run(); });
  {
    auto c = HttpClient::connect("unix:" + path, 2000);
    ASSERT_TRUE(c.ok());
    HttpRequest request;
    request.method = "GET";
    request.target = "/";
    auto response = (*c)->send(request);
    ASSERT_TRUE(response.ok());
    EXPECT_EQ(response->body, "unix");
  }
  loop->stop();
  thread.join();
}

}  // namespace
}  // namespace savia::net

// The edge between a raw client and a scripted upstream: framing, splits, slowness, and connections that break.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "edge/edge.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "net/tls_testing.h"
#include "os/file.h"

namespace savia::edge {
namespace {

// A blocking socket with a read timeout.
class Wire {
 public:
  explicit Wire(os::Fd fd) : fd_(std::move(fd)) {
    ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) & ~O_NONBLOCK);
    timeval limit{5, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  std::string read_some(size_t limit = 65536) {
    std::string out(limit, '\0');
    ssize_t n = ::recv(fd_.get(), out.data(), out.size(), 0);
    out.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return out;
  }
  std::string read_until(std::string_view end) {
    std::string out;
    while (out.find(end) == std::string::npos) {
      std::string got = read_some();
      if (got.empty()) break;
      out += got;
    }
    return out;
  }
  std::string read_all() {
    std::string out, got;
    while (!(got = read_some()).empty()) out += got;
    return out;
  }
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }

 private:
  os::Fd fd_;
};

class RelayTest : public testing::Test {
 protected:
  void SetUp() override {
    listener_ = os::Fd(net::listen_tcp("127.0.0.1:0").value());
    upstream_port_ = net::bound_port(listener_.get());
    loop_ = std::move(net::Loop::create()).value();
    EdgeOptions options;
    options.loops = {loop_.get()};
    edge_ = std::move(Edge::create(std::move(options))).value();
    int fd = net::listen_tcp("127.0.0.1:0").value();
    port_ = net::bound_port(fd);
    ASSERT_TRUE(edge_->listen(fd).ok());
    publish("http://127.0.0.1:" + std::to_string(upstream_port_) + "/{proxy}");
    thread_ = std::thread([this] { loop_->run(); });
  }
  void TearDown() override {
    loop_->post([this] { edge_.reset(); });
    loop_->stop();
    thread_.join();
    if (script_.joinable()) script_.join();
  }
  void publish(const std::string& uri, int64_t timeout_ms = 29'000) {
    auto spec = std::make_shared<ports::ApiSpec>();
    spec->api_id = "abc";
    spec->kind = ports::ApiKind::kHttp;
    ports::StageSpec stage;
    stage.name = "$default";
    ports::RouteSpec proxy, mock;
    proxy.method = mock.method = "ANY";
    proxy.path = "/{proxy+}";
    proxy.integration.kind = ports::IntegrationKind::kHttpProxy;
    proxy.integration.uri = uri;
    proxy.integration.timeout_ms = timeout_ms;
    mock.path = "/mock";
    mock.integration.request_templates["application/json"] = "{\"statusCode\":200}";
    ports::MethodResponseSpec ok;
    ok.status_code = "200";
    ok.templates["application/json"] = "mocked";
    mock.integration.responses = {ok};
    stage.routes = {proxy, mock};
    spec->stages = {stage};
    edge_->publish(spec);
  }
  Wire client() {
    Wire w(net::connect_nonblocking("127.0.0.1", port_).value());
    pollfd p{w.fd(), POLLOUT, 0};
    ::poll(&p, 1, 2000);
    return w;
  }
  Wire accept() {
    pollfd p{listener_.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&p, 1, 5000), 1) << "the edge did not connect";
    return Wire(std::move(net::accept_one(listener_.get()).fd));
  }
  void script(std::function<void()> fn) {
    if (script_.joinable()) script_.join();
    script_ = std::thread(std::move(fn));
  }
  static std::string get(std::string path, std::string extra = {}) {
    return "GET " + path + " HTTP/1.1\r\nHost: abc.execute-api.localhost\r\n" + extra + "\r\n";
  }

  os::Fd listener_;
  int upstream_port_ = 0, port_ = 0;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<Edge> edge_;
  std::thread thread_, script_;
};

TEST_F(RelayTest, ChunkedAnswersPassThrough) {
  script([this] {
    Wire up = accept();
    up.read_until("\r\n\r\n");
    up.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n3\r\nabc\r\n");
    ::usleep(20'000);
    up.send("4\r\nde");
    ::usleep(20'000);
    up.send("fg\r\n0\r\nT: 1\r\n\r\n");
    up.read_until("\r\n\r\n");  // the connection is used again
    up.send("HTTP/1.1 204 No Content\r\n\r\n");
  });
  Wire c = client();
  c.send(get("/x"));
  std::string answer = c.read_until("0\r\n\r\n");
  EXPECT_NE(answer.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(answer.find("3\r\nabc\r\n"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("T: 1"), std::string::npos);
  c.send(get("/y"));
  EXPECT_EQ(c.read_until("\r\n\r\n").substr(0, 23), "HTTP/1.1 204 No Content");
}

TEST_F(RelayTest, AnswersUntilCloseAreChunkedForTheClient) {
  script([this] {
    for (int i = 0; i < 2; ++i) {
      Wire up = accept();
      up.read_until("\r\n\r\n");
      up.send("HTTP/1.0 200 OK\r\n\r\nall of it");
    }
  });
  Wire c = client();
  c.send(get("/x"));
  EXPECT_NE(c.read_until("0\r\n\r\n").find("9\r\nall of it\r\n0\r\n\r\n"), std::string::npos);
  Wire old = client();
  old.send("GET /x HTTP/1.0\r\nHost: abc.execute-api.localhost\r\n\r\n");
  std::string answer = old.read_all();
  EXPECT_EQ(answer.find("chunked"), std::string::npos);
  EXPECT_EQ(answer.substr(answer.size() - 9), "all of it");
}

TEST_F(RelayTest, RequestsSplitAnywhere) {
  std::string wire = "POST /mock HTTP/1.1\r\nHost: abc.execute-api.localhost\r\nContent-Length: 3\r\n\r\nabc" +
                     get("/mock", "Connection: close\r\n");
  for (size_t split = 1; split < wire.size(); split += 3) {
    Wire c = client();
    c.send(wire.substr(0, split));
    ::usleep(300);
    c.send(wire.substr(split));
    std::string answers = c.read_all();
    size_t second = answers.find("mocked", answers.find("mocked") + 1);
    ASSERT_NE(second, std::string::npos) << split << answers;
  }
}

TEST_F(RelayTest, PipelinedRequestsKeepTheirOrder) {
  script([this] {
    Wire up = accept();
    for (int i = 0; i < 20; ++i) {
      up.read_until("\r\n\r\n");
      up.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nup" + std::to_string(10 + i));
    }
  });
  std::string all;
  for (int i = 0; i < 20; ++i) all += get("/x") + get("/mock");
  Wire c = client();
  c.send(all + get("/mock", "Connection: close\r\n"));
  std::string answers = c.read_all();
  size_t at = 0;
  for (int i = 0; i < 20; ++i) {
    at = answers.find("up" + std::to_string(10 + i), at);
    ASSERT_NE(at, std::string::npos) << i;
    at = answers.find("mocked", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(RelayTest, SlowClientsHoldTheUpstreamBack) {
  constexpr size_t kSize = 64u << 20;
  std::atomic<size_t> sent{0};
  script([this, &sent] {
    Wire up = accept();
    up.read_until("\r\n\r\n");
    up.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n");
    std::string block(65536, 'x');
    for (size_t n = 0; n < kSize; n += block.size()) {
      if (!up.send(block)) return;
      sent += block.size();
    }
  });
  Wire c = client();
  c.send(get("/x"));
  ::usleep(300'000);
  EXPECT_LT(sent, kSize / 2);  // what fits into socket buffers, not all of it
  std::string head = c.read_until("\r\n\r\n");
  size_t got = head.size() - head.find("\r\n\r\n") - 4;
  while (got < kSize) {
    std::string part = c.read_some(1 << 20);
    ASSERT_FALSE(part.empty());
    got += part.size();
  }
  EXPECT_EQ(got, kSize);
  c.send(get("/mock"));
  EXPECT_NE(c.read_until("mocked").find("200 OK"), std::string::npos);
}

TEST_F(RelayTest, SlowUpstreamsHoldTheClientBack) {
  std::atomic<bool> go{false};
  constexpr size_t kSize = 10u << 20;
  script([this, &go] {
    Wire up = accept();
    while (!go) ::usleep(1000);
    std::string all = up.read_until("\r\n\r\n");
    size_t got = all.size() - all.find("\r\n\r\n") - 4;
    while (got < kSize) {
      std::string part = up.read_some(1 << 20);
      if (part.empty()) return;
      got += part.size();
    }
    up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Wire c = client();
  std::thread sender([&] {
    c.send("POST /x HTTP/1.1\r\nHost: abc.execute-api.localhost\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n" +
           std::string(kSize, 'y'));
  });
  ::usleep(100'000);
  go = true;
  sender.join();
  EXPECT_EQ(c.read_until("ok").substr(0, 15), "HTTP/1.1 200 OK");
}

TEST_F(RelayTest, BrokenUpstreams) {
  struct Broken {
    const char* answer;
    const char* status;  // what the client sees; empty: the answer is cut short
  };
  for (Broken b : {Broken{"", "HTTP/1.1 503"}, Broken{"HTTP/1.1 2", "HTTP/1.1 500"}, Broken{"nonsense\r\n\r\n", "HTTP/1.1 500"},
                   Broken{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 500"},
                   Broken{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", ""},
                   Broken{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz", "HTTP/1.1 500"}}) {
    script([this, b] {
      Wire up = accept();
      up.read_until("\r\n\r\n");
      up.send(b.answer);
    });
    Wire c = client();
    c.send("POST /x HTTP/1.1\r\nHost: abc.execute-api.localhost\r\nContent-Length: 0\r\n\r\n");
    if (*b.status != '\0') {
      EXPECT_EQ(c.read_until("\r\n\r\n").substr(0, 12), b.status) << b.answer;
    } else {
      std::string all = c.read_all();  // ends: the client can tell that something is missing
      EXPECT_NE(all.find("abc"), std::string::npos);
      EXPECT_EQ(all.find("0\r\n\r\n"), std::string::npos);
    }
    script_.join();
  }
}

TEST_F(RelayTest, AKeptConnectionThatWasClosedIsReplaced) {
  script([this] {
    {
      Wire up = accept();
      up.read_until("\r\n\r\n");
      up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      up.read_until("\r\n\r\n");  // takes the next request and goes away
    }
    Wire up = accept();
    EXPECT_NE(up.read_until("\r\n\r\n").find("GET /b"), std::string::npos);
    up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Wire c = client();
  c.send(get("/a"));
  EXPECT_NE(c.read_until("ok").find("200 OK"), std::string::npos);
  c.send(get("/b"));
  EXPECT_NE(c.read_until("ok").find("200 OK"), std::string::npos);
}

TEST_F(RelayTest, SlowUpstreamsTimeOut) {
  publish("http://127.0.0.1:" + std::to_string(upstream_port_) + "/", 100);
  script([this] {
    Wire up = accept();
    up.read_all();
  });
  Wire c = client();
  c.send(get("/x"));
  EXPECT_NE(c.read_until("}").find("503 Service Unavailable"), std::string::npos);
  c.send(get("/mock"));  // the client's connection goes on
  EXPECT_NE(c.read_until("mocked").find("200 OK"), std::string::npos);
}

TEST_F(RelayTest, AClientThatGoesAwayFreesTheUpstream) {
  std::atomic<bool> closed{false};
  script([this, &closed] {
    Wire up = accept();
    up.read_until("\r\n\r\n");
    closed = up.read_all().empty();
  });
  Wire c = client();
  c.send(get("/x"));
  ::usleep(50'000);
  linger reset{1, 0};
  ::setsockopt(c.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  c.close();
  script_.join();
  EXPECT_TRUE(closed);
}

TEST_F(RelayTest, AnswersBeforeTheBodyIsSent) {
  script([this] {
    Wire up = accept();
    up.read_until("\r\n\r\n");
    up.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    up.read_all();
  });
  Wire c = client();
  c.send("POST /x HTTP/1.1\r\nHost: abc.execute-api.localhost\r\nContent-Length: 1000000\r\n\r\nsome");
  std::string answer = c.read_until("no");
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 403");
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
}

TEST_F(RelayTest, PublishingUnderLoadFailsNothing) {
  script([this] {
    Wire up = accept();
    for (;;) {
      if (up.read_until("\r\n\r\n").empty()) return;
      if (!up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) return;
    }
  });
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    for (int i = 0; !stop; ++i) {
      publish("http://127.0.0.1:" + std::to_string(upstream_port_) + "/" + std::to_string(i));
      ::usleep(500);
    }
  });
  Wire c = client();
  for (int i = 0; i < 2000; ++i) {
    c.send(get(i % 2 == 0 ? "/x" : "/mock"));
    std::string answer = c.read_until(i % 2 == 0 ? "ok" : "mocked");
    ASSERT_EQ(answer.substr(0, 15), "HTTP/1.1 200 OK") << i;
  }
  stop = true;
  publisher.join();
}

TEST(EdgeLoops, TwoLoopsShareOneAddress) {
  std::vector<std::unique_ptr<net::Loop>> loops;
  EdgeOptions options;
  for (int i = 0; i < 2; ++i) {
    loops.push_back(std::move(net::Loop::create()).value());
    options.loops.push_back(loops.back().get());
  }
  auto edge = std::move(Edge::create(std::move(options))).value();
  int first = net::listen_tcp("127.0.0.1:0", true).value();
  std::string address = net::bound_address(first);
  ASSERT_TRUE(edge->listen(first, 0).ok());
  ASSERT_TRUE(edge->listen(net::listen_tcp(address, true).value(), 1).ok());
  std::vector<std::thread> threads;
  for (auto& loop : loops) threads.emplace_back([&loop] { loop->run(); });
  std::vector<std::unique_ptr<net::HttpClient>> clients;
  for (int i = 0; i < 32; ++i) clients.push_back(std::move(net::HttpClient::connect("http://" + address, 5000)).value());
  for (int round = 0; round < 20; ++round) {
    auto spec = std::make_shared<ports::ApiSpec>();
    spec->api_id = "abc";
    ports::StageSpec stage;
    stage.name = "dev";
    ports::RouteSpec route;
    route.method = "GET";
    route.path = "/x";
    route.integration.request_templates["application/json"] = "{\"statusCode\":200}";
    ports::MethodResponseSpec ok;
    ok.status_code = "200";
    ok.templates["application/json"] = std::to_string(round);
    route.integration.responses = {ok};
    stage.routes = {route};
    spec->stages = {stage};
    edge->publish(spec);
    for (auto& client : clients) {  // whichever loop serves it: the new picture
      net::HttpRequest request;
      request.method = "GET";
      request.target = "/dev/x";
      request.headers.add("Host", "abc.execute-api.localhost");
      auto response = client->send(request);
      ASSERT_TRUE(response.ok());
      ASSERT_EQ(response->body, std::to_string(round));
    }
  }
  std::atomic<bool> drained{false};
  edge->drain([&] { drained = true; });
  for (int i = 0; i < 200 && !drained; ++i) ::usleep(5'000);
  EXPECT_TRUE(drained);
  for (auto& loop : loops) loop->stop();
  for (auto& thread : threads) thread.join();
}

TEST(EdgeTls, BothSides) {
  auto dir = std::move(os::TempDir::create()).value();
  net::TestCertificate files = net::make_test_certificate(dir.path());
  auto loop = std::move(net::Loop::create()).value();
  int upstream = net::listen_tcp("127.0.0.1:0").value(), edge_fd = net::listen_tcp("127.0.0.1:0").value();
  std::string upstream_address = net::bound_address(upstream), address = net::bound_address(edge_fd);
  net::HttpServerOptions server_options;
  server_options.tls = net::TlsContext::server(files.certificate_file, files.key_file).value();
  auto server = std::move(net::HttpServer::create(*loop, upstream, server_options,
                                                  [](net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
                                                    net::HttpResponse response;
                                                    response.body =
                                                        std::string(request.headers.get("x-forwarded-proto")) + request.body;
                                                    responder->respond(std::move(response));
                                                  }))
                    .value();
  EdgeOptions options;
  options.loops = {loop.get()};
  options.upstream_tls = net::TlsContext::client(files.certificate_file).value();
  auto edge = std::move(Edge::create(std::move(options))).value();
  ASSERT_TRUE(edge->listen(edge_fd, 0, server_options.tls).ok());
  auto spec = std::make_shared<ports::ApiSpec>();
  spec->api_id = "abc";
  ports::StageSpec stage;
  stage.name = "dev";
  ports::RouteSpec route;
  route.method = "ANY";
  route.path = "/x";
  route.integration.kind = ports::IntegrationKind::kHttpProxy;
  route.integration.uri = "https://localhost:" + upstream_address.substr(upstream_address.find(':') + 1) + "/";
  stage.routes = {route};
  spec->stages = {stage};
  edge->publish(spec);
  std::thread thread([&] { loop->run(); });
  auto client = net::HttpClient::connect(
      "https://" + address, 5000,
      options.upstream_tls ? options.upstream_tls : net::TlsContext::client(files.certificate_file).value());
  ASSERT_TRUE(client.ok());
  for (size_t size : {size_t{0}, size_t{100}, size_t{5'000'000}}) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/dev/x";
    request.headers.add("Host", "abc.execute-api.localhost");
    request.body.assign(size, 'b');
    auto response = (*client)->send(request);
    EXPECT_TRUE(response.ok()) << size << " " << response.error().message();
    if (!response.ok()) break;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body.size(), size + 5);
  }
  loop->post([&] {
    edge.reset();
    server.reset();
  });
  loop->stop();
  thread.join();
}

}  // namespace
}  // namespace savia::edge

#include <gtest/gtest.h>

#include <thread>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tls_testing.h"
#include "os/file.h"

namespace savia::net {
namespace {

class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    files_ = make_test_certificate(dir_.path());
    loop_ = std::move(Loop::create()).value();
    int fd = listen_tcp("127.0.0.1:0").value();
    address_ = bound_address(fd);
    HttpServerOptions options;
    options.tls = TlsContext::server(files_.certificate_file, files_.key_file).value();
    server_ =
        std::move(HttpServer::create(*loop_, fd, options, [](HttpRequest request, std::unique_ptr<HttpResponder> responder) {
          HttpResponse response;
          response.body = (request.secure ? "secure " : "plain ") + request.body;
          responder->respond(std::move(response));
        })).value();
    thread_ = std::thread([this] { loop_->run(); });
  }
  void TearDown() override {
    loop_->post([this] { server_.reset(); });
    loop_->stop();
    thread_.join();
  }
  os::TempDir dir_ = std::move(os::TempDir::create()).value();
  TestCertificate files_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  std::string address_;
};

TEST_F(TlsTest, LargeBodiesBothWays) {
  auto client = HttpClient::connect("https://" + address_, 10'000, TlsContext::client(files_.certificate_file).value());
  ASSERT_TRUE(client.ok()) << client.error().message();
  for (size_t size : {size_t{0}, size_t{10}, size_t{16'000}, size_t{3'000'000}}) {
    HttpRequest request;
    request.method = "POST";
    request.target = "/";
    request.body.assign(size, 'x');
    auto response = (*client)->send(request);
    ASSERT_TRUE(response.ok()) << response.error().message();
    EXPECT_EQ(response->body.size(), size + 7);
    EXPECT_EQ(response->body.substr(0, 7), "secure ");
  }
}

TEST_F(TlsTest, UnknownAuthoritiesAndPlainClientsAreRefused) {
  HttpRequest request;
  request.method = "GET";
  request.target = "/";
  auto unknown = HttpClient::connect("https://" + address_, 3000, TlsContext::client().value());
  if (unknown.ok()) {
    EXPECT_FALSE((*unknown)->send(request).ok());
  }
  auto plain = HttpClient::connect("http://" + address_, 3000);
  ASSERT_TRUE(plain.ok());
  EXPECT_FALSE((*plain)->send(request).ok());
}

TEST(Tls, MissingFilesAreNamed) {
  auto context = TlsContext::server("/nonexistent/cert.pem", "/nonexistent/key.pem");
  ASSERT_FALSE(context.ok());
  EXPECT_NE(context.error().message().find("/nonexistent/cert.pem"), std::string::npos);
}

}  // namespace
}  // namespace savia::net

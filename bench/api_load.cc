// Load on an AWS API, ours or a peer's: requests signed before the clock runs, raw sockets, one thread. So the client costs a
// few microseconds a request and the server is what is measured.
//
//   bench_api_load HOST:PORT OPERATION CONNECTIONS COUNT [SECONDS = 30]
//
// OPERATION: identity (sts GetCallerIdentity), function (lambda GetFunction "bench"), log-group (logs CreateLogGroup), rest-api
// (apigateway CreateRestApi), tag (lambda TagResource of "bench"). Those that write carry another name each. Ends after COUNT
// answers or SECONDS and prints one line of JSON. A connection that the server closes is opened again: that is its protocol.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "aws/sigv4.h"
#include "base/clock.h"
#include "net/http.h"
#include "os/fd.h"

namespace {

using savia::real_clock;

constexpr char kArn[] = "arn:aws:lambda:us-east-1:000000000000:function:bench";

struct Operation {
  std::string service;
  savia::net::HttpRequest request;
};

Operation make(const std::string& name, const std::string& unique) {
  Operation o;
  savia::net::HttpRequest& r = o.request;
  r.method = "POST";
  r.target = "/";
  const char* type = "application/json";
  if (name == "identity") {
    o.service = "sts";
    type = "application/x-www-form-urlencoded; charset=utf-8";
    r.body = "Action=GetCallerIdentity&Version=2011-06-15";
  } else if (name == "function") {
    o.service = "lambda";
    r.method = "GET";
    r.target = "/2015-03-31/functions/bench";
  } else if (name == "log-group") {
    o.service = "logs";
    type = "application/x-amz-json-1.1";
    r.headers.add("X-Amz-Target", "Logs_20140328.CreateLogGroup");
    r.body = R"({"logGroupName":"/bench/)" + unique + "\"}";
  } else if (name == "rest-api") {
    o.service = "apigateway";
    r.target = "/restapis";
    r.body = R"({"name":"bench-)" + unique + "\"}";
  } else if (name == "tag") {
    o.service = "lambda";
    r.target = std::string("/2017-03-31/tags/") + kArn;
    r.body = R"({"Tags":{"round":")" + unique + "\"}}";
  } else {
    std::fprintf(stderr, "api_load: unknown operation %s\n", name.c_str());
    std::exit(2);
  }
  r.headers.add("Content-Type", type);
  return o;
}

std::string bytes_of(const std::string& name, const std::string& host, const std::string& unique) {
  Operation o = make(name, unique);
  savia::net::HttpRequest& r = o.request;
  r.headers.add("Host", host);
  r.headers.add("Accept", "*/*");
  r.headers.add("User-Agent", "Boto3/1.26.27 Python/3.11.2 Linux/6.1 Botocore/1.29.27");
  savia::aws::SignOptions options;
  options.region = "us-east-1";
  options.service = o.service;
  options.now_ms = real_clock().now_ms();
  savia::aws::sign_headers(r, {"test", "test", ""}, options);
  std::string out = r.method + " " + r.target + " HTTP/1.1\r\n";
  for (const auto& [key, value] : r.headers.fields()) out += key + ": " + value + "\r\n";
  if (r.method != "GET") out += "Content-Length: " + std::to_string(r.body.size()) + "\r\n";
  return out + "\r\n" + r.body;
}

struct Load {
  sockaddr_in address{};
  std::vector<std::string> requests;  // sent in turn
  size_t next = 0, count = 0;
  std::vector<double> times_us;
  size_t errors = 0;
  std::string first_error;
};

class Connection {
 public:
  explicit Connection(Load& load) : load_(load) {}

  int fd() const { return fd_.get(); }
  bool busy() const { return busy_; }

  // Whether a request was sent: not when all have been.
  bool send_next(int epoll) {
    if (load_.next >= load_.count) return busy_ = false;
    const std::string& bytes = load_.requests[load_.next++ % load_.requests.size()];
    sent_us_ = real_clock().monotonic_us();
    if (!fd_) open(epoll);
    if (::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
      open(epoll);  // closed by the server after its last answer
      if (::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) fail("send");
    }
    got_.clear();
    return busy_ = true;
  }

  // Reads what is there; true when an answer is complete.
  bool receive() {
    char buf[16384];
    const ssize_t n = ::recv(fd_.get(), buf, sizeof buf, MSG_DONTWAIT);
    if (n < 0) {
      if (errno != EAGAIN) fail("recv");
      return false;
    }
    if (n > 0) got_.append(buf, static_cast<size_t>(n));
    const bool closed = n == 0;
    if (!busy_ || (!closed && !complete())) {
      if (closed) fd_.reset();
      return false;
    }
    if (closed || last_) fd_.reset();
    if (got_.compare(0, 7, "HTTP/1.") != 0 || got_[9] != '2') {
      if (load_.errors++ == 0) load_.first_error = got_.substr(0, 600);
    }
    load_.times_us.push_back(static_cast<double>(real_clock().monotonic_us() - sent_us_));
    return true;
  }

 private:
  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "api_load: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
  }

  void open(int epoll) {
    fd_ = savia::os::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&load_.address), sizeof load_.address) != 0) fail("connect");
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.ptr = this;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd_.get(), &e) != 0) fail("epoll_ctl");
  }

  // Content-Length, or the last chunk; answers of neither form end with the connection.
  bool complete() {
    const size_t head = got_.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    std::string lower = got_.substr(0, head);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    last_ = lower.compare(0, 8, "http/1.0") == 0 || lower.find("connection: close") != std::string::npos;
    if (lower.compare(9, 3, "204") == 0) return true;
    if (const size_t at = lower.find("\r\ncontent-length:"); at != std::string::npos)
      return got_.size() >= head + 4 + std::strtoull(lower.c_str() + at + 17, nullptr, 10);
    if (lower.find("chunked") != std::string::npos)
      return got_.size() >= 5 && got_.compare(got_.size() - 5, 5, "0\r\n\r\n") == 0;
    return false;
  }

  Load& load_;
  savia::os::Fd fd_;
  std::string got_;
  int64_t sent_us_ = 0;
  bool busy_ = false;
  bool last_ = false;  // the server closes after this answer
};

double at(const std::vector<double>& sorted, double q) {
  return sorted.empty() ? 0 : sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: bench_api_load HOST:PORT OPERATION CONNECTIONS COUNT [SECONDS]\n");
    return 2;
  }
  const std::string host = argv[1], operation = argv[2];
  const size_t connections = std::strtoul(argv[3], nullptr, 10);
  const int64_t limit_us = (argc > 5 ? std::strtol(argv[5], nullptr, 10) : 30) * 1'000'000;
  Load load;
  load.count = std::strtoul(argv[4], nullptr, 10);
  const size_t colon = host.rfind(':');
  load.address.sin_family = AF_INET;
  load.address.sin_port = htons(static_cast<uint16_t>(std::atoi(host.c_str() + colon + 1)));
  if (colon == std::string::npos || inet_pton(AF_INET, host.substr(0, colon).c_str(), &load.address.sin_addr) != 1) return 2;
  const bool writes = operation != "identity" && operation != "function";
  const std::string run = std::to_string(real_clock().now_ms());
  for (size_t i = 0; i < (writes ? load.count : 1); ++i)
    load.requests.push_back(bytes_of(operation, host, run + "-" + std::to_string(i)));

  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::unique_ptr<Connection>> all;
  for (size_t i = 0; i < connections; ++i) all.push_back(std::make_unique<Connection>(load));
  const int64_t start = real_clock().monotonic_us();
  size_t busy = 0;
  for (auto& c : all) busy += c->send_next(epoll) ? 1 : 0;
  while (busy > 0) {
    epoll_event events[64];
    const int n = ::epoll_wait(epoll, events, 64, 10'000);
    if (n == 0) {
      std::fprintf(stderr, "api_load: no answer for 10 s\n");
      return 1;
    }
    const bool over = real_clock().monotonic_us() - start >= limit_us;
    for (int i = 0; i < n; ++i) {
      auto* c = static_cast<Connection*>(events[i].data.ptr);
      if (c->receive() && (over || !c->send_next(epoll))) --busy;
    }
    if (over) break;
  }
  const double seconds = static_cast<double>(real_clock().monotonic_us() - start) / 1e6;
  std::sort(load.times_us.begin(), load.times_us.end());
  std::printf(R"({"requests":%zu,"seconds":%.3f,"rps":%.0f,"p50_us":%.0f,"p99_us":%.0f,"errors":%zu})"
              "\n",
              load.times_us.size(), seconds, static_cast<double>(load.times_us.size()) / seconds, at(load.times_us, 0.5),
              at(load.times_us, 0.99), load.errors);
  if (load.errors != 0) std::fprintf(stderr, "api_load: first error: %s\n", load.first_error.c_str());
  return load.errors == 0 ? 0 : 1;
}

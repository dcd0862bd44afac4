#include "net/http_client.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/strings.h"
#include "net/http1.h"
#include "net/socket.h"

namespace savia::net {
namespace {

constexpr size_t kMaxAnswer = 512u << 20;  // bytes of one response body

struct Endpoint {
  bool tls = false;
  std::string host;  // name or address, without brackets; "unix:/path"
  int port = 0;
  std::string authority;  // for Host
};

Result<Endpoint> parse_endpoint(const std::string& text) {
  Endpoint e;
  if (text.rfind("unix:", 0) == 0) {
    e.host = text;
    e.authority = "localhost";
    return e;
  }
  std::string_view rest = text;
  if (iequals(rest.substr(0, 7), "http://")) {
    rest.remove_prefix(7);
    e.port = 80;
  } else if (iequals(rest.substr(0, 8), "https://")) {
    rest.remove_prefix(8);
    e.port = 443;
    e.tls = true;
  } else {
    return Error::invalid("'" + text + "' is not http://HOST:PORT, https://HOST:PORT or unix:/PATH");
  }
  rest = rest.substr(0, rest.find('/'));
  e.authority = rest;
  size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos) {
    std::optional<int64_t> port = parse_int(rest.substr(colon + 1));
    if (!port || *port < 1 || *port > 65535) return Error::invalid("'" + text + "' has no valid port");
    e.port = static_cast<int>(*port);
    rest = rest.substr(0, colon);
  }
  if (rest.size() > 2 && rest.front() == '[') rest = rest.substr(1, rest.size() - 2);
  if (rest.empty()) return Error::invalid("'" + text + "' names no host");
  e.host = rest;
  return e;
}

Result<std::string> resolve(const std::string& host) {
  if (host.rfind("unix:", 0) == 0) return host;
  if (host == "localhost") return std::string("127.0.0.1");
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (code != 0) return Error::unavailable("cannot resolve " + host + ": " + ::gai_strerror(code));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  char ip[NI_MAXHOST];
  if (::getnameinfo(found->ai_addr, found->ai_addrlen, ip, sizeof ip, nullptr, 0, NI_NUMERICHOST) != 0) {
    return Error::unavailable("cannot resolve " + host);
  }
  return std::string(ip);
}

class Client final : public HttpClient {
 public:
  Client(Endpoint endpoint, int64_t timeout_ms, std::shared_ptr<TlsContext> tls)
      : endpoint_(std::move(endpoint)), timeout_ms_(timeout_ms), tls_(std::move(tls)) {}

  Result<void> open();
  Result<HttpResponse> send(const HttpRequest& request) override;

 private:
  enum class Want { kRead, kWrite, kEither };
  Result<void> wait(Want want);
  Result<void> write_all(std::string_view bytes);
  Result<HttpResponse> exchange(const std::string& head, const HttpRequest& request, bool& nothing_read);
  Result<http1::Head> read_head(bool head_request, std::string& buffer, bool& nothing_read);
  Result<std::string_view> read_some();

  Endpoint endpoint_;
  int64_t timeout_ms_;
  std::shared_ptr<TlsContext> tls_;
  Stream stream_;
  int64_t deadline_us_ = 0;
  std::string scratch_ = std::string(64 * 1024, '\0');
  std::string rest_;
};

Result<void> Client::wait(Want want) {
  pollfd p{stream_.fd(), 0, 0};
  p.events = static_cast<short>(want == Want::kRead ? POLLIN : want == Want::kWrite ? POLLOUT : POLLIN | POLLOUT);
  for (;;) {
    int64_t left_ms = (deadline_us_ - real_clock().monotonic_us()) / 1000;
    if (left_ms <= 0)
      return Error::unavailable("no answer from " + endpoint_.authority + " within " + std::to_string(timeout_ms_) + " ms");
    int n = ::poll(&p, 1, static_cast<int>(std::min<int64_t>(left_ms, INT32_MAX)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return Error::from_errno(errno, "poll");
  }
}

Result<void> Client::open() {
  deadline_us_ = real_clock().monotonic_us() + timeout_ms_ * 1000;
  rest_.clear();
  std::string ip = TRY(resolve(endpoint_.host));
  stream_ = Stream(TRY(connect_nonblocking(ip, endpoint_.port)));
  TRY(wait(Want::kWrite));
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(stream_.fd(), SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) return Error(ErrorKind::kUnavailable, "connect " + endpoint_.authority + ": " + ::strerror(failure));
  if (!endpoint_.tls) return {};
  if (!tls_) tls_ = TRY(TlsContext::client());
  return stream_.start_client_tls(*tls_, endpoint_.host);
}

Result<void> Client::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = stream_.write(bytes);
    if (n == Stream::kFailed) return Error::unavailable("connection to " + endpoint_.authority + " broke while sending");
    if (n == Stream::kAgain) {
      // While a server refuses a body early its answer waits: reading it is the exchange's business, so only "either" here.
      TRY(wait(stream_.secure() ? Want::kEither : Want::kWrite));
      continue;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

// Empty at the end of the stream.
Result<std::string_view> Client::read_some() {
  for (;;) {
    ssize_t n = stream_.read(scratch_.data(), scratch_.size());
    if (n >= 0) return std::string_view(scratch_.data(), static_cast<size_t>(n));
    if (n == Stream::kFailed) return Error::unavailable("connection to " + endpoint_.authority + " broke");
    TRY(wait(Want::kRead));
  }
}

Result<http1::Head> Client::read_head(bool head_request, std::string& buffer, bool& nothing_read) {
  http1::HeadParser parser(http1::HeadParser::Kind::kResponse, {256 * 1024, 1024});
  http1::Head head;
  for (;;) {
    http1::Parse parsed = parser.parse(buffer, head, head_request);
    if (parsed == http1::Parse::kError) return Error::unavailable(std::string("bad answer: ") + parser.error_text());
    if (parsed == http1::Parse::kDone) {
      if (head.status >= 200 || head.status == 101) return head;
      buffer.erase(0, head.bytes);  // 100 Continue and other interim answers
      parser.reset();
      continue;
    }
    std::string_view got = TRY(read_some());
    if (got.empty()) return Error::unavailable("connection to " + endpoint_.authority + " was closed before an answer came");
    nothing_read = false;
    buffer.append(got);
  }
}

Result<HttpResponse> Client::exchange(const std::string& head_text, const HttpRequest& request, bool& nothing_read) {
  Result<void> sent = write_all(head_text);
  if (sent.ok() && !request.body.empty()) sent = write_all(request.body);
  // A failed send may mean that the server has answered already and closed: look before giving up.
  std::string buffer = std::exchange(rest_, {});
  Result<http1::Head> head = read_head(request.method == "HEAD", buffer, nothing_read);
  if (!head.ok()) return sent.ok() ? std::move(head).error() : std::move(sent).error();
  HttpResponse response;
  response.status = head->status;
  for (const http1::Field& f : head->fields) response.headers.add(f.name.in(buffer.data()), f.value.in(buffer.data()));
  http1::BodyReader reader;
  reader.start(head->framing, head->content_length);
  std::string_view in = std::string_view(buffer).substr(head->bytes);
  for (;;) {
    std::string_view piece;
    http1::BodyReader::Event event = reader.next(in, piece);
    if (event == http1::BodyReader::Event::kDone) break;
    if (event == http1::BodyReader::Event::kError) return Error::unavailable(std::string("bad answer: ") + reader.error_text());
    if (event == http1::BodyReader::Event::kData) {
      if (response.body.size() + piece.size() > kMaxAnswer) return Error::exhausted("answer too large");
      response.body.append(piece);
      continue;
    }
    in = TRY(read_some());
    if (!in.empty()) continue;
    if (!reader.complete_at_close()) return Error::unavailable("connection was closed in the middle of an answer");
    break;
  }
  rest_ = std::string(in);
  response.close = !head->keep_alive || !sent.ok();
  if (response.close) stream_.close();
  return response;
}

Result<HttpResponse> Client::send(const HttpRequest& request) {
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\n";
  if (!request.headers.has("Host")) head += "Host: " + endpoint_.authority + "\r\n";
  for (const auto& [name, value] : request.headers.fields()) {
    if (!http1::is_sendable(name, value)) return Error::invalid("header '" + name + "' cannot be sent");
    head += name + ": " + value + "\r\n";
  }
  bool has_framing = request.headers.has("Content-Length") || request.headers.has("Transfer-Encoding");
  bool wants_length = !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (!has_framing && wants_length) head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  head += "\r\n";
  bool kept = stream_.open();
  if (!kept) TRY(open());
  deadline_us_ = real_clock().monotonic_us() + timeout_ms_ * 1000;
  bool nothing_read = true;
  Result<HttpResponse> response = exchange(head, request, nothing_read);
  if (!response.ok()) stream_.close();
  if (response.ok() || !kept || !nothing_read || real_clock().monotonic_us() >= deadline_us_) return response;
  TRY(open());
  response = exchange(head, request, nothing_read);
  if (!response.ok()) stream_.close();
  return response;
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::connect(const std::string& endpoint, int64_t timeout_ms,
                                                        std::shared_ptr<TlsContext> tls) {
  auto client = std::make_unique<Client>(TRY(parse_endpoint(endpoint)), timeout_ms, std::move(tls));
  TRY(client->open());
  return std::unique_ptr<HttpClient>(std::move(client));
}

}  // namespace savia::net

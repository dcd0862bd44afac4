// HTTP proxy integrations: the request goes on with its head rewritten, bodies pass through in both directions piece by
// piece. Of either body at most one read and one unsent rest (64 KiB each) are held; a side that is slow stops the other.
#include "base/limits.h"
#include "base/strings.h"
#include "edge/client.h"
#include "edge/cors.h"
#include "edge/response_fields.h"
#include "edge/worker.h"

namespace savia::edge {

using net::http1::BodyReader;
using net::http1::Field;
using net::http1::Framing;
using net::http1::Head;
using net::http1::Name;

namespace {

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

// Does a Connection field of this message name `name`? (RFC 9110 7.6.1: then it goes no further.)
bool named_by_connection(const Head& head, const char* base, std::string_view name) {
  if (!head.connection_names) return false;
  for (const Field& f : head.fields) {
    if (f.id != Name::kConnection) continue;
    for (std::string_view option : split(f.value.in(base), ',')) {
      if (iequals(trim(option), name)) return true;
    }
  }
  return false;
}

void append_chunk(std::string& out, std::string_view bytes) {
  char size[20];
  int n = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  out.append(size, static_cast<size_t>(n)).append(bytes).append("\r\n");
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" || method == "DELETE";
}

}  // namespace

void Client::compose_upstream_head(Request& r, std::string& out) {
  const ProxyTarget& target = *r.route->proxy;
  bool rest = !r.api->http();
  std::string_view method = target.method.empty() ? r.method : std::string_view(target.method);
  out.assign(method).append(" ");
  target.append_target(out, r);
  out.append(" HTTP/1.1\r\n");
  append_line(out, "Host", target.authority);
  std::string_view forwarded;
  for (const Field& f : r.head->fields) {
    std::string_view name = r.name(f);
    switch (f.id) {
      case Name::kHost:
      case Name::kContentLength:
      case Name::kExpect:
      case Name::kXForwardedPort:
      case Name::kXForwardedProto:
      case Name::kXAmznTraceId:
        continue;
      case Name::kXForwardedFor:
        forwarded = r.value(f);
        continue;
      default:
        break;
    }
    if (rest ? rest_drops_request_field(f.id) : net::http1::is_hop_by_hop(f.id)) continue;
    if (named_by_connection(*r.head, r.base, name)) continue;
    bool mapped = false;
    for (const auto& entry : target.headers) mapped = mapped || iequals(entry.first, name);
    if (!mapped) append_line(out, name, r.value(f));
  }
  for (const auto& [name, source] : target.headers) {
    std::string value;
    if (source.append(value, r) && net::http1::is_sendable(name, value)) append_line(out, name, value);
  }
  out.append("X-Forwarded-For: ");
  if (!forwarded.empty()) out.append(forwarded).append(", ");
  out.append(r.peer_ip).append("\r\n");
  append_line(out, "X-Forwarded-Port", std::to_string(r.local_port));
  append_line(out, "X-Forwarded-Proto", r.secure ? "https" : "http");
  append_line(out, "X-Amzn-Trace-Id", r.trace_header());
  if (rest) {
    append_line(out, "X-Amzn-Apigateway-Api-Id", r.api->spec().api_id);
  } else {
    out.append("Forwarded: for=").append(r.peer_ip).append(";host=").append(r.host);
    out.append(r.secure ? ";proto=https\r\n" : ";proto=http\r\n").append("Via: HTTP/1.1 AmazonAPIGateway\r\n");
  }
  if (r.head->framing == Framing::kChunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (r.head->framing == Framing::kLength || method == "POST" || method == "PUT" || method == "PATCH") {
    append_line(out, "Content-Length", std::to_string(r.head->framing == Framing::kLength ? r.head->content_length : 0));
  }
  out.append("\r\n");
  head_request_ = head_request_ || method == "HEAD";
  idempotent_ = is_idempotent(method);
}

void Client::relay(Request& r) {
  if (!r.route->proxy) return internal_error(500);
  const ProxyTarget& target = *r.route->proxy;
  bool client_head = head_request_;
  compose_upstream_head(r, worker_.out);
  bool upstream_head_request = head_request_;
  head_request_ = client_head;
  state_ = State::kRelay;
  head_sent_ = batch_ = false;
  set_deadline(r.route->timeout_ms);
  upstream_ = worker_.take_idle(target.pool_key);
  if (!upstream_) upstream_ = std::make_unique<Upstream>(worker_, target);
  if (body_ready_) {
    body_bytes_ = r.body.size();
    upstream_->start(this, worker_.out, r.body, upstream_head_request);
    return;
  }
  continue_pending_ = r.head->expect_continue && rest_.empty();
  chunked_request_ = r.head->framing == Framing::kChunked;
  std::string rest(rest_);
  partial_.reset();  // `r` is not looked at any more
  upstream_->start(this, worker_.out, {}, upstream_head_request);
  relay_request_bytes(rest);
}

void Client::relay_request_bytes(std::string_view bytes) {
  std::string framed;
  for (;;) {
    std::string_view piece;
    switch (body_.next(bytes, piece)) {
      case BodyReader::Event::kData:
        body_bytes_ += piece.size();
        if (body_bytes_ > limits::kEdgeBodyBytes) return status_ == 0 ? refuse(413, "content too large") : close();
        if (chunked_request_) {
          append_chunk(framed, piece);
        } else {
          upstream_->send(piece);
        }
        break;
      case BodyReader::Event::kMore:
        if (!framed.empty()) upstream_->send(framed);
        return;
      case BodyReader::Event::kError:
        return status_ == 0 ? refuse(400, body_.error_text()) : close();
      case BodyReader::Event::kDone:
        if (chunked_request_) upstream_->send(framed.append("0\r\n\r\n"));
        next_.assign(bytes);
        return;
    }
  }
}

bool Client::step_relay() {
  bool held_back = !out_.empty();
  if (!flush()) return false;
  if (held_back) {
    upstream_->resume();
    if (state_ != State::kRelay) return true;
  }
  if (body_.done() || upstream_->congested()) return false;
  if (continue_pending_) {
    continue_pending_ = false;
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    if (status_ == 0 && stream_.write(kContinue) != static_cast<ssize_t>(kContinue.size())) return close(), false;
  }
  std::optional<std::string_view> got = receive();
  if (!got) return false;
  if (got->empty()) return close(), false;
  relay_request_bytes(*got);
  return true;
}

void Client::upstream_head(const Head& head, const char* base) {
  bool bodiless = head_request_ || head.status == 204 || head.status == 304;
  switch (head.framing) {
    case Framing::kNone:
    case Framing::kLength:
      length_ = bodiless ? Length::kNone : Length::kKnown;
      break;
    case Framing::kChunked:
    case Framing::kUntilClose:
      length_ = old_version_ ? Length::kUntilClose : Length::kChunked;
      break;
  }
  if (!body_.done()) keep_alive_ = false;  // it answers before it has read everything: nobody waits for the rest
  begin_head(head.status);
  std::string& out = worker_.out;
  bool rest = !api_->http(), own_cors = !rest && api_->spec().has_cors;
  for (const Field& f : head.fields) {
    std::string_view name = f.name.in(base), value = f.value.in(base);
    if (bodiless && f.id == Name::kContentLength) {
      append_line(out, name, value);  // of the body that a GET would have had
      continue;
    }
    if (rest) {
      if (f.id == Name::kTransferEncoding || f.id == Name::kKeepAlive || f.id == Name::kProxyConnection) continue;
      if (is_rest_remapped(f.id)) out.append("x-amzn-Remapped-");
    } else if (net::http1::is_hop_by_hop(f.id) || f.id == Name::kContentLength || f.id == Name::kDate ||
               (own_cors && is_cors_field(name))) {
      continue;
    }
    if (f.id != Name::kConnection && named_by_connection(head, base, name)) continue;
    append_line(out, name, value);
  }
  append_cors(out);
  end_head(length_, static_cast<uint64_t>(head.content_length));
  set_deadline(limits::kBodyTimeoutMs);
}

// Pieces of one read leave in as few writes as there are reads: a known length goes out beside the head, chunks are framed
// into one buffer.
void Client::upstream_body(std::string_view piece) {
  if (length_ == Length::kNone) return;
  if (length_ == Length::kChunked) {
    if (head_sent_ && !batch_) worker_.out.clear();
    batch_ = true;
    append_chunk(worker_.out, piece);
    return;
  }
  send(head_sent_ ? std::string_view() : std::string_view(worker_.out), piece);
  head_sent_ = true;
}

void Client::upstream_batch_end() {
  if (!head_sent_ || batch_) send(worker_.out, {});
  head_sent_ = true;
  batch_ = false;
  set_deadline(limits::kBodyTimeoutMs);
  if (state_ == State::kClosed) pump();  // the client has gone
}

void Client::upstream_done(bool reusable) {
  if (length_ == Length::kChunked) {
    if (head_sent_ && !batch_) worker_.out.clear();
    batch_ = true;
    worker_.out.append("0\r\n\r\n");
  }
  if (!head_sent_ || batch_) send(worker_.out, {});
  if (reusable && body_.done()) {
    worker_.put_idle(std::move(upstream_));
  } else {
    release_upstream();
  }
  if (state_ != State::kClosed) state_ = State::kWriting;
  pump();
}

void Client::release_upstream() {
  if (upstream_) worker_.bury(std::move(upstream_));
}

void Client::upstream_drained() {
  pump();
}

void Client::upstream_failed(UpstreamFailure failure) {
  // A kept connection may have been closed by the other side just when this request was sent on it.
  if (failure == UpstreamFailure::kClosed && upstream_->reused() && idempotent_ && body_.done() && !upstream_->sent().empty()) {
    std::string sent = upstream_->sent();
    bool upstream_head_request = sent.compare(0, 5, "HEAD ") == 0;
    release_upstream();
    upstream_ = std::make_unique<Upstream>(worker_, *route_->proxy);
    upstream_->start(this, sent, {}, upstream_head_request);
    return;
  }
  release_upstream();
  if (status_ != 0 && head_sent_) {
    close();  // in the middle of the answer: only an end of the connection tells the client
  } else if (status_ != 0 || failure == UpstreamFailure::kMalformed) {
    internal_error(502);
  } else {
    unreachable();
  }
  pump();
}

}  // namespace savia::edge

// One request's way through the front.
#include <algorithm>
#include <exception>

#include "aws/auth_fault.h"
#include "aws/chunked.h"
#include "aws/front_internal.h"
#include "aws/validate.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"

namespace savia::aws {
namespace {

constexpr size_t kLoopBodyBytes = 16 * 1024;  // hashing and parsing more than this would hold the loop for too long

// Answers an asynchronous operation's request; dropped unanswered it says so to the client and to the log.
class ExchangeResponder final : public Responder {
 public:
  ExchangeResponder(Front::Rep& rep, std::shared_ptr<Exchange> x) : rep_(rep), x_(std::move(x)) {}
  ~ExchangeResponder() override {
    if (x_ == nullptr) return;
    log_error("aws.unanswered", {{"operation", x_->call.service + ":" + x_->call.operation}, {"request", x_->call.request_id}});
    rep_.finish(*x_, Fault("InternalFailure", "the operation ended without an answer", 500));
  }
  void answer(Outcome outcome) override {
    if (x_ == nullptr) return;
    rep_.finish(*x_, outcome);
    x_.reset();
  }

 private:
  Front::Rep& rep_;
  std::shared_ptr<Exchange> x_;
};

// Regions are accepted by form, not by list: any name that cannot break an ARN.
bool is_region(std::string_view s) {
  return !s.empty() && s.size() <= 64 &&
         std::all_of(s.begin(), s.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

// Without signatures nothing but this keeps a web page that the user happens to visit from calling a server on loopback.
bool from_another_site(const net::HttpRequest& request) {
  const std::string* origin = request.headers.find("origin");
  if (origin == nullptr) return false;
  size_t at = origin->find("://");
  return at == std::string::npos || !iequals(std::string_view(*origin).substr(at + 3), request.headers.get("host"));
}

bool below(std::string_view path, std::string_view route) {
  return path.substr(0, route.size()) == route &&
         (path.size() == route.size() || path[route.size()] == '/' || route.back() == '/');
}

}  // namespace

Fault Front::Rep::busy() const {
  Fault fault("ServiceUnavailable",
              "savia is busy: " + std::to_string(pool.waiting()) + " requests wait for a thread; try again", 503);
  fault.retry_after_s = 1;
  return fault;
}

net::HttpResponse Front::Rep::too_large(const net::HttpRequest& head) const {
  std::string id = new_uuid(random);
  Fault fault("RequestEntityTooLargeException",
              "Request must be smaller than " + std::to_string(limits::kApiRequestBytes) + " bytes", 413);
  net::HttpResponse response;
  Router::Found found = router.find(head, credential_hint(head).service);
  if (found.service) {
    protocol::Addressed to;
    auto addressed = protocol::address(found.service, head, &to);
    if (addressed.ok()) {
      to = std::move(*addressed);
      fault.message += " for the " + std::string(to.operation.name()) + " operation";
    }
    response = protocol::render_fault(to, fault, {id, id});
  } else {
    response = render_unaddressed(head, fault, id);
  }
  response.close = true;
  return response;
}

void Front::Rep::handle(net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
  if (options.mode == AuthMode::kOpen && from_another_site(request)) {
    return responder->respond(bad_request(403, "Requests of web pages of other sites are refused"));
  }
  for (const RawRoute& route : raw) {
    if (below(request.path(), route.path)) return route.handler(std::move(request), std::move(responder));
  }
  if (request.body.size() > limits::kApiRequestBytes) return responder->respond(too_large(request));
  auto x = std::make_shared<Exchange>();
  x->request = std::move(request);
  x->responder = std::move(responder);
  x->start_us = clock.monotonic_us();
  if (!address(*x)) return;
  if (fits_loop(*x)) return proceed(std::move(x), false);
  if (!pool.submit([this, x] { proceed(x, true); })) finish(*x, busy());
}

// Service, protocol and operation, and what the context says before anything is proven.
bool Front::Rep::address(Exchange& x) {
  CredentialHint hint = credential_hint(x.request);
  if (!is_region(hint.region)) hint.region.clear();
  CallContext& c = x.call;
  c.request_id = new_uuid(random);
  c.now_ms = clock.now_ms();
  c.source_ip = x.request.peer_ip;
  c.user_agent = x.request.headers.get("user-agent");
  c.host = x.request.headers.get("host");
  c.secure = x.request.secure;
  c.region = hint.region;
  if (c.region.empty()) c.region = region_in_host(c.host);
  if (c.region.empty()) c.region = options.default_region;
  c.access_key = hint.access_key;
  Router::Found found = router.find(x.request, hint.service);
  if (!found.service) {
    Fault fault =
        found.asked.empty()
            ? Fault("UnknownOperationException",
                    "No AWS service answers " + x.request.method + " " + std::string(x.request.path().substr(0, 256)), 404)
            : Fault("NotImplemented", "savia does not implement " + found.asked.substr(0, 128) + " (docs/coverage.md)", 501);
    answer(x, render_unaddressed(x.request, fault, c.request_id));
    return false;
  }
  c.service = found.service.name();
  auto addressed = protocol::address(found.service, x.request, &x.to);
  if (addressed.ok()) {
    x.to = std::move(*addressed);
    c.operation = x.to.operation.name();
    x.bound = find_bound(c.service, c.operation);
  } else {
    x.misaddressed = std::move(addressed).error();
  }
  x.claim = read_claim(x.request);
  return true;
}

bool Front::Rep::fits_loop(const Exchange& x) const {
  if (x.request.body.size() > kLoopBodyBytes) return false;
  const std::string& id = x.call.access_key;
  if (id.empty() || (options.mode == AuthMode::kOpen && is_account_id(id))) return true;
  return keys.cached(id).has_value() || (options.mode == AuthMode::kVerify && !x.claim->ok());
}

void Front::Rep::open_mode(Exchange& x) {
  CallContext& c = x.call;
  c.account = is_account_id(c.access_key) ? c.access_key : keys.default_account();
  c.principal_arn = "arn:aws:iam::" + c.account + ":root";
  c.user_id = c.account;
  if (c.access_key.empty() || is_account_id(c.access_key)) return;
  auto found = keys.find(c.access_key);
  if (!found.ok() || !*found) return;
  c.account = (*found)->account;
  c.principal_arn = (*found)->principal_arn;
  c.user_id = (*found)->user_id;
}

Result<void, Fault> Front::Rep::authenticate(Exchange& x) {
  const Protocol p = x.to.protocol;
  if (options.mode == AuthMode::kOpen) {
    open_mode(x);
    const Claim* claim = x.claim->ok() ? &**x.claim : nullptr;
    if (is_aws_chunked(x.request, x.request.headers.get("x-amz-content-sha256"))) {
      auto decoded = decode_aws_chunked(x.request, claim, "", false);
      if (!decoded.ok()) return auth_fault(decoded.error(), p);
    }
    auto sums = check_checksums(x.request);
    if (!sums.ok()) return auth_fault(sums.error(), p);
    return {};
  }
  if (!x.claim->ok()) {
    const AuthError& e = x.claim->error();
    if (e.problem == AuthProblem::kMissing && x.to.operation && x.to.operation.flag(tables::kUnsigned)) {
      x.call.account = keys.default_account();
      return {};
    }
    return auth_fault(e, p);
  }
  const Claim& claim = **x.claim;
  auto found = keys.find(claim.access_key);
  if (!found.ok()) return Fault(found.error());
  if (!*found) return auth_fault({AuthProblem::kUnknownKey, ""}, p);
  return verify(x, claim, **found);
}

Result<void, Fault> Front::Rep::verify(Exchange& x, const Claim& claim, const AccessKey& key) {
  const Protocol p = x.to.protocol;
  auto refuse = [p](const AuthError& e) { return auth_fault(e, p); };
  if (!is_region(claim.scope.region)) {
    return refuse({AuthProblem::kBadScope, "Credential should be scoped to a valid region."});
  }
  // Keys of AWS's own form have a token or have none; the built-in ones take whatever token a test environment sets.
  const bool exact = key.expires_ms != 0 || key.id.size() == 20;
  if (exact && !constant_time_equal(key.token, claim.token)) return refuse({AuthProblem::kBadToken, ""});
  if (key.expires_ms != 0 && x.call.now_ms >= key.expires_ms) return refuse({AuthProblem::kExpiredToken, ""});
  auto hash = expected_payload_hash(claim, x.request);
  if (!hash.ok()) return refuse(hash.error());
  auto checked = check_claim(claim, x.request, *hash, key.secret, x.call.now_ms, signing_keys);
  if (!checked.ok()) return refuse(checked.error());
  if (is_aws_chunked(x.request, claim.content_sha256)) {
    auto decoded = decode_aws_chunked(x.request, &claim, signing_keys.get(claim.access_key, key.secret, claim.scope), true);
    if (!decoded.ok()) return refuse(decoded.error());
  }
  auto sums = check_checksums(x.request);
  if (!sums.ok()) return refuse(sums.error());
  x.call.access_key = key.id;
  x.call.account = key.account;
  x.call.principal_arn = key.principal_arn;
  x.call.user_id = key.user_id;
  x.call.region = claim.scope.region;
  return {};
}

Result<void, Fault> Front::Rep::prepare(Exchange& x) {
  TRY(authenticate(x));
  if (x.misaddressed) return std::move(*x.misaddressed);
  if (x.bound == nullptr) return protocol::not_implemented(x.to.service, x.call.operation);
  x.input = TRY(protocol::parse(x.to, x.request));
  if (std::optional<Fault> fault = validator.check(x.to.operation, x.input)) return std::move(*fault);
  if (options.mode == AuthMode::kEnforce) {
    if (std::optional<Fault> fault = options.authorizer->authorize(x.call, x.input)) return std::move(*fault);
  }
  // The body may be large, and nothing reads it from here on.
  x.request.body.clear();
  x.request.body.shrink_to_fit();
  return {};
}

void Front::Rep::proceed(std::shared_ptr<Exchange> x, bool on_pool) {
  Result<void, Fault> prepared = prepare(*x);
  if (!prepared.ok()) return finish(*x, std::move(prepared).error());
  if (x->bound->operation.async_body) {
    if (!on_pool || options.loop == nullptr) return run_async(std::move(x));
    return options.loop->post([this, x] { run_async(x); });
  }
  if (on_pool) return run_body(std::move(x));
  if (!pool.submit([this, x] { run_body(x); })) finish(*x, busy());
}

Outcome Front::Rep::run(const Bound& b, const CallContext& context, const Value& input) {
  // A library's exception ends one request, not the program.
  try {
    return b.operation.body(context, input);
  } catch (const std::exception& e) {
    log_error("aws.exception", {{"operation", context.service + ":" + context.operation}, {"what", e.what()}});
    return Fault("InternalFailure", "an internal error has occurred", 500);
  }
}

void Front::Rep::run_body(std::shared_ptr<Exchange> x) {
  finish(*x, run(*x->bound, x->call, x->input));
}

void Front::Rep::run_async(std::shared_ptr<Exchange> x) {
  Exchange& e = *x;
  auto responder = std::make_unique<ExchangeResponder>(*this, std::move(x));
  // Both are read after the exchange may have ended: the body's arguments must not live in it.
  CallContext call = e.call;
  Value input = std::move(e.input);
  const AsyncBody& body = e.bound->operation.async_body;
  body(call, std::move(input), std::move(responder));
}

void Front::Rep::finish(Exchange& x, const Outcome& outcome) {
  protocol::RenderContext context{x.call.request_id, x.call.request_id};
  net::HttpResponse response =
      outcome.ok() ? protocol::render(x.to, *outcome, context) : protocol::render_fault(x.to, outcome.error(), context);
  if (x.bound != nullptr) count(*x.bound, x.call, x.start_us, response.status >= 400);
  if (!outcome.ok() && response.status >= 500 && response.status != 501) {
    log_warn("aws.fault", {{"operation", x.call.service + ":" + x.call.operation},
                           {"code", outcome.error().code},
                           {"message", outcome.error().message},
                           {"request", x.call.request_id}});
  }
  answer(x, std::move(response));
}

void Front::Rep::answer(Exchange& x, net::HttpResponse response) {
  if (log_level() == LogLevel::kDebug) {
    log_debug("aws.request", {{"operation", x.call.service + ":" + x.call.operation},
                              {"status", std::to_string(response.status)},
                              {"us", std::to_string(clock.monotonic_us() - x.start_us)},
                              {"request", x.call.request_id}});
  }
  std::unique_ptr<net::HttpResponder> responder = std::move(x.responder);
  responder->respond(std::move(response));
}

void Front::Rep::count(Bound& b, const CallContext& call, int64_t start_us, bool failed) {
  if (options.metrics == nullptr) return;
  std::call_once(b.once, [&] {
    Metrics::Labels labels = {{"service", call.service}, {"operation", call.operation}};
    Metrics& m = *options.metrics;
    b.requests = &m.counter("savia_aws_requests_total", "Calls of AWS operations.", labels);
    b.errors = &m.counter("savia_aws_errors_total", "Calls of AWS operations answered with an error.", labels);
    b.latency = &m.histogram("savia_aws_request_seconds", "Time from a complete request to its answer.", labels);
  });
  b.requests->add();
  if (failed) b.errors->add();
  b.latency->observe_us(clock.monotonic_us() - start_us);
}

}  // namespace savia::aws

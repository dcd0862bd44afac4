// The insides of the front, shared by front.cc (life, table, in-process calls), exchange.cc (one request) and front_routes.cc.
#pragma once

#include <map>
#include <mutex>

#include "aws/control_pool.h"
#include "aws/front.h"
#include "aws/protocol/protocol.h"
#include "aws/router.h"
#include "aws/sigv4.h"
#include "aws/validate.h"

namespace savia::aws {

// A bound operation. Its counters are made at its first call: few of the bound operations are ever called.
struct Bound {
  Operation operation;
  std::once_flag once;
  Counter* requests = nullptr;
  Counter* errors = nullptr;  // answers of 400 and above
  Histogram* latency = nullptr;
};

struct RawRoute {
  std::string path;
  net::HttpHandler handler;
};

// One request from arrival to answer. Shared by the closures that carry it between loop and pool: one of them at a time.
struct Exchange {
  net::HttpRequest request;
  std::unique_ptr<net::HttpResponder> responder;
  int64_t start_us = 0;
  protocol::Addressed to;
  std::optional<Fault> misaddressed;  // no such operation: told after the signature
  std::optional<Result<Claim, AuthError>> claim;
  CallContext call;
  Bound* bound = nullptr;
  Value input;
};

struct Front::Rep {
  Rep(std::vector<ServiceModel> models, Keys& keys_, FrontOptions options_);

  void handle(net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder);
  bool address(Exchange& x);                // false: answered
  bool fits_loop(const Exchange& x) const;  // may be checked without blocking
  Result<void, Fault> authenticate(Exchange& x);
  Result<void, Fault> verify(Exchange& x, const Claim& claim, const AccessKey& key);
  void open_mode(Exchange& x);
  Result<void, Fault> prepare(Exchange& x);  // bound? parse, validate, authorize
  void proceed(std::shared_ptr<Exchange> x, bool on_pool);
  static Outcome run(const Bound& b, const CallContext& context, const Value& input);  // a plain body
  void run_body(std::shared_ptr<Exchange> x);
  void run_async(std::shared_ptr<Exchange> x);
  void finish(Exchange& x, const Outcome& outcome);
  void answer(Exchange& x, net::HttpResponse response);
  void count(Bound& bound, const CallContext& call, int64_t start_us, bool failed);
  Bound* find_bound(std::string_view service, std::string_view operation);
  std::optional<Fault> check_presigned(const net::HttpRequest& request);
  Fault busy() const;
  net::HttpResponse too_large(const net::HttpRequest& head) const;  // its body need not be there

  Router router;
  Keys& keys;
  FrontOptions options;
  const Clock& clock;
  Random& random;
  SigningKeys signing_keys;
  Validator validator;
  std::map<std::string, std::map<std::string, Bound, std::less<>>, std::less<>> bound;  // by service and operation
  std::vector<RawRoute> raw;                                                            // longest path first
  ControlPool pool;  // last: its threads use everything above
};

}  // namespace savia::aws

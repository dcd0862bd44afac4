#include <algorithm>
#include <condition_variable>

#include "aws/front_internal.h"
#include "aws/validate.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "codec/json.h"

namespace savia::aws {
namespace {

// Lets a caller on another thread wait for an asynchronous body.
class WaitingResponder final : public Responder {
 public:
  struct State {
    std::mutex mutex;
    std::condition_variable done;
    std::optional<Outcome> outcome;
  };
  explicit WaitingResponder(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~WaitingResponder() override {
    if (!answered_) set(Outcome(Fault("InternalFailure", "the operation ended without an answer", 500)));
  }
  void answer(Outcome outcome) override { set(std::move(outcome)); }

 private:
  void set(Outcome outcome) {
    answered_ = true;
    std::lock_guard lock(state_->mutex);
    if (!state_->outcome) state_->outcome = std::move(outcome);
    state_->done.notify_all();
  }
  std::shared_ptr<State> state_;  // owned by the waiting call and this
  bool answered_ = false;
};

// On the loop where there is one, as async bodies are promised. The closure owns what the body reads, since the answer may
// come, and the caller go on, before the body has returned. It owns the responder too: dropped by a loop that ends, it answers.
Outcome wait_for(const AsyncBody& body, const CallContext& context, const Value& input, net::Loop* loop) {
  auto state = std::make_shared<WaitingResponder::State>();
  std::function<void()> start =
      [&body, context, input, box = std::make_shared<std::unique_ptr<Responder>>(std::make_unique<WaitingResponder>(state))] {
        body(context, input, std::move(*box));
      };
  if (loop != nullptr && !loop->in_loop()) {
    loop->post(std::move(start));
  } else {
    start();
  }
  start = nullptr;
  std::unique_lock lock(state->mutex);
  state->done.wait(lock, [&] { return state->outcome.has_value(); });
  return std::move(*state->outcome);
}

}  // namespace

std::optional<AuthMode> parse_auth_mode(std::string_view text) {
  if (text == "open") return AuthMode::kOpen;
  if (text == "verify") return AuthMode::kVerify;
  if (text == "enforce") return AuthMode::kEnforce;
  return std::nullopt;
}

std::string_view auth_mode_name(AuthMode mode) {
  switch (mode) {
    case AuthMode::kOpen:
      return "open";
    case AuthMode::kVerify:
      return "verify";
    case AuthMode::kEnforce:
      return "enforce";
  }
  return "verify";
}

Front::Rep::Rep(std::vector<ServiceModel> models, Keys& keys_, FrontOptions options_)
    : router(std::move(models)),
      keys(keys_),
      options(std::move(options_)),
      clock(options.clock != nullptr ? *options.clock : real_clock()),
      random(options.random != nullptr ? *options.random : secure_random()),
      pool(options.threads != 0 ? options.threads : limits::kControlThreads,
           options.queue != 0 ? options.queue : limits::kControlQueue) {}

Front::Front(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Front::~Front() {
  stop();
}

Result<std::unique_ptr<Front>> Front::create(std::vector<ServiceModel> models, Keys& keys, FrontOptions options) {
  if (options.mode == AuthMode::kEnforce && options.authorizer == nullptr) {
    return Error::unimplemented("--auth enforce needs IAM policies, which this version (" SAVIA_VERSION
                                ") does not evaluate: use --auth verify");
  }
  return std::unique_ptr<Front>(new Front(std::make_unique<Rep>(std::move(models), keys, std::move(options))));
}

void Front::bind(std::string_view service, std::vector<Operation> operations) {
  ServiceModel model;
  for (ServiceModel m : rep_->router.models()) {
    if (m.name() == service) model = m;
  }
  CHECK(model);
  auto& table = rep_->bound[std::string(service)];
  for (Operation& operation : operations) {
    CHECK(model.operation(operation.name).listed());
    CHECK((operation.body != nullptr) != (operation.async_body != nullptr));
    Bound& bound = table[std::string(operation.name)];
    CHECK(!bound.operation.body && !bound.operation.async_body);
    bound.operation = std::move(operation);
  }
}

void Front::add_raw(std::string path, net::HttpHandler handler) {
  auto& raw = rep_->raw;
  auto at = std::find_if(raw.begin(), raw.end(), [&](const RawRoute& r) { return r.path.size() < path.size(); });
  raw.insert(at, RawRoute{std::move(path), std::move(handler)});
}

net::HttpHandler Front::handler() {
  return [rep = rep_.get()](net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
    rep->handle(std::move(request), std::move(responder));
  };
}

std::function<std::optional<net::HttpResponse>(const net::HttpRequest&, std::optional<int64_t>)> Front::on_head() {
  return [rep = rep_.get()](const net::HttpRequest& head, std::optional<int64_t> length) -> std::optional<net::HttpResponse> {
    if (!length || *length <= static_cast<int64_t>(limits::kApiRequestBytes)) return std::nullopt;
    return rep->too_large(head);
  };
}

net::HttpResponse Front::bad_request(int status, const char* reason) {
  net::HttpResponse response;
  response.status = status;
  response.close = true;
  response.headers.add("Content-Type", "application/json");
  JsonWriter(response.body).begin_object().key("message").value(reason).end_object();
  return response;
}

void Front::run_on_pool(std::unique_ptr<net::HttpResponder> responder,
                        std::function<void(std::unique_ptr<net::HttpResponder>)> work) {
  // std::function copies its captures; the responder moves through a shared box with one user at a time.
  auto box = std::make_shared<std::unique_ptr<net::HttpResponder>>(std::move(responder));
  if (rep_->pool.submit([box, work = std::move(work)] { work(std::move(*box)); })) return;
  net::HttpResponse response;
  response.status = 503;
  response.headers.add("Retry-After", "1");
  (*box)->respond(std::move(response));
}

void Front::stop() {
  rep_->pool.stop();
}
AuthMode Front::mode() const {
  return rep_->options.mode;
}
size_t Front::waiting() const {
  return rep_->pool.waiting();
}

std::vector<BoundOperation> Front::bound() const {
  std::vector<BoundOperation> out;
  for (const auto& [service, table] : rep_->bound) {
    for (const auto& [name, bound] : table) out.emplace_back(service, name);
  }
  return out;
}

Bound* Front::Rep::find_bound(std::string_view service, std::string_view operation) {
  auto table = bound.find(service);
  if (table == bound.end()) return nullptr;
  auto it = table->second.find(operation);
  return it == table->second.end() ? nullptr : &it->second;
}

CallContext Front::internal_context(std::string_view account, std::string_view region, std::string_view service,
                                    std::string_view operation) const {
  CallContext c;
  c.service = service;
  c.operation = operation;
  c.account = account;
  c.region = region;
  c.principal_arn = "arn:aws:iam::" + c.account + ":root";
  c.user_id = c.account;
  c.request_id = new_uuid(rep_->random);
  c.source_ip = "savia";
  c.user_agent = "savia/" SAVIA_VERSION;
  c.now_ms = rep_->clock.now_ms();
  return c;
}

Outcome Front::call(CallContext context, const Value& input) {
  const int64_t start_us = rep_->clock.monotonic_us();
  ServiceModel service;
  for (ServiceModel m : rep_->router.models()) {
    if (m.name() == context.service) service = m;
  }
  if (!service) return Fault("UnknownService", "there is no service '" + context.service + "'", 404);
  Bound* bound = rep_->find_bound(context.service, context.operation);
  if (bound == nullptr) return protocol::not_implemented(service, context.operation);
  if (std::optional<Fault> fault = rep_->validator.check(service.operation(context.operation), input)) return std::move(*fault);
  if (rep_->options.authorizer != nullptr && rep_->options.mode == AuthMode::kEnforce) {
    if (std::optional<Fault> fault = rep_->options.authorizer->authorize(context, input)) return std::move(*fault);
  }
  Outcome outcome = bound->operation.body ? rep_->run(*bound, context, input)
                                          : wait_for(bound->operation.async_body, context, input, rep_->options.loop);
  rep_->count(*bound, context, start_us, !outcome.ok());
  return outcome;
}

}  // namespace savia::aws

#include "server/server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "aws/credentials/keys.h"
#include "aws/front.h"
#include "aws/model.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "codec/json.h"
#include "edge/edge.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/memory.h"
#include "sandbox/sandbox.h"
#include "server/layout.h"
#include "services/apigateway/apigateway.h"
#include "services/lambda/engine/engine.h"
#include "services/lambda/lambda.h"
#include "services/logs/logs.h"
#include "services/sts/sts.h"
#include "state/blobs.h"
#include "state/database.h"

namespace savia::server {
namespace {

constexpr int64_t kDownloadS = 600;     // Code.Location and Content.Location, as at AWS
constexpr int64_t kFacilitiesMs = 100;  // by then the sandbox helper knows what this machine gives
constexpr int64_t kSettledMs = 3'000;   // the pool is filled, and the start is over
constexpr int64_t kDrainMs = 30'000;    // requests in flight at the end: the longest that the edge lets one take

aws::AuthMode mode_of(AuthMode mode) {
  switch (mode) {
    case AuthMode::kOpen:
      return aws::AuthMode::kOpen;
    case AuthMode::kVerify:
      return aws::AuthMode::kVerify;
    case AuthMode::kEnforce:
      break;
  }
  return aws::AuthMode::kEnforce;
}

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(const Config& config) : config_(config), layout_(config.data_dir) {}
  ~ServerImpl() override;

  Result<void> start();
  void run() override;
  int64_t ready_us() const override { return ready_us_; }
  const Config& config() const override { return config_; }

 private:
  Result<void> take_data_dir();
  Result<void> open_store();
  Result<void> make_loops();
  Result<void> make_services();
  Result<void> bind_addresses();
  Result<void> listen();
  void add_routes();
  Result<void> prepare_function_keys();
  lambda::FunctionCredentials function_credentials(const std::string& account);  // data loop, or before it runs
  Result<void> reset();
  void begin_shutdown();
  void stop_threads();
  void step_done();
  Value status() const;
  static net::HttpResponse edge_health(const net::HttpRequest& request);

  // Turns readiness of the signal descriptor into the shutdown.
  class Signals final : public net::IoHandler {
   public:
    explicit Signals(ServerImpl& s) : server_(s) {}
    void on_io(uint32_t) override {
      signalfd_siginfo info{};
      while (read(server_.signals_.get(), &info, sizeof info) == sizeof info) server_.begin_shutdown();
    }

   private:
    ServerImpl& server_;
  };

  Config config_;
  Layout layout_;
  int64_t started_us_ = real_clock().monotonic_us();
  int64_t ready_us_ = 0;
  os::Fd lock_;
  os::Fd signals_;
  os::Fd api_fd_;  // until their servers take them
  std::vector<os::Fd> edge_fds_;
  Signals on_signal_{*this};
  Metrics metrics_;

  // In the order of construction; destroyed in reverse.
  std::unique_ptr<net::Loop> data_loop_, control_loop_;
  std::vector<std::unique_ptr<net::Loop>> edge_loops_;  // besides the data loop
  std::unique_ptr<sandbox::Spawner> spawner_;
  std::unique_ptr<state::Database> db_;
  std::unique_ptr<state::Blobs> blobs_;
  std::unique_ptr<aws::Keys> keys_;
  std::unique_ptr<logs::Logs> logs_;
  std::shared_ptr<net::TlsContext> tls_;
  std::unique_ptr<lambda::FunctionEngine> engine_;
  std::unique_ptr<edge::Edge> edge_;
  std::unique_ptr<aws::Front> front_;
  std::unique_ptr<lambda::Lambda> lambda_;
  std::unique_ptr<apigateway::ApiGateway> apigateway_;
  std::unique_ptr<services::Sts> sts_;
  std::unique_ptr<net::HttpServer> api_server_;
  std::map<std::string, lambda::FunctionCredentials> function_keys_;  // by account; the data loop's
  std::vector<std::thread> threads_;
  std::atomic<int> draining_{0};
  bool stopping_ = false;
};

ServerImpl::~ServerImpl() {
  stop_threads();
  if (front_) front_->stop();
}

// Afterwards everything may be destroyed on this thread.
void ServerImpl::stop_threads() {
  if (control_loop_) control_loop_->stop();
  for (auto& loop : edge_loops_) loop->stop();
  for (std::thread& t : threads_) t.join();
  threads_.clear();
}

// One server a folder: two would write the same rows.
Result<void> ServerImpl::take_data_dir() {
  TRY_CONTEXT(os::make_dirs(layout_.dir(), 0700), "data folder");
  lock_ = os::Fd(open(layout_.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_) return Error::from_errno(errno, "open " + layout_.lock());
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error::conflict("another server uses " + layout_.dir() + ": stop it, or give this one another folder with --data");
  }
  return os::make_dirs(layout_.run(), 0700);
}

Result<void> ServerImpl::open_store() {
  db_ = TRY(state::Database::open(layout_.database(), all_migrations()));
  blobs_ = TRY(state::Blobs::open(layout_.blobs()));
  return {};
}

Result<void> ServerImpl::make_loops() {
  data_loop_ = TRY(net::Loop::create());
  control_loop_ = TRY(net::Loop::create());
  int count = config_.edge_threads;
  if (count == 0) count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2);
  for (int i = 1; i < count; ++i) edge_loops_.push_back(TRY(net::Loop::create()));
  return {};
}

Result<void> ServerImpl::make_services() {
  aws::Keys::Options key_options;
  key_options.default_account = config_.account;
  key_options.builtin = config_.loopback_only();
  keys_ = std::make_unique<aws::Keys>(*db_, real_clock(), secure_random(), key_options);
  logs_ = TRY(logs::Logs::open(*db_, layout_.logs(), real_clock()));
  if (!config_.tls_cert.empty()) tls_ = TRY(net::TlsContext::server(config_.tls_cert, config_.tls_key));

  TRY(spawner_->attach(*data_loop_));
  lambda::EngineOptions engine;
  engine.data_dir = layout_.dir();
  engine.runtime_dirs = config_.runtimes;
  if (const char* path = std::getenv("PATH")) engine.search_path = path;
  engine.pool_size = config_.pool;
  engine.host_ports = config_.host_ports;
  engine.outgoing = config_.outgoing ? sandbox::Outgoing::kAllowed : sandbox::Outgoing::kDenied;
  engine.on_aws_connection = [this](int fd) { control_loop_->post([this, fd] { api_server_->adopt(fd); }); };
  engine.on_edge_connection = [this](int fd) { edge_->adopt(fd); };
  TRY(prepare_function_keys());
  engine.credentials = [this](const std::string& account) { return function_credentials(account); };
  engine_ = TRY(lambda::create_engine(*data_loop_, *spawner_, *logs_, secure_random(), std::move(engine)));

  edge::EdgeOptions edge;
  edge.loops = {data_loop_.get()};
  for (auto& loop : edge_loops_) edge.loops.push_back(loop.get());
  edge.invoker = engine_.get();
  edge.metrics = &metrics_;
  edge.other = edge_health;
  edge_ = TRY(edge::Edge::create(std::move(edge)));

  aws::FrontOptions front;
  front.mode = mode_of(config_.auth);
  front.loop = control_loop_.get();
  front.metrics = &metrics_;
  front_ = TRY(aws::Front::create(aws::all_models(), *keys_, front));

  lambda::LambdaOptions functions;
  functions.data_dir = layout_.dir();
  functions.presign = [this](std::string_view path, const aws::CallContext& context) {
    return front_->presign_get(path, kDownloadS, context);
  };
  lambda_ = TRY(lambda::Lambda::create(*db_, *blobs_, *engine_, std::move(functions)));
  TRY(lambda_->start());

  apigateway::Options api;
  api.edge_authority = "localhost:" + config_.edge_port();
  apigateway_ = std::make_unique<apigateway::ApiGateway>(*db_, *edge_, api);
  TRY(apigateway_->publish_all());

  services::Sts::Options sts;
  sts.any_account = config_.auth == AuthMode::kOpen;
  sts_ = std::make_unique<services::Sts>(*keys_, sts);

  front_->bind("lambda", lambda_->operations());
  front_->bind("apigateway", apigateway_->operations_v1());
  front_->bind("apigatewayv2", apigateway_->operations_v2());
  front_->bind("logs", logs_->operations());
  front_->bind("sts", sts_->operations());
  add_routes();
  return {};
}

// Where the built-in keys do not exist, functions sign with a key of their account that the store keeps for them. Accounts are
// those that have keys at all; one that appears later gets its key when its first function starts.
Result<void> ServerImpl::prepare_function_keys() {
  if (config_.loopback_only()) return {};
  std::set<std::string> accounts = {config_.account};
  for (const aws::AccessKey& key : TRY(keys_->list())) accounts.insert(key.account);
  for (const std::string& account : accounts) function_credentials(account);
  return {};
}

lambda::FunctionCredentials ServerImpl::function_credentials(const std::string& account) {
  if (config_.loopback_only()) return {account == config_.account ? "test" : account, "test", ""};
  auto known = function_keys_.find(account);
  if (known != function_keys_.end()) return known->second;
  constexpr std::string_view kPurpose = "functions";
  std::optional<aws::AccessKey> key;
  if (auto list = keys_->list(); list.ok()) {
    for (const aws::AccessKey& k : *list) {
      if (k.account != account || k.description != kPurpose) continue;
      if (auto full = keys_->find(k.id); full.ok() && *full) key = **full;
    }
  }
  if (!key) {
    auto made = keys_->create(account, kPurpose);
    if (!made.ok()) {
      log_error("server.function_key", {{"account", account}, {"error", made.error().message()}});
      return {};
    }
    key = *made;
  }
  return function_keys_[account] = {key->id, key->secret, ""};
}

Result<void> ServerImpl::reset() {
  // The engine first: nothing may run that the store no longer knows.
  std::atomic<bool> done{false};
  engine_->reset([&done] {
    done.store(true);
    done.notify_one();
  });
  done.wait(false);
  TRY(db_->wipe());
  TRY(blobs_->wipe());
  TRY(lambda_->reset());
  logs_->reset();
  keys_->forget();
  return apigateway_->publish_all();
}

// The edge's own answers, for load balancers in front of it.
net::HttpResponse ServerImpl::edge_health(const net::HttpRequest& request) {
  net::HttpResponse r;
  r.status = 0;
  if (request.path() != "/_savia/health") return r;
  r.status = 200;
  r.headers.add("Content-Type", "application/json");
  r.body = R"({"status":"running"})";
  return r;
}

Value ServerImpl::status() const {
  Value v;
  lambda::EngineStats stats = engine_->stats();
  const sandbox::Facilities& f = spawner_->facilities();
  v.set("status", "running").set("version", SAVIA_VERSION).set("pid", static_cast<int64_t>(getpid()));
  v.set("account", config_.account).set("auth", std::string(aws::auth_mode_name(front_->mode())));
  v.set("listen", config_.listen).set("edge", config_.edge).set("edge_port", config_.edge_port()).set("data", layout_.dir());
  v.set("uptime_s", (real_clock().monotonic_us() - started_us_) / 1'000'000);
  v.set("ready_ms", static_cast<double>(ready_us_) / 1000);
  v.set("environments", Value()
                            .set("all", stats.environments)
                            .set("busy", stats.busy)
                            .set("idle", stats.idle)
                            .set("frozen", stats.frozen)
                            .set("pooled", stats.pooled));
  v.set("invocations", stats.invocations);
  v.set("sandbox", std::string(f.root ? "root" : "unprivileged") + (f.user_namespaces ? ", user name spaces" : "") +
                       (f.seccomp ? ", seccomp" : "") + (f.memory_limit ? ", memory" : "") + (f.cpu_share ? ", cpu" : "") +
                       (f.pids_limit ? ", pids" : "") + (f.freezer ? ", freezer" : ""));
  Value weaker = Value::list();
  for (const std::string& w : f.weaker) weaker.push(w);
  v.set("weaker", std::move(weaker));
  return v;
}

// Routes that tell about this machine answer this machine alone: neither functions, which come from their gateway address, nor
// the network when the server listens there.
net::HttpHandler local_only(net::HttpHandler handler) {
  return [handler = std::move(handler)](net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
    if (net::is_loopback(request.peer_ip + ":0") || request.peer_ip == "::1")
      return handler(std::move(request), std::move(responder));
    net::HttpResponse r;
    r.status = 403;
    r.headers.add("Content-Type", "application/json");
    r.body = R"({"message":"This path answers only on the machine itself"})";
    responder->respond(std::move(r));
  };
}

void ServerImpl::add_routes() {
  aws::add_standard_routes(*front_, nullptr, {SAVIA_VERSION, [this] { return reset(); }});
  auto json = [](net::HttpResponder& responder, const Value& v) {
    net::HttpResponse r;
    r.headers.add("Content-Type", "application/json");
    r.body = to_json(v);
    responder.respond(std::move(r));
  };
  front_->add_raw("/_savia/status", local_only([this, json](net::HttpRequest, std::unique_ptr<net::HttpResponder> responder) {
                    json(*responder, status());
                  }));
  front_->add_raw("/_savia/runtimes",
                  local_only([this, json](net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
                    constexpr std::string_view kPrefix = "/_savia/runtimes/";
                    std::string_view path = request.path();
                    if (path == "/_savia/runtimes/rescan" && request.method == "POST") {
                      engine_->rescan_runtimes();
                      return json(*responder, Value().set("status", "ok"));
                    }
                    lambda::RuntimeStatus s =
                        engine_->runtime_status(std::string(path.size() > kPrefix.size() ? path.substr(kPrefix.size()) : ""));
                    json(*responder, Value()
                                         .set("known", s.known)
                                         .set("installed", s.installed)
                                         .set("version", s.version)
                                         .set("install", s.install_command));
                  }));
  front_->add_download(std::string(lambda::Lambda::kDownloadPrefix), [this](std::string_view path) -> Result<aws::Download> {
    aws::Download d;
    d.file = TRY(lambda_->download_file(path));
    d.content_type = "application/zip";
    return d;
  });
  front_->add_raw("/_savia/coverage", local_only([this](net::HttpRequest, std::unique_ptr<net::HttpResponder> responder) {
                    net::HttpResponse r;
                    r.headers.add("Content-Type", "text/markdown; charset=utf-8");
                    r.body = aws::coverage_markdown(aws::all_models(), front_->bound());
                    responder->respond(std::move(r));
                  }));
  front_->add_raw("/_savia/metrics", [this](net::HttpRequest, std::unique_ptr<net::HttpResponder> responder) {
    net::HttpResponse r;
    r.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    r.body = metrics_.prometheus();
    engine_->append_metrics(r.body);
    responder->respond(std::move(r));
  });
  metrics_.gauge("savia_log_lines_dropped", "Lines of functions that were lost since buffer or disk were full.", {},
                 [this] { return static_cast<double>(logs_->stats().dropped); });
  metrics_.gauge("savia_store_commits", "Transactions of the store.", {},
                 [this] { return static_cast<double>(db_->stats().commits); });
}

// Addresses first, since services print them (and port 0 becomes one); who connects meanwhile waits in the backlog.
Result<void> ServerImpl::bind_addresses() {
  api_fd_ = os::Fd(TRY_CONTEXT(net::listen_tcp(config_.listen), "--listen " + config_.listen));
  config_.listen = net::bound_address(api_fd_.get());
  // Several loops take connections of one address from sockets of their own.
  for (size_t i = 0; i <= edge_loops_.size(); ++i) {
    edge_fds_.emplace_back(TRY_CONTEXT(net::listen_tcp(config_.edge, !edge_loops_.empty()), "--edge " + config_.edge));
    config_.edge = net::bound_address(edge_fds_.back().get());
  }
  return {};
}

Result<void> ServerImpl::listen() {
  net::HttpServerOptions options;
  options.tls = tls_;
  options.on_head = front_->on_head();
  options.on_bad_request = &aws::Front::bad_request;
  api_server_ = TRY(net::HttpServer::create(*control_loop_, api_fd_.release(), options, front_->handler()));
  for (size_t i = 0; i < edge_fds_.size(); ++i) TRY(edge_->listen(edge_fds_[i].release(), i, tls_));
  return {};
}

Result<void> ServerImpl::start() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  TRY(take_data_dir());
  spawner_ = TRY(sandbox::Spawner::start_helper(layout_.run()));
  pthread_sigmask(SIG_BLOCK, &set, nullptr);  // after the helper has been forked, before any thread
  signals_ = os::Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_) return Error::from_errno(errno, "signalfd");
  TRY(open_store());
  TRY(make_loops());
  TRY(bind_addresses());
  TRY(make_services());
  TRY(listen());
  TRY(control_loop_->add(signals_.get(), &on_signal_));
  threads_.emplace_back([this] { control_loop_->run(); });
  for (auto& loop : edge_loops_) threads_.emplace_back([&loop] { loop->run(); });
  ready_us_ = real_clock().monotonic_us() - started_us_;
  return {};
}

void ServerImpl::begin_shutdown() {
  if (stopping_) {
    log_warn("server.stop", {{"how", "at once: a second signal came"}});
    _exit(1);
  }
  stopping_ = true;
  log_info("server.drain");
  draining_ = 2;
  api_server_->drain([this] { step_done(); });
  edge_->drain([this] {
    data_loop_->post([this] {
      lambda_->stop();
      engine_->drain(kDrainMs, [this] { step_done(); });
    });
  });
}

void ServerImpl::step_done() {
  if (--draining_ == 0) data_loop_->stop();
}

void ServerImpl::run() {
  data_loop_->post([this] { engine_->fill_pool(); });
  // Not before ready: the sandbox helper looks at the machine meanwhile.
  data_loop_->after(kFacilitiesMs, [this] {
    for (const std::string& w : spawner_->facilities().weaker) log_warn("sandbox.weaker", {{"what", w}});
  });
  data_loop_->after(kSettledMs, [] { os::release_unused_memory(); });
  data_loop_->run();
  stop_threads();
  log_info("server.stop");
}

}  // namespace

std::vector<state::Migration> all_migrations() {
  std::vector<state::Migration> out;
  for (const auto& of_service : {aws::Keys::migrations(), services::Sts::migrations(), logs::Logs::migrations(),
                                 lambda::Lambda::migrations(), apigateway::ApiGateway::migrations()}) {
    out.insert(out.end(), of_service.begin(), of_service.end());
  }
  return out;
}

Result<std::unique_ptr<Server>> Server::start(const Config& config) {
  auto server = std::make_unique<ServerImpl>(config);
  TRY(server->start());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace savia::server

#include "edge/worker.h"

#include "base/limits.h"
#include "edge/client.h"
#include "edge/upstream.h"
#include "net/socket.h"

namespace savia::edge {
namespace {

constexpr int64_t kUpstreamIdleMs = 60'000;
constexpr int64_t kSweepMs = 5'000;
constexpr size_t kIdlePerUpstream = 256;

}  // namespace

Worker::Worker(net::Loop& l, std::shared_ptr<Shared> s, Metrics* metrics, size_t index)
    : loop(l), shared(std::move(s)), apis(shared->registry), upstream_tls(shared->upstream_tls), scratch(kScratch, '\0') {
  if (metrics == nullptr) return;
  std::string number = std::to_string(index);
  for (size_t i = 1; i < by_class_.size(); ++i) {
    by_class_[i] = &metrics->counter("savia_edge_requests_total", "Requests answered by the edge.",
                                     {{"code", std::to_string(i) + "xx"}, {"loop", number}});
  }
  latency_ =
      &metrics->histogram("savia_edge_request_seconds", "From a request's head to the end of its answer.", {{"loop", number}});
}

// close_all() has run: invocations still out may keep this object longer than its loop lives.
Worker::~Worker() = default;

void Worker::close_all() {
  closed.store(true, std::memory_order_release);
  listeners.clear();
  clients.clear();
  idle_.clear();
  graveyard_.clear();
  loop.cancel(sweep_timer_);
  sweep_timer_ = 0;
}

const std::string& Worker::date_line() {
  if (int64_t s = loop.now_ms() / 1000; s != date_s_) {
    date_s_ = s;
    date_ = "Date: " + format_rfc7231(loop.now_ms()) + "\r\n";
  }
  return date_;
}

void Worker::count(int status, int64_t began_us) {
  if (latency_ == nullptr) return;
  size_t cls = static_cast<size_t>(status) / 100;
  if (cls > 0 && cls < by_class_.size()) by_class_[cls]->add();
  latency_->observe_us(loop.monotonic_us() - began_us);
}

void Worker::take(net::Stream stream, int port) {
  uint64_t id = next_client++;
  auto client = std::make_unique<Client>(*this, id, std::move(stream), port);
  if (!client->start()) return;
  clients.emplace(id, std::move(client));  // its first edge comes with the next turn
  client_count.store(clients.size(), std::memory_order_relaxed);
}

void Worker::client_closed() {
  client_count.store(clients.size(), std::memory_order_relaxed);
  for (auto& l : listeners) {
    if (l->waiting()) l->accept();
  }
  if (on_drained && clients.empty()) std::exchange(on_drained, nullptr)();
}

void Worker::drain(std::function<void()> done) {
  draining = true;
  listeners.clear();
  std::vector<uint64_t> all;
  for (const auto& [id, client] : clients) all.push_back(id);
  for (uint64_t id : all) {
    if (auto it = clients.find(id); it != clients.end()) it->second->drain();
  }
  if (clients.empty()) {
    done();
  } else {
    on_drained = std::move(done);
  }
}

std::unique_ptr<Upstream> Worker::take_idle(const std::string& key) {
  auto it = idle_.find(key);
  if (it == idle_.end() || it->second.empty()) return nullptr;
  std::unique_ptr<Upstream> upstream = std::move(it->second.back());  // the one used last: its caches are warm
  it->second.pop_back();
  return upstream;
}

void Worker::put_idle(std::unique_ptr<Upstream> upstream) {
  auto& pool = idle_[upstream->key()];
  if (draining || pool.size() >= kIdlePerUpstream) return bury(std::move(upstream));
  upstream->set_idle(loop.monotonic_us());
  pool.push_back(std::move(upstream));
  if (sweep_timer_ == 0) sweep_timer_ = loop.after(kSweepMs, [this] { sweep_idle(); });
}

void Worker::drop_idle(Upstream* upstream) {
  auto it = idle_.find(upstream->key());
  if (it == idle_.end()) return;
  for (auto& entry : it->second) {
    if (entry.get() != upstream) continue;
    bury(std::move(entry));
    std::swap(entry, it->second.back());
    it->second.pop_back();
    return;
  }
}

void Worker::bury(std::unique_ptr<Upstream> upstream) {
  upstream->shut();
  graveyard_.push_back(std::move(upstream));
}

void Worker::empty_graveyard() {
  if (!graveyard_.empty()) graveyard_.clear();
}

void Worker::sweep_idle() {
  sweep_timer_ = 0;
  bool any = false;
  int64_t oldest = loop.monotonic_us() - kUpstreamIdleMs * 1000;
  for (auto it = idle_.begin(); it != idle_.end();) {
    std::erase_if(it->second, [oldest](const auto& u) { return u->idle_since_us() < oldest; });
    any = any || !it->second.empty();
    it = it->second.empty() ? idle_.erase(it) : std::next(it);
  }
  if (any) sweep_timer_ = loop.after(kSweepMs, [this] { sweep_idle(); });
}

// ---- listeners -------------------------------------------------------------------------------------------------------

Listener::Listener(Worker& worker, int fd, std::shared_ptr<net::TlsContext> tls)
    : worker_(worker), fd_(fd), tls_(std::move(tls)), port_(net::bound_port(fd)) {}

Listener::~Listener() {
  worker_.loop.cancel(retry_);
  worker_.loop.remove(fd_.get());
}

Result<void> Listener::start() {
  return worker_.loop.add(fd_.get(), this);
}

void Listener::accept() {
  waiting_ = false;
  for (;;) {
    if (worker_.clients.size() >= worker_.shared->max_connections) {
      waiting_ = true;
      return;
    }
    net::Accepted accepted = net::accept_one(fd_.get());
    if (!accepted.fd) {
      if (!accepted.exhausted) return;
      waiting_ = true;  // out of descriptors: those who wait stay in the backlog until one is free
      constexpr int64_t kRetryMs = 100;
      if (retry_ == 0) {
        retry_ = worker_.loop.after(kRetryMs, [this] {
          retry_ = 0;
          accept();
        });
      }
      return;
    }
    net::Stream stream(std::move(accepted.fd));
    if (tls_ && !stream.start_server_tls(*tls_).ok()) continue;
    worker_.take(std::move(stream), port_);
  }
}

}  // namespace savia::edge

#include "edge/edge.h"

#include "base/limits.h"
#include "edge/client.h"
#include "edge/worker.h"
#include "net/socket.h"

namespace savia::edge {
namespace {

class EdgeImpl final : public Edge {
 public:
  explicit EdgeImpl(EdgeOptions options) : shared_(std::make_shared<Shared>()) {
    shared_->invoker = options.invoker;
    shared_->other = std::move(options.other);
    shared_->upstream_tls = std::move(options.upstream_tls);
    shared_->idle_ms = options.idle_ms > 0 ? options.idle_ms : limits::kIdleConnectionMs;
    shared_->max_connections = options.connections > 0 ? options.connections : limits::kConnections;
    for (size_t i = 0; i < options.loops.size(); ++i) {
      workers_.push_back(std::make_shared<Worker>(*options.loops[i], shared_, options.metrics, i));
    }
  }
  // The loops are stopped, or this runs on the only one. Answers of functions that are still out find nobody.
  ~EdgeImpl() override {
    for (auto& w : workers_) w->close_all();
  }

  Result<void> listen(int listen_fd, size_t loop_index, std::shared_ptr<net::TlsContext> tls) override {
    os::Fd fd(listen_fd);
    if (loop_index >= workers_.size()) return Error::internal("no such loop");
    Worker& worker = *workers_[loop_index];
    auto listener = std::make_unique<Listener>(worker, fd.release(), std::move(tls));
    TRY(listener->start());
    worker.listeners.push_back(std::move(listener));
    return {};
  }

  void adopt(int fd) override {
    os::Fd owned(fd);
    Worker& worker = *workers_.front();
    if (worker.draining || worker.clients.size() >= shared_->max_connections) return;
    int port = net::local_of(owned.get()).port;
    worker.take(net::Stream(std::move(owned)), port);
  }

  void publish(std::shared_ptr<const ports::ApiSpec> api) override {
    std::string id = api->api_id;
    shared_->registry.publish(id, Api::compile(std::move(api)));
  }
  void remove(const std::string& api_id) override { shared_->registry.publish(api_id, nullptr); }

  void drain(std::function<void()> done) override {
    auto left = std::make_shared<std::atomic<size_t>>(workers_.size());
    auto shared_done = std::make_shared<std::function<void()>>(std::move(done));
    for (auto& w : workers_) {
      w->loop.post([w, left, shared_done] {
        w->drain([left, shared_done] {
          if (left->fetch_sub(1) == 1) (*shared_done)();
        });
      });
    }
  }

  size_t connections() const override {
    size_t n = 0;
    for (const auto& w : workers_) n += w->client_count.load(std::memory_order_relaxed);
    return n;
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::vector<std::shared_ptr<Worker>> workers_;
};

}  // namespace

Result<std::unique_ptr<Edge>> Edge::create(EdgeOptions options) {
  if (options.loops.empty()) return Error::internal("an edge needs a loop");
  return std::unique_ptr<Edge>(std::make_unique<EdgeImpl>(std::move(options)));
}

}  // namespace savia::edge

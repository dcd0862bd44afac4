// What the connections of one loop share: scratch memory, the view of the published APIs, pools. Confined to the loop's
// thread, except where said. Owners: the edge, and callbacks of invocations still out.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/metrics.h"
#include "edge/edge.h"
#include "edge/event.h"
#include "edge/registry.h"
#include "edge/request.h"
#include "net/http1.h"
#include "net/resolver.h"

namespace savia::edge {

class Client;
class Upstream;
class Listener;

// Of the whole edge; outlived by no worker.
struct Shared {
  Registry registry;
  net::Resolver resolver;
  ports::FunctionInvoker* invoker = nullptr;
  std::function<net::HttpResponse(const net::HttpRequest&)> other;
  std::shared_ptr<net::TlsContext> upstream_tls;  // as given, maybe null
  int64_t idle_ms = 0;
  size_t max_connections = 0;
};

class Worker : public std::enable_shared_from_this<Worker> {
 public:
  static constexpr size_t kScratch = 64 * 1024;

  Worker(net::Loop& l, std::shared_ptr<Shared> s, Metrics* metrics, size_t index);
  ~Worker();

  net::Loop& loop;
  std::shared_ptr<Shared> shared;
  RegistryView apis;
  std::shared_ptr<net::TlsContext> upstream_tls;  // the given one, or this loop's own, made at first use
  IdSource ids;
  std::string scratch;    // every read lands here and is used up or copied before the next
  std::string out;        // heads in the making
  net::http1::Head head;  // of the request being read, while it is in scratch
  Request request;
  EventScratch events;

  bool draining = false;
  std::atomic<bool> closed{false};  // by close_all(): nobody waits for answers any more, and `loop` may be gone
  std::unordered_map<uint64_t, std::unique_ptr<Client>> clients;
  std::atomic<size_t> client_count{0};  // read by any thread
  std::vector<std::unique_ptr<Listener>> listeners;
  std::function<void()> on_drained;
  uint64_t next_client = 1;

  const std::string& date_line();  // "Date: …\r\n"
  void count(int status, int64_t began_us);
  void take(net::Stream stream, int port);  // a new client connection; `port` is where it came in
  void client_closed();
  void drain(std::function<void()> done);
  void close_all();

  // Upstream connections that nobody uses, most recent last, by ProxyTarget::pool_key.
  std::unique_ptr<Upstream> take_idle(const std::string& key);
  void put_idle(std::unique_ptr<Upstream> upstream);
  void drop_idle(Upstream* upstream);
  // Destroys it once nothing of it can be on the stack any more.
  void bury(std::unique_ptr<Upstream> upstream);
  void empty_graveyard();

 private:
  void sweep_idle();
  std::unordered_map<std::string, std::vector<std::unique_ptr<Upstream>>> idle_;
  std::vector<std::unique_ptr<Upstream>> graveyard_;
  net::TimerId sweep_timer_ = 0;
  int64_t date_s_ = -1;
  std::string date_;
  std::array<Counter*, 6> by_class_{};  // [status / 100]
  Histogram* latency_ = nullptr;
};

class Listener final : public net::IoHandler {
 public:
  Listener(Worker& worker, int fd, std::shared_ptr<net::TlsContext> tls);
  ~Listener() override;
  Result<void> start();
  void on_io(uint32_t) override { accept(); }
  void accept();
  bool waiting() const { return waiting_; }

 private:
  Worker& worker_;
  os::Fd fd_;
  std::shared_ptr<net::TlsContext> tls_;
  int port_;
  bool waiting_ = false;  // connections may be in the backlog that no edge will announce again
  net::TimerId retry_ = 0;
};

}  // namespace savia::edge

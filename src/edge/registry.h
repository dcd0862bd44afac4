// The published APIs: written by the control plane, read by every loop without a lock.
//
// Each loop has its own map (a RegistryView). A reader looks at one version number per request; only when it has moved does
// it take the lock and apply what changed. So publish() waits for nobody, and still every request that arrives after it sees
// the new picture. Requests in flight hold the Api they started on.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "edge/api.h"

namespace savia::edge {

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
};
using ApiMap = std::unordered_map<std::string, std::shared_ptr<const Api>, TextHash, std::equal_to<>>;

class Registry {
 public:
  void publish(const std::string& id, std::shared_ptr<const Api> api);  // null: removed
  uint64_t version() const { return version_.load(std::memory_order_acquire); }
  // Brings `apis`, which is at `from`, up to date; answers the version reached.
  uint64_t update(ApiMap& apis, uint64_t from) const;
  size_t size() const;

 private:
  static constexpr size_t kLog = 1024;  // changes remembered; a loop further behind copies everything
  mutable std::mutex mutex_;            // of apis_ and log_
  ApiMap apis_;
  std::deque<std::string> log_;  // ids changed; the last one made the current version
  std::atomic<uint64_t> version_{0};
};

class RegistryView {
 public:
  explicit RegistryView(const Registry& registry) : registry_(registry) {}
  const std::shared_ptr<const Api>* find(std::string_view id) {
    if (registry_.version() != version_) version_ = registry_.update(apis_, version_);
    auto it = apis_.find(id);
    return it != apis_.end() ? &it->second : nullptr;
  }

 private:
  const Registry& registry_;
  ApiMap apis_;
  uint64_t version_ = 0;
};

}  // namespace savia::edge

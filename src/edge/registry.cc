#include "edge/registry.h"

namespace savia::edge {

void Registry::publish(const std::string& id, std::shared_ptr<const Api> api) {
  std::shared_ptr<const Api> old;  // destroyed after the lock
  std::lock_guard lock(mutex_);
  if (api) {
    std::shared_ptr<const Api>& slot = apis_[id];
    old = std::exchange(slot, std::move(api));
  } else if (auto it = apis_.find(id); it != apis_.end()) {
    old = std::move(it->second);
    apis_.erase(it);
  } else {
    return;
  }
  log_.push_back(id);
  if (log_.size() > kLog) log_.pop_front();
  version_.fetch_add(1, std::memory_order_release);
}

uint64_t Registry::update(ApiMap& apis, uint64_t from) const {
  std::lock_guard lock(mutex_);
  uint64_t now = version_.load(std::memory_order_relaxed);
  if (now - from > log_.size()) {
    apis = apis_;
    return now;
  }
  for (size_t i = log_.size() - static_cast<size_t>(now - from); i < log_.size(); ++i) {
    auto it = apis_.find(log_[i]);
    if (it != apis_.end()) {
      apis[log_[i]] = it->second;
    } else {
      apis.erase(log_[i]);
    }
  }
  return now;
}

size_t Registry::size() const {
  std::lock_guard lock(mutex_);
  return apis_.size();
}

}  // namespace savia::edge

// Data that can be reached only through its lock.
//
//   Guarded<std::map<std::string, int>> table;
//   table.with([](auto& t) { t["x"] = 1; });
//
// The callback must not keep a reference, nor take another lock unless its order is written where both are declared.
#pragma once

#include <mutex>
#include <utility>

namespace savia {

template <class T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}
  template <class F>
  decltype(auto) with(F&& f) {
    std::lock_guard lock(mutex_);
    return std::forward<F>(f)(value_);
  }
  template <class F>
  decltype(auto) with(F&& f) const {
    std::lock_guard lock(mutex_);
    return std::forward<F>(f)(static_cast<const T&>(value_));
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace savia

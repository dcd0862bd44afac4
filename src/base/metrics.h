// Counters, gauges and histograms of the program, and their Prometheus text (format 0.0.4).
//
//   Counter& hits = metrics.counter("savia_edge_requests_total", "Requests answered by the edge.", {{"api", id}});
//   hits.add();                                              // relaxed atomic: no lock on the hot path
//   metrics.gauge("savia_sandboxes", "Sandboxes alive.", {}, [this] { return double(count()); });
//
// Registering takes a lock and answers a reference that stays valid as long as the Metrics object: keep it, do not look it
// up per request. Registering the same name and labels again answers the same object.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/guarded.h"

namespace savia {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Durations in microseconds, shown in seconds.
class Histogram {
 public:
  // Upper bounds in microseconds; one more bucket takes the rest.
  static constexpr std::array<int64_t, 14> kBounds = {50,     100,    250,     500,     1'000,     2'500,     5'000,
                                                      10'000, 50'000, 100'000, 500'000, 1'000'000, 5'000'000, 30'000'000};
  void observe_us(int64_t us);
  uint64_t count() const;
  uint64_t sum_us() const { return sum_us_.load(std::memory_order_relaxed); }
  uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, kBounds.size() + 1> buckets_{};
  std::atomic<uint64_t> sum_us_{0};
};

class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {});
  // `read` is called on the thread that renders; it must not block for long. What it refers to must outlive this object or be
  // taken away with remove().
  void gauge(std::string_view name, std::string_view help, const Labels& labels, std::function<double()> read);
  void remove(std::string_view name, const Labels& labels);

  std::string prometheus() const;

 private:
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> gauge;
  };
  struct Family {
    std::string help;
    std::string_view type;
    std::map<std::string, Series> series;  // by label text
  };
  using Families = std::map<std::string, Family, std::less<>>;
  static Series& series(Families& families, std::string_view name, std::string_view help, std::string_view type,
                        const Labels& labels);
  Guarded<Families> families_;
};

}  // namespace savia

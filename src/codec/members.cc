#include "codec/members.h"

#include <algorithm>

namespace savia {

void keep_last_of_equal_names(Value::Object& members) {
  constexpr size_t kPairwise = 12;
  size_t n = members.size();
  if (n < 2) return;
  std::vector<bool> dead;
  auto drop = [&](size_t first, size_t last) {
    members[first].second = std::move(members[last].second);
    dead.resize(n);
    dead[last] = true;
  };
  if (n <= kPairwise) {
    for (size_t i = 1; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (members[j].first == members[i].first && (dead.empty() || !dead[j])) {
          drop(j, i);
          break;
        }
      }
    }
  } else {
    std::vector<size_t> order(n);
    for (size_t i = 0; i < n; ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      int c = members[a].first.compare(members[b].first);
      return c != 0 ? c < 0 : a < b;
    });
    for (size_t i = 0; i < n;) {
      size_t j = i + 1;
      while (j < n && members[order[j]].first == members[order[i]].first) drop(order[i], order[j++]);
      i = j;
    }
  }
  if (dead.empty()) return;
  size_t to = 0;
  for (size_t i = 0; i < n; ++i) {
    if (dead[i]) continue;
    if (to != i) members[to] = std::move(members[i]);
    ++to;
  }
  members.resize(to);
}

}  // namespace savia

#include "edge/route_trie.h"

#include <cstring>

#include "base/strings.h"

namespace savia::edge {

RouteTrie::RouteTrie() : nodes_(1), edges_(8) {}

uint32_t RouteTrie::Methods::find(std::string_view method) const {
  for (const auto& [name, route] : named) {
    if (name == method) return route;
  }
  return any;
}

bool RouteTrie::Methods::add(std::string_view method, uint32_t route) {
  if (method == "ANY") {
    if (any != kNoRoute) return false;
    any = route;
    return true;
  }
  for (const auto& entry : named) {
    if (entry.first == method) return false;
  }
  named.emplace_back(method, route);
  return true;
}

uint32_t RouteTrie::hash(uint32_t node, std::string_view segment) {
  constexpr uint64_t kMix = 0x9e3779b97f4a7c15;
  uint64_t h = (uint64_t{node} << 32 | segment.size()) * kMix;
  const char* p = segment.data();
  size_t left = segment.size();
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    h = (h ^ word) * kMix;
    h ^= h >> 29;
  }
  uint64_t tail = 0;
  std::memcpy(&tail, p, left);
  h = (h ^ tail) * kMix;
  return static_cast<uint32_t>(h >> 32);
}

uint32_t RouteTrie::child(uint32_t node, std::string_view segment) const {
  uint32_t h = hash(node, segment);
  size_t mask = edges_.size() - 1;
  for (size_t i = h & mask; edges_[i].child != 0; i = (i + 1) & mask) {
    const Edge& e = edges_[i];
    if (e.hash == h && e.parent == node && e.text_size == segment.size() &&
        std::memcmp(texts_.data() + e.text_at, segment.data(), segment.size()) == 0) {
      return e.child;
    }
  }
  return 0;
}

void RouteTrie::grow() {
  std::vector<Edge> old(edges_.size() * 2);
  old.swap(edges_);
  size_t mask = edges_.size() - 1;
  for (const Edge& e : old) {
    if (e.child == 0) continue;
    size_t i = e.hash & mask;
    while (edges_[i].child != 0) i = (i + 1) & mask;
    edges_[i] = e;
  }
}

uint32_t RouteTrie::add_child(uint32_t node, std::string_view segment) {
  if (uint32_t known = child(node, segment); known != 0) return known;
  if (++edge_count_ * 2 > edges_.size()) grow();
  uint32_t made = static_cast<uint32_t>(nodes_.size());
  nodes_.emplace_back();
  Edge e{hash(node, segment), node, made, static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(segment.size())};
  texts_ += segment;
  size_t mask = edges_.size() - 1;
  size_t i = e.hash & mask;
  while (edges_[i].child != 0) i = (i + 1) & mask;
  edges_[i] = e;
  return made;
}

bool RouteTrie::add(std::string_view path, std::string_view method, uint32_t route) {
  if (path.empty() || path.front() != '/') return false;
  path.remove_prefix(1);
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  uint32_t node = 0;
  if (path.empty()) return nodes_[node].here.add(method, route);
  std::vector<std::string_view> segments = split(path, '/');
  if (segments.size() > kRouteDepth) return false;
  for (size_t i = 0; i < segments.size(); ++i) {
    std::string_view s = segments[i];
    bool braced = s.size() > 2 && s.front() == '{' && s.back() == '}';
    if (braced && s[s.size() - 2] == '+') return i + 1 == segments.size() && nodes_[node].greedy.add(method, route);
    if (!braced) {
      node = add_child(node, s);
      continue;
    }
    if (nodes_[node].param == 0) {
      uint32_t made = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
      nodes_[node].param = made;
    }
    node = nodes_[node].param;
  }
  return nodes_[node].here.add(method, route);
}

// `at` is where the next segment begins; behind the end of the path there is none.
bool RouteTrie::walk(Walk& w, uint32_t node, size_t at, size_t depth) const {
  const Node& n = nodes_[node];
  if (at > w.path.size() || (at == 0 && w.path.empty())) {
    if (!w.full || n.here.empty()) return false;
    w.found = n.here.find(w.method);
    return !w.by_route || w.found != kNoRoute;
  }
  size_t slash = w.path.find('/', at);
  size_t end = slash == std::string_view::npos ? w.path.size() : slash;
  std::string_view segment = w.path.substr(at, end - at);
  if (uint32_t next = child(node, segment); next != 0 && walk(w, next, end + 1, depth + 1)) return true;
  if (n.param != 0 && !segment.empty()) {
    w.captures->at[depth] = segment;
    if (walk(w, n.param, end + 1, depth + 1)) return true;
  }
  if (w.greedy && !n.greedy.empty()) {
    w.captures->at[depth] = w.path.substr(at);
    w.found = n.greedy.find(w.method);
    return !w.by_route || w.found != kNoRoute;
  }
  return false;
}

uint32_t RouteTrie::match(std::string_view path, std::string_view method, Order order, Captures& captures) const {
  bool by_route = order == Order::kRoute;
  Walk w{path, method, by_route, true, !by_route, &captures};
  walk(w, 0, 0, 0);
  if (!by_route || w.found != kNoRoute) return w.found;
  w.full = false;
  w.greedy = true;
  walk(w, 0, 0, 0);
  return w.found;
}

}  // namespace savia::edge

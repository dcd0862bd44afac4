// Which route of a stage does a path belong to? A trie over path segments, compiled once per published stage.
//
// Each node is a prefix of route paths. Static children are edges in one hash table keyed by (node, segment), so a node
// with ten thousand children costs the same probe as one with two; a node has at most one {param} child and one {proxy+}
// end. Order at every node: static, then {param}, then {proxy+}; where a branch leads nowhere the next one is tried.
// Names of parameters belong to routes, not nodes: "/a/{x}" and "/a/{y}/b" share a node. Cost: about 15 ns a segment.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace savia::edge {

constexpr size_t kRouteDepth = 64;  // segments of one route

struct Captures {
  // By segment: the text of a {param}, or the whole rest at a {proxy+}. Views of the matched path.
  std::array<std::string_view, kRouteDepth> at;
};

class RouteTrie {
 public:
  static constexpr uint32_t kNoRoute = UINT32_MAX;

  RouteTrie();
  // `path`: "/a/{x}/b" or "/a/{rest+}"; `method`: "GET" or "ANY". False when it is too deep, malformed or taken already.
  bool add(std::string_view path, std::string_view method, uint32_t route);

  enum class Order {
    kResource,  // REST: the best path that has any method; then the method is looked for there
    kRoute,     // HTTP: only routes that take the method count; full matches win over greedy ones
  };
  // `path` without its leading and without one trailing slash; "" is the root. kNoRoute when nothing matches.
  uint32_t match(std::string_view path, std::string_view method, Order order, Captures& captures) const;

 private:
  struct Methods {
    std::vector<std::pair<std::string, uint32_t>> named;
    uint32_t any = kNoRoute;
    bool empty() const { return named.empty() && any == kNoRoute; }
    uint32_t find(std::string_view method) const;
    bool add(std::string_view method, uint32_t route);
  };
  struct Node {
    uint32_t param = 0;  // child, 0: none (the root is nobody's child)
    Methods here, greedy;
  };
  struct Edge {
    uint32_t hash = 0, parent = 0, child = 0;  // child 0: empty
    uint32_t text_at = 0, text_size = 0;
  };
  struct Walk {
    std::string_view path, method;
    bool by_route, full, greedy;
    Captures* captures;
    uint32_t found = kNoRoute;
  };
  uint32_t child(uint32_t node, std::string_view segment) const;
  uint32_t add_child(uint32_t node, std::string_view segment);
  void grow();
  bool walk(Walk& w, uint32_t node, size_t at, size_t depth) const;
  static uint32_t hash(uint32_t node, std::string_view segment);

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;  // open addressing, a power of two, at most half full
  size_t edge_count_ = 0;
  std::string texts_;
};

}  // namespace savia::edge

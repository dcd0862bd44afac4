// A published API, compiled for serving: immutable, shared by every loop and by the requests in flight on it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edge/mock.h"
#include "edge/proxy_target.h"
#include "edge/request.h"
#include "edge/route_trie.h"
#include "ports/route_snapshot.h"

namespace savia::edge {

struct Route {
  struct Param {
    std::string name;
    size_t depth = 0;  // index into Captures
  };
  const ports::RouteSpec* spec = nullptr;
  std::vector<Param> params;
  int64_t timeout_ms = 0;
  std::string function, qualifier;   // kLambdaProxy, stage variables put in
  bool lambda_method_ok = true;      // REST: Lambda is called by POST; anything else fails at AWS too
  std::optional<MockPlan> mock;      // kMock
  std::optional<ProxyTarget> proxy;  // kHttpProxy; absent when its URI cannot be used
};

struct Stage {
  const ports::StageSpec* spec = nullptr;
  std::vector<Route> routes;
  RouteTrie trie;
  uint32_t default_route = RouteTrie::kNoRoute;  // "$default"
  std::string variables_json;                    // "null" when there are none
};

class Api {
 public:
  // Routes that cannot be used (malformed URIs) are kept and answer as a broken integration does; the log names them.
  static std::shared_ptr<const Api> compile(std::shared_ptr<const ports::ApiSpec> spec);

  const ports::ApiSpec& spec() const { return *spec_; }
  bool http() const { return spec_->kind == ports::ApiKind::kHttp; }
  const Stage* stage(std::string_view name) const;
  // REST: is this media type among binaryMediaTypes? ("*/*" takes all; an absent type counts as application/json.)
  bool is_binary(std::string_view media_type) const;

 private:
  std::shared_ptr<const ports::ApiSpec> spec_;
  std::vector<Stage> stages_;
};

enum class MatchResult { kRoute, kNoStage, kNoRoute };

// Sets stage, route, paths and captures of `request` from its raw path, or from `path` when the API was named by it.
MatchResult match_request(const Api& api, std::string_view path, Request& request);

}  // namespace savia::edge

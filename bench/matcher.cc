// The edge's route matching alone: one route against ten thousand over many APIs, from a Host to a route with its captures.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

#include "edge/registry.h"

using namespace savia;
using namespace savia::edge;

namespace {

std::shared_ptr<const Api> make_api(const std::string& id, int routes) {
  auto spec = std::make_shared<ports::ApiSpec>();
  spec->api_id = id;
  ports::StageSpec stage;
  stage.name = "dev";
  for (int i = 0; i < routes; ++i) {
    ports::RouteSpec route;
    route.method = i % 2 == 0 ? "GET" : "ANY";
    route.path = "/svc" + std::to_string(i) + "/v1/items/{id}";
    route.integration.kind = ports::IntegrationKind::kLambdaProxy;
    stage.routes.push_back(std::move(route));
  }
  spec->stages.push_back(std::move(stage));
  return Api::compile(std::move(spec));
}

struct Lookup {
  std::string api, path;
};

// Nanoseconds of one lookup: best of several rounds over all of them.
double measure(int apis, int routes) {
  Registry registry;
  RegistryView view(registry);
  std::vector<Lookup> lookups;
  for (int a = 0; a < apis; ++a) {
    std::string id = "api" + std::to_string(a) + "abcdef";
    registry.publish(id, make_api(id, routes));
    for (int r = 0; r < routes; ++r) lookups.push_back({id, "/dev/svc" + std::to_string(r) + "/v1/items/4711"});
  }
  std::mt19937 random(1);
  std::shuffle(lookups.begin(), lookups.end(), random);
  size_t repeat = std::max<size_t>(1, 200'000 / lookups.size());
  double best = 1e9;
  Request request;
  request.method = "GET";
  size_t found = 0;
  for (int round = 0; round < 7; ++round) {
    auto began = std::chrono::steady_clock::now();
    for (size_t k = 0; k < repeat; ++k) {
      for (const Lookup& l : lookups) {
        const auto* api = view.find(l.api);
        if (api != nullptr && match_request(**api, l.path, request) == MatchResult::kRoute) ++found;
      }
    }
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
    best = std::min(best, took.count() / static_cast<double>(repeat * lookups.size()));
  }
  if (found != 7 * repeat * lookups.size()) std::printf("matcher: %zu lookups missed\n", 7 * repeat * lookups.size() - found);
  return best;
}

}  // namespace

int main() {
  double one = measure(1, 1);
  std::printf("%-34s %8.0f ns\n", "1 route", one);
  bool good = true;
  for (auto [apis, routes] : {std::pair(1, 300), std::pair(100, 100), std::pair(1000, 10), std::pair(1, 10'000)}) {
    double ns = measure(apis, routes);
    good = good && ns - one <= 1000;
    std::printf("%5d APIs with %5d routes each     %8.0f ns   %+6.0f ns against one route\n", apis, routes, ns, ns - one);
  }
  std::printf("goal: at most 1000 ns more with 10,000 routes than with one: %s\n", good ? "met" : "MISSED");
  return good ? 0 : 1;
}

// Identifiers in AWS's lengths, a-z0-9. Those of APIs are unique over all accounts, because host names carry them.
#pragma once

#include "services/apigateway/core.h"

namespace savia::apigateway {

inline constexpr size_t kApiIdLength = 10;
inline constexpr size_t kRootResourceIdLength = 10;
inline constexpr size_t kResourceIdLength = 6;
inline constexpr size_t kDeploymentIdLength = 6;
inline constexpr size_t kRouteIdLength = 7;
inline constexpr size_t kIntegrationIdLength = 7;

// Draws until `taken` answers false.
template <class Taken>
Result<std::string> draw_id(Random& random, size_t length, Taken taken) {
  for (;;) {
    std::string id = new_alnum(random, length);
    if (!TRY(taken(id))) return id;
  }
}

inline Result<std::string> new_api_id(Core& core, Store& store) {
  return draw_id(core.random, kApiIdLength,
                 [&](const std::string& id) -> Result<bool> { return TRY(store.api(id)).has_value(); });
}
inline Result<std::string> new_deployment_id(Core& core, Store& store, const std::string& api) {
  return draw_id(core.random, kDeploymentIdLength,
                 [&](const std::string& id) -> Result<bool> { return TRY(store.deployment(api, id)).has_value(); });
}
inline Result<std::string> new_resource_id(Core& core, Store& store, const std::string& api) {
  return draw_id(core.random, kResourceIdLength,
                 [&](const std::string& id) -> Result<bool> { return TRY(store.resource(api, id)).has_value(); });
}
inline Result<std::string> new_route_id(Core& core, Store& store, const std::string& api) {
  return draw_id(core.random, kRouteIdLength,
                 [&](const std::string& id) -> Result<bool> { return TRY(store.route(api, id)).has_value(); });
}
inline Result<std::string> new_integration_id(Core& core, Store& store, const std::string& api) {
  return draw_id(core.random, kIntegrationIdLength,
                 [&](const std::string& id) -> Result<bool> { return TRY(store.integration(api, id)).has_value(); });
}

}  // namespace savia::apigateway

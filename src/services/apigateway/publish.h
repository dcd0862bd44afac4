// From rows to what the edge serves. A deployment's snapshot is JSON: the list of its routes,
//
//   [{"method": "GET", "path": "/pets/{id}", "id": "a1b2c3", "integration": {…as the operations show it…}}, …]
//
// with "routeKey" for HTTP APIs, "authorizationType" and "apiKeyRequired" for REST APIs' apiSummary. A picture (ApiSpec) is
// built inside the transaction that made the change, and handed to the sink after its commit on the database's writer thread:
// so pictures arrive in commit order and none shows what was rolled back.
#pragma once

#include <memory>
#include <string>

#include "services/apigateway/core.h"

namespace savia::apigateway {

Result<std::string> take_snapshot(Store& store, const Api& api);  // of the API's rows as they are

Result<std::shared_ptr<const ports::ApiSpec>> build_spec(Store& store, const Api& api);

// A picture that cannot be built (a damaged row) is logged; the edge keeps the last one and the change is kept.
void publish(Core& core, Store& store, const Api& api);
void withdraw(Core& core, Store& store, const std::string& api_id);
Result<void> publish_all(Core& core);

}  // namespace savia::apigateway

// What the nouns of HTTP APIs need of each other: quick create makes an integration, a route and a stage at once, and every
// change may be deployed at once.
#pragma once

#include <vector>

#include "services/apigateway/core.h"

namespace savia::apigateway::http {

Checked<void> check_route_key(std::string_view key);
// May `key` stand beside the API's other routes? `self` is the id of the route that changes, "" for a new one.
Checked<void> check_route_conflicts(Store& store, const Api& api, const std::string& key, std::string_view self);
Item new_route(std::string id, std::string key, std::string target);

// {IntegrationType, IntegrationUri, …} of a target given to CreateApi: a Lambda ARN or a URL.
Checked<Value> integration_of_target(const std::string& target, const Value* credentials);

// After a change of routes or integrations: stages with AutoDeploy get a new deployment that stands for the rows as they are;
// the old one goes when no stage uses it. Publishes the API. Call it last.
Result<void> deploy_changes(Core& core, Store& store, const CallContext& c, const Api& api);

}  // namespace savia::apigateway::http

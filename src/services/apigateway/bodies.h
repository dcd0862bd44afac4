// One typed body an operation, named as the operation; operations.cc lists them.
#pragma once

#include "services/apigateway/core.h"

namespace savia::apigateway {

#define SAVIA_BODY(name) Outcome name(Core& core, const CallContext& c, const Value& in)

namespace rest {
SAVIA_BODY(CreateRestApi);
SAVIA_BODY(GetRestApi);
SAVIA_BODY(GetRestApis);
SAVIA_BODY(UpdateRestApi);
SAVIA_BODY(DeleteRestApi);
SAVIA_BODY(CreateResource);
SAVIA_BODY(GetResource);
SAVIA_BODY(GetResources);
SAVIA_BODY(UpdateResource);
SAVIA_BODY(DeleteResource);
SAVIA_BODY(PutMethod);
SAVIA_BODY(GetMethod);
SAVIA_BODY(UpdateMethod);
SAVIA_BODY(DeleteMethod);
SAVIA_BODY(PutMethodResponse);
SAVIA_BODY(GetMethodResponse);
SAVIA_BODY(UpdateMethodResponse);
SAVIA_BODY(DeleteMethodResponse);
SAVIA_BODY(PutIntegration);
SAVIA_BODY(GetIntegration);
SAVIA_BODY(UpdateIntegration);
SAVIA_BODY(DeleteIntegration);
SAVIA_BODY(PutIntegrationResponse);
SAVIA_BODY(GetIntegrationResponse);
SAVIA_BODY(UpdateIntegrationResponse);
SAVIA_BODY(DeleteIntegrationResponse);
SAVIA_BODY(CreateDeployment);
SAVIA_BODY(GetDeployment);
SAVIA_BODY(GetDeployments);
SAVIA_BODY(UpdateDeployment);
SAVIA_BODY(DeleteDeployment);
SAVIA_BODY(CreateStage);
SAVIA_BODY(GetStage);
SAVIA_BODY(GetStages);
SAVIA_BODY(UpdateStage);
SAVIA_BODY(DeleteStage);
SAVIA_BODY(TagResource);
SAVIA_BODY(UntagResource);
SAVIA_BODY(GetTags);
SAVIA_BODY(GetAccount);
}  // namespace rest

namespace http {
SAVIA_BODY(CreateApi);
SAVIA_BODY(GetApi);
SAVIA_BODY(GetApis);
SAVIA_BODY(UpdateApi);
SAVIA_BODY(DeleteApi);
SAVIA_BODY(DeleteCorsConfiguration);
SAVIA_BODY(CreateRoute);
SAVIA_BODY(GetRoute);
SAVIA_BODY(GetRoutes);
SAVIA_BODY(UpdateRoute);
SAVIA_BODY(DeleteRoute);
SAVIA_BODY(CreateIntegration);
SAVIA_BODY(GetIntegration);
SAVIA_BODY(GetIntegrations);
SAVIA_BODY(UpdateIntegration);
SAVIA_BODY(DeleteIntegration);
SAVIA_BODY(CreateDeployment);
SAVIA_BODY(GetDeployment);
SAVIA_BODY(GetDeployments);
SAVIA_BODY(UpdateDeployment);
SAVIA_BODY(DeleteDeployment);
SAVIA_BODY(CreateStage);
SAVIA_BODY(GetStage);
SAVIA_BODY(GetStages);
SAVIA_BODY(UpdateStage);
SAVIA_BODY(DeleteStage);
SAVIA_BODY(TagResource);
SAVIA_BODY(UntagResource);
SAVIA_BODY(GetTags);
}  // namespace http

}  // namespace savia::apigateway

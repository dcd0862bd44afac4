// The operations of both control planes: one row each. What has no row is answered 501 by the front.
#include "services/apigateway/bodies.h"
#include "services/apigateway/publish.h"

namespace savia::apigateway {

namespace {

using BodyFn = Outcome (*)(Core&, const CallContext&, const Value&);

aws::Operation row(Core& core, std::string_view name, BodyFn body) {
  return {name, [&core, body](const CallContext& c, const Value& in) { return body(core, c, in); }};
}

}  // namespace

ApiGateway::ApiGateway(state::Database& database, ports::RouteSink& sink, Options options, Random& random)
    : core_(new Core{database, sink, std::move(options), random, {}}) {}
ApiGateway::~ApiGateway() = default;

std::vector<state::Migration> ApiGateway::migrations() {
  return store_migrations();
}

Result<void> ApiGateway::publish_all() {
  return apigateway::publish_all(*core_);
}

#define REST(name) row(core, #name, rest::name)
std::vector<aws::Operation> ApiGateway::operations_v1() {
  Core& core = *core_;
  return {
      REST(CreateRestApi),
      REST(GetRestApi),
      REST(GetRestApis),
      REST(UpdateRestApi),
      REST(DeleteRestApi),
      REST(CreateResource),
      REST(GetResource),
      REST(GetResources),
      REST(UpdateResource),
      REST(DeleteResource),
      REST(PutMethod),
      REST(GetMethod),
      REST(UpdateMethod),
      REST(DeleteMethod),
      REST(PutMethodResponse),
      REST(GetMethodResponse),
      REST(UpdateMethodResponse),
      REST(DeleteMethodResponse),
      REST(PutIntegration),
      REST(GetIntegration),
      REST(UpdateIntegration),
      REST(DeleteIntegration),
      REST(PutIntegrationResponse),
      REST(GetIntegrationResponse),
      REST(UpdateIntegrationResponse),
      REST(DeleteIntegrationResponse),
      REST(CreateDeployment),
      REST(GetDeployment),
      REST(GetDeployments),
      REST(UpdateDeployment),
      REST(DeleteDeployment),
      REST(CreateStage),
      REST(GetStage),
      REST(GetStages),
      REST(UpdateStage),
      REST(DeleteStage),
      REST(TagResource),
      REST(UntagResource),
      REST(GetTags),
      REST(GetAccount),
  };
}
#undef REST

#define HTTP(name) row(core, #name, http::name)
std::vector<aws::Operation> ApiGateway::operations_v2() {
  Core& core = *core_;
  return {
      HTTP(CreateApi),         HTTP(GetApi),           HTTP(GetApis),
      HTTP(UpdateApi),         HTTP(DeleteApi),        HTTP(DeleteCorsConfiguration),
      HTTP(CreateRoute),       HTTP(GetRoute),         HTTP(GetRoutes),
      HTTP(UpdateRoute),       HTTP(DeleteRoute),      HTTP(CreateIntegration),
      HTTP(GetIntegration),    HTTP(GetIntegrations),  HTTP(UpdateIntegration),
      HTTP(DeleteIntegration), HTTP(CreateDeployment), HTTP(GetDeployment),
      HTTP(GetDeployments),    HTTP(UpdateDeployment), HTTP(DeleteDeployment),
      HTTP(CreateStage),       HTTP(GetStage),         HTTP(GetStages),
      HTTP(UpdateStage),       HTTP(DeleteStage),      HTTP(TagResource),
      HTTP(UntagResource),     HTTP(GetTags),
  };
}
#undef HTTP

}  // namespace savia::apigateway

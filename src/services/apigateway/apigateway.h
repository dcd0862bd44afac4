// API Gateway's control planes: REST APIs (service "apigateway") and HTTP APIs ("apigatewayv2").
//
// What it is: the operations that create, read, change and delete APIs, resources or routes, methods, integrations,
// deployments and stages. What it owns: the apigw_* tables. Threads: bodies run on control-plane threads and share nothing
// but the database; pictures of APIs are handed to the RouteSink on the database's writer thread, in commit order, before the
// operation is answered, so a request that a client sends after the answer sees the change.
// What it must not do: serve traffic (the edge does, from ports::ApiSpec alone), call Lambda (an integration with a function
// that does not exist is accepted, as AWS does; the edge answers 500), or write state outside its tables.
//
// A REST stage serves the snapshot that its deployment took of resources, methods and integrations. Stage variables belong
// to the stage and are put into URIs when it is published. An HTTP stage with AutoDeploy serves the API's rows as they are;
// without, the snapshot of its deployment. Settings of the API itself (binaryMediaTypes, CORS, the endpoint switch) take
// effect at once in both.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "aws/operation.h"
#include "base/random.h"
#include "ports/route_snapshot.h"
#include "state/database.h"

namespace savia::apigateway {

struct Core;

struct Options {
  // Where clients reach the edge; HTTP APIs print it: "http://" + api id + ".execute-api." + edge_authority.
  std::string edge_authority = "localhost:8080";
};

class ApiGateway {
 public:
  // All three are borrowed for the life of the object.
  ApiGateway(state::Database& database, ports::RouteSink& sink, Options options = {}, Random& random = secure_random());
  ~ApiGateway();

  static std::vector<state::Migration> migrations();
  std::vector<aws::Operation> operations_v1();
  std::vector<aws::Operation> operations_v2();

  // Hands every API to the sink and takes back those whose rows are gone: at start, and after the database was wiped.
  Result<void> publish_all();

 private:
  std::unique_ptr<Core> core_;
};

}  // namespace savia::apigateway

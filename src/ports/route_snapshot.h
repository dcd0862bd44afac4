// What the edge knows of one API: an immutable, self-contained picture of its deployed stages. services/apigateway writes
// it, the edge compiles and serves it. Plain data that could be sent through a pipe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace savia::ports {

enum class ApiKind { kRest, kHttp };
enum class IntegrationKind { kLambdaProxy, kHttpProxy, kMock };
enum class PayloadFormat { kV1, kV2 };

// MOCK and HTTP_PROXY answers of REST APIs (templates without references for now).
struct MethodResponseSpec {
  std::string status_code;                       // "200"
  std::string selection_pattern;                 // regular expression, "" is the default response
  std::map<std::string, std::string> headers;    // header name -> literal value, from responseParameters 'quoted'
  std::map<std::string, std::string> templates;  // content type -> literal body
};

struct IntegrationSpec {
  IntegrationKind kind = IntegrationKind::kMock;
  PayloadFormat payload_format = PayloadFormat::kV1;
  int64_t timeout_ms = 29'000;
  // kLambdaProxy
  std::string function_account, function_region, function_name, function_qualifier;
  // kHttpProxy: absolute URI, may hold {param} and {proxy}; method "ANY" or "" keeps the request's
  // kLambdaProxy: the method that Lambda would be called with; on AWS a REST API whose is not POST answers 500
  std::string uri, http_method;
  std::map<std::string, std::string> request_parameters;  // integration.request.path.x -> method.request.path.y, …
  // kMock
  std::map<std::string, std::string> request_templates;  // content type -> template; {"statusCode": 200} picks the response
  std::string passthrough_behavior = "WHEN_NO_MATCH";
  std::vector<MethodResponseSpec> responses;
  std::string connection_type;  // INTERNET
};

struct RouteSpec {
  std::string method;       // "GET", "ANY"
  std::string path;         // "/recipes/{id}", "/{proxy+}"; "$default" for HTTP APIs' catch-all
  std::string resource_id;  // REST: requestContext.resourceId; HTTP: route id
  std::string route_key;    // HTTP: "GET /recipes/{id}" as created
  IntegrationSpec integration;
};

struct CorsSpec {  // HTTP APIs
  std::vector<std::string> allow_origins, allow_methods, allow_headers, expose_headers;
  int64_t max_age_s = -1;  // -1: not set
  bool allow_credentials = false;
};

struct StageSpec {
  std::string name;  // "dev", "$default"
  std::string deployment_id;
  std::map<std::string, std::string> variables;
  std::vector<RouteSpec> routes;
};

struct ApiSpec {
  std::string api_id;
  ApiKind kind = ApiKind::kRest;
  std::string account, region;
  std::string name;
  bool has_cors = false;
  CorsSpec cors;
  std::vector<std::string> binary_media_types;
  bool execute_api_disabled = false;  // disableExecuteApiEndpoint
  std::vector<StageSpec> stages;
};

class RouteSink {
 public:
  virtual ~RouteSink() = default;
  // Any thread. When it returns, every request that arrives afterwards sees the new picture; requests in flight keep theirs.
  virtual void publish(std::shared_ptr<const ApiSpec> api) = 0;
  virtual void remove(const std::string& api_id) = 0;
};

}  // namespace savia::ports

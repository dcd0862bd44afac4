// Replays of scenarios that were recorded from AWS: the requests are ours (recordings hold none), the answers must be AWS's:
// the same members present and absent, the same literals, the same error code, status and text.
#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "base/strings.h"
#include "services/apigateway/testing.h"

namespace savia::apigateway {

namespace {

struct Step {
  const char* label;      // of the recording; "" for a step that is not compared
  const char* operation;  // of the REST service
  const char* in;         // JSON; $x$ stands for what an earlier step kept
  const char* keep = "";  // "api=id root=rootResourceId": from the answer
};
struct Scene {
  const char* test;
  std::vector<Step> steps;
};

constexpr const char* kApi = R"({"name":"n","description":"this is my api"})";
constexpr const char* kKeepApi = "api=id root=rootResourceId";
#define ROOT R"("restApiId":"$api$","resourceId":"$root$","httpMethod":"GET")"
#define ROOT_ANY R"("restApiId":"$api$","resourceId":"$root$","httpMethod":"ANY")"
#define MOCK_200 R"(,"type":"MOCK","requestTemplates":{"application/json":"{\"statusCode\": 200}"})"
#define PATCH(op, path, value) R"({"op":")" op R"(","path":")" path R"(","value":")" value R"("})"
#define STAGE(patches) R"({"restApiId":"$api$","stageName":"dev","patchOperations":[)" patches "]}"
#define METHOD(patches) "{" ROOT_ANY R"(,"patchOperations":[)" patches "]}"
#define API(patches) R"({"restApiId":"$api$","patchOperations":[)" patches "]}"
#define LAMBDA_URI                                                                                                         \
  "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:111111111111:function:MyLambda/" \
  "invocations"

std::vector<Scene> api_scenes() {
  return {
      {"test_list_and_delete_apis",
       {{"create-rest-api-1", "CreateRestApi", kApi, "api=id"},
        {"create-rest-api-2", "CreateRestApi", R"({"name":"m","description":"this is my api2"})"},
        {"get-rest-api-before-delete", "GetRestApis", "{}"},
        {"delete-rest-api", "DeleteRestApi", R"({"restApiId":"$api$"})"},
        {"get-rest-api-after-delete", "GetRestApis", "{}"}}},
      {"test_get_api_case_insensitive", {{"get-api-upper-case", "GetRestApi", R"({"restApiId":"ABCDEF1234"})"}}},
      {"test_create_rest_api_with_optional_params",
       {{"create-only-name", "CreateRestApi", R"({"name":"n"})"},
        {"create-empty-desc", "CreateRestApi", R"({"name":"n","description":""})"},
        {"create-with-version", "CreateRestApi", R"({"name":"n","version":"v1"})"},
        {"create-with-empty-binary-media", "CreateRestApi", R"({"name":"n","binaryMediaTypes":[]})"},
        {"string-compression-size", "CreateRestApi", R"({"name":"n","minimumCompressionSize":-1})"}}},
      {"test_update_rest_api_operation_add_remove",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"update-rest-api-add", "UpdateRestApi",
         API(R"({"op":"add","path":"/binaryMediaTypes/image~1png"},{"op":"add","path":"/binaryMediaTypes/image~1jpeg"})")},
        {"update-rest-api-replace", "UpdateRestApi", API(PATCH("replace", "/binaryMediaTypes/image~1png", "image/gif"))},
        {"update-rest-api-remove", "UpdateRestApi",
         API(R"({"op":"remove","path":"/binaryMediaTypes/image~1gif"},{"op":"remove","path":"/description"})")}}},
      {"test_update_rest_api_behaviour",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"update-rest-api-array", "UpdateRestApi", API(PATCH("add", "/binaryMediaTypes/-", "image/gif"))},
        {"update-rest-api-add-base-path", "UpdateRestApi", API(PATCH("add", "/binaryMediaTypes", "image/gif"))},
        {"update-rest-api-replace-base-path", "UpdateRestApi", API(PATCH("replace", "/binaryMediaTypes", "image/gif"))},
        {"update-rest-api-remove-base-path", "UpdateRestApi", API(R"({"op":"remove","path":"/binaryMediaTypes"})")}}},
      {"test_update_rest_api_invalid_api_id",
       {{"not-found-update-rest-api", "UpdateRestApi", R"({"restApiId":"api_id","patchOperations":[]})"}}},
      {"test_create_rest_api_with_endpoint_configuration",
       {{"create-with-empty-types", "CreateRestApi", R"({"name":"n","endpointConfiguration":{"types":[]}})"},
        {"create-with-invalid-ip-address-type", "CreateRestApi",
         R"({"name":"n","endpointConfiguration":{"types":["EDGE"],"ipAddressType":"wrong"}})"},
        {"create-with-multiple-errors-2", "CreateRestApi",
         R"({"name":"n","description":"","endpointConfiguration":{"types":["EDGE","REGIONAL"]}})"},
        {"create-with-two-types", "CreateRestApi", R"({"name":"n","endpointConfiguration":{"types":["EDGE","REGIONAL"]}})"},
        {"create-with-endpoint-config-dualstack", "CreateRestApi",
         R"({"name":"n","endpointConfiguration":{"types":["EDGE"],"ipAddressType":"dualstack"}})"},
        {"create-with-endpoint-config-regional", "CreateRestApi",
         R"({"name":"n","endpointConfiguration":{"types":["REGIONAL"],"ipAddressType":"ipv4"}})"},
        {"create-with-invalid-types", "CreateRestApi", R"({"name":"n","endpointConfiguration":{"types":["wrong"]}})"},
        {"create-with-invalid-ip-address-type-and-types", "CreateRestApi",
         R"({"name":"n","endpointConfiguration":{"types":["wrong"],"ipAddressType":"wrong"}})"}}},
      {"test_create_rest_api_verify_defaults",
       {{"create-with-edge-default", "CreateRestApi", R"({"name":"n","endpointConfiguration":{"types":["EDGE"]}})"},
        {"create-with-regional-default", "CreateRestApi", R"({"name":"n","endpointConfiguration":{"types":["REGIONAL"]}})"},
        {"create-with-private-default", "CreateRestApi", R"({"name":"n","endpointConfiguration":{"types":["PRIVATE"]}})"},
        {"create-with-empty-default", "CreateRestApi", R"({"name":"n","endpointConfiguration":{}})"}}},
      {"test_update_rest_api_concatenation_of_errors",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"update-rest-api-wrong-operations-on-type-and-on-ip-address-type", "UpdateRestApi",
         API(PATCH("wrong", "/a", "b") "," PATCH("wrong", "/a", "b") "," PATCH("wrong", "/a", "b"))}}},
  };
}

#define CHILD(parent, part) R"({"restApiId":"$api$","parentId":")" parent R"(","pathPart":")" part R"("})"
#define RESOURCE(id, patches) R"({"restApiId":"$api$","resourceId":")" id R"(","patchOperations":[)" patches "]}"

std::vector<Scene> resource_scenes() {
  return {
      {"test_update_resource_behaviour",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"nonexistent-resource", "UpdateResource", RESOURCE("fake", PATCH("replace", "/pathPart", "dogs"))},
        {"", "CreateResource", CHILD("$root$", "pets"), "pets=id"},
        {"invalid-path-part", "UpdateResource", RESOURCE("$pets$", PATCH("replace", "/invalid", "dogs"))},
        {"invalid-parent-id", "UpdateResource", RESOURCE("$pets$", PATCH("replace", "/parentId", "fake"))},
        {"create-subresource", "CreateResource", CHILD("$pets$", "subpets"), "sub=id"},
        {"create-subresource-child", "CreateResource", CHILD("$sub$", "pets"), "subsub=id"},
        {"existing-future-sibling-path", "UpdateResource", RESOURCE("$subsub$", PATCH("replace", "/parentId", "$root$"))},
        {"update-parent-id-to-subresource-id", "UpdateResource", RESOURCE("$sub$", PATCH("replace", "/parentId", "$subsub$"))},
        {"update-parent-id-to-root-id", "UpdateResource", RESOURCE("$sub$", PATCH("replace", "/parentId", "$root$"))},
        {"update-path-already-exists", "UpdateResource", RESOURCE("$sub$", PATCH("replace", "/pathPart", "pets"))},
        {"", "DeleteResource", R"({"restApiId":"$api$","resourceId":"$pets$"})"},
        {"", "DeleteResource", R"({"restApiId":"$api$","resourceId":"$subsub$"})"},
        {"resources-after-deletion", "GetResources", R"({"restApiId":"$api$"})"},
        {"remove-unsupported", "UpdateResource", RESOURCE("$sub$", R"({"op":"remove","path":"/pathPart"})")},
        {"add-unsupported", "UpdateResource", RESOURCE("$sub$", PATCH("add", "/pathPart", "x"))}}},
      {"test_create_resource_parent_invalid",
       {{"", "CreateRestApi", kApi, kKeepApi}, {"wrong-resource-parent-id", "CreateResource", CHILD("fake", "pets")}}},
      {"test_create_proxy_resource_validation",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"create-base-proxy-resource", "CreateResource", CHILD("$root$", "{proxy+}"), "proxy=id"},
        {"create-proxy-dynamic-sibling-resource", "CreateResource", CHILD("$root$", "{dynamic}")},
        {"create-proxy-static-child-resource", "CreateResource", CHILD("$proxy$", "parent")},
        {"create-proxy-dynamic-child-resource", "CreateResource", CHILD("$proxy$", "{child}")},
        {"", "CreateResource", CHILD("$root$", "parent"), "parent=id"},
        {"create-greedy-child-resource", "CreateResource", CHILD("$parent$", "{child+}")}}},
      {"test_update_resource_on_root",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"update-root-parent", "UpdateResource", RESOURCE("$root$", PATCH("replace", "/parentId", "$root$"))},
        {"update-root-path-part", "UpdateResource", RESOURCE("$root$", PATCH("replace", "/pathPart", "a"))}}},
  };
}

std::vector<Scene> method_scenes() {
  return {
      {"test_method_lifecycle",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"put-base-method-response", "PutMethod", "{" ROOT_ANY R"(,"authorizationType":"NONE"})"},
        {"get-base-method-response", "GetMethod", "{" ROOT_ANY "}"},
        {"del-base-method-response", "DeleteMethod", "{" ROOT_ANY "}"},
        {"get-deleted-method-response", "GetMethod", "{" ROOT_ANY "}"},
        {"delete-deleted-method-response", "DeleteMethod", "{" ROOT_ANY "}"}}},
      {"test_method_request_parameters",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"put-method-request-params-response", "PutMethod",
         "{" ROOT_ANY
         R"(,"authorizationType":"NONE","requestParameters":{"method.request.querystring.q_optional":false,
             "method.request.querystring.q_required":true,"method.request.header.h_optional":false,
             "method.request.header.h_required":true}})"},
        {"get-method-request-params-response", "GetMethod", "{" ROOT_ANY "}"},
        {"", "DeleteMethod", "{" ROOT_ANY "}"},
        {"req-params-same-name", "PutMethod",
         "{" ROOT_ANY R"(,"authorizationType":"NONE","requestParameters":{"method.request.querystring.a":false,
             "method.request.header.a":true}})"}}},
      {"test_put_method_validation",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"wrong-api", "PutMethod",
         R"({"restApiId":"fake","resourceId":"$root$","httpMethod":"GET","authorizationType":"NONE"})"},
        {"wrong-resource", "PutMethod",
         R"({"restApiId":"$api$","resourceId":"fake","httpMethod":"GET","authorizationType":"NONE"})"},
        {"wrong-method", "PutMethod",
         R"({"restApiId":"$api$","resourceId":"$root$","httpMethod":"TEST","authorizationType":"NONE"})"},
        {"missing-authorizer-id", "PutMethod", "{" ROOT R"(,"authorizationType":"CUSTOM"})"},
        {"invalid-request-validator", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE","requestValidatorId":"fake"})"},
        {"invalid-model-name", "PutMethod",
         "{" ROOT R"(,"authorizationType":"NONE","requestModels":{"application/json":"petModel"}})"}}},
      {"test_update_method_validation",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"wrong-rest-api", "UpdateMethod",
         R"({"restApiId":"fake","resourceId":"$root$","httpMethod":"ANY","patchOperations":[]})"},
        {"wrong-resource-id", "UpdateMethod",
         R"({"restApiId":"$api$","resourceId":"fake","httpMethod":"ANY","patchOperations":[]})"},
        {"method-does-not-exist", "UpdateMethod", METHOD("")},
        {"", "PutMethod", "{" ROOT_ANY R"(,"authorizationType":"NONE"})"},
        {"unsupported-operation", "UpdateMethod", METHOD(PATCH("add", "/authorizationType", "AWS_IAM"))},
        {"unsupported-operation-2", "UpdateMethod", METHOD(PATCH("add", "/requestValidatorId", "fake"))},
        {"unsupported-path", "UpdateMethod", METHOD(PATCH("replace", "/httpMethod", "PUT"))},
        {"wrong-path-request-parameters", "UpdateMethod", METHOD(PATCH("replace", "/requestParameters", "a=true"))},
        {"wrong-path-request-models", "UpdateMethod", METHOD(PATCH("add", "/requestModels/application/json", "petModel"))},
        {"wrong-value-type", "UpdateMethod", METHOD(PATCH("replace", "/apiKeyRequired", "whatever"))},
        {"wrong-auth-type", "UpdateMethod", METHOD(PATCH("replace", "/authorizationType", "CUSTOM"))},
        {"skip-auth-id-with-wrong-type", "UpdateMethod", METHOD(PATCH("replace", "/authorizerId", "abc123"))},
        {"wrong-auth-id", "UpdateMethod",
         METHOD(PATCH("replace", "/authorizationType", "CUSTOM") "," PATCH("replace", "/authorizerId", "abc123"))},
        {"wrong-req-validator-id", "UpdateMethod", METHOD(PATCH("replace", "/requestValidatorId", "fake"))}}},
      {"test_lifecycle_method_response",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"", "PutIntegration", "{" ROOT MOCK_200 "}"},
        {"put-method-response", "PutMethodResponse",
         "{" ROOT R"(,"statusCode":"200","responseParameters":{},"responseModels":{}})"},
        {"get-integration-response", "GetMethodResponse", "{" ROOT R"(,"statusCode":"200"})"},
        {"add-method-responses", "UpdateMethodResponse",
         "{" ROOT
         R"(,"statusCode":"200","patchOperations":[)" PATCH("add", "/responseModels/application~1json", "Empty") "," PATCH(
             "add", "/responseParameters/method.response.header.my-header", "true") "]}"},
        {"update-method-responses", "UpdateMethodResponse",
         "{" ROOT R"(,"statusCode":"200","patchOperations":[)" PATCH(
             "replace", "/responseParameters/method.response.header.my-header", "true") "]}"},
        {"get-method", "GetMethod", "{" ROOT "}"},
        {"delete-method-response", "DeleteMethodResponse", "{" ROOT R"(,"statusCode":"200"})"}}},
      {"test_update_method_response_wrong_operations",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"update-method-response-wrong-operation-1", "UpdateMethodResponse",
         "{" ROOT R"(,"statusCode":"200","patchOperations":[)" PATCH("wrong_op", "/a", "b") "]}"},
        {"update-method-response-wrong-operation-3", "UpdateMethodResponse",
         "{" ROOT
         R"(,"statusCode":"200","patchOperations":[)" PATCH("wrong_op", "/a", "b") "," PATCH("wrong_op", "/a", "b") "]}"},
        {"update-method-response-wrong-operation-4", "UpdateMethodResponse",
         "{" ROOT R"(,"statusCode":"200","patchOperations":[)" PATCH("wrong_op", "/a", "b") "," PATCH(
             "wrong_op", "/a", "b") "," PATCH("wrong_op", "/a", "b") "," PATCH("wrong_op", "/a", "b") "]}"},
        {"update-method-response-wrong-operation-5", "UpdateMethodResponse",
         "{" ROOT R"(,"statusCode":"200","patchOperations":[)" PATCH("wrong_op", "/a", "b") "," PATCH(
             "add", "/a", "b") "," PATCH("wrong_op", "/a", "b") "]}"}}},
      {"test_update_method_lack_response_parameters_and_models",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"", "PutMethodResponse", "{" ROOT R"(,"statusCode":"200"})"},
        {"update-method-response-operation-without-response-parameters", "UpdateMethodResponse",
         "{" ROOT R"(,"statusCode":"200","patchOperations":[)" PATCH(
             "replace", "/responseParameters/method.response.header.my-header", "true") "]}"},
        {"update-method-response-operation-without-response-models", "UpdateMethodResponse",
         "{" ROOT
         R"(,"statusCode":"200","patchOperations":[)" PATCH("replace", "/responseModels/application~1json", "Empty") "]}"},
        {"update-method-response-operation-with-wrong-path", "UpdateMethodResponse",
         "{" ROOT
         R"(,"statusCode":"200","patchOperations":[)" PATCH("add", "/wrong/method.response.header.my-header", "true") "]}"}}},
  };
}

#define STATUS(method, code) \
  R"({"restApiId":"$api$","resourceId":"$root$","httpMethod":")" method R"(","statusCode":")" code "\""

std::vector<Scene> integration_scenes() {
  return {
      {"test_put_integration_wrong_type",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"put-integration-wrong-type", "PutIntegration", "{" ROOT R"(,"type":"HTTPS_PROXY"})"}}},
      {"test_put_integration_response_validation",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"put-integration-wrong-method", "PutIntegration",
         R"({"restApiId":"$api$","resourceId":"$root$","httpMethod":"POST")" MOCK_200 "}"},
        {"put-integration-wrong-resource", "PutIntegration",
         R"({"restApiId":"$api$","resourceId":"fake","httpMethod":"GET")" MOCK_200 "}"},
        {"", "PutIntegration", "{" ROOT MOCK_200 "}"},
        {"put-integration-response-wrong-method", "PutIntegrationResponse", STATUS("POST", "200") "}"},
        {"put-integration-response-wrong-resource", "PutIntegrationResponse",
         R"({"restApiId":"$api$","resourceId":"fake","httpMethod":"GET","statusCode":"200"})"}}},
      {"test_lifecycle_integration_response",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"", "PutIntegration", "{" ROOT MOCK_200 "}"},
        {"put-integration-response", "PutIntegrationResponse",
         STATUS("GET", "200") R"(,"selectionPattern":"","responseTemplates":{"application/json":"\"created\""}})"},
        {"get-integration-response", "GetIntegrationResponse", STATUS("GET", "200") "}"},
        {"update-integration-response", "UpdateIntegrationResponse",
         STATUS("GET", "200") R"(,"patchOperations":[)" PATCH("replace", "/selectionPattern", "updated-pattern") "]}"},
        {"overwrite-integration-response", "PutIntegrationResponse",
         STATUS("GET",
                "200") R"(,"selectionPattern":"overwrite-pattern","responseTemplates":{"application/json":"overwrite"}})"},
        {"get-method", "GetMethod", "{" ROOT "}"},
        {"delete-integration-response", "DeleteIntegrationResponse", STATUS("GET", "200") "}"}}},
      {"test_integration_response_wrong_api",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"put-integration-response-wrong-api", "PutIntegrationResponse",
         R"({"restApiId":"fake","resourceId":"$root$","httpMethod":"GET","statusCode":"200"})"},
        {"get-integration-response-wrong-api", "GetIntegrationResponse",
         R"({"restApiId":"fake","resourceId":"$root$","httpMethod":"GET","statusCode":"200"})"}}},
      {"test_integration_response_wrong_method",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"put-integration-response-wrong-method", "PutIntegrationResponse", STATUS("POST", "200") "}"},
        {"get-integration-response-wrong-method", "GetIntegrationResponse", STATUS("POST", "200") "}"}}},
      {"test_integration_response_invalid_statuscode",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"put-integration-response-invalid-statusCode", "PutIntegrationResponse", STATUS("GET", "wrong") "}"},
        {"get-integration-response-invalid-statusCode", "GetIntegrationResponse", STATUS("GET", "wrong") "}"}}},
      {"test_integration_response_invalid_responsetemplates",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"", "PutIntegration", "{" ROOT MOCK_200 "}"},
        {"put-integration-response-invalid-responseTemplates-2", "PutIntegrationResponse",
         STATUS("GET", "200") R"(,"responseTemplates":{"123":"x"}})"}}},
      {"test_integration_response_invalid_integration",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"get-integration-response-without-integration", "GetIntegrationResponse", STATUS("GET", "200") "}"}}},
      {"test_integration_response_wrong_status_code",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"", "PutIntegration", "{" ROOT MOCK_200 "}"},
        {"get-integration-response-wrong-status-code", "GetIntegrationResponse", STATUS("GET", "201") "}"}}},
      {"test_delete_integration_response_errors",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"", "PutIntegration", "{" ROOT MOCK_200 "}"},
        {"put-integration-response", "PutIntegrationResponse",
         STATUS("GET", "200") R"(,"selectionPattern":"","responseTemplates":{"application/json":"\"created\""}})"},
        {"non-existent-resource", "DeleteIntegrationResponse",
         R"({"restApiId":"$api$","resourceId":"fake","httpMethod":"GET","statusCode":"200"})"},
        {"non-existent-api-id", "DeleteIntegrationResponse",
         R"({"restApiId":"fake","resourceId":"$root$","httpMethod":"GET","statusCode":"200"})"},
        {"non-existent-method", "DeleteIntegrationResponse", STATUS("POST", "200") "}"},
        {"non-existent-status-code", "DeleteIntegrationResponse", STATUS("GET", "201") "}"},
        {"bad-method", "DeleteIntegrationResponse", STATUS("BAD", "200") "}"}}},
      {"test_get_integration_non_existent",
       {{"get-integration-no-api", "GetIntegration", R"({"restApiId":"fake","resourceId":"a","httpMethod":"GET"})"},
        {"", "CreateRestApi", kApi, kKeepApi},
        {"get-integration-no-resource", "GetIntegration", R"({"restApiId":"$api$","resourceId":"a","httpMethod":"GET"})"},
        {"get-integration-no-method", "GetIntegration", "{" ROOT "}"},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"get-integration-no-integration", "GetIntegration", "{" ROOT "}"}}},
      {"test_put_integration_response_templates",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"", "PutIntegration", "{" ROOT MOCK_200 "}"},
        {"put-integration-response-template-empty", "PutIntegrationResponse",
         STATUS("GET", "200") R"(,"selectionPattern":"","responseTemplates":{"application/json":""}})"},
        {"put-integration-no-response-template", "PutIntegrationResponse", STATUS("GET", "200") R"(,"selectionPattern":""})"}}},
      {"test_put_integration_response_with_response_template",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"", "PutIntegration", "{" ROOT MOCK_200 "}"},
        {"", "PutIntegrationResponse",
         STATUS("GET",
                "200") R"(,"selectionPattern":"foobar","responseTemplates":{"application/json":"{\"data\":\"test\"}"}})"},
        {"get-integration-response", "GetIntegrationResponse", STATUS("GET", "200") "}"}}},
      {"test_put_integration_aws_proxy_uri",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"put-integration-wrong-arn", "PutIntegration",
         "{" ROOT R"(,"type":"AWS_PROXY","integrationHttpMethod":"POST","uri":"MyLambda"})"}}},
      {"test_error_aws_proxy_not_supported",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"create-integration-error", "PutIntegration",
         "{" ROOT
         R"(,"type":"AWS_PROXY","integrationHttpMethod":"POST","uri":"arn:aws:apigateway:us-east-1:dynamodb:action/PutItem"})"}}},
      {"test_put_integration_validation",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"required-integration-method-HTTP", "PutIntegration", "{" ROOT R"(,"type":"HTTP","uri":"http://example.com"})"},
        {"required-integration-method-HTTP_PROXY", "PutIntegration",
         "{" ROOT R"(,"type":"HTTP_PROXY","uri":"http://example.com"})"},
        {"required-integration-method-AWS", "PutIntegration", "{" ROOT R"(,"type":"AWS","uri":")" LAMBDA_URI R"("})"},
        {"not-required-integration-method-MOCK", "PutIntegration", "{" ROOT R"(,"type":"MOCK"})"},
        {"http-method-HTTP_PROXY", "PutIntegration",
         "{" ROOT R"(,"type":"HTTP_PROXY","integrationHttpMethod":"POST","uri":"http://example.com"})"},
        {"aws-integration-type-AWS_PROXY", "PutIntegration",
         "{" ROOT R"(,"type":"AWS_PROXY","integrationHttpMethod":"POST","uri":")" LAMBDA_URI R"("})"},
        {"no-s3-support-AWS_PROXY", "PutIntegration",
         "{" ROOT R"(,"type":"AWS_PROXY","integrationHttpMethod":"POST","uri":"arn:aws:apigateway:us-east-1:s3:path/b/k"})"},
        {"invalid-uri-HTTP", "PutIntegration", "{" ROOT R"(,"type":"HTTP","integrationHttpMethod":"POST","uri":"non-valid"})"},
        {"invalid-uri-HTTP_PROXY", "PutIntegration",
         "{" ROOT R"(,"type":"HTTP_PROXY","integrationHttpMethod":"POST","uri":"non-valid"})"},
        {"invalid-uri-not-an-arn", "PutIntegration",
         "{" ROOT R"(,"type":"AWS","integrationHttpMethod":"POST","uri":"non-valid-arn"})"},
        {"invalid-uri-invalid-arn", "PutIntegration",
         "{" ROOT R"(,"type":"AWS","integrationHttpMethod":"POST","uri":"arn:aws:iam::0000000000:role/service-role/asdf"})"}}},
  };
}

// An API with a deployment and the stage "dev".
#define DEPLOYED                                                                                        \
  {"", "CreateRestApi", kApi, kKeepApi}, {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"}, \
      {"", "PutIntegration", "{" ROOT MOCK_200 "}"}, {                                                  \
    "", "CreateDeployment", R"({"restApiId":"$api$"})", "deployment=id"                                 \
  }
#define WITH_DEV \
  { "", "CreateStage", R"({"restApiId":"$api$","stageName":"dev","deploymentId":"$deployment$"})" }

std::vector<Scene> stage_scenes() {
  return {
      {"test_stage_access_log_settings",
       {{"", "CreateRestApi", kApi, kKeepApi},
        {"", "PutMethod", "{" ROOT R"(,"authorizationType":"NONE"})"},
        {"", "PutIntegration", "{" ROOT MOCK_200 "}"},
        {"create-deployment", "CreateDeployment", R"({"restApiId":"$api$"})", "deployment=id"},
        {"create-stage", "CreateStage",
         R"({"restApiId":"$api$","stageName":"dev","deploymentId":"$deployment$","description":"dev stage"})"},
        {"update-stage-access-log-remove-all", "UpdateStage", STAGE(R"({"op":"remove","path":"/accessLogSettings"})")}}},
      {"test_create_canary_deployment_by_stage_update",
       {DEPLOYED,
        {"create-stage", "CreateStage",
         R"({"restApiId":"$api$","stageName":"dev","deploymentId":"$deployment$","description":"dev stage",
             "variables":{"testVar":"default"}})"}}},
      {"test_create_canary_deployment_validation",
       {DEPLOYED,
        {"create-canary-deployment-no-stage", "CreateDeployment",
         R"({"restApiId":"$api$","canarySettings":{"percentTraffic":50}})"},
        {"create-canary-deployment-empty-stage", "CreateDeployment",
         R"({"restApiId":"$api$","stageName":"","canarySettings":{"percentTraffic":50}})"},
        {"create-canary-deployment-non-existing-stage", "CreateDeployment",
         R"({"restApiId":"$api$","stageName":"non-existing","canarySettings":{"percentTraffic":50}})"}}},
      {"test_create_canary_deployment",
       {DEPLOYED,
        {"bad-canary-deployment-id", "CreateStage",
         R"({"restApiId":"$api$","stageName":"dev","deploymentId":"$deployment$","canarySettings":{"deploymentId":"fake"}})"}}},
      {"test_update_stage_canary_deployment_validation",
       {DEPLOYED,
        WITH_DEV,
        {"get-stage", "GetStage", R"({"restApiId":"$api$","stageName":"dev"})"},
        {"update-stage-canary-settings-remove-overrides", "UpdateStage",
         STAGE(R"({"op":"remove","path":"/canarySettings/stageVariableOverrides"})")},
        {"update-stage-canary-settings-bad-path", "UpdateStage", STAGE(R"({"op":"remove","path":"/canarySettings/badPath"})")},
        {"update-stage-canary-settings-bad-path-2", "UpdateStage", STAGE(PATCH("replace", "/canarySettings", "x"))},
        {"update-stage-canary-settings-replace-bad-path", "UpdateStage",
         STAGE(PATCH("replace", "/canarySettings/badPath", "x"))},
        {"update-stage-add-deployment", "UpdateStage", STAGE(PATCH("add", "/canarySettings/deploymentId", "x"))},
        {"update-stage-no-deployment", "UpdateStage", STAGE(PATCH("replace", "/canarySettings/deploymentId", "fake"))}}},
      {"test_update_stage_with_copy_ops",
       {DEPLOYED,
        WITH_DEV,
        {"copy-with-bad-statement", "UpdateStage",
         STAGE(R"({"op":"copy","path":"/canarySettings/stageVariableOverrides","from":"/variables"})")},
        {"copy-with-no-replace", "UpdateStage",
         STAGE(R"({"op":"copy","path":"/deploymentId","from":"/canarySettings/deploymentId"})")}}},
      {"test_stage_access_log_settings_validation",
       {DEPLOYED,
        WITH_DEV,
        {"invalid-path-add", "UpdateStage", STAGE(PATCH("add", "/accessLogSettings/wrong", "x"))},
        {"update-stage-access-log-destinationArn-empty", "UpdateStage",
         STAGE(PATCH("replace", "/accessLogSettings/destinationArn", ""))},
        {"star-and-remove", "UpdateStage", STAGE(R"({"op":"remove","path":"/accessLogSettings/*"})")}}},
      {"test_update_stage_remove_wildcard",
       {DEPLOYED, WITH_DEV, {"delete-error", "UpdateStage", STAGE(R"({"op":"remove","path":"/*/*"})")}}},
      {"test_create_delete_deployments",
       {DEPLOYED,
        WITH_DEV,
        {"delete-deployment-error-0", "DeleteDeployment", R"({"restApiId":"$api$","deploymentId":"$deployment$"})"}}},
      {"test_create_rest_api_private_type",
       {{"create-with-private-type-and-ipv4-ip-address-type", "CreateRestApi",
         R"({"name":"n","endpointConfiguration":{"types":["PRIVATE"],"ipAddressType":"ipv4"}})"}}},
  };
}

// Rows of aws-errors.tsv that these operations cannot give yet: scenario prefix -> why. The list may only shrink.
const std::map<std::string, std::string>& not_yet() {
  static const std::map<std::string, std::string> list = {
      {"test_update_api_key_immutable_field", "API keys"},
      {"test_create_api_key_with_invalid_value", "API keys"},
      {"test_create_api_key_with_invalid_name", "API keys"},
      {"test_usage_plan_crud", "usage plans"},
      {"test_update_model", "models"},
      {"test_put_method_model", "models"},
      {"test_model_validation", "models"},
      {"test_invalid_update_request_validator_operations", "request validators"},
      {"test_validators_crud_no_api", "request validators"},
      {"test_request_validator_lifecycle", "request validators"},
      {"test_authorizer_crud_no_api", "authorizers"},
      {"test_gateway_response_validation", "gateway responses"},
      {"test_update_gateway_response", "gateway responses"},
      {"test_create_vpc_link_invalid_parameters", "VPC links"},
      {"test_import_api_bad_file", "import"},
      {"test_invalid_create_documentation_part_operations", "documentation parts"},
      {"test_put_integration_request_parameter_bool_type", "the front parses the document, not this module"},
      {"test_apigateway_s3_any", "an answer of S3 through an AWS integration"},
  };
  return list;
}

// `<…>` in what was recorded stands for any text.
bool text_matches(std::string_view pattern, std::string_view text) {
  const size_t open = pattern.find('<');
  const size_t close = open == std::string_view::npos ? open : pattern.find('>', open);
  if (close == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, open))) return false;
  text.remove_prefix(open);
  pattern.remove_prefix(close + 1);
  for (size_t skip = 0; skip <= text.size(); ++skip) {
    if (text_matches(pattern, text.substr(skip))) return true;
  }
  return false;
}

// AWS does not keep the order of "enum value set: [b, a]".
std::string with_sorted_sets(std::string text) {
  const std::string mark = "enum value set: [";
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    const size_t begin = at + mark.size(), end = text.find(']', begin);
    std::vector<std::string> items;
    for (std::string_view s : split(std::string_view(text).substr(begin, end - begin), ',')) items.emplace_back(trim(s));
    std::sort(items.begin(), items.end());
    text.replace(begin, end - begin, join(items, ", "));
  }
  return text;
}

// How `got` differs from `recorded`, "" when it does not.
std::string differs(const Value& recorded, const Value& got, const std::string& where) {
  if (recorded.is_string()) {
    const std::string& pattern = recorded.as_string();
    if (pattern == "datetime") return got.is_timestamp() ? "" : where + ": no time";
    if (got.is_string()) return text_matches(pattern, got.as_string()) ? "" : where + ": " + got.as_string();
  }
  if (recorded.is_object() && got.is_string()) {  // the recorder parsed a JSON text
    auto parsed = parse_json(got.as_string());
    return parsed.ok() && parsed.value() == recorded ? "" : where + ": " + got.as_string();
  }
  if (recorded.is_object() && got.is_object()) {
    std::string out;
    for (const auto& [name, v] : recorded.as_object()) {
      if (name == "ResponseMetadata") continue;
      const Value* g = got.find(name);
      out += g == nullptr ? where + "." + name + ": missing; " : differs(v, *g, where + "." + name);
    }
    for (const auto& [name, v] : got.as_object()) {
      if (recorded.find(name) == nullptr) out += where + "." + name + ": not in the recording; ";
    }
    return out;
  }
  if (recorded.is_list() && got.is_list()) {
    if (recorded.size() != got.size()) return where + ": " + std::to_string(got.size()) + " elements; ";
    std::string out;
    for (size_t i = 0; i < recorded.size(); ++i) out += differs(recorded.as_list()[i], got.as_list()[i], where + "[]");
    return out;
  }
  return recorded == got ? "" : where + ": " + to_json(got) + " instead of " + to_json(recorded) + "; ";
}

class RecordedTest : public ApiGatewayTest {
 protected:
  void SetUp() override {
    const char* folder = ::getenv("SAVIA_VECTORS");
    if (folder == nullptr) {
      ASSERT_STRNE(::getenv("CI") == nullptr ? "" : ::getenv("CI"), "true") << "SAVIA_VECTORS is not set";
      GTEST_SKIP() << "SAVIA_VECTORS is not set: 58 recorded errors and " << scenes().size() << " scenarios not run";
    }
    folder_ = folder;
  }
  std::string file(const std::string& name) const {
    std::ifstream in(folder_ + "/" + name);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  static std::vector<Scene> scenes() {
    std::vector<Scene> all = api_scenes();
    for (auto more : {resource_scenes, method_scenes, integration_scenes, stage_scenes}) {
      for (Scene& s : more()) all.push_back(std::move(s));
    }
    return all;
  }
  // Every step's outcome under "test.label".
  std::map<std::string, aws::Outcome> play() {
    std::map<std::string, aws::Outcome> outcomes;
    for (const Scene& scene : scenes()) {
      EXPECT_TRUE(database_->wipe().ok());
      vars_.clear();
      for (const Step& step : scene.steps) {
        aws::Outcome out = call("apigateway", step.operation, doc(fill(step.in)));
        EXPECT_TRUE(out.ok() || *step.label != 0) << scene.test << " " << step.operation << " " << fill(step.in);
        for (std::string_view pair : split(step.keep, ' ')) {
          const size_t equals = pair.find('=');
          if (equals != std::string_view::npos && out.ok()) {
            vars_[std::string(pair.substr(0, equals))] = out.value().str_or(pair.substr(equals + 1), "");
          }
        }
        if (*step.label != 0) outcomes.emplace(std::string(scene.test) + "." + step.label, std::move(out));
      }
    }
    return outcomes;
  }
  std::string folder_;
};

TEST_F(RecordedTest, ScenariosAnswerAsAwsDid) {
  auto recorded = parse_json(file("recorded/apigateway.json"));
  ASSERT_TRUE(recorded.ok());
  std::map<std::string, const Value*> replies;
  for (const auto& [test, recording] : recorded.value().as_object()) {
    const Value* labelled = recording.object_at("replies");
    if (labelled == nullptr) continue;
    const std::string name = test.substr(test.rfind("::") + 2);
    for (const auto& [label, reply] : labelled->as_object()) replies[name + "." + label] = &reply;
  }
  int compared = 0;
  for (const auto& [step, outcome] : play()) {
    auto reply = replies.find(step);
    if (reply == replies.end()) continue;  // only in aws-errors.tsv
    ++compared;
    const Value& r = *reply->second;
    if (const Value* error = r.object_at("Error")) {
      ASSERT_FALSE(outcome.ok()) << step << ": no error but " << to_json(outcome.value());
      EXPECT_EQ(outcome.error().code, error->str("Code")) << step;
      EXPECT_TRUE(text_matches(with_sorted_sets(error->str_or("Message", "")), with_sorted_sets(outcome.error().message)))
          << step << "\n got  " << outcome.error().message << "\n want " << error->str_or("Message", "");
      EXPECT_EQ(outcome.error().http_status, r.object_at("ResponseMetadata")->num("HTTPStatusCode")) << step;
    } else {
      ASSERT_TRUE(outcome.ok()) << step << ": " << outcome.error().message;
      EXPECT_EQ(differs(r, outcome.value(), ""), "") << step;
    }
  }
  EXPECT_GE(compared, 110);
}

TEST_F(RecordedTest, EveryRecordedErrorIsAnsweredWordForWordOrListed) {
  const std::map<std::string, aws::Outcome> outcomes = play();
  std::set<std::string> listed;
  int provoked = 0;
  const std::string text = file("aws-errors.tsv");
  for (std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> f = split(line, '\t');
    if (f.size() < 5 || f[0] != "apigateway") continue;
    const std::string scenario(f[4]);
    const std::string test = scenario.substr(0, scenario.find('.'));
    auto outcome = outcomes.find(scenario);
    if (outcome == outcomes.end()) {
      EXPECT_TRUE(not_yet().contains(test)) << "neither provoked nor listed: " << line;
      listed.insert(test);
      continue;
    }
    ++provoked;
    ASSERT_FALSE(outcome->second.ok()) << scenario;
    const aws::Fault& fault = outcome->second.error();
    EXPECT_EQ(std::to_string(fault.http_status), f[1]) << scenario;
    EXPECT_EQ(fault.code, f[2]) << scenario;
    // The file keeps its columns apart by tabs and may have lost the white space at the end of a message.
    EXPECT_TRUE(text_matches(with_sorted_sets(std::string(trim(f[3]))), trim(with_sorted_sets(fault.message))))
        << scenario << "\n got  " << fault.message << "\n want " << f[3];
  }
  for (const auto& [test, why] : not_yet()) EXPECT_TRUE(listed.contains(test)) << "take it from the list: " << test;
  EXPECT_GE(provoked, 30);
}

}  // namespace

}  // namespace savia::apigateway

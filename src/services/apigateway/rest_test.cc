// REST APIs: every operation, with a later read or the published picture to tell that it did something.
#include "services/apigateway/testing.h"

namespace savia::apigateway {

namespace {

class RestTest : public ApiGatewayTest {
 protected:
  std::string api(const std::string& more = "") {
    const Value a = v1("CreateRestApi", R"({"name":"shop")" + more + "}");
    root_ = a.str_or("rootResourceId", "");
    return a.str_or("id", "");
  }
  static std::string q(const std::string& s) { return "\"" + s + "\""; }
  std::string at(const std::string& api, const std::string& resource, const std::string& method = "GET") {
    return R"("restApiId":")" + api + R"(","resourceId":")" + resource + R"(","httpMethod":")" + method + "\"";
  }
  std::string resource(const std::string& api, const std::string& parent, const std::string& part) {
    return v1("CreateResource", R"({"restApiId":")" + api + R"(","parentId":")" + parent + R"(","pathPart":")" + part + "\"}")
        .str_or("id", "");
  }
  // A method with a MOCK answer.
  void mock(const std::string& api, const std::string& resource, const std::string& method) {
    v1("PutMethod", "{" + at(api, resource, method) + R"(,"authorizationType":"NONE"})");
    v1("PutIntegration",
       "{" + at(api, resource, method) + R"(,"type":"MOCK","requestTemplates":{"application/json":"{\"statusCode\": 200}"}})");
  }
  std::string deploy(const std::string& api, const std::string& stage = "") {
    return v1("CreateDeployment",
              R"({"restApiId":")" + api + "\"" + (stage.empty() ? "" : R"(,"stageName":")" + stage + "\"") + "}")
        .str_or("id", "");
  }
  std::string root_;
};

std::vector<std::string> keys(const Value& v) {
  std::vector<std::string> out;
  for (const auto& [k, m] : v.as_object()) out.push_back(k);
  std::sort(out.begin(), out.end());
  return out;
}

TEST_F(RestTest, AnApiHasExactlyTheMembersThatAwsShows) {
  const Value a = v1("CreateRestApi", R"({"name":"shop","description":"d","tags":{}})");
  EXPECT_EQ(keys(a), (std::vector<std::string>{"apiKeySource", "createdDate", "description", "disableExecuteApiEndpoint",
                                               "endpointConfiguration", "id", "name", "rootResourceId"}));
  EXPECT_EQ(a.str_or("id", "").size(), 10u);
  EXPECT_EQ(to_json(*a.find("endpointConfiguration")), R"({"types":["EDGE"],"ipAddressType":"ipv4"})");
  EXPECT_EQ(a.find("createdDate")->as_timestamp_ms(), now_ms_);
  EXPECT_EQ(v1("GetRestApi", R"({"restApiId":")" + a.str_or("id", "") + "\"}"), a);
  const Value p = v1("CreateRestApi", R"({"name":"p","endpointConfiguration":{"types":["PRIVATE"]}})");
  EXPECT_EQ(to_json(*p.find("endpointConfiguration")), R"({"types":["PRIVATE"],"ipAddressType":"dualstack"})");
  ASSERT_NE(sink_->api(a.str_or("id", "")), nullptr);
  EXPECT_TRUE(sink_->api(a.str_or("id", ""))->stages.empty());
}

TEST_F(RestTest, ApisAreListedInPagesPerAccountAndRegion) {
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) made.push_back(api());
  region_ = "eu-west-1";
  api();
  region_ = "us-east-1";
  std::vector<std::string> seen;
  std::string position;
  do {
    const Value page =
        v1("GetRestApis", R"({"limit":2)" + (position.empty() ? "" : R"(,"position":")" + position + "\"") + "}");
    for (const Value& a : *page.list_at("items")) seen.push_back(a.str_or("id", ""));
    position = page.str_or("position", "");
  } while (!position.empty());
  EXPECT_EQ(seen, made);
  account_ = "222222222222";
  EXPECT_EQ(v1("GetRestApis", "{}").find("items")->size(), 0u);
  EXPECT_EQ(fault1("GetRestApi", R"({"restApiId":")" + made[0] + "\"}"),
            "404 NotFoundException Invalid API identifier specified 222222222222:" + made[0]);
  EXPECT_EQ(fault1("GetRestApis", R"({"position":"zz"})"), "400 BadRequestException Invalid position parameter");
}

TEST_F(RestTest, PatchesOfAnApiDoAsRecorded) {
  const std::string id = api(R"(,"description":"this is my api")");
  auto patch = [&](const std::string& ops) {
    return v1("UpdateRestApi", R"({"restApiId":")" + id + R"(","patchOperations":)" + ops + "}");
  };
  Value a =
      patch(R"([{"op":"add","path":"/binaryMediaTypes/image~1png"},{"op":"add","path":"/binaryMediaTypes/image~1jpeg"}])");
  EXPECT_EQ(to_json(*a.find("binaryMediaTypes")), R"(["image/png","image/jpeg"])");
  EXPECT_EQ(to_json(*a.find("tags")), "{}");
  a = patch(R"([{"op":"replace","path":"/binaryMediaTypes/image~1png","value":"image/gif"}])");
  EXPECT_EQ(to_json(*a.find("binaryMediaTypes")), R"(["image/jpeg","image/gif"])");
  EXPECT_EQ(sink_->api(id)->binary_media_types, (std::vector<std::string>{"image/jpeg", "image/gif"}));
  a = patch(R"([{"op":"remove","path":"/binaryMediaTypes/image~1gif"},{"op":"remove","path":"/description"}])");
  EXPECT_EQ(to_json(*a.find("binaryMediaTypes")), R"(["image/jpeg"])");
  EXPECT_FALSE(a.has("description"));
  a = patch(
      R"([{"op":"replace","path":"/name","value":"n2"},{"op":"replace","path":"/disableExecuteApiEndpoint","value":"true"},
               {"op":"replace","path":"/version","value":"v2"},{"op":"replace","path":"/apiKeySource","value":"AUTHORIZER"},
               {"op":"replace","path":"/endpointConfiguration/types/EDGE","value":"REGIONAL"}])");
  EXPECT_EQ(a.str("name"), "n2");
  EXPECT_EQ(a.str("apiKeySource"), "AUTHORIZER");
  EXPECT_EQ(to_json(*a.find("endpointConfiguration")), R"({"types":["REGIONAL"],"ipAddressType":"ipv4"})");
  EXPECT_TRUE(sink_->api(id)->execute_api_disabled);
  EXPECT_EQ(sink_->api(id)->name, "n2");
  // All or nothing.
  EXPECT_NE(fault1("UpdateRestApi", R"({"restApiId":")" + id +
                                        R"(","patchOperations":[{"op":"replace","path":"/name","value":"n3"},
                                        {"op":"replace","path":"/policy","value":"{}"}]})"),
            "ok");
  EXPECT_EQ(v1("GetRestApi", R"({"restApiId":")" + id + "\"}").str("name"), "n2");
}

TEST_F(RestTest, DeletingAnApiTakesEverythingBelowAndThePicture) {
  const std::string id = api();
  mock(id, root_, "GET");
  deploy(id, "dev");
  ASSERT_NE(sink_->stage(id, "dev"), nullptr);
  v1("DeleteRestApi", R"({"restApiId":")" + id + "\"}");
  EXPECT_EQ(sink_->api(id), nullptr);
  EXPECT_EQ(fault1("GetMethod", "{" + at(id, root_) + "}"), "404 NotFoundException Invalid Resource identifier specified");
  auto rows = database_->read([&](state::Tx& tx) -> Result<void> {
    for (const char* table : {"apigw_api", "apigw_resource", "apigw_method", "apigw_deployment", "apigw_stage"}) {
      EXPECT_EQ(TRY(tx.num("SELECT count(*) FROM " + std::string(table))), 0) << table;
    }
    return {};
  });
  EXPECT_TRUE(rows.ok());
}

TEST_F(RestTest, ResourcesFormATree) {
  const std::string id = api();
  const std::string pets = resource(id, root_, "pets");
  const std::string pet = resource(id, pets, "{petId}");
  const Value made = v1("GetResource", R"({"restApiId":")" + id + R"(","resourceId":")" + pet + "\"}");
  EXPECT_EQ(keys(made), (std::vector<std::string>{"id", "parentId", "path", "pathPart"}));
  EXPECT_EQ(made.str("path"), "/pets/{petId}");
  v1("PutMethod", "{" + at(id, pet) + R"(,"authorizationType":"NONE"})");
  Value list = v1("GetResources", R"({"restApiId":")" + id + "\"}");
  EXPECT_EQ(to_json((*list.list_at("items"))[0]), R"({"id":")" + root_ + R"(","path":"/"})");
  EXPECT_EQ(to_json(*(*list.list_at("items"))[2].find("resourceMethods")), R"({"GET":{}})");
  list = v1("GetResources", R"({"restApiId":")" + id + R"(","embed":["methods"],"limit":3})");
  EXPECT_EQ((*list.list_at("items"))[2].find("resourceMethods")->find("GET")->str("authorizationType"), "NONE");
  EXPECT_FALSE(list.has("position"));
  EXPECT_TRUE(v1("GetResources", R"({"restApiId":")" + id + R"(","limit":2})").has("position"));

  // A move takes what is below with it.
  const std::string shop = resource(id, root_, "shop");
  Value moved = v1("UpdateResource", R"({"restApiId":")" + id + R"(","resourceId":")" + pets +
                                         R"(","patchOperations":[{"op":"replace","path":"/parentId","value":")" + shop +
                                         R"("},{"op":"replace","path":"/pathPart","value":"animals"}]})");
  EXPECT_EQ(moved.str("path"), "/shop/animals");
  EXPECT_EQ(v1("GetResource", R"({"restApiId":")" + id + R"(","resourceId":")" + pet + "\"}").str("path"),
            "/shop/animals/{petId}");
  v1("DeleteResource", R"({"restApiId":")" + id + R"(","resourceId":")" + shop + "\"}");
  EXPECT_EQ(v1("GetResources", R"({"restApiId":")" + id + "\"}").find("items")->size(), 1u);
  EXPECT_EQ(fault1("GetMethod", "{" + at(id, pet) + "}"), "404 NotFoundException Invalid Resource identifier specified");
}

TEST_F(RestTest, PathPartsAreChecked) {
  const std::string id = api();
  for (const char* part : {"a b", "{}", "{+}", "{a", "a}", "{a}b", "a/b", "", "caf\xc3\xa9", "{a+b}"}) {
    EXPECT_EQ(
        fault1("CreateResource", R"({"restApiId":")" + id + R"(","parentId":")" + root_ + R"(","pathPart":")" + part + "\"}")
            .substr(0, 58),
        "400 BadRequestException Resource's path part only allow a-")
        << part;
  }
  for (const char* part : {"a", "v1.0", "a_b-c", "x:y", "{id}", "$metadata"}) {
    EXPECT_EQ(
        fault1("CreateResource", R"({"restApiId":")" + id + R"(","parentId":")" + root_ + R"(","pathPart":")" + part + "\"}"),
        "ok")
        << part;
  }
}

TEST_F(RestTest, MethodsAndTheirResponses) {
  const std::string id = api();
  Value m =
      v1("PutMethod", "{" + at(id, root_) +
                          R"(,"authorizationType":"NONE","operationName":"list","requestModels":{"application/json":"Empty"},
                                "requestParameters":{"method.request.path.id":true}})");
  EXPECT_EQ(to_json(m), R"({"httpMethod":"GET","authorizationType":"NONE","apiKeyRequired":false,"operationName":"list",)"
                        R"("requestParameters":{"method.request.path.id":true},"requestModels":{"application/json":"Empty"}})");
  EXPECT_EQ(fault1("PutMethod", "{" + at(id, root_) + R"(,"authorizationType":"NONE"})"),
            "409 ConflictException Method already exists for this resource");
  m = v1("UpdateMethod", "{" + at(id, root_) +
                             R"(,"patchOperations":[{"op":"remove","path":"/requestModels/application~1json"},
                             {"op":"replace","path":"/operationName","value":"all"},
                             {"op":"add","path":"/requestParameters/method.request.header.h","value":"false"},
                             {"op":"replace","path":"/apiKeyRequired","value":"whatever"},
                             {"op":"replace","path":"/authorizerId","value":"abc123"}]})");
  EXPECT_EQ(to_json(m), R"({"httpMethod":"GET","authorizationType":"NONE","apiKeyRequired":false,"operationName":"all",)"
                        R"("requestParameters":{"method.request.path.id":true,"method.request.header.h":false}})");
  EXPECT_EQ(v1("GetMethod", "{" + at(id, root_) + "}"), m);

  Value r =
      v1("PutMethodResponse", "{" + at(id, root_) + R"(,"statusCode":"200","responseModels":{},"responseParameters":{}})");
  EXPECT_EQ(to_json(r), R"({"statusCode":"200","responseParameters":{},"responseModels":{}})");
  EXPECT_EQ(fault1("PutMethodResponse", "{" + at(id, root_) + R"(,"statusCode":"200"})"),
            "409 ConflictException Response already exists for this resource");
  r = v1("UpdateMethodResponse", "{" + at(id, root_) + R"(,"statusCode":"200","patchOperations":[
      {"op":"add","path":"/responseParameters/method.response.header.my-header","value":"true"},
      {"op":"add","path":"/responseModels/application~1json","value":"Empty"}]})");
  const std::string full = R"({"statusCode":"200","responseParameters":{"method.response.header.my-header":true},)"
                           R"("responseModels":{"application/json":"Empty"}})";
  EXPECT_EQ(to_json(r), full);
  EXPECT_EQ(to_json(v1("GetMethodResponse", "{" + at(id, root_) + R"(,"statusCode":"200"})")), full);
  EXPECT_EQ(to_json(*v1("GetMethod", "{" + at(id, root_) + "}").find("methodResponses")), R"({"200":)" + full + "}");
  v1("DeleteMethodResponse", "{" + at(id, root_) + R"(,"statusCode":"200"})");
  EXPECT_FALSE(v1("GetMethod", "{" + at(id, root_) + "}").has("methodResponses"));
  v1("DeleteMethod", "{" + at(id, root_) + "}");
  EXPECT_EQ(fault1("DeleteMethod", "{" + at(id, root_) + "}"), "404 NotFoundException Invalid Method identifier specified");
}

TEST_F(RestTest, IntegrationsAndTheirResponsesReachThePicture) {
  const std::string id = api();
  v1("PutMethod", "{" + at(id, root_) + R"(,"authorizationType":"NONE"})");
  const Value i = v1("PutIntegration", "{" + at(id, root_) + R"(,"type":"MOCK"})");
  EXPECT_EQ(keys(i), (std::vector<std::string>{"cacheKeyParameters", "cacheNamespace", "passthroughBehavior", "timeoutInMillis",
                                               "type"}));
  EXPECT_EQ(i.str("cacheNamespace"), root_);
  v1("UpdateIntegration", "{" + at(id, root_) + R"(,"patchOperations":[
      {"op":"add","path":"/requestTemplates/application~1json","value":"{\"statusCode\": 200}"},
      {"op":"replace","path":"/timeoutInMillis","value":"5000"},{"op":"replace","path":"/passthroughBehavior","value":"NEVER"}]})");
  EXPECT_EQ(v1("GetIntegration", "{" + at(id, root_) + "}").num("timeoutInMillis"), 5000);

  v1("PutMethodResponse",
     "{" + at(id, root_) + R"(,"statusCode":"200","responseParameters":{"method.response.header.X-A":true}})");
  Value r = v1("PutIntegrationResponse", "{" + at(id, root_) + R"(,"statusCode":"200","selectionPattern":"",
      "responseTemplates":{"application/json":"\"created\""},"responseParameters":{"method.response.header.X-A":"'a b'"}})");
  EXPECT_EQ(r.str("selectionPattern"), "");
  r = v1("UpdateIntegrationResponse", "{" + at(id, root_) + R"(,"statusCode":"200","patchOperations":[
      {"op":"replace","path":"/selectionPattern","value":"2\\d\\d"}]})");
  EXPECT_EQ(v1("GetIntegrationResponse", "{" + at(id, root_) + R"(,"statusCode":"200"})"), r);
  EXPECT_EQ(r.str("selectionPattern"), "2\\d\\d");
  EXPECT_TRUE(v1("GetMethod", "{" + at(id, root_) + "}").find("methodIntegration")->has("integrationResponses"));

  deploy(id, "dev");
  const ports::StageSpec* stage = sink_->stage(id, "dev");
  ASSERT_NE(stage, nullptr);
  ASSERT_EQ(stage->routes.size(), 1u);
  const ports::RouteSpec& route = stage->routes[0];
  EXPECT_EQ(route.method + " " + route.path + " " + route.resource_id, "GET / " + root_);
  EXPECT_EQ(route.integration.kind, ports::IntegrationKind::kMock);
  EXPECT_EQ(route.integration.timeout_ms, 5000);
  EXPECT_EQ(route.integration.passthrough_behavior, "NEVER");
  EXPECT_EQ(route.integration.request_templates.at("application/json"), "{\"statusCode\": 200}");
  ASSERT_EQ(route.integration.responses.size(), 1u);
  EXPECT_EQ(route.integration.responses[0].selection_pattern, "2\\d\\d");
  EXPECT_EQ(route.integration.responses[0].headers.at("X-A"), "a b");
  EXPECT_EQ(route.integration.responses[0].templates.at("application/json"), "\"created\"");

  v1("DeleteIntegrationResponse", "{" + at(id, root_) + R"(,"statusCode":"200"})");
  EXPECT_FALSE(v1("GetIntegration", "{" + at(id, root_) + "}").has("integrationResponses"));
  v1("DeleteIntegration", "{" + at(id, root_) + "}");
  EXPECT_EQ(fault1("GetIntegration", "{" + at(id, root_) + "}"),
            "404 NotFoundException Invalid Integration identifier specified");
}

TEST_F(RestTest, AnEmptyTemplateIsShownAsNull) {
  const std::string id = api();
  mock(id, root_, "GET");
  const Value r = v1("PutIntegrationResponse", "{" + at(id, root_) + R"(,"statusCode":"200","selectionPattern":"",
      "responseTemplates":{"application/json":""}})");
  EXPECT_EQ(to_json(r), R"({"statusCode":"200","selectionPattern":"","responseTemplates":{"application/json":null}})");
  deploy(id, "dev");
  EXPECT_EQ(sink_->stage(id, "dev")->routes[0].integration.responses[0].templates.at("application/json"), "");
}

TEST_F(RestTest, LambdaAndHttpProxyTargetsWithStageVariables) {
  const std::string id = api();
  const std::string p = resource(id, root_, "{proxy+}");
  v1("PutMethod", "{" + at(id, p, "ANY") + R"(,"authorizationType":"NONE"})");
  v1("PutIntegration", "{" + at(id, p, "ANY") +
                           R"(,"type":"AWS_PROXY","integrationHttpMethod":"POST","uri":"arn:aws:apigateway:us-east-1:)"
                           R"(lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:111111111111:function:)"
                           R"(shop-${stageVariables.env}:live/invocations"})");
  v1("PutMethod", "{" + at(id, root_) + R"(,"authorizationType":"NONE","requestParameters":{"method.request.path.x":true}})");
  v1("PutIntegration", "{" + at(id, root_) + R"(,"type":"HTTP_PROXY","integrationHttpMethod":"ANY",
      "uri":"http://${stageVariables.host}/v1/{x}","requestParameters":{"integration.request.path.x":"method.request.path.x"}})");
  const std::string d = deploy(id);
  for (const char* stage : {"dev", "prod"}) {
    v1("CreateStage", R"({"restApiId":")" + id + R"(","stageName":")" + stage + R"(","deploymentId":")" + d +
                          R"(","variables":{"env":")" + stage + R"(","host":"127.0.0.1:9000"}})");
  }
  for (const std::string stage : {"dev", "prod"}) {
    const ports::StageSpec* s = sink_->stage(id, stage);
    ASSERT_NE(s, nullptr);
    EXPECT_EQ(s->variables.at("env"), stage);
    ASSERT_EQ(s->routes.size(), 2u);
    for (const ports::RouteSpec& r : s->routes) {
      if (r.integration.kind == ports::IntegrationKind::kLambdaProxy) {
        EXPECT_EQ(r.method + " " + r.path, "ANY /{proxy+}");
        EXPECT_EQ(r.integration.function_name, "shop-" + stage);
        EXPECT_EQ(r.integration.function_qualifier, "live");
        EXPECT_EQ(r.integration.function_account, "111111111111");
        EXPECT_EQ(r.integration.function_region, "us-east-1");
        EXPECT_EQ(r.integration.timeout_ms, 29000);
      } else {
        EXPECT_EQ(r.integration.uri, "http://127.0.0.1:9000/v1/{x}");
        EXPECT_EQ(r.integration.request_parameters.at("integration.request.path.x"), "method.request.path.x");
        EXPECT_EQ(r.integration.connection_type, "INTERNET");
      }
    }
  }
}

TEST_F(RestTest, AStageServesTheSnapshotOfItsDeployment) {
  const std::string id = api();
  mock(id, root_, "GET");
  const Value d1 = v1("CreateDeployment", R"({"restApiId":")" + id + R"(","stageName":"dev","description":"first",
      "stageDescription":"the stage","variables":{"a":"1"}})");
  EXPECT_EQ(keys(d1), (std::vector<std::string>{"createdDate", "description", "id"}));
  EXPECT_EQ(d1.str_or("id", "").size(), 6u);
  const Value s = v1("GetStage", R"({"restApiId":")" + id + R"(","stageName":"dev"})");
  EXPECT_EQ(keys(s),
            (std::vector<std::string>{"cacheClusterEnabled", "cacheClusterStatus", "createdDate", "deploymentId", "description",
                                      "lastUpdatedDate", "methodSettings", "stageName", "tracingEnabled", "variables"}));
  mock(id, root_, "POST");
  EXPECT_EQ(sink_->stage(id, "dev")->routes.size(), 1u);  // not deployed yet
  now_ms_ += 5000;
  const std::string d2 = deploy(id, "dev");
  EXPECT_EQ(sink_->stage(id, "dev")->routes.size(), 2u);
  EXPECT_EQ(sink_->stage(id, "dev")->deployment_id, d2);
  EXPECT_EQ(sink_->stage(id, "dev")->variables.at("a"), "1");
  EXPECT_EQ(v1("GetStage", R"({"restApiId":")" + id + R"(","stageName":"dev"})").find("lastUpdatedDate")->as_timestamp_ms(),
            now_ms_);

  // Back to the first, which is possible as long as it is there.
  v1("UpdateStage", R"({"restApiId":")" + id + R"(","stageName":"dev","patchOperations":[
      {"op":"replace","path":"/deploymentId","value":")" +
                        d1.str_or("id", "") + R"("},
      {"op":"replace","path":"/variables/b","value":"2"},{"op":"remove","path":"/variables/a"},
      {"op":"replace","path":"/description","value":"back"}]})");
  EXPECT_EQ(sink_->stage(id, "dev")->routes.size(), 1u);
  EXPECT_EQ(sink_->stage(id, "dev")->variables, (std::map<std::string, std::string>{{"b", "2"}}));
  EXPECT_EQ(fault1("DeleteDeployment", R"({"restApiId":")" + id + R"(","deploymentId":")" + d1.str_or("id", "") + "\"}"),
            "400 BadRequestException Active stages pointing to this deployment must be moved or deleted");
  const Value summary =
      v1("GetDeployment", R"({"restApiId":")" + id + R"(","deploymentId":")" + d2 + R"(","embed":["apisummary"]})");
  EXPECT_EQ(to_json(*summary.find("apiSummary")), R"({"/":{"GET":{"authorizationType":"NONE","apiKeyRequired":false},)"
                                                  R"("POST":{"authorizationType":"NONE","apiKeyRequired":false}}})");
  v1("DeleteDeployment", R"({"restApiId":")" + id + R"(","deploymentId":")" + d2 + "\"}");
  EXPECT_EQ(v1("GetDeployments", R"({"restApiId":")" + id + "\"}").find("items")->size(), 1u);
  v1("UpdateDeployment", R"({"restApiId":")" + id + R"(","deploymentId":")" + d1.str_or("id", "") +
                             R"(","patchOperations":[{"op":"replace","path":"/description","value":"1st"}]})");
  EXPECT_EQ(
      v1("GetDeployment", R"({"restApiId":")" + id + R"(","deploymentId":")" + d1.str_or("id", "") + "\"}").str("description"),
      "1st");
  v1("DeleteStage", R"({"restApiId":")" + id + R"(","stageName":"dev"})");
  EXPECT_EQ(sink_->stage(id, "dev"), nullptr);
  EXPECT_EQ(v1("GetStages", R"({"restApiId":")" + id + "\"}").find("item")->size(), 0u);
}

TEST_F(RestTest, StagesAreListedByDeployment) {
  const std::string id = api();
  mock(id, root_, "GET");
  const std::string one = deploy(id, "a"), two = deploy(id, "b");
  const Value list = v1("GetStages", R"({"restApiId":")" + id + R"(","deploymentId":")" + two + "\"}");
  ASSERT_EQ(list.find("item")->size(), 1u);
  EXPECT_EQ((*list.list_at("item"))[0].str("stageName"), "b");
  EXPECT_EQ(fault1("CreateStage", R"({"restApiId":")" + id + R"(","stageName":"a","deploymentId":")" + one + "\"}"),
            "409 ConflictException Stage already exists");
  EXPECT_EQ(fault1("CreateStage", R"({"restApiId":")" + id + R"(","stageName":"a b","deploymentId":")" + one + "\"}"),
            "400 BadRequestException Stage name only allows a-zA-Z0-9_");
}

TEST_F(RestTest, TagsOfApisAndStages) {
  const std::string id = api(R"(,"tags":{"team":"a"})");
  mock(id, root_, "GET");
  deploy(id, "dev");
  const std::string arn = "arn:aws:apigateway:us-east-1::/restapis/" + id;
  v1("TagResource", R"({"resourceArn":")" + arn + R"(","tags":{"env":"dev"}})");
  EXPECT_EQ(to_json(*v1("GetTags", R"({"resourceArn":")" + arn + "\"}").find("tags")), R"({"team":"a","env":"dev"})");
  v1("UntagResource", R"({"resourceArn":")" + arn + R"(","tagKeys":["team"]})");
  EXPECT_EQ(to_json(*v1("GetRestApi", R"({"restApiId":")" + id + "\"}").find("tags")), R"({"env":"dev"})");
  v1("TagResource", R"({"resourceArn":")" + arn + R"(/stages/dev","tags":{"s":"1"}})");
  EXPECT_EQ(to_json(*v1("GetStage", R"({"restApiId":")" + id + R"(","stageName":"dev"})").find("tags")), R"({"s":"1"})");
  EXPECT_EQ(to_json(*v2("GetTags", R"({"ResourceArn":")" + arn + R"(/stages/dev"})").find("Tags")), R"({"s":"1"})");
  EXPECT_EQ(fault1("GetTags", R"({"resourceArn":"nonsense"})"), "400 BadRequestException Invalid ARN specified in the request");
  EXPECT_EQ(fault1("GetTags", R"({"resourceArn":"arn:aws:apigateway:us-east-1::/restapis/nosuch0000"})"),
            "404 NotFoundException Invalid API identifier specified 111111111111:nosuch0000");
}

TEST_F(RestTest, TheAccountHasAwsDefaults) {
  EXPECT_EQ(to_json(v1("GetAccount", "{}")),
            R"({"throttleSettings":{"burstLimit":5000,"rateLimit":10000},"features":["UsagePlans"],"apiKeyVersion":"4"})");
}

TEST_F(RestTest, ARestartPublishesTheSamePictures) {
  const std::string id = api();
  mock(id, root_, "GET");
  deploy(id, "dev");
  mock(id, root_, "POST");
  open();
  EXPECT_EQ(sink_->size(), 0u);
  ASSERT_TRUE(gateway_->publish_all().ok());
  ASSERT_NE(sink_->stage(id, "dev"), nullptr);
  EXPECT_EQ(sink_->stage(id, "dev")->routes.size(), 1u);
  // After a wipe nothing is served.
  ASSERT_TRUE(database_->wipe().ok());
  ASSERT_TRUE(gateway_->publish_all().ok());
  EXPECT_EQ(sink_->size(), 0u);
}

TEST_F(RestTest, WhatIsNotBuiltIsRefusedByNameAndNothingIsStored) {
  const std::string id = api();
  mock(id, root_, "GET");
  const std::string d = deploy(id, "dev");
  const std::string s = R"({"restApiId":")" + id + R"(","stageName":"x","deploymentId":")" + d + "\"";
  const std::string dep = R"({"restApiId":")" + id + "\"";
  const std::string put = "{" + at(id, root_) + R"(,"integrationHttpMethod":"POST","uri":"http://127.0.0.1/")";
  auto stage_patch = [&](const std::string& op) {
    return R"({"restApiId":")" + id + R"(","stageName":"dev","patchOperations":[)" + op + "]}";
  };
  struct Row {
    const char* operation;
    std::string in;
    const char* member;
  };
  const Row rows[] = {
      {"CreateRestApi", R"({"name":"x","policy":"{}"})", "policy"},
      {"CreateRestApi", R"({"name":"x","cloneFrom":"y"})", "cloneFrom"},
      {"CreateRestApi", R"({"name":"x","minimumCompressionSize":0})", "minimumCompressionSize"},
      {"CreateRestApi", R"({"name":"x","endpointConfiguration":{"types":["PRIVATE"],"vpcEndpointIds":["v"]}})",
       "vpcEndpointIds"},
      {"PutMethod", "{" + at(id, root_, "PUT") + R"(,"authorizationType":"AWS_IAM"})", "authorizationType AWS_IAM"},
      {"PutMethod", "{" + at(id, root_, "PUT") + R"(,"authorizationType":"NONE","apiKeyRequired":true})", "apiKeyRequired"},
      {"PutMethod", "{" + at(id, root_, "PUT") + R"(,"authorizationType":"NONE","authorizationScopes":["a"]})",
       "authorizationScopes"},
      {"PutIntegration", put + R"(,"type":"HTTP"})", "type HTTP"},
      {"PutIntegration",
       "{" + at(id, root_) +
           R"(,"integrationHttpMethod":"POST","type":"AWS","uri":"arn:aws:apigateway:us-east-1:s3:path/b/k"})",
       "type AWS"},
      {"PutIntegration", put + R"(,"type":"HTTP_PROXY","connectionType":"VPC_LINK"})", "connectionType VPC_LINK"},
      {"PutIntegration", put + R"(,"type":"HTTP_PROXY","contentHandling":"CONVERT_TO_TEXT"})", "contentHandling"},
      {"PutIntegration", put + R"(,"type":"HTTP_PROXY","responseTransferMode":"STREAM"})", "responseTransferMode STREAM"},
      {"PutIntegration", put + R"(,"type":"HTTP_PROXY","tlsConfig":{"insecureSkipVerification":true}})", "tlsConfig"},
      {"PutIntegration", put + R"(,"type":"HTTP_PROXY","requestParameters":{"integration.request.header.a":"'x'"}})",
       "requestParameters other than integration.request.path from method.request.path"},
      {"PutIntegration", "{" + at(id, root_) + R"(,"type":"MOCK","requestTemplates":{"application/json":"$input.body"}})",
       "references in requestTemplates"},
      {"PutIntegrationResponse",
       "{" + at(id, root_) + R"x(,"statusCode":"200","responseTemplates":{"application/json":"#set($x = 1)"}})x",
       "references in responseTemplates"},
      {"PutIntegrationResponse", "{" + at(id, root_) + R"(,"statusCode":"200","contentHandling":"CONVERT_TO_TEXT"})",
       "contentHandling"},
      {"PutIntegrationResponse", "{" + at(id, root_) + R"x(,"statusCode":"200","selectionPattern":"(?!a)"})x",
       "selectionPattern (?!a)"},
      {"CreateDeployment", dep + R"(,"stageName":"dev","canarySettings":{"percentTraffic":1.0}})", "canarySettings"},
      {"CreateDeployment", dep + R"(,"stageName":"x","tracingEnabled":true})", "tracingEnabled"},
      {"CreateDeployment", dep + R"(,"stageName":"x","cacheClusterEnabled":true})", "cacheClusterEnabled"},
      {"CreateStage", s + R"(,"cacheClusterEnabled":true})", "cacheClusterEnabled"},
      {"CreateStage", s + R"(,"tracingEnabled":true})", "tracingEnabled"},
      {"CreateStage", s + R"(,"canarySettings":{"percentTraffic":1.0}})", "canarySettings"},
      {"CreateStage", s + R"(,"documentationVersion":"1"})", "documentationVersion"},
      {"UpdateStage", stage_patch(R"({"op":"replace","path":"/tracingEnabled","value":"true"})"), "tracingEnabled"},
      {"UpdateStage", stage_patch(R"({"op":"replace","path":"/*/*/logging/loglevel","value":"INFO"})"), "methodSettings"},
      {"UpdateStage", stage_patch(R"({"op":"replace","path":"/accessLogSettings/format","value":"x"})"), "accessLogSettings"},
  };
  const std::string before = to_json(v1("GetResources", R"({"restApiId":")" + id + R"(","embed":["methods"]})"));
  const int published = sink_->published();
  for (const Row& row : rows) {
    EXPECT_EQ(fault1(row.operation, row.in),
              std::string("400 BadRequestException savia does not support ") + row.member + " yet (docs/coverage.md)")
        << row.operation << " " << row.in;
  }
  EXPECT_EQ(to_json(v1("GetResources", R"({"restApiId":")" + id + R"(","embed":["methods"]})")), before);
  EXPECT_EQ(v1("GetStages", dep + "}").find("item")->size(), 1u);
  EXPECT_EQ(v1("GetRestApis", "{}").find("items")->size(), 1u);
  EXPECT_EQ(sink_->published(), published);
}

}  // namespace

}  // namespace savia::apigateway

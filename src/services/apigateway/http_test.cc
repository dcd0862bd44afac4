// HTTP APIs: every operation, with a later read or the published picture to tell that it did something.
#include <chrono>
#include <thread>

#include "services/apigateway/integration_uri.h"
#include "services/apigateway/testing.h"

namespace savia::apigateway {

namespace {

constexpr const char* kFunction = "arn:aws:lambda:us-east-1:111111111111:function:shop";

class HttpTest : public ApiGatewayTest {
 protected:
  std::string api(const std::string& more = "") {
    return v2("CreateApi", R"({"Name":"shop","ProtocolType":"HTTP")" + more + "}").str_or("ApiId", "");
  }
  std::string of(const std::string& api, const std::string& more = "") { return R"({"ApiId":")" + api + "\"" + more + "}"; }
  std::string lambda(const std::string& api, const std::string& more = "") {
    return v2("CreateIntegration", of(api, R"(,"IntegrationType":"AWS_PROXY","PayloadFormatVersion":"2.0","IntegrationUri":")" +
                                               std::string(kFunction) + "\"" + more))
        .str_or("IntegrationId", "");
  }
  std::string route(const std::string& api, const std::string& key, const std::string& integration) {
    return v2("CreateRoute", of(api, R"(,"RouteKey":")" + key + R"(","Target":"integrations/)" + integration + "\""))
        .str_or("RouteId", "");
  }
  std::string stage(const std::string& api, const std::string& name, const std::string& more = "") {
    return v2("CreateStage", of(api, R"(,"StageName":")" + name + "\"" + more)).str_or("DeploymentId", "");
  }
};

TEST_F(HttpTest, AnApiAndItsEndpoint) {
  const Value a = v2("CreateApi", R"({"Name":"shop","ProtocolType":"HTTP"})");
  const std::string id = a.str_or("ApiId", "");
  EXPECT_EQ(id.size(), 10u);
  EXPECT_EQ(to_json(a), R"({"DisableExecuteApiEndpoint":false,"IpAddressType":"ipv4","Name":"shop","ApiId":")" + id +
                            R"(","ApiEndpoint":"http://)" + id +
                            R"(.execute-api.localhost:8080","ApiKeySelectionExpression":"$request.header.x-api-key",)"
                            R"("RouteSelectionExpression":"$request.method $request.path","ProtocolType":"HTTP",)"
                            R"("CreatedDate":1700000000,"Tags":{}})");
  EXPECT_EQ(v2("GetApi", of(id)), a);
  EXPECT_EQ(sink_->api(id)->kind, ports::ApiKind::kHttp);
  const Value u = v2("UpdateApi", of(id, R"(,"Name":"n2","Description":"d","Version":"3","DisableExecuteApiEndpoint":true,
      "CorsConfiguration":{"AllowOrigins":["https://a.example"],"AllowMethods":["GET"],"AllowHeaders":["x-a"],
      "ExposeHeaders":["x-b"],"MaxAge":60,"AllowCredentials":true})"));
  EXPECT_EQ(u.str("Name"), "n2");
  auto picture = sink_->api(id);
  EXPECT_TRUE(picture->execute_api_disabled);
  ASSERT_TRUE(picture->has_cors);
  EXPECT_EQ(picture->cors.allow_origins, (std::vector<std::string>{"https://a.example"}));
  EXPECT_EQ(picture->cors.allow_methods, (std::vector<std::string>{"GET"}));
  EXPECT_EQ(picture->cors.allow_headers, (std::vector<std::string>{"x-a"}));
  EXPECT_EQ(picture->cors.expose_headers, (std::vector<std::string>{"x-b"}));
  EXPECT_EQ(picture->cors.max_age_s, 60);
  EXPECT_TRUE(picture->cors.allow_credentials);
  v2("DeleteCorsConfiguration", of(id));
  EXPECT_FALSE(sink_->api(id)->has_cors);
  EXPECT_FALSE(v2("GetApi", of(id)).has("CorsConfiguration"));
  v2("DeleteApi", of(id));
  EXPECT_EQ(sink_->api(id), nullptr);
  EXPECT_EQ(fault2("GetApi", of(id)), "404 NotFoundException Invalid API identifier specified 111111111111:" + id);
}

TEST_F(HttpTest, TheTwoKindsDoNotSeeEachOther) {
  const std::string id = api();
  EXPECT_EQ(fault1("GetRestApi", R"({"restApiId":")" + id + "\"}"),
            "404 NotFoundException Invalid API identifier specified 111111111111:" + id);
  EXPECT_EQ(v1("GetRestApis", "{}").find("items")->size(), 0u);
  EXPECT_EQ(v2("GetApis", "{}").find("Items")->size(), 1u);
  region_ = "eu-west-1";
  EXPECT_EQ(v2("GetApis", "{}").find("Items")->size(), 0u);
}

TEST_F(HttpTest, QuickCreateMakesIntegrationRouteAndStage) {
  const std::string id = api(R"(,"Target":")" + std::string(kFunction) + R"(:live")");
  const Value integration = (*v2("GetIntegrations", of(id)).list_at("Items"))[0];
  EXPECT_EQ(integration.str("PayloadFormatVersion"), "2.0");
  EXPECT_TRUE(integration.bool_or("ApiGatewayManaged", false));
  const Value r = (*v2("GetRoutes", of(id)).list_at("Items"))[0];
  EXPECT_EQ(r.str("RouteKey"), "$default");
  EXPECT_EQ(r.str("Target"), "integrations/" + integration.str_or("IntegrationId", ""));
  const Value s = (*v2("GetStages", of(id)).list_at("Items"))[0];
  EXPECT_EQ(s.str("StageName"), "$default");
  EXPECT_TRUE(s.bool_or("AutoDeploy", false));
  const ports::StageSpec* served = sink_->stage(id, "$default");
  ASSERT_NE(served, nullptr);
  ASSERT_EQ(served->routes.size(), 1u);
  EXPECT_EQ(served->routes[0].path, "$default");
  EXPECT_EQ(served->routes[0].route_key, "$default");
  EXPECT_EQ(served->routes[0].integration.payload_format, ports::PayloadFormat::kV2);
  EXPECT_EQ(served->routes[0].integration.function_name, "shop");
  EXPECT_EQ(served->routes[0].integration.function_qualifier, "live");
  EXPECT_EQ(served->routes[0].integration.timeout_ms, 30000);

  v2("UpdateApi", of(id, R"(,"Target":"http://127.0.0.1:9000","RouteKey":"GET /pets")"));
  served = sink_->stage(id, "$default");
  EXPECT_EQ(served->routes[0].path, "/pets");
  EXPECT_EQ(served->routes[0].integration.kind, ports::IntegrationKind::kHttpProxy);
  EXPECT_EQ(served->routes[0].integration.uri, "http://127.0.0.1:9000");
  EXPECT_EQ(served->routes[0].integration.http_method, "ANY");

  const std::string keyed = api(R"(,"RouteKey":"POST /x","Target":"https://example.com/x")");
  EXPECT_EQ(sink_->stage(keyed, "$default")->routes[0].method, "POST");
  EXPECT_EQ(fault2("DeleteIntegration", of(id, R"(,"IntegrationId":")" + integration.str_or("IntegrationId", "") + "\"")),
            "400 BadRequestException A managed integration cannot be deleted");
}

TEST_F(HttpTest, RoutesAndTheirKeys) {
  const std::string id = api();
  const std::string i = lambda(id);
  stage(id, "$default", R"(,"AutoDeploy":true)");
  const Value r =
      v2("CreateRoute", of(id, R"(,"RouteKey":"GET /pets/{id}","OperationName":"pet","Target":"integrations/)" + i + "\""));
  EXPECT_EQ(to_json(r), R"({"Target":"integrations/)" + i + R"(","OperationName":"pet","RouteId":")" + r.str_or("RouteId", "") +
                            R"(","RouteKey":"GET /pets/{id}","ApiKeyRequired":false,"AuthorizationType":"NONE"})");
  EXPECT_EQ(v2("GetRoute", of(id, R"(,"RouteId":")" + r.str_or("RouteId", "") + "\"")), r);
  ASSERT_EQ(sink_->stage(id, "$default")->routes.size(), 1u);
  const ports::RouteSpec& served = sink_->stage(id, "$default")->routes[0];
  EXPECT_EQ(served.method + "|" + served.path + "|" + served.route_key + "|" + served.resource_id,
            "GET|/pets/{id}|GET /pets/{id}|" + r.str_or("RouteId", ""));

  EXPECT_EQ(fault2("CreateRoute", of(id, R"(,"RouteKey":"GET /pets/{id}")")),
            "409 ConflictException Route with key GET /pets/{id} already exists for this API");
  EXPECT_EQ(fault2("CreateRoute", of(id, R"(,"RouteKey":"GET /pets/{petId}/toys")")),
            "409 ConflictException The provided route key \"GET /pets/{petId}/toys\" has a conflicting variable on the same "
            "hierarchical level as \"GET /pets/{id}\"");
  for (const char* ok : {"ANY /pets/{petId}", "GET /pets/{proxy+}", "GET /", "$default", "GET /pets/{id}/toys"}) {
    EXPECT_EQ(fault2("CreateRoute", of(id, R"(,"RouteKey":")" + std::string(ok) + "\"")), "ok") << ok;
  }
  for (const char* bad : {"GET", "/pets", "get /pets", "GET pets", "FETCH /pets", "GET /{a}/{a}", "GET /{p+}/x", "GET /x{a}",
                          "GET /{}", "GET //x", "$disconnect", "GET /a b"}) {
    EXPECT_EQ(fault2("CreateRoute", of(id, R"(,"RouteKey":")" + std::string(bad) + "\"")),
              "400 BadRequestException The provided route key is not formatted properly for HTTP protocol. Format should be "
              "\"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"")
        << bad;
  }
  EXPECT_EQ(fault2("CreateRoute", of(id, R"(,"RouteKey":"GET /y","Target":"integrations/nosuch1")")),
            "404 NotFoundException Invalid Integration identifier specified");

  v2("UpdateRoute", of(id, R"(,"RouteKey":"PUT /pets/{id}","RouteId":")" + r.str_or("RouteId", "") + "\""));
  EXPECT_EQ(sink_->stage(id, "$default")->routes[0].route_key, "PUT /pets/{id}");
  v2("DeleteRoute", of(id, R"(,"RouteId":")" + r.str_or("RouteId", "") + "\""));
  EXPECT_TRUE(sink_->stage(id, "$default")->routes.empty());  // the others have no target
  EXPECT_EQ(fault2("DeleteRoute", of(id, R"(,"RouteId":")" + r.str_or("RouteId", "") + "\"")),
            "404 NotFoundException Invalid Route identifier specified");
}

TEST_F(HttpTest, IntegrationsShowWhatAwsShows) {
  const std::string id = api();
  stage(id, "$default", R"(,"AutoDeploy":true)");
  const std::string i = lambda(id, R"(,"Description":"d")");
  EXPECT_EQ(i.size(), 7u);
  EXPECT_EQ(to_json(v2("GetIntegration", of(id, R"(,"IntegrationId":")" + i + "\""))),
            R"({"IntegrationType":"AWS_PROXY","IntegrationUri":")" + std::string(kFunction) +
                R"(","IntegrationMethod":"POST","PayloadFormatVersion":"2.0","ConnectionType":"INTERNET",)"
                R"("TimeoutInMillis":30000,"Description":"d","IntegrationId":")" +
                i + "\"}");
  const std::string r = route(id, "ANY /{proxy+}", i);
  v2("UpdateIntegration", of(id, R"(,"PayloadFormatVersion":"1.0","TimeoutInMillis":1000,"IntegrationId":")" + i + "\""));
  EXPECT_EQ(sink_->stage(id, "$default")->routes[0].integration.payload_format, ports::PayloadFormat::kV1);
  EXPECT_EQ(sink_->stage(id, "$default")->routes[0].integration.timeout_ms, 1000);
  v2("UpdateIntegration", of(id, R"(,"IntegrationUri":"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/)" +
                                     std::string(kFunction) + R"(:2/invocations","IntegrationId":")" + i + "\""));
  EXPECT_EQ(sink_->stage(id, "$default")->routes[0].integration.function_qualifier, "2");
  EXPECT_EQ(
      fault2("DeleteIntegration", of(id, R"(,"IntegrationId":")" + i + "\"")),
      "409 ConflictException Cannot delete Integration because it is referenced by the following Routes with Ids: [" + r + "]");
  v2("DeleteRoute", of(id, R"(,"RouteId":")" + r + "\""));
  v2("DeleteIntegration", of(id, R"(,"IntegrationId":")" + i + "\""));
  EXPECT_EQ(v2("GetIntegrations", of(id)).find("Items")->size(), 0u);

  auto create = [&](const std::string& members) { return fault2("CreateIntegration", of(id, "," + members)); };
  const std::string lam = R"("IntegrationType":"AWS_PROXY","IntegrationUri":")";
  EXPECT_EQ(create(lam + R"(arn:aws:s3:::b","PayloadFormatVersion":"2.0")"),
            "400 BadRequestException Invalid function ARN or invalid uri");
  EXPECT_EQ(create(lam + kFunction + std::string(R"(","PayloadFormatVersion":"3.0")")),
            "400 BadRequestException Invalid PayloadFormatVersion specified. Must be one of: [1.0, 2.0]");
  EXPECT_EQ(create(R"("IntegrationType":"HTTP_PROXY","IntegrationMethod":"GET","IntegrationUri":"x")"),
            "400 BadRequestException Invalid HTTP endpoint specified for URI");
  EXPECT_EQ(create(R"("IntegrationType":"HTTP_PROXY","IntegrationUri":"http://x")"),
            "400 BadRequestException Enumeration value for HttpMethod must be non-empty");
  EXPECT_EQ(create(R"("IntegrationType":"MOCK")"),
            "400 BadRequestException Integration type MOCK is not supported for HTTP protocol APIs");
  EXPECT_NE(create(lam + kFunction + std::string(R"(","TimeoutInMillis":40000)")), "ok");
}

TEST_F(HttpTest, AutoDeployServesChangesAtOnceAndFreezesWhenTurnedOff) {
  const std::string id = api();
  const std::string i = lambda(id);
  const std::string first = stage(id, "$default", R"(,"AutoDeploy":true)");
  EXPECT_FALSE(first.empty());
  route(id, "GET /a", i);
  const std::string second = v2("GetStage", of(id, R"(,"StageName":"$default")")).str_or("DeploymentId", "");
  EXPECT_NE(first, second);
  EXPECT_EQ(sink_->stage(id, "$default")->deployment_id, second);
  EXPECT_EQ(sink_->stage(id, "$default")->routes.size(), 1u);
  const Value all = v2("GetDeployments", of(id));
  ASSERT_EQ(all.find("Items")->size(), 1u);
  EXPECT_TRUE((*all.list_at("Items"))[0].bool_or("AutoDeployed", false));

  v2("UpdateStage", of(id, R"(,"StageName":"$default","AutoDeploy":false,"StageVariables":{"a":"1"},"Description":"d")"));
  route(id, "GET /b", i);
  EXPECT_EQ(sink_->stage(id, "$default")->routes.size(), 1u);
  EXPECT_EQ(sink_->stage(id, "$default")->variables.at("a"), "1");
  open();  // and so after a restart
  ASSERT_TRUE(gateway_->publish_all().ok());
  EXPECT_EQ(sink_->stage(id, "$default")->routes.size(), 1u);
  v2("UpdateStage", of(id, R"(,"StageName":"$default","AutoDeploy":true)"));
  EXPECT_EQ(sink_->stage(id, "$default")->routes.size(), 2u);
  EXPECT_EQ(fault2("CreateDeployment", of(id, R"(,"StageName":"$default")")),
            "400 BadRequestException Deployment ID cannot be set on stage $default because AutoDeploy is enabled");
  v2("DeleteStage", of(id, R"(,"StageName":"$default")"));
  EXPECT_TRUE(sink_->api(id)->stages.empty());
}

TEST_F(HttpTest, ManualDeploymentsAreSnapshots) {
  const std::string id = api();
  EXPECT_EQ(fault2("CreateDeployment", of(id)),
            "400 BadRequestException Unable to deploy API because no routes exist in this API");
  const std::string i = lambda(id);
  route(id, "GET /a", i);
  EXPECT_TRUE(stage(id, "dev").empty());
  EXPECT_TRUE(sink_->stage(id, "dev")->routes.empty());
  const Value d = v2("CreateDeployment", of(id, R"(,"StageName":"dev","Description":"one")"));
  const std::string one = d.str_or("DeploymentId", "");
  EXPECT_EQ(d.str("DeploymentStatus"), "DEPLOYED");
  EXPECT_EQ(sink_->stage(id, "dev")->routes.size(), 1u);
  route(id, "GET /b", i);
  EXPECT_EQ(sink_->stage(id, "dev")->routes.size(), 1u);
  const std::string two = v2("CreateDeployment", of(id)).str_or("DeploymentId", "");
  EXPECT_EQ(sink_->stage(id, "dev")->routes.size(), 1u);
  v2("UpdateStage", of(id, R"(,"StageName":"dev","DeploymentId":")" + two + "\""));
  EXPECT_EQ(sink_->stage(id, "dev")->routes.size(), 2u);
  EXPECT_EQ(fault2("DeleteDeployment", of(id, R"(,"DeploymentId":")" + two + "\"")),
            "400 BadRequestException Active stages pointing to this deployment must be moved or deleted");
  v2("UpdateDeployment", of(id, R"(,"Description":"1st","DeploymentId":")" + one + "\""));
  EXPECT_EQ(v2("GetDeployment", of(id, R"(,"DeploymentId":")" + one + "\"")).str("Description"), "1st");
  v2("DeleteDeployment", of(id, R"(,"DeploymentId":")" + one + "\""));
  EXPECT_EQ(v2("GetDeployments", of(id)).find("Items")->size(), 1u);
  EXPECT_EQ(fault2("UpdateStage", of(id, R"(,"StageName":"dev","DeploymentId":")" + one + "\"")),
            "404 NotFoundException Invalid Deployment identifier specified");
}

TEST_F(HttpTest, StageVariablesGoIntoUris) {
  const std::string id = api();
  const std::string i = v2("CreateIntegration", of(id, R"(,"IntegrationType":"HTTP_PROXY","IntegrationMethod":"GET",
      "IntegrationUri":"http://${stageVariables.host}/x")"))
                            .str_or("IntegrationId", "");
  route(id, "GET /x", i);
  stage(id, "a", R"(,"AutoDeploy":true,"StageVariables":{"host":"127.0.0.1:1"})");
  stage(id, "b", R"(,"AutoDeploy":true,"StageVariables":{"host":"127.0.0.1:2"},"Tags":{"t":"1"})");
  EXPECT_EQ(sink_->stage(id, "a")->routes[0].integration.uri, "http://127.0.0.1:1/x");
  EXPECT_EQ(sink_->stage(id, "b")->routes[0].integration.uri, "http://127.0.0.1:2/x");
  const std::string arn = "arn:aws:apigateway:us-east-1::/apis/" + id + "/stages/b";
  v2("TagResource", R"({"ResourceArn":")" + arn + R"(","Tags":{"u":"2"}})");
  v2("UntagResource", R"({"ResourceArn":")" + arn + R"(","TagKeys":["t"]})");
  EXPECT_EQ(to_json(v2("GetTags", R"({"ResourceArn":")" + arn + "\"}")), R"({"Tags":{"u":"2"}})");
  EXPECT_EQ(to_json(*v2("GetStage", of(id, R"(,"StageName":"b")")).find("Tags")), R"({"u":"2"})");
  const Value page = v2("GetStages", of(id, R"(,"MaxResults":"1")"));
  EXPECT_EQ((*page.list_at("Items"))[0].str("StageName"), "a");
  const Value rest = v2("GetStages", of(id, R"(,"MaxResults":"1","NextToken":")" + page.str_or("NextToken", "") + "\""));
  EXPECT_EQ((*rest.list_at("Items"))[0].str("StageName"), "b");
  EXPECT_FALSE(rest.has("NextToken"));
}

TEST_F(HttpTest, WhatIsNotBuiltIsRefusedByNameAndNothingIsStored) {
  const std::string id = api();
  const std::string i = lambda(id);
  const std::string r = route(id, "GET /a", i);
  stage(id, "dev");
  const std::string lam =
      R"(,"IntegrationType":"AWS_PROXY","PayloadFormatVersion":"2.0","IntegrationUri":")" + std::string(kFunction) + "\"";
  const std::string upd = R"(,"RouteId":")" + r + "\"";
  struct Row {
    const char* operation;
    std::string in;
    const char* member;
  };
  const Row rows[] = {
      {"CreateApi", R"({"Name":"w","ProtocolType":"WEBSOCKET","RouteSelectionExpression":"$request.body.action"})",
       "ProtocolType WEBSOCKET"},
      {"CreateRoute", of(id, R"(,"RouteKey":"GET /z","AuthorizationType":"JWT","AuthorizerId":"a")"), "AuthorizationType JWT"},
      {"CreateRoute", of(id, R"(,"RouteKey":"GET /z","ApiKeyRequired":true)"), "ApiKeyRequired"},
      {"CreateRoute", of(id, R"(,"RouteKey":"GET /z","AuthorizationScopes":["a"])"), "AuthorizationScopes"},
      {"UpdateRoute", of(id, upd + R"(,"AuthorizationType":"AWS_IAM")"), "AuthorizationType AWS_IAM"},
      {"CreateIntegration", of(id, lam + R"(,"RequestParameters":{"overwrite:path":"/"})"), "RequestParameters"},
      {"CreateIntegration", of(id, lam + R"(,"ResponseParameters":{"200":{"append:header.a":"b"}})"), "ResponseParameters"},
      {"CreateIntegration", of(id, lam + R"(,"ConnectionType":"VPC_LINK")"), "ConnectionType VPC_LINK"},
      {"CreateIntegration",
       of(id, R"(,"IntegrationType":"AWS_PROXY","IntegrationSubtype":"SQS-SendMessage","PayloadFormatVersion":"1.0")"),
       "IntegrationSubtype"},
      {"CreateIntegration", of(id, lam + R"(,"TlsConfig":{"ServerNameToVerify":"x"})"), "TlsConfig"},
      {"CreateStage", of(id, R"(,"StageName":"s","AccessLogSettings":{"Format":"x","DestinationArn":"arn"})"),
       "AccessLogSettings"},
      {"CreateStage", of(id, R"(,"StageName":"s","RouteSettings":{"GET /a":{"ThrottlingBurstLimit":1}})"), "RouteSettings"},
      {"CreateStage", of(id, R"(,"StageName":"s","DefaultRouteSettings":{"ThrottlingRateLimit":1.5})"), "ThrottlingRateLimit"},
      {"UpdateStage", of(id, R"(,"StageName":"dev","DefaultRouteSettings":{"DetailedMetricsEnabled":true})"),
       "DetailedMetricsEnabled"},
  };
  const int published = sink_->published();
  for (const Row& row : rows) {
    EXPECT_EQ(fault2(row.operation, row.in),
              std::string("400 BadRequestException savia does not support ") + row.member + " yet (docs/coverage.md)")
        << row.operation << " " << row.in;
  }
  EXPECT_EQ(v2("GetApis", "{}").find("Items")->size(), 1u);
  EXPECT_EQ(v2("GetRoutes", of(id)).find("Items")->size(), 1u);
  EXPECT_EQ(v2("GetIntegrations", of(id)).find("Items")->size(), 1u);
  EXPECT_EQ(v2("GetStages", of(id)).find("Items")->size(), 1u);
  EXPECT_EQ(sink_->published(), published);
  // Empty settings, and those that say what is so anyway, pass.
  EXPECT_EQ(fault2("CreateStage", of(id, R"(,"StageName":"ok","RouteSettings":{},"AccessLogSettings":{},
      "DefaultRouteSettings":{"DetailedMetricsEnabled":false,"LoggingLevel":"OFF"})")),
            "ok");
}

TEST_F(HttpTest, WrongSettingsAreRefused) {
  auto create = [&](const std::string& more) {
    return fault2("CreateApi", R"({"Name":"x","ProtocolType":"HTTP",)" + more + "}");
  };
  EXPECT_NE(create(R"("RouteSelectionExpression":"$request.body.action")"), "ok");
  EXPECT_NE(create(R"("CorsConfiguration":{"AllowOrigins":["example.com"]})"), "ok");
  EXPECT_NE(create(R"("CorsConfiguration":{"AllowMethods":["FETCH"]})"), "ok");
  EXPECT_NE(create(R"("CorsConfiguration":{"AllowOrigins":["*"],"AllowCredentials":true})"), "ok");
  EXPECT_NE(create(R"("RouteKey":"GET /x")"), "ok");
  EXPECT_NE(create(R"("Target":"ftp://x")"), "ok");
  EXPECT_NE(create(R"("Target":"http://x","RouteKey":"nonsense")"), "ok");
  EXPECT_EQ(v2("GetApis", "{}").find("Items")->size(), 0u);
  EXPECT_NE(fault2("GetApis", R"({"MaxResults":"0"})"), "ok");
  EXPECT_NE(fault2("GetApis", R"({"NextToken":"x"})"), "ok");
}

// Changes from many threads: the last picture holds every acknowledged route.
TEST_F(HttpTest, PicturesArriveInTheOrderOfCommits) {
  const std::string id = api();
  const std::string i = lambda(id);
  stage(id, "$default", R"(,"AutoDeploy":true)");
  constexpr int kThreads = 4, kRoutes = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < kRoutes; ++n) {
        const std::string key = "GET /t" + std::to_string(t) + "/r" + std::to_string(n);
        route(id, key, i);
        const auto picture = sink_->api(id);  // what was acknowledged is there
        bool there = false;
        for (const ports::RouteSpec& r : picture->stages[0].routes) there = there || r.route_key == key;
        EXPECT_TRUE(there) << key;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(sink_->stage(id, "$default")->routes.size(), static_cast<size_t>(kThreads * kRoutes));
}

TEST_F(HttpTest, TenThousandRoutesArePublishedQuicklyAtStart) {
  for (int a = 0; a < 10; ++a) {
    const std::string id = api();
    const std::string i = lambda(id);
    stage(id, "$default", R"(,"AutoDeploy":true)");
    auto filled = database_->write([&](state::Tx& tx) -> Result<void> {
      for (int n = 0; n < 1000; ++n) {
        TRY(tx.exec("INSERT INTO apigw_route(api_id, id, route_key, doc) VALUES(?,?,?,?)", id, "r" + std::to_string(n),
                    "GET /svc" + std::to_string(n) + "/items/{id}", R"({"Target":"integrations/)" + i + "\"}"));
      }
      return {};
    });
    ASSERT_TRUE(filled.ok());
  }
  open();
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(gateway_->publish_all().ok());
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_EQ(sink_->size(), 10u);
  RecordProperty("ms", std::to_string(ms));
  std::printf("published 10,000 routes in %lld ms\n", static_cast<long long>(ms));
  EXPECT_LT(ms, 10'000);  // a debug build on a busy machine; far off means quadratic
}

TEST(IntegrationUri, LambdaTargets) {
  auto t = parse_lambda_uri("arn:aws:lambda:eu-west-1:222222222222:function:f:live");
  ASSERT_TRUE(t);
  EXPECT_EQ(t->region + t->account + t->name + t->qualifier, "eu-west-1222222222222flive");
  EXPECT_TRUE(
      parse_lambda_uri("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
                       "arn:aws:lambda:us-east-1:111111111111:function:f:$LATEST/invocations"));
  for (const char* bad : {"", "arn", "arn:aws:lambda:us-east-1:1:function:", "arn:aws:lambda:us-east-1:1:layer:f",
                          "arn:aws:lambda:us-east-1:1:function:f:v:x", "arn:aws:lambda:us-east-1:1:function:a/b",
                          "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations",
                          "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/",
                          "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/invocations"}) {
    EXPECT_FALSE(parse_lambda_uri(bad)) << bad;
  }
}

TEST(IntegrationUri, StageVariablesTemplatesAndUrls) {
  EXPECT_EQ(expand_stage_variables("a${stageVariables.x}b${stageVariables.y}", {{"x", "1"}}), "a1b");
  EXPECT_EQ(expand_stage_variables("a${stageVariables.x", {{"x", "1"}}), "a${stageVariables.x");
  for (const char* yes : {"$input.body", "${x}", "$!x", "#if(1)", "## comment", "#*c*#"})
    EXPECT_TRUE(has_template_references(yes));
  for (const char* no : {"", "$", "#", "costs $5", "#1 {\"statusCode\": 200}", "a$ b#"})
    EXPECT_FALSE(has_template_references(no));
  for (const char* yes : {"http://a", "https://a.b:1/c?d", "http://127.0.0.1/{proxy}"}) EXPECT_TRUE(is_http_url(yes)) << yes;
  for (const char* no : {"", "http://", "http:///x", "ftp://a", "http://a b", "http://:80"})
    EXPECT_FALSE(is_http_url(no)) << no;
}

}  // namespace

}  // namespace savia::apigateway

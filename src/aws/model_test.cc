#include "aws/model.h"

#include <gtest/gtest.h>

#include "aws/coverage.h"
#include "codec/value.h"
#include "lambda_keys.h"
#include "models_index.h"

namespace savia::aws {
namespace {

TEST(Model, KnowsItsServices) {
  ServiceModel lambda = lambda_model();
  EXPECT_EQ(lambda.name(), "lambda");
  EXPECT_EQ(lambda.protocol(), Protocol::kRestJson);
  EXPECT_EQ(lambda.signing_name(), "lambda");
  EXPECT_EQ(find_model("logs").target_prefix(), "Logs_20140328");
  EXPECT_FALSE(find_model("nothing"));
  EXPECT_TRUE(find_model("cloudwatch").speaks(Protocol::kQuery));
  EXPECT_TRUE(find_model("cloudwatch").speaks(Protocol::kJson10));
  EXPECT_TRUE(find_model("cloudwatch").speaks(Protocol::kCbor));
  EXPECT_TRUE(find_model("sqs").speaks(Protocol::kQuery));
  EXPECT_TRUE(find_model("sqs").query_compatible());
  EXPECT_GE(all_models().size(), 27u);
  EXPECT_EQ(lambda::k::FunctionName, "FunctionName");
}

TEST(Model, ShapesOfAListedOperation) {
  OperationModel op = lambda_model().operation("CreateFunction");
  ASSERT_TRUE(op);
  EXPECT_TRUE(op.listed());
  EXPECT_EQ(op.status(), 201);
  Member name = op.input().member("FunctionName");
  ASSERT_TRUE(name);
  EXPECT_TRUE(name.required());
  EXPECT_FALSE(name.shape().pattern().empty());
  EXPECT_TRUE(op.input().member("Environment").shape().member("Variables").sensitive());
  EXPECT_EQ(op.error("ResourceConflictException").error_status(), 409);
  EXPECT_FALSE(op.error("Nonsense"));
  OperationModel list = lambda_model().operation("ListFunctions");
  EXPECT_EQ(list.input_token(), "Marker");
  EXPECT_EQ(list.limit_key(), "MaxItems");
}

TEST(Model, UnlistedOperationsAreKnownByName) {
  OperationModel op = find_model("ecs").operation("CreateCluster");
  ASSERT_TRUE(op);
  EXPECT_FALSE(op.listed());
  EXPECT_FALSE(op.input());
  EXPECT_FALSE(find_model("ecs").operation("Create"));
}

TEST(Model, Targets) {
  ServiceModel logs = logs_model();
  EXPECT_EQ(logs.by_target("Logs_20140328.PutLogEvents").name(), "PutLogEvents");
  EXPECT_FALSE(logs.by_target("Logs_20140328.Nonsense"));
  EXPECT_FALSE(logs.by_target("PutLogEvents"));
  EXPECT_FALSE(logs.by_target("Other.PutLogEvents"));
  EXPECT_FALSE(logs.by_target(""));
}

struct Route {
  std::string_view service, method, path, query, operation;
};

TEST(Model, Routes) {
  constexpr Route kRoutes[] = {
      {"lambda", "GET", "/2015-03-31/functions", "", "ListFunctions"},
      {"lambda", "GET", "/2015-03-31/functions/", "MaxItems=5", "ListFunctions"},
      {"lambda", "POST", "/2015-03-31/functions", "", "CreateFunction"},
      {"lambda", "GET", "/2015-03-31/functions/f", "", "GetFunction"},
      {"lambda", "GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/", "",
       "GetFunction"},
      {"lambda", "POST", "/2015-03-31/functions/f/invocations", "Qualifier=live", "Invoke"},
      {"lambda", "GET", "/2018-10-31/layers/l/versions/1", "", "GetLayerVersion"},
      {"lambda", "GET", "/2018-10-31/layers", "find=LayerVersion&Arn=a", "GetLayerVersionByArn"},
      {"lambda", "GET", "/2018-10-31/layers", "", "ListLayers"},
      {"lambda", "GET", "/2015-03-31/functions//", "", ""},
      {"lambda", "GET", "/2015-03-31/nothing", "", ""},
      {"lambda", "PATCH", "/2015-03-31/functions", "", ""},
      {"lambda", "GET", "", "", ""},
      {"apigateway", "GET", "/restapis", "", "GetRestApis"},
      {"apigateway", "POST", "/restapis", "", "CreateRestApi"},
      {"apigateway", "POST", "/restapis", "mode=import", "ImportRestApi"},
      {"apigateway", "PUT", "/restapis/a/resources/r/methods/GET/integration", "", "PutIntegration"},
      {"apigateway", "GET", "/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fa", "", "GetTags"},
      {"apigatewayv2", "POST", "/v2/apis/a/routes", "", "CreateRoute"},
      {"s3", "PUT", "/bucket", "", "CreateBucket"},
      {"s3", "PUT", "/bucket/", "", "CreateBucket"},
      {"s3", "GET", "/bucket/a/b/c", "x-id=GetObject", "GetObject"},
      {"s3", "GET", "/bucket/a/b/c", "tagging", "GetObjectTagging"},
      {"s3", "GET", "/bucket", "list-type=2&prefix=a", "ListObjectsV2"},
      {"s3", "GET", "/bucket", "", "ListObjects"},
      {"s3", "GET", "/", "", "ListBuckets"},
  };
  for (const Route& r : kRoutes) {
    EXPECT_EQ(find_model(r.service).by_route(r.method, r.path, r.query).name(), r.operation)
        << r.service << " " << r.method << " " << r.path << "?" << r.query;
  }
  EXPECT_TRUE(lambda_model().has_path("/2015-03-31/functions/f"));
  EXPECT_FALSE(lambda_model().has_path("/restapis"));
  EXPECT_FALSE(lambda_model().has_path(std::string(5000, '/')));
}

// Each operation's own template, with labels filled in, leads back to it or to one with the same route.
TEST(Model, EveryRouteLeadsToItsOperation) {
  for (ServiceModel service : all_models()) {
    if (service.protocol() != Protocol::kRestJson && service.protocol() != Protocol::kRestXml) continue;
    for (OperationModel op : service.operations()) {
      OperationModel found = service.by_route(op.method(), op.path(), op.query());
      ASSERT_TRUE(found) << service.name() << " " << op.name();
      EXPECT_EQ(found.path(), op.path()) << op.name();
      if (service.name() != "s3") {
        EXPECT_EQ(found.query(), op.query()) << op.name();
      }
    }
  }
}

TEST(Model, Labels) {
  EXPECT_EQ(path_label("/a/{x}/b", "/a/1%2F2/b/", "x"), "1%2F2");
  EXPECT_EQ(path_label("/{Bucket}/{Key+}", "/b/k/e/y", "Key"), "k/e/y");
  EXPECT_EQ(path_label("/{Bucket}/{Key+}", "/b/k/e/y", "Bucket"), "b");
  EXPECT_EQ(path_label("/f/{foo}/baz/{baz+}", "/f/1/baz/2/3", "baz"), "2/3");
  EXPECT_EQ(path_label("/{Bucket}/{Key+}", "/b", "Key"), std::nullopt);
  EXPECT_EQ(path_label("/a/{x}", "/a/1", "y"), std::nullopt);
}

TEST(Model, LoadsTheSameGrammarAtRunTime) {
  Value shape = Value::object().set("type", "structure");
  Value shapes = Value::object().set("S", shape);
  Value op = Value::object().set("input", Value::object().set("shape", "S"));
  Value document = Value::object();
  document.set("shapes", shapes).set("operations", Value::object().set("B", op).set("A", op));
  auto loaded = LoadedModel::load(document, "test");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->model().operation("A").input().name(), "S");
  EXPECT_EQ(loaded->model().operation("B").path(), "/");
  document.set("operations", Value::object().set("A", Value::object().set("input", Value::object().set("shape", "T"))));
  EXPECT_FALSE(LoadedModel::load(document, "test").ok());
  EXPECT_FALSE(LoadedModel::load(Value("x"), "test").ok());
}

TEST(Coverage, TellsBuiltFrom501) {
  std::string text = coverage_markdown({sts_model(), find_model("ecs")}, {{"sts", "GetCallerIdentity"}});
  EXPECT_NE(text.find("| GetCallerIdentity | built |"), std::string::npos);
  EXPECT_NE(text.find("| AssumeRole | 501 |"), std::string::npos);
  EXPECT_NE(text.find("| ecs | json-1.1 | 0 |"), std::string::npos);
  EXPECT_EQ(text.find("CreateCluster"), std::string::npos);
}

}  // namespace
}  // namespace savia::aws

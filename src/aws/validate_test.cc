#include "aws/validate.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/strings.h"
#include "codec/json.h"
#include "codec/value.h"
#include "models_index.h"

namespace savia::aws {
namespace {

Value json(std::string_view text) {
  auto v = parse_json(text);
  EXPECT_TRUE(v.ok()) << text;
  return v.ok() ? std::move(v).value() : Value();
}

std::string message(std::string_view service, std::string_view operation, std::string_view input) {
  OperationModel op = find_model(service).operation(operation);
  EXPECT_TRUE(op) << operation;
  auto fault = validate(op, json(input));
  return fault ? fault->code + ": " + fault->message : "";
}

TEST(Validate, AcceptsWhatIsRight) {
  EXPECT_EQ(message("lambda", "CreateFunction",
                    R"({"FunctionName": "multi-api", "Role": "arn:aws:iam::000000000000:role/r", "Runtime": "nodejs22.x",
                        "Code": {}, "Environment": {"Variables": {"DB_HOST": "x"}}, "MemorySize": 128, "Timeout": 3,
                        "Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]})"),
            "");
  EXPECT_EQ(message("sts", "GetCallerIdentity", "{}"), "");
  EXPECT_EQ(message("lambda", "CreateAlias", R"({"FunctionName": "f", "Name": "v2024", "FunctionVersion": "$LATEST"})"), "");
}

TEST(Validate, CountsEveryViolationInTheModelsOrder) {
  EXPECT_EQ(message("lambda", "CreateFunction", R"({"MemorySize": 1, "FunctionName": ""})"),
            "ValidationException: 5 validation errors detected: "
            "Value '' at 'functionName' failed to satisfy constraint: Member must have length greater than or equal to 1; "
            "Value '' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
            R"((arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?)"
            R"(([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?; )"
            "Value null at 'role' failed to satisfy constraint: Member must not be null; "
            "Value null at 'code' failed to satisfy constraint: Member must not be null; "
            "Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128");
}

TEST(Validate, CodesByService) {
  EXPECT_EQ(
      message("sts", "AssumeRole", R"({"RoleSessionName": "abc"})"),
      "ValidationError: 1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not "
      "be null");
  EXPECT_EQ(
      message("logs", "CreateLogGroup", "{}"),
      "InvalidParameterException: 1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: "
      "Member must not be null");
  EXPECT_EQ(
      message("apigatewayv2", "CreateApi", R"({"Name": "a"})"),
      "BadRequestException: 1 validation error detected: Value null at 'protocolType' failed to satisfy constraint: Member "
      "must not be null");
}

TEST(Validate, DoesNotEchoSecrets) {
  std::string text = message("lambda", "UpdateFunctionConfiguration",
                             R"({"FunctionName": "f", "Environment": {"Variables": {"1BAD": "hunter2"}}})");
  EXPECT_EQ(
      text,
      "ValidationException: 1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map "
      "keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]");
}

TEST(Validate, NullsInListsAndMaps) {
  EXPECT_EQ(
      message("lambda", "TagResource",
              R"({"Resource": "arn:aws:lambda:us-east-1:000000000000:function:f", "Tags": {"a": null}})"),
      "ValidationException: 1 validation error detected: Value '{a=null}' at 'tags' failed to satisfy constraint: Map value "
      "must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or "
      R"(equal to 0, Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*), Member must not be null])");
  EXPECT_NE(
      message("logs", "PutLogEvents", R"({"logGroupName": "g", "logStreamName": "s", "logEvents": [null, {"timestamp": 1}]})")
          .find("2 validation errors"),
      std::string::npos);
}

TEST(Validate, PathsIntoListsOfStructures) {
  EXPECT_EQ(
      message(
          "logs", "PutLogEvents",
          R"({"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}, {"timestamp": 1}]})"),
      "InvalidParameterException: 1 validation error detected: Value null at 'logEvents.2.member.message' failed to satisfy "
      "constraint: Member must not be null");
}

TEST(Validate, LengthsCountCharactersNotBytes) {
  std::string name;
  for (int i = 0; i < 256; ++i) name += "ñ";
  Value in = Value::object();
  in.set("FunctionName", "f")
      .set("Description", name)
      .set("Role", "arn:aws:iam::000000000000:role/r")
      .set("Code", Value::object());
  EXPECT_FALSE(validate(lambda_model().operation("CreateFunction"), in));
  in.set("Description", name + "x");
  EXPECT_TRUE(validate(lambda_model().operation("CreateFunction"), in));
}

TEST(Validate, LongValuesAreCut) {
  Value in = Value::object();
  in.set("FunctionName", std::string(1 << 20, '*')).set("Qualifier", "1");
  auto fault = validate(lambda_model().operation("GetFunction"), in);
  ASSERT_TRUE(fault);
  EXPECT_LT(fault->message.size(), 64u * 1024);
}

// Every pattern of every compiled model is checked, in RE2's own syntax or by a hand-made equivalent.
TEST(Validate, KnowsEveryPattern) {
  std::vector<std::pair<Shape, std::string>> todo;
  size_t patterns = 0;
  for (ServiceModel service : all_models()) {
    for (OperationModel op : service.operations()) {
      std::vector<Shape> queue = {op.input()};
      std::vector<Shape> seen;
      while (!queue.empty()) {
        Shape s = queue.back();
        queue.pop_back();
        if (!s || std::find(seen.begin(), seen.end(), s) != seen.end()) continue;
        seen.push_back(s);
        if (!s.pattern().empty()) {
          ++patterns;
          EXPECT_TRUE(re2_pattern(s.pattern())) << service.name() << " " << s.name() << " " << s.pattern();
        }
        for (Member m : s.members()) queue.push_back(m.shape());
        for (Member m : {s.element(), s.key(), s.value()}) {
          if (m) queue.push_back(m.shape());
        }
      }
    }
  }
  EXPECT_GT(patterns, 100u);
}

TEST(Validate, HandMadePatterns) {
  Validator v;
  auto alias = [&](std::string_view name) {
    return !v.check(lambda_model().operation("CreateAlias"),
                    Value::object().set("FunctionName", "f").set("Name", name).set("FunctionVersion", "1"));
  };
  EXPECT_TRUE(alias("a"));
  EXPECT_TRUE(alias("1a"));
  EXPECT_TRUE(alias("-"));
  EXPECT_TRUE(alias("12_"));
  EXPECT_FALSE(alias("1"));
  EXPECT_FALSE(alias(""));
  EXPECT_FALSE(alias("a b"));
  auto url = [&](std::string_view name) {
    return !v.check(lambda_model().operation("GetFunctionUrlConfig"), Value::object().set("FunctionName", name));
  };
  EXPECT_TRUE(url("function:123"));
  EXPECT_TRUE(url("f:live"));
  EXPECT_FALSE(url("f:1"));
}

TEST(Mismatch, TellsWhatAnOutputHasWrong) {
  Shape out = lambda_model().operation("GetFunctionConfiguration").output();
  EXPECT_EQ(mismatch(out, json(R"({"MemorySize": 128, "Layers": [{"Arn": "a"}]})")), std::nullopt);
  EXPECT_EQ(mismatch(out, json(R"({"MemorySize": "128"})")),
            "FunctionConfiguration.MemorySize: string does not fit MemorySize");
  EXPECT_EQ(mismatch(out, json(R"({"Memory": 1})")), "FunctionConfiguration.Memory: FunctionConfiguration has no such member");
  EXPECT_EQ(mismatch(out, json(R"({"Layers": [{"X": 1}]})")), "FunctionConfiguration.Layers[].X: Layer has no such member");
  EXPECT_EQ(mismatch(Shape(), Value::object()), std::nullopt);
}

// ---- Recorded from AWS
// -------------------------------------------------------------------------------------------------------

struct Recorded {
  std::string_view scenario, service, operation, input;
};

// `$value` stands for the value that the recorded message echoes.
constexpr Recorded kRecorded[] = {
    {"test_invalid_create_documentation_part_operations.create_documentation_part_invalid_location_type", "apigateway",
     "CreateDocumentationPart", R"({"restApiId": "a", "location": {"type": "INVALID"}, "properties": "p"})"},
    {"test_create_rest_api_with_endpoint_configuration.create-with-invalid-types", "apigateway", "CreateRestApi",
     R"({"name": "a", "endpointConfiguration": {"types": ["wrong"]}})"},
    {"test_create_rest_api_with_endpoint_configuration.create-with-invalid-ip-address-type-and-types", "apigateway",
     "CreateRestApi", R"({"name": "a", "endpointConfiguration": {"ipAddressType": "wrong", "types": ["wrong"]}})"},
    {"test_integration_response_invalid_statuscode.put-integration-response-invalid-statusCode", "apigateway",
     "PutIntegrationResponse", R"({"restApiId": "a", "resourceId": "r", "httpMethod": "GET", "statusCode": "wrong"})"},
    {"test_update_gateway_response.update-gateway-wrong-op", "apigateway", "UpdateGatewayResponse",
     R"({"restApiId": "a", "responseType": "DEFAULT_4XX", "patchOperations": [{"op": "wrong-op"}]})"},
    {"test_update_method_response_wrong_operations.update-method-response-wrong-operation-3", "apigateway",
     "UpdateMethodResponse",
     R"({"restApiId": "a", "resourceId": "r", "httpMethod": "GET", "statusCode": "200",
         "patchOperations": [{"op": "wrong_op"}, {"op": "wrong_op"}]})"},
    {"test_update_rest_api_concatenation_of_errors.update-rest-api-wrong-operations-on-type-and-on-ip-address-type",
     "apigateway", "UpdateRestApi",
     R"({"restApiId": "a", "patchOperations": [{"op": "wrong"}, {"op": "wrong"}, {"op": "wrong"}]})"},
    {"test_provisioned_concurrency_exceptions.put_provisioned_invalid_param_0", "lambda", "PutProvisionedConcurrencyConfig",
     R"({"FunctionName": "f", "Qualifier": "1", "ProvisionedConcurrentExecutions": 0})"},
    {"test_url_config_exceptions.create_function_url_config_qualifier_version_doesnotexist", "lambda",
     "CreateFunctionUrlConfig", R"({"FunctionName": "f", "Qualifier": "2", "AuthType": "NONE"})"},
    {"test_alias_naming.create_alias_number_exception", "lambda", "CreateAlias",
     R"({"FunctionName": "f", "Name": "2024", "FunctionVersion": "1"})"},
    {"test_put_function_recursion_config_invalid_value.put_recursion_invalid_value_error", "lambda",
     "PutFunctionRecursionConfig", R"({"FunctionName": "f", "RecursiveLoop": "InvalidValue"})"},
    {"test_lambda_url_invalid_invoke_mode.invoke_function_invalid_invoke_type", "lambda", "CreateFunctionUrlConfig",
     R"({"FunctionName": "f", "AuthType": "NONE", "InvokeMode": "UNKNOWN"})"},
    {"test_invalid_vpc_config_security_group.create-response-invalid-format-security-group", "lambda", "CreateFunction",
     R"({"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {},
         "VpcConfig": {"SecurityGroupIds": ["<security_group_id_2>"]}})"},
    {"test_invalid_vpc_config_subnet.create-response-invalid-format-subnet-id", "lambda", "CreateFunction",
     R"({"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {},
         "VpcConfig": {"SubnetIds": ["<subnet_id_2>"]}})"},
    {"test_create_lambda_exceptions.uppercase_architecture", "lambda", "CreateFunction",
     R"({"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}, "Architectures": ["X86_64"]})"},
    {"test_create_lambda_exceptions.multiple_architectures", "lambda", "CreateFunction",
     R"({"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}, "Architectures": ["x86_64", "arm64"]})"},
    {"test_layer_exceptions.list_layers_exc_compatiblearchitecture_invalid", "lambda", "ListLayers",
     R"({"CompatibleArchitecture": "archdoesnotexist"})"},
    {"test_layer_exceptions.list_layers_exc_compatibleruntime_invalid", "lambda", "ListLayers",
     R"({"CompatibleRuntime": "runtimedoesnotexist"})"},
    {"test_lambda_eventinvokeconfig_exceptions.put_destination_invalid_arn_pattern", "lambda", "PutFunctionEventInvokeConfig",
     R"({"FunctionName": "f", "DestinationConfig": {"OnFailure": {"Destination": "$value"}}})"},
    {"test_tag_exceptions.aliased_arn_exception", "lambda", "ListTags", R"({"Resource": "$value"})"},
    {"test_layer_exceptions.get_layer_version_by_arn_exc_invalidarn", "lambda", "GetLayerVersionByArn", R"({"Arn": "$value"})"},
    {"test_invalid_invoke.invoke_function_name_pattern_exc", "lambda", "Invoke", R"({"FunctionName": "$value"})"},
    {"test_create_event_source_validation.invalid_starting_position", "lambda", "CreateEventSourceMapping",
     R"({"FunctionName": "f", "StartingPosition": "invalid"})"},
    {"test_permission_exceptions.add_permission_fn_qualifier_invalid", "lambda", "AddPermission",
     R"({"FunctionName": "f", "Qualifier": "$value", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "p"})"},
    {"test_function_arns.invalid_function_name_exc", "lambda", "CreateFunction",
     R"({"FunctionName": "$value", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}})"},
    {"test_snapstart_exceptions.create_function_invalid_snapstart_apply", "lambda", "CreateFunction",
     R"({"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}, "SnapStart": {"ApplyOn": "invalidOption"}})"},
    {"test_notfound_and_invalid_routingconfigs.routing_config_exc_subzero", "lambda", "CreateAlias",
     R"({"FunctionName": "f", "Name": "a", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": -1.0}}})"},
    {"test_tag_exceptions.untag_empty_keys", "lambda", "UntagResource",
     R"({"Resource": "arn:aws:lambda:us-east-1:000000000000:function:f"})"},
    {"test_layer_exceptions.publish_layer_version_exc_partially_invalid_values", "lambda", "PublishLayerVersion",
     R"({"LayerName": "l", "Content": {}, "CompatibleRuntimes": ["invalidruntime", "invalidruntime2", "nodejs20.x"],
         "CompatibleArchitectures": ["invalidarch", "x86_64"]})"},
    {"test_layer_exceptions.publish_layer_version_exc_invalid_runtime_arch", "lambda", "PublishLayerVersion",
     R"({"LayerName": "l", "Content": {}, "CompatibleRuntimes": ["invalidruntime"], "CompatibleArchitectures": ["invalidarch"]})"},
    {"test_get_log_events_limit_validation.error-limit-exceeded", "logs", "GetLogEvents",
     R"({"logGroupName": "g", "logStreamName": "s", "limit": 10001})"},
    {"test_describe_metric_filters_invalid_parameters.error-invalid-metric-name", "logs", "DescribeMetricFilters",
     R"({"metricName": "$value", "metricNamespace": "n"})"},
    {"test_put_metric_filter_invalid_filter_name.error-invalid-filter-name", "logs", "PutMetricFilter",
     R"({"logGroupName": "g", "filterName": "$value", "filterPattern": "", "metricTransformations": [{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}]})"},
    {"test_put_delivery_destination_invalid_format.error-invalid-format", "logs", "PutDeliveryDestination",
     R"({"name": "d", "outputFormat": "foobar"})"},
};

TEST(Validate, SaysWhatAwsSaid) {
  const char* dir = std::getenv("SAVIA_VECTORS");
  if (dir == nullptr || *dir == '\0') {
    std::printf("%zu recorded validation errors were not run: SAVIA_VECTORS is not set\n", std::size(kRecorded));
    const char* ci = std::getenv("CI");
    EXPECT_FALSE(ci != nullptr && std::string_view(ci) == "true") << "SAVIA_VECTORS must be set where CI is";
    return;
  }
  std::ifstream in(std::string(dir) + "/aws-errors.tsv");
  std::map<std::string, std::pair<std::string, std::string>> answers;  // scenario -> code, message
  for (std::string line; std::getline(in, line);) {
    auto cells = split(line, '\t');
    if (cells.size() >= 5) answers[std::string(cells[4])] = {std::string(cells[2]), std::string(cells[3])};
  }
  for (const Recorded& r : kRecorded) {
    auto found = answers.find(std::string(r.scenario));
    ASSERT_NE(found, answers.end()) << r.scenario;
    const std::string& text = found->second.second;
    size_t open = text.find("Value '");
    std::string value = open == std::string::npos ? "" : text.substr(open + 7, text.find("' at '") - open - 7);
    std::string got = message(r.service, r.operation, replace_all(std::string(r.input), "$value", value));
    EXPECT_EQ(got, found->second.first + ": " + text) << r.scenario;
  }
}

}  // namespace
}  // namespace savia::aws

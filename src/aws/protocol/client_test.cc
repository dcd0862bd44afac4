// What the client builds, the server must read back equal, and what the server renders the client.
#include "aws/protocol/client.h"

#include <gtest/gtest.h>

#include "aws/protocol/protocol.h"

namespace savia::aws::protocol {
namespace {

void round_trip_request(const char* service, const char* operation, const Value& input) {
  SCOPED_TRACE(std::string(service) + ":" + operation);
  ServiceModel model = find_model(service);
  auto request = build_request(model.operation(operation), *client_protocol(model), input);
  ASSERT_TRUE(request.ok()) << request.error().message;
  auto to = address(model, *request);
  ASSERT_TRUE(to.ok()) << to.error().message << " " << request->target;
  EXPECT_EQ(to->operation.name(), operation);
  auto read = parse(*to, *request);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, input) << request->method << " " << request->target << "\n" << request->body;
}

void round_trip_response(const char* service, const char* operation, const Value& output) {
  SCOPED_TRACE(std::string(service) + ":" + operation);
  ServiceModel model = find_model(service);
  Addressed to{model, model.operation(operation), *client_protocol(model)};
  net::HttpResponse response = render(to, output, {"id"});
  auto read = parse_response(to.operation, to.protocol, response);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, output) << response.body;
}

Value obj() {
  return Value::object();
}

TEST(ClientProtocol, Requests) {
  round_trip_request("lambda", "CreateFunction",
                     obj()
                         .set("FunctionName", "f")
                         .set("Role", "arn:aws:iam::000000000000:role/r")
                         .set("Runtime", "nodejs22.x")
                         .set("Code", obj().set("ZipFile", Blob{std::string("PK\0\1", 4)}))
                         .set("Layers", Value::list().push("a").push("b"))
                         .set("Environment", obj().set("Variables", obj().set("A", "1").set("b", "ñ")))
                         .set("Publish", true)
                         .set("MemorySize", 128));
  round_trip_request("lambda", "Invoke",
                     obj()
                         .set("FunctionName", "arn:aws:lambda:us-east-1:000000000000:function:f")
                         .set("InvocationType", "Event")
                         .set("Payload", Blob{"{}"})
                         .set("Qualifier", "a b&c"));
  round_trip_request("lambda", "ListTags", obj().set("Resource", "arn:aws:lambda:us-east-1:0:function:f/x y"));
  round_trip_request("lambda", "UntagResource",
                     obj().set("Resource", "r").set("TagKeys", Value::list().push("one").push("two three")));
  round_trip_request("apigateway", "GetRestApis", obj().set("limit", 5));
  round_trip_request("apigateway", "PutIntegration",
                     obj()
                         .set("restApiId", "abc")
                         .set("resourceId", "def")
                         .set("httpMethod", "GET")
                         .set("type", "MOCK")
                         .set("requestTemplates", obj().set("application/json", "{\"statusCode\": 200}")));
  round_trip_request(
      "logs", "PutLogEvents",
      obj()
          .set("logGroupName", "g")
          .set("logStreamName", "s")
          .set("logEvents", Value::list().push(obj().set("timestamp", int64_t{1700000000000}).set("message", "m"))));
  round_trip_request("sts", "GetCallerIdentity", obj());
  round_trip_request("sts", "AssumeRole",
                     obj()
                         .set("RoleArn", "arn:aws:iam::000000000000:role/r")
                         .set("RoleSessionName", "s")
                         .set("Tags", Value::list().push(obj().set("Key", "k").set("Value", "a&b=c")))
                         .set("DurationSeconds", 900));
}

TEST(ClientProtocol, Responses) {
  round_trip_response("lambda", "Invoke",
                      obj().set("Payload", Blob{"{\"a\":1}"}).set("StatusCode", 200).set("FunctionError", "Unhandled"));
  round_trip_response(
      "lambda", "GetFunction",
      obj().set("Configuration", obj().set("FunctionName", "f").set("Timeout", 3)).set("Tags", obj().set("a", "b")));
  round_trip_response("logs", "DescribeLogGroups",
                      obj().set("logGroups", Value::list().push(obj().set("logGroupName", "g").set("storedBytes", 5))));
  round_trip_response("sts", "AssumeRole",
                      obj()
                          .set("Credentials", obj()
                                                  .set("AccessKeyId", "A")
                                                  .set("SecretAccessKey", "S")
                                                  .set("SessionToken", "T")
                                                  .set("Expiration", Timestamp{1'700'000'000'000}))
                          .set("PackedPolicySize", 1));
}

TEST(ClientProtocol, Faults) {
  for (auto [service, operation] : {std::pair("lambda", "GetFunction"), {"logs", "CreateLogGroup"}, {"sts", "AssumeRole"}}) {
    ServiceModel model = find_model(service);
    Addressed to{model, model.operation(operation), *client_protocol(model)};
    net::HttpResponse response = render_fault(to, Fault("ResourceNotFoundException", "it is <not> there", 404), {"id"});
    auto read = parse_response(to.operation, to.protocol, response);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, "ResourceNotFoundException") << response.body;
    EXPECT_EQ(read.error().message, "it is <not> there");
  }
  OperationModel op = find_model("lambda").operation("GetFunction");
  EXPECT_EQ(build_request(op, Protocol::kRestJson, obj()).error().code, "ParamValidation");
  EXPECT_EQ(build_request(op, Protocol::kRestJson, obj().set("FunctionNam", "f")).error().code, "ParamValidation");
  net::HttpResponse html;
  html.status = 502;
  html.body = "<html>";
  EXPECT_EQ(parse_response(op, Protocol::kRestJson, html).error().code, "UnreadableResponse");
  html.status = 200;
  EXPECT_EQ(parse_response(op, Protocol::kRestJson, html).error().code, "UnreadableResponse");
}

}  // namespace
}  // namespace savia::aws::protocol

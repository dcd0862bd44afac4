#include "aws/protocol/protocol.h"

#include <gtest/gtest.h>

#include "aws/protocol/internal.h"
#include "codec/cbor.h"
#include "models_index.h"

namespace savia::aws::protocol {
namespace {

net::HttpRequest http(std::string method, std::string target, std::string body = "") {
  net::HttpRequest r;
  r.method = std::move(method);
  r.target = std::move(target);
  r.body = std::move(body);
  return r;
}

net::HttpRequest json_call(std::string_view target, std::string body) {
  net::HttpRequest r = http("POST", "/", std::move(body));
  r.headers.add("X-Amz-Target", target);
  r.headers.add("Content-Type", "application/x-amz-json-1.1");
  return r;
}

net::HttpRequest form_call(std::string body) {
  net::HttpRequest r = http("POST", "/", std::move(body));
  r.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  return r;
}

// The fault's text on the wire, or "" where the request is right.
std::string refused(ServiceModel service, const net::HttpRequest& r) {
  Addressed to;
  auto addressed = address(service, r, &to);
  if (!addressed.ok()) return addressed.error().code + ": " + addressed.error().message;
  auto in = parse(*addressed, r);
  return in.ok() ? "" : in.error().code + ": " + in.error().message;
}

TEST(Protocol, OneServiceInThreeProtocols) {
  ServiceModel cloudwatch = find_model("cloudwatch");
  EXPECT_EQ(detect(cloudwatch, form_call("Action=PutMetricData")), Protocol::kQuery);
  EXPECT_EQ(detect(cloudwatch, http("GET", "/?Action=ListMetrics&Version=2010-08-01")), Protocol::kQuery);
  net::HttpRequest json = json_call("GraniteServiceVersion20100801.PutMetricData", "{}");
  json.headers.set("Content-Type", "application/x-amz-json-1.0");
  EXPECT_EQ(detect(cloudwatch, json), Protocol::kJson10);
  net::HttpRequest cbor = http("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData");
  cbor.headers.add("smithy-protocol", "rpc-v2-cbor");
  EXPECT_EQ(detect(cloudwatch, cbor), Protocol::kCbor);
  for (const net::HttpRequest& r : {form_call("Action=PutMetricData"), json, cbor}) {
    auto to = address(cloudwatch, r);
    ASSERT_TRUE(to.ok());
    EXPECT_EQ(to->operation.name(), "PutMetricData");
  }
}

TEST(Protocol, UnknownOperations) {
  EXPECT_EQ(refused(logs_model(), json_call("Logs_20140328.Nope", "{}")), "UnknownOperationException: Unknown operation Nope");
  EXPECT_EQ(refused(sts_model(), form_call("Action=Nope&Version=2011-06-15")),
            "InvalidAction: Could not find operation Nope for version 2011-06-15");
  EXPECT_EQ(refused(sts_model(), form_call("Version=2011-06-15")),
            "MissingAction: The request must contain the parameter Action");
  EXPECT_EQ(refused(lambda_model(), http("GET", "/2015-03-31/nope")), "UnknownOperationException: Unknown operation");
  EXPECT_EQ(refused(find_model("s3"), http("LOCK", "/b")),
            "MethodNotAllowed: The specified method is not allowed against this resource.");
}

TEST(Protocol, WrongJson) {
  auto create = [](std::string body) {
    return refused(lambda_model(), http("POST", "/2015-03-31/functions", std::move(body)));
  };
  EXPECT_EQ(create(R"({"FunctionName": 1})"), "SerializationException: NUMBER_VALUE can not be converted to a String");
  EXPECT_EQ(create(R"({"MemorySize": "x"})"), "SerializationException: STRING_VALUE can not be converted to an Integer");
  EXPECT_EQ(create(R"({"MemorySize": 1.5})"), "SerializationException: DECIMAL_VALUE can not be converted to an Integer");
  EXPECT_EQ(create(R"({"MemorySize": 99999999999})"),
            "SerializationException: NUMBER_VALUE can not be converted to an Integer");
  EXPECT_EQ(create(R"({"Publish": "true"})"), "SerializationException: STRING_VALUE can not be converted to a Boolean");
  EXPECT_EQ(create(R"({"Handler": {}})"), "SerializationException: Start of structure or map found where not expected");
  EXPECT_EQ(create(R"({"Handler": []})"), "SerializationException: Start of list found where not expected");
  EXPECT_EQ(create(R"({"Layers": "x"})"), "SerializationException: Unrecognized collection type class java.lang.String");
  EXPECT_EQ(create(R"([])"), "SerializationException: Start of list found where not expected");
  EXPECT_EQ(create(R"({"Code": {"ZipFile": "%%%"}})").substr(0, 53), "SerializationException: blob is not valid Base64: not");
  EXPECT_EQ(create(R"({"FunctionName": )").substr(0, 23), "SerializationException:");
  EXPECT_EQ(create(R"({"MemorySize": 128.0, "Nonsense": 1, "Handler": null})"), "");
  EXPECT_EQ(create(""), "");
  EXPECT_EQ(create("null"), "");
  EXPECT_EQ(refused(apigateway_model(), http("PUT", "/restapis/a/resources/r/methods/GET/integration",
                                             R"({"type": "MOCK", "requestParameters": {"a": true}})")),
            "SerializationException: class java.lang.Boolean can not be converted to an String");
  EXPECT_EQ(refused(lambda_model(), http("GET", "/2015-03-31/functions?MaxItems=many")),
            "SerializationException: STRING_VALUE can not be converted to an Integer");
}

TEST(Protocol, Invoke) {
  net::HttpRequest r = http("POST", "/2015-03-31/functions/f%3Alive/invocations?Qualifier=1", "\x01{\"raw\": 1}");
  r.headers.add("x-amz-log-type", "Tail");
  r.headers.add("X-Amz-Invocation-Type", "RequestResponse");
  auto to = address(lambda_model(), r);
  ASSERT_TRUE(to.ok());
  auto in = parse(*to, r);
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(in->str("FunctionName"), "f:live");
  EXPECT_EQ(in->str("Qualifier"), "1");
  EXPECT_EQ(in->str("LogType"), "Tail");
  EXPECT_EQ(in->find("Payload")->as_blob(), r.body);

  Value out = Value::object();
  out.set("StatusCode", 202).set("FunctionError", "Unhandled").set("Payload", Blob{"{}"}).set("ExecutedVersion", "$LATEST");
  net::HttpResponse response = render(*to, out, {.request_id = "id"});
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.body, "{}");
  EXPECT_EQ(response.headers.get("X-Amz-Function-Error"), "Unhandled");
  EXPECT_EQ(response.headers.get("X-Amz-Executed-Version"), "$LATEST");
  EXPECT_EQ(response.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(response.headers.get("x-amzn-RequestId"), "id");
}

TEST(Protocol, RestJsonAnswers) {
  Addressed to{lambda_model(), lambda_model().operation("CreateFunction"), Protocol::kRestJson};
  Value out = Value::object();
  out.set("FunctionName", "f").set("MemorySize", 128).set("Description", "").set("KMSKeyArn", nullptr).set("Nonsense", 1);
  net::HttpResponse r = render(to, out, {.request_id = "id"});
  EXPECT_EQ(r.status, 201);
  EXPECT_EQ(r.body, R"({"FunctionName":"f","MemorySize":128,"Description":""})");
  to.operation = lambda_model().operation("DeleteFunctionConcurrency");
  r = render(to, Value::object(), {.request_id = "id"});
  EXPECT_EQ(r.status, 204);
  EXPECT_EQ(r.body, "");
}

TEST(Protocol, RestJsonFaults) {
  Addressed to{lambda_model(), lambda_model().operation("GetFunction"), Protocol::kRestJson};
  net::HttpResponse r =
      render_fault(to, Fault("ResourceNotFoundException", "Function not found: f", 404), {.request_id = "id"});
  EXPECT_EQ(r.status, 404);
  EXPECT_EQ(r.headers.get("x-amzn-errortype"), "ResourceNotFoundException");
  EXPECT_EQ(r.body, R"({"Type":"User","Message":"Function not found: f"})");
  r = render_fault(to, Fault("InvalidParameterValueException", "no"), {.request_id = "id"});
  EXPECT_EQ(r.body, R"({"Type":"User","message":"no"})");
  r = render_fault(to, Fault("ValidationException", "1 validation error"), {.request_id = "id"});
  EXPECT_EQ(r.body, R"({"message":"1 validation error"})");
  Fault slow("TooManyRequestsException", "Rate Exceeded.", 429, Value::object().set("Reason", "CallerRateLimitExceeded"));
  slow.retry_after_s = 2;
  r = render_fault(to, slow, {.request_id = "id"});
  EXPECT_EQ(r.headers.get("Retry-After"), "2");
  EXPECT_EQ(r.body, R"({"Type":"User","message":"Rate Exceeded.","Reason":"CallerRateLimitExceeded"})");
  r = render_fault(to, not_implemented(lambda_model(), "PutFunctionScalingConfig"), {.request_id = "id"});
  EXPECT_EQ(r.status, 501);
  EXPECT_EQ(r.body, R"x({"message":"savia does not implement lambda:PutFunctionScalingConfig (docs/coverage.md)"})x");
}

TEST(Protocol, JsonFaults) {
  Addressed to{logs_model(), logs_model().operation("CreateLogGroup"), Protocol::kJson11};
  net::HttpResponse r = render_fault(to, Fault("ResourceAlreadyExistsException", "there"), {.request_id = "id"});
  EXPECT_EQ(r.body, R"({"__type":"ResourceAlreadyExistsException","message":"there"})");
  EXPECT_EQ(r.headers.get("Content-Type"), "application/x-amz-json-1.1");
  EXPECT_FALSE(r.headers.has("x-amzn-query-error"));
  Addressed sqs{find_model("sqs"), find_model("sqs").operation("SendMessage"), Protocol::kJson10};
  r = render_fault(sqs, Fault("AWS.SimpleQueueService.NonExistentQueue", "none"), {.request_id = "id"});
  EXPECT_EQ(r.headers.get("x-amzn-query-error"), "AWS.SimpleQueueService.NonExistentQueue;Sender");
}

TEST(Protocol, QueryAnswersAndFaults) {
  Addressed to{sts_model(), sts_model().operation("GetCallerIdentity"), Protocol::kQuery};
  Value out = Value::object();
  out.set("UserId", "u").set("Account", "000000000000").set("Arn", "arn:aws:iam::000000000000:root");
  EXPECT_EQ(
      render(to, out, {.request_id = "id"}).body,
      "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>"
      "<UserId>u</UserId><Account>000000000000</Account><Arn>arn:aws:iam::000000000000:root</Arn></GetCallerIdentityResult>"
      "<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></GetCallerIdentityResponse>");
  EXPECT_EQ(
      render_fault(to, Fault("InvalidClientTokenId", "bad <key>", 403), {.request_id = "id"}).body,
      "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>"
      "<Code>InvalidClientTokenId</Code><Message>bad &lt;key&gt;</Message></Error><RequestId>id</RequestId></ErrorResponse>");
  // AWS's own spelling of a modelled error differs from its shape.
  to.operation = sts_model().operation("AssumeRole");
  std::string body = render_fault(to, Fault("MalformedPolicyDocumentException", "no"), {.request_id = "id"}).body;
  EXPECT_NE(body.find("<Code>MalformedPolicyDocument</Code>"), std::string::npos);
}

TEST(Protocol, OtherXmlFaults) {
  Addressed s3{find_model("s3"), find_model("s3").operation("GetObject"), Protocol::kRestXml};
  net::HttpResponse r =
      render_fault(s3, Fault("NoSuchKey", "none", 404, Value::object().set("Key", "k")), {.request_id = "id", .host_id = "h"});
  EXPECT_EQ(r.body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>none</Message><Key>k</Key>"
            "<RequestId>id</RequestId><HostId>h</HostId></Error>");
  EXPECT_EQ(r.headers.get("x-amz-request-id"), "id");
  EXPECT_EQ(r.headers.get("x-amz-id-2"), "h");
  Addressed ec2{find_model("ec2"), find_model("ec2").operation("RunInstances"), Protocol::kEc2};
  r = render_fault(ec2, not_implemented(find_model("ec2"), "RunInstances"), {.request_id = "id"});
  EXPECT_EQ(
      r.body,
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>NotImplemented</Code><Message>savia does "
      "not implement ec2:RunInstances (docs/coverage.md)</Message></Error></Errors><RequestID>id</RequestID></Response>");
}

TEST(Protocol, CborFaults) {
  Addressed to{find_model("cloudwatch"), find_model("cloudwatch").operation("PutMetricData"), Protocol::kCbor};
  net::HttpResponse r = render_fault(to, Fault("InternalFailure", "x", 500), {.request_id = "id"});
  EXPECT_EQ(r.headers.get("smithy-protocol"), "rpc-v2-cbor");
  EXPECT_EQ(r.headers.get("x-amzn-query-error"), "InternalFailure;Receiver");
  auto body = parse_cbor(r.body);
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->str("__type"), "com.amazonaws.cloudwatch#InternalFailure");
  EXPECT_EQ(body->str("message"), "x");
}

TEST(Protocol, QueryMapsTakeWhatNothingElseTakes) {
  net::HttpRequest r =
      http("POST", "/restapis?mode=import&failonwarnings=true&endpointConfigurationTypes=REGIONAL&x-id=a", "{}");
  auto to = address(apigateway_model(), r);
  ASSERT_TRUE(to.ok());
  EXPECT_EQ(to->operation.name(), "ImportRestApi");
  auto in = parse(*to, r);
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(*in->find("parameters"), Value::object().set("endpointConfigurationTypes", "REGIONAL"));
  EXPECT_EQ(in->boolean("failOnWarnings"), true);
}

TEST(Protocol, Timestamps) {
  using internal::parse_timestamp;
  using internal::timestamp_text;
  for (std::string_view text :
       {"1398796238", "1398796238.0", "1.398796238e9", "2014-04-29T18:30:38Z", "2014-04-29T18:30:38.000Z",
        "2014-04-29T20:30:38+02:00", "2014-04-29T17:00:38-01:30", "Tue, 29 Apr 2014 18:30:38 GMT"}) {
    EXPECT_EQ(parse_timestamp(text), 1'398'796'238'000) << text;
  }
  for (std::string_view text : {"", "x", "2014-13-01T00:00:00Z", "2014-04-29T18:30:38Zx", "Tue, 29 Foo 2014 18:30:38 GMT",
                                "nan", "1e300", "2014-04-29T", "99999999999999999999"}) {
    EXPECT_EQ(parse_timestamp(text), std::nullopt) << text;
  }
  for (int64_t ms : {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{1'398'796'238'123}, int64_t{-62'135'596'800'000},
                     int64_t{253'402'300'799'999}, int64_t{951'782'400'000}, int64_t{4'107'542'400'000}}) {
    EXPECT_EQ(parse_timestamp(timestamp_text(ms, TimestampFormat::kIso8601)), ms);
    EXPECT_EQ(parse_timestamp(timestamp_text(ms, TimestampFormat::kUnix)), ms);
  }
  EXPECT_EQ(timestamp_text(1'398'796'238'500, TimestampFormat::kUnix), "1398796238.5");
  EXPECT_EQ(timestamp_text(951'782'400'000, TimestampFormat::kIso8601), "2000-02-29T00:00:00Z");
  EXPECT_EQ(timestamp_text(0, TimestampFormat::kRfc822), "Thu, 01 Jan 1970 00:00:00 GMT");
}

}  // namespace
}  // namespace savia::aws::protocol

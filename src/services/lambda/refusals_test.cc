// What is refused, in AWS's words where AWS was recorded; nothing of it is stored.
#include <filesystem>

#include "base/limits.h"
#include "base/strings.h"
#include "services/lambda/testing.h"

namespace savia::lambda {
namespace {

constexpr const char* kParameter = "400 InvalidParameterValueException ";

TEST_F(LambdaTest, Names) {
  std::string long_name(65, 'a');
  EXPECT_EQ(
      said("CreateFunction", create_input(long_name)),
      kParameter + ("1 validation error detected: Value '" + long_name +
                    "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"));
  create("arn:aws:lambda:us-east-1:111111111111:function:full");
  create("111111111111:function:partial");
  EXPECT_EQ(ok("GetFunctionConfiguration", R"({"FunctionName":"111111111111:function:full:$LATEST"})").str("FunctionName"),
            "full");
  EXPECT_EQ(ok("GetFunctionConfiguration", R"({"FunctionName":"partial"})").str("FunctionName"), "partial");
  EXPECT_EQ(said("GetFunction", R"({"FunctionName":"arn:aws:lambda:ap-southeast-1:111111111111:function:full"})"),
            "404 ResourceNotFoundException Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')");
  EXPECT_TRUE(said("GetFunction", R"({"FunctionName":"arn:aws:lambda:us-east-1:222222222222:function:full"})")
                  .starts_with("403 AccessDeniedException"));
  EXPECT_EQ(said("GetFunction", R"({"FunctionName":"full:1","Qualifier":"$LATEST"})"),
            std::string(kParameter) + "The derived qualifier from the function name does not match the specified qualifier.");
  EXPECT_EQ(
      said("GetFunction", R"({"FunctionName":"some-function","Qualifier":"$LATEST"})"),
      "404 ResourceNotFoundException Function not found: arn:aws:lambda:us-east-1:111111111111:function:some-function:$LATEST");
  EXPECT_EQ(said("GetFunction", R"({"FunctionName":"arn:aws:lambda:us-east-1:111111111111:function"})"),
            "404 ResourceNotFoundException Function not found: arn:aws:lambda:us-east-1:111111111111:function:function");
  EXPECT_EQ(said("CreateFunction", create_input("full")), "409 ResourceConflictException Function already exist: full");
}

TEST_F(LambdaTest, Runtimes) {
  std::string unknown = said("CreateFunction", create_input("f", R"({"Runtime":"non-existent-runtime"})"));
  EXPECT_TRUE(
      unknown.find("Value non-existent-runtime at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
                   "[nodejs20.x, python3.14, provided.al2023") != std::string::npos)
      << unknown;
  for (const char* old : {"java8", "go1.x", "provided", "ruby2.7", "python3.7"}) {
    EXPECT_EQ(said("CreateFunction", create_input("f", std::string(R"({"Runtime":")") + old + "\"}")),
              kParameter + std::string("The runtime parameter of ") + old +
                  " is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported "
                  "runtime while "
                  "creating or updating functions.");
  }
  EXPECT_EQ(said("CreateFunction", create_input("f", R"({"Runtime":"java21"})")),
            std::string(kParameter) + "savia does not support Runtime java21 yet (docs/coverage.md)");
  EXPECT_EQ(said("CreateFunction", create_input("f", R"({"Runtime":"nodejs18.x"})")), "ok");
}

TEST_F(LambdaTest, WhatIsNotBuiltIsNamed) {
  const std::pair<const char*, const char*> members[] = {
      {R"({"VpcConfig":{"SubnetIds":["subnet-1"],"SecurityGroupIds":["sg-1"]}})", "VpcConfig"},
      {R"({"DeadLetterConfig":{"TargetArn":"arn:aws:sqs:us-east-1:111111111111:q"}})", "DeadLetterConfig"},
      {R"({"KMSKeyArn":"arn:aws:kms:us-east-1:111111111111:key/k"})", "KMSKeyArn"},
      {R"({"TracingConfig":{"Mode":"Active"}})", "TracingConfig Active"},
      {R"({"FileSystemConfigs":[{"Arn":"arn:aws:elasticfilesystem:us-east-1:111111111111:access-point/fsap-01234567890123456","LocalMountPath":"/mnt/x"}]})",
       "FileSystemConfigs"},
      {R"({"Architectures":["arm64"]})", "Architectures arm64"},
      {R"({"SnapStart":{"ApplyOn":"PublishedVersions"}})", "SnapStart PublishedVersions"},
      {R"({"PackageType":"Image","Code":{"ImageUri":"x"}})", "ImageUri"},
      {R"({"Code":{"S3Bucket":"bucket","S3Key":"k"}})", "S3Bucket"},
  };
  for (auto [json, name] : members) {
    EXPECT_EQ(said("CreateFunction", create_input("f", json)),
              kParameter + std::string("savia does not support ") + name + " yet (docs/coverage.md)");
  }
  EXPECT_EQ(said("CreateFunction",
                 create_input("f", R"({"VpcConfig":{"SubnetIds":[],"SecurityGroupIds":[]},"SnapStart":{"ApplyOn":"None"}})")),
            "ok");
  ok("DeleteFunction", R"({"FunctionName":"f"})");
  EXPECT_EQ(engine_->specs(), 0U);
}

TEST_F(LambdaTest, Environment) {
  std::string said_reserved =
      said("CreateFunction",
           create_input("f", R"({"Environment":{"Variables":{"AWS_REGION":"x","AA":"1","LAMBDA_TASK_ROOT":"y"}}})"));
  EXPECT_EQ(said_reserved,
            std::string(kParameter) +
                "Lambda was unable to configure your environment variables because the environment variables you have provided "
                "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
                "AWS_REGION, LAMBDA_TASK_ROOT");
  Value in = create_input("f");
  in.set("Environment", Value::object().set("Variables", Value::object().set("BIG", std::string(4100, 'x'))));
  EXPECT_NE(said("CreateFunction", in).find("exceeded the 4KB limit. String measured: {\"BIG\":\"xxx"), std::string::npos);
}

TEST_F(LambdaTest, Zips) {
  auto with = [&](std::string bytes) {
    Value in = create_input("f");
    in.set("Code", Value::object().set("ZipFile", Blob{std::move(bytes)}));
    return said("CreateFunction", in);
  };
  std::string unzip =
      std::string(kParameter) + "Could not unzip uploaded file. Please check your file, then try to upload again.";
  EXPECT_EQ(with("no zip at all"), unzip);
  std::string good = zip({{"index.js", "x"}}), bad = good;
  EXPECT_EQ(with(good.substr(0, good.size() - 5)), unzip);
  for (size_t at = bad.find("index.js"); at != std::string::npos; at = bad.find("index.js")) bad.replace(at, 8, "../ex.js");
  EXPECT_EQ(with(bad), unzip + " zip entry \"../ex.js\": leads out of the folder with '..'");
  EXPECT_EQ(with(std::string(limits::kZipUploadBytes + 1, 'x')),
            "413 RequestEntityTooLargeException Zipped size must be smaller than 52428800 bytes");
  EXPECT_EQ(with(zip({{"bomb", std::string(limits::kUnzippedBytes + 1, '\0')}})),
            std::string(kParameter) + "Unzipped size must be smaller than 262144000 bytes");
  std::string half = std::string(limits::kUnzippedBytes / 2 + 1, '\0');
  layer("big", {{"x", half}});
  Value in = create_input("f", R"({"Layers":["arn:aws:lambda:us-east-1:111111111111:layer:big:1"]})");
  in.set("Code", Value::object().set("ZipFile", Blob{zip({{"y", half}})}));
  EXPECT_EQ(said("CreateFunction", in), std::string(kParameter) +
                                            "Function code combined with layers exceeds the maximum allowed size of 262144000 "
                                            "bytes. The actual size is 262144002 bytes.");
  EXPECT_EQ(said("GetFunction", R"({"FunctionName":"f"})").substr(0, 3), "404");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.path() + "/code-tmp"), {}), 0);
}

}  // namespace
}  // namespace savia::lambda

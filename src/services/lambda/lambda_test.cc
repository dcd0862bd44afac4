#include <sys/stat.h>

#include <filesystem>

#include "base/strings.h"
#include "services/lambda/testing.h"

namespace savia::lambda {
namespace {

constexpr const char* kArn = "arn:aws:lambda:us-east-1:111111111111:function:";

TEST_F(LambdaTest, CreateGetUpdateDelete) {
  Value made = create("f", R"({"Environment":{"Variables":{"AA":"b"}},"Timeout":5,"MemorySize":256,"Tags":{"t":"v"}})");
  EXPECT_EQ(made.str("State"), "Pending");
  EXPECT_EQ(made.str("StateReasonCode"), "Creating");
  EXPECT_EQ(made.str("FunctionArn"), std::string(kArn) + "f");
  EXPECT_EQ(made.str("LastModified"), "2023-11-14T22:13:20.000+0000");
  Value got = ok("GetFunction", R"({"FunctionName":"f"})");
  const Value* config = got.object_at("Configuration");
  EXPECT_EQ(config->str("State"), "Active");
  EXPECT_EQ(config->str("LastUpdateStatus"), "Successful");
  EXPECT_EQ(got.object_at("Tags")->str("t"), "v");
  std::string location = got.object_at("Code")->str_or("Location", "");
  EXPECT_TRUE(location.starts_with("http://127.0.0.1:4566/_savia/lambda/code/")) << location;
  std::string path = location.substr(21, location.find('?') - 21);
  EXPECT_EQ(content(*lambda_->download_file(path)), zip({{"index.js", "exports.handler = async () => 1; // f"}}));
  EXPECT_FALSE(lambda_->download_file("/_savia/lambda/code/../../state.db").ok());

  FunctionSpec spec = engine_->spec("f:$LATEST");
  EXPECT_EQ(content(spec.code_dir + "/index.js"), "exports.handler = async () => 1; // f");
  EXPECT_EQ(spec.environment.at("AA"), "b");
  EXPECT_EQ(spec.timeout_s, 5);
  EXPECT_EQ(spec.memory_mib, 256);
  EXPECT_EQ(spec.log_group, "/aws/lambda/f");

  Value updated = ok("UpdateFunctionConfiguration",
                     R"({"FunctionName":"f","Environment":{"Variables":{}},"Description":"d","Handler":"a.b"})");
  EXPECT_EQ(updated.str("LastUpdateStatus"), "InProgress");
  EXPECT_EQ(updated.num("Timeout"), 5);
  EXPECT_NE(engine_->spec("f:$LATEST").revision, spec.revision);
  EXPECT_TRUE(engine_->spec("f:$LATEST").environment.empty());
  EXPECT_EQ(said("UpdateFunctionConfiguration", R"({"FunctionName":"f","RevisionId":"old"})").substr(0, 31),
            "412 PreconditionFailedException");

  Value code = Value::object();
  code.set("FunctionName", std::string(kArn) + "f").set("ZipFile", Blob{zip({{"index.js", "2"}})}).set("DryRun", true);
  Value dry = ok("UpdateFunctionCode", code);
  EXPECT_NE(dry.str("CodeSha256"), made.str("CodeSha256"));
  EXPECT_EQ(ok("GetFunctionConfiguration", R"({"FunctionName":"f"})").str("CodeSha256"), made.str("CodeSha256"));
  code.set("DryRun", false);
  ok("UpdateFunctionCode", code);
  EXPECT_EQ(content(engine_->spec("f:$LATEST").code_dir + "/index.js"), "2");

  EXPECT_EQ(ok("DeleteFunction", R"({"FunctionName":"f"})").num("StatusCode"), 204);
  EXPECT_EQ(engine_->specs(), 0U);
  EXPECT_EQ(said("DeleteFunction", R"({"FunctionName":"f"})"),
            std::string("404 ResourceNotFoundException Function not found: ") + kArn + "f");
}

TEST_F(LambdaTest, RestartBringsEverythingBack) {
  layer("one", {{"x", "1"}, {"only", "one"}});
  layer("two", {{"x", "2"}});
  std::string layers =
      R"("Layers":["arn:aws:lambda:us-east-1:111111111111:layer:one:1","arn:aws:lambda:us-east-1:111111111111:layer:two:1"])";
  create("f", "{" + layers + R"(,"Publish":true})");
  ok("CreateAlias", R"({"FunctionName":"f","Name":"live","FunctionVersion":"1"})");
  ok("PutFunctionConcurrency", R"({"FunctionName":"f","ReservedConcurrentExecutions":7})");
  Value before = ok("GetFunction", R"({"FunctionName":"f"})");
  std::string revision = engine_->spec("f:1").revision;
  std::filesystem::remove_all(engine_->spec("f:1").code_dir);  // a folder is a cache of its blob
  open();
  EXPECT_TRUE(ok("GetFunction", R"({"FunctionName":"f"})") == before);
  EXPECT_EQ(engine_->specs(), 2U);
  FunctionSpec spec = engine_->spec("f:1");
  EXPECT_EQ(spec.revision, revision);
  EXPECT_EQ(content(spec.code_dir + "/index.js"), "exports.handler = async () => 1; // f");
  EXPECT_EQ(content(spec.opt_dir + "/x"), "2");
  EXPECT_EQ(content(spec.opt_dir + "/only"), "one");
  EXPECT_EQ(engine_->alias("f:live").at(0).version, "1");
  EXPECT_EQ(engine_->reserved("f"), 7);
}

TEST_F(LambdaTest, LeftoversOfACrashAreSwept) {
  create("f");
  std::string code = dir_.path() + "/code";
  ASSERT_TRUE(os::make_dirs(code + "/" + std::string(64, 'a') + "/x").ok());
  ASSERT_TRUE(os::make_dirs(dir_.path() + "/code-tmp/t-9/x").ok());
  ASSERT_TRUE(os::make_dirs(dir_.path() + "/opt/" + std::string(64, 'b')).ok());
  open();
  EXPECT_FALSE(os::exists(code + "/" + std::string(64, 'a')));
  EXPECT_FALSE(os::exists(dir_.path() + "/code-tmp/t-9"));
  EXPECT_FALSE(os::exists(dir_.path() + "/opt/" + std::string(64, 'b')));
  EXPECT_TRUE(os::exists(engine_->spec("f:$LATEST").code_dir));
}

TEST_F(LambdaTest, AfterARebootOnlySettledFoldersAreBelieved) {
  create("f");
  std::string folder = engine_->spec("f:$LATEST").code_dir;
  for (int i = 0; i < 500 && !os::exists(folder + ".ok"); ++i) usleep(10'000);
  ASSERT_TRUE(os::exists(folder + ".ok"));
  close();
  ASSERT_TRUE(os::write_file_atomic(dir_.path() + "/code/.boot", "another").ok());
  struct stat before {};
  ASSERT_EQ(::stat(folder.c_str(), &before), 0);
  open();
  struct stat after {};
  ASSERT_EQ(::stat(folder.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  close();
  ASSERT_EQ(::unlink((folder + ".ok").c_str()), 0);
  ASSERT_TRUE(os::write_file_atomic(folder + "/index.js", "").ok());  // as a lost page would leave it
  ASSERT_TRUE(os::write_file_atomic(dir_.path() + "/code/.boot", "yet another").ok());
  open();
  EXPECT_EQ(content(folder + "/index.js"), "exports.handler = async () => 1; // f");
}

TEST_F(LambdaTest, OldCodeStaysWhileItIsHeld) {
  create("f");
  FunctionSpec old = engine_->spec("f:$LATEST");
  Value code = Value::object();
  code.set("FunctionName", "f").set("ZipFile", Blob{zip({{"index.js", "2"}})});
  ok("UpdateFunctionCode", code);
  usleep(50'000);
  EXPECT_TRUE(os::exists(old.code_dir + "/index.js"));
  std::string path = old.code_dir;
  old = FunctionSpec{};
  code.set("ZipFile", Blob{zip({{"index.js", "3"}})});
  ok("UpdateFunctionCode", code);  // wakes who clears up
  for (int i = 0; i < 500 && os::exists(path); ++i) usleep(10'000);
  EXPECT_FALSE(os::exists(path));
}

TEST_F(LambdaTest, Versions) {
  create("f", R"({"Description":"none"})");
  Value v1 = ok("PublishVersion", R"({"FunctionName":"f","Description":"first"})");
  EXPECT_EQ(v1.str("Version"), "1");
  EXPECT_EQ(v1.str("FunctionArn"), std::string(kArn) + "f:1");
  EXPECT_EQ(v1.str("Description"), "first");
  EXPECT_TRUE(ok("PublishVersion", R"({"FunctionName":"f"})") == v1);  // nothing changed
  ok("UpdateFunctionConfiguration", R"({"FunctionName":"f","Timeout":9})");
  EXPECT_EQ(ok("PublishVersion", R"({"FunctionName":"f"})").str("Version"), "2");
  EXPECT_EQ(engine_->spec("f:1").timeout_s, 3);
  EXPECT_EQ(engine_->spec("f:2").timeout_s, 9);
  EXPECT_EQ(ok("GetFunctionConfiguration", R"({"FunctionName":"f:1"})").num("Timeout"), 3);
  Value list = ok("ListVersionsByFunction", R"({"FunctionName":"f","MaxItems":2})");
  ASSERT_EQ(list.list_at("Versions")->size(), 2U);
  EXPECT_EQ((*list.list_at("Versions"))[0].str("FunctionArn"), std::string(kArn) + "f:$LATEST");
  Value rest =
      ok("ListVersionsByFunction", Value::object().set("FunctionName", "f").set("Marker", list.str_or("NextMarker", "")));
  ASSERT_EQ(rest.list_at("Versions")->size(), 1U);
  EXPECT_EQ((*rest.list_at("Versions"))[0].str("Version"), "2");
  EXPECT_FALSE(rest.has("NextMarker"));
  EXPECT_TRUE(said("PublishVersion", R"({"FunctionName":"f","CodeSha256":"x"})")
                  .starts_with("400 InvalidParameterValueException CodeSHA256 (x) is different from"));
  ok("DeleteFunction", R"({"FunctionName":"f","Qualifier":"1"})");
  EXPECT_EQ(engine_->spec("f:1").name, "");
  EXPECT_EQ(said("GetFunction", R"({"FunctionName":"f","Qualifier":"1"})"),
            std::string("404 ResourceNotFoundException Function not found: ") + kArn + "f:1");
  EXPECT_EQ(said("DeleteFunction", R"({"FunctionName":"f","Qualifier":"$LATEST"})"),
            "400 InvalidParameterValueException $LATEST version cannot be deleted without deleting the function.");
}

TEST_F(LambdaTest, ListFunctionsPages) {
  for (const char* name : {"c", "a", "b"}) create(name, R"({"Publish":true})");
  Value page = ok("ListFunctions", R"({"MaxItems":2})");
  ASSERT_EQ(page.list_at("Functions")->size(), 2U);
  EXPECT_EQ((*page.list_at("Functions"))[0].str("FunctionName"), "a");
  EXPECT_FALSE((*page.list_at("Functions"))[0].has("State"));
  Value next = ok("ListFunctions", Value::object().set("Marker", page.str_or("NextMarker", "")));
  ASSERT_EQ(next.list_at("Functions")->size(), 1U);
  std::vector<std::string> arns;
  std::string marker;
  do {
    Value in = doc(R"({"FunctionVersion":"ALL","MaxItems":4})");
    if (!marker.empty()) in.set("Marker", marker);
    Value all = ok("ListFunctions", in);
    for (const Value& f : *all.list_at("Functions")) arns.push_back(f.str_or("FunctionArn", "").substr(47));
    marker = all.str_or("NextMarker", "");
  } while (!marker.empty());
  EXPECT_EQ(join(arns, " "), "a:$LATEST a:1 b:$LATEST b:1 c:$LATEST c:1");
  region_ = "eu-west-1";
  EXPECT_TRUE(ok("ListFunctions", "{}").list_at("Functions")->empty());
}

TEST_F(LambdaTest, Aliases) {
  create("f", R"({"Publish":true})");
  ok("UpdateFunctionConfiguration", R"({"FunctionName":"f","Timeout":9})");
  ok("PublishVersion", R"({"FunctionName":"f"})");
  Value a = ok("CreateAlias", R"({"FunctionName":"f","Name":"live","FunctionVersion":"1"})");
  EXPECT_EQ(a.str("AliasArn"), std::string(kArn) + "f:live");
  EXPECT_EQ(ok("GetFunctionConfiguration", R"({"FunctionName":"f:live"})").str("Version"), "1");
  ok("UpdateAlias", R"({"FunctionName":"f","Name":"live","RoutingConfig":{"AdditionalVersionWeights":{"2":0.25}}})");
  auto weights = engine_->alias("f:live");
  ASSERT_EQ(weights.size(), 2U);
  EXPECT_EQ(weights[0].version, "1");
  EXPECT_DOUBLE_EQ(weights[0].weight, 0.75);
  EXPECT_EQ(weights[1].version, "2");
  EXPECT_TRUE(said("DeleteFunction", R"({"FunctionName":"f:2"})").starts_with("409 ResourceConflictException"));
  EXPECT_EQ(said("CreateAlias", R"({"FunctionName":"f","Name":"live","FunctionVersion":"1"})"),
            std::string("409 ResourceConflictException Alias already exists: ") + kArn + "f:live");
  EXPECT_EQ(said("CreateAlias", R"({"FunctionName":"f","Name":"x","FunctionVersion":"10"})"),
            std::string("404 ResourceNotFoundException Function not found: ") + kArn + "f:10");
  EXPECT_EQ(said("GetAlias", R"({"FunctionName":"f","Name":"non-existent"})"),
            std::string("404 ResourceNotFoundException Cannot find alias arn: ") + kArn + "f:non-existent");
  EXPECT_EQ(said("UpdateAlias", R"({"FunctionName":"f","Name":"non-existent"})"),
            std::string("404 ResourceNotFoundException Alias not found: ") + kArn + "f:non-existent");
  EXPECT_EQ(ok("ListAliases", R"({"FunctionName":"f","FunctionVersion":"2"})").list_at("Aliases")->size(), 1U);
  ok("DeleteAlias", R"({"FunctionName":"f","Name":"live"})");
  ok("DeleteAlias", R"({"FunctionName":"f","Name":"live"})");
  EXPECT_TRUE(engine_->alias("f:live").empty());
}

TEST_F(LambdaTest, Permissions) {
  create("f", R"({"Publish":true})");
  Value added = ok(
      "AddPermission",
      R"({"FunctionName":"f","StatementId":"s3","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com","SourceArn":"arn:aws:s3:::b"})");
  std::string statement =
      R"({"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":")" +
      std::string(kArn) + R"(f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}})";
  EXPECT_EQ(added.str("Statement"), statement);
  Value policy = ok("GetPolicy", R"({"FunctionName":"f"})");
  EXPECT_EQ(policy.str("Policy"), R"({"Version":"2012-10-17","Id":"default","Statement":[)" + statement + "]}");
  EXPECT_EQ(policy.str("RevisionId"), ok("GetFunctionConfiguration", R"({"FunctionName":"f"})").str("RevisionId"));
  EXPECT_EQ(
      said("AddPermission", R"({"FunctionName":"f","StatementId":"s3","Action":"lambda:InvokeFunction","Principal":"x"})"),
      "409 ResourceConflictException The statement id (s3) provided already exists. Please provide a new statement id, or "
      "remove "
      "the existing statement.");
  EXPECT_EQ(
      said("AddPermission",
           R"({"FunctionName":"f","StatementId":"a","Action":"lambda:InvokeFunction","Principal":"x","Qualifier":"$LATEST"})"),
      "400 InvalidParameterValueException We currently do not support adding policies for $LATEST.");
  ok("AddPermission",
     R"({"FunctionName":"f","StatementId":"v","Action":"lambda:InvokeFunction","Principal":"222222222222","Qualifier":"1"})");
  EXPECT_NE(
      ok("GetPolicy", R"({"FunctionName":"f","Qualifier":"1"})").str_or("Policy", "").find("arn:aws:iam::222222222222:root"),
      std::string::npos);
  EXPECT_EQ(said("RemovePermission", R"({"FunctionName":"f","StatementId":"non-existent"})"),
            "404 ResourceNotFoundException Statement non-existent is not found in resource policy.");
  EXPECT_EQ(said("RemovePermission", R"({"FunctionName":"doesnotexist","StatementId":"s"})"),
            std::string("404 ResourceNotFoundException No policy found for: ") + kArn + "doesnotexist");
  ok("RemovePermission", R"({"FunctionName":"f","StatementId":"s3"})");
  EXPECT_EQ(said("GetPolicy", R"({"FunctionName":"f"})"),
            "404 ResourceNotFoundException The resource you requested does not exist.");
}

TEST_F(LambdaTest, Tags) {
  create("f");
  std::string arn = std::string(kArn) + "f";
  ok("TagResource", Value::object().set("Resource", arn).set("Tags", doc(R"({"A":"1","B":"2"})")));
  ok("UntagResource", Value::object().set("Resource", arn).set("TagKeys", doc(R"(["A","none"])")));
  EXPECT_EQ(to_json(ok("ListTags", Value::object().set("Resource", arn))), R"({"Tags":{"B":"2"}})");
  EXPECT_EQ(said("TagResource", Value::object().set("Resource", arn).set("Tags", Value::object())),
            "400 InvalidParameterValueException An error occurred and the request cannot be processed.");
  EXPECT_EQ(said("ListTags", Value::object().set("Resource", arn + ":x")),
            "400 InvalidParameterValueException Tags on function aliases and versions are not supported. Please specify a "
            "function ARN.");
  Value many = Value::object();
  for (int i = 0; i < 51; ++i) many.set("k" + std::to_string(i), "v");
  EXPECT_EQ(said("TagResource", Value::object().set("Resource", arn).set("Tags", many)),
            "400 InvalidParameterValueException Number of tags exceeds resource tag limit.");
}

TEST_F(LambdaTest, Concurrency) {
  create("f");
  EXPECT_EQ(ok("PutFunctionConcurrency", R"({"FunctionName":"f","ReservedConcurrentExecutions":0})")
                .num("ReservedConcurrentExecutions"),
            0);
  EXPECT_EQ(engine_->reserved("f"), 0);
  EXPECT_EQ(said("PutFunctionConcurrency", R"({"FunctionName":"f","ReservedConcurrentExecutions":901})"),
            "400 InvalidParameterValueException Specified ReservedConcurrentExecutions for function decreases account's "
            "UnreservedConcurrentExecution below its minimum value of [100].");
  ok("PutFunctionConcurrency", R"({"FunctionName":"f","ReservedConcurrentExecutions":900})");
  Value settings = ok("GetAccountSettings", "{}");
  EXPECT_EQ(settings.object_at("AccountLimit")->num("UnreservedConcurrentExecutions"), 100);
  EXPECT_EQ(settings.object_at("AccountUsage")->num("FunctionCount"), 1);
  EXPECT_GT(settings.object_at("AccountUsage")->num_or("TotalCodeSize", 0), 100);
  ok("DeleteFunctionConcurrency", R"({"FunctionName":"f"})");
  EXPECT_EQ(to_json(ok("GetFunctionConcurrency", R"({"FunctionName":"f"})")), "{}");
}

TEST_F(LambdaTest, InvokeNow) {
  create("f");
  Value in = doc(R"({"FunctionName":"f","LogType":"Tail"})");
  in.set("Payload", Blob{R"({"a":1})"});
  Value out = ok("Invoke", in);
  EXPECT_EQ(out.num("StatusCode"), 200);
  EXPECT_EQ(out.find("Payload")->as_blob(), R"({"a":1})");
  EXPECT_EQ(out.str("LogResult"), "dGFpbA==");
  EXPECT_EQ(out.str("ExecutedVersion"), "$LATEST");
  engine_->answer([](const ports::InvokeRequest&) {
    return ports::InvokeResult{ports::InvokeStatus::kFunctionError, R"({"errorMessage":"x"})", "", "", "$LATEST", ""};
  });
  EXPECT_EQ(ok("Invoke", R"({"FunctionName":"f"})").str("FunctionError"), "Unhandled");
  EXPECT_EQ(engine_->invoked().back().payload, "{}");
  engine_->answer(
      [](const ports::InvokeRequest&) { return ports::InvokeResult{ports::InvokeStatus::kThrottled, "", "", "", "", ""}; });
  EXPECT_EQ(said("Invoke", R"({"FunctionName":"f"})"), "429 TooManyRequestsException Rate Exceeded.");
  EXPECT_EQ(ok("Invoke", R"({"FunctionName":"f","InvocationType":"DryRun"})").num("StatusCode"), 204);
  EXPECT_EQ(said("Invoke", R"({"FunctionName":"doesnotexist"})"),
            std::string("404 ResourceNotFoundException Function not found: ") + kArn + "doesnotexist:$LATEST");
  in.set("Payload", Blob{"{"});
  EXPECT_TRUE(said("Invoke", in).starts_with("400 InvalidRequestContentException Could not parse request body into json"))
      << said("Invoke", in);
  in.set("Payload", Blob{'"' + std::string(6 * 1024 * 1024, 'x') + '"'});
  EXPECT_TRUE(said("Invoke", in).starts_with("413 RequestEntityTooLargeException 6291458 byte payload is too large"));
}

TEST_F(LambdaTest, EventsAreKeptAndRetried) {
  create("f");
  engine_->answer([](const ports::InvokeRequest&) {
    return ports::InvokeResult{ports::InvokeStatus::kFunctionError, "{}", "", "", "", ""};
  });
  Value in = doc(R"({"FunctionName":"f","InvocationType":"Event"})");
  in.set("Payload", Blob{"[1]"});
  EXPECT_EQ(ok("Invoke", in).num("StatusCode"), 202);
  ASSERT_TRUE(engine_->wait_invoked(1));
  open();  // a restart forgets nothing; the retry is due a minute after the failure
  EXPECT_FALSE(engine_->invoked().size() > 1);
  engine_->answer(
      [](const ports::InvokeRequest&) { return ports::InvokeResult{ports::InvokeStatus::kOk, "null", "", "", "", ""}; });
  clock_.advance_ms(61'000);
  open();
  ASSERT_TRUE(engine_->wait_invoked(1));
  EXPECT_EQ(engine_->invoked()[0].payload, "[1]");
  for (int i = 0; i < 500; ++i) {
    std::optional<int64_t> left;
    ASSERT_TRUE(database_
                    ->read([&](state::Tx& tx) -> Result<void> {
                      return left = TRY(tx.num("SELECT COUNT(*) FROM lambda_event")), Result<void>();
                    })
                    .ok());
    if (left == 0) return;
    usleep(10'000);
  }
  FAIL() << "the event is still there";
}

}  // namespace
}  // namespace savia::lambda

// Replays of scenarios recorded from AWS: the requests are ours (recordings hold none), the answers must be AWS's: the same
// members present and absent, the same literals, the same error code, status and text. The recordings are looked for in
// $SAVIA_VECTORS; without it the scenes run and only our own faults are looked for.
#include <cstdlib>
#include <iostream>

#include "base/strings.h"
#include "services/lambda/testing.h"

namespace savia::lambda {
namespace {

struct Step {
  const char* label;  // of the recording; "" for a step that is not compared
  const char* operation;
  const char* in;  // JSON; "$zip": content of the zip's one file
};
struct Scene {
  const char* test;
  std::vector<Step> steps;
};

#define ARN "arn:aws:lambda:us-east-1:111111111111:function:"
#define LAYER "arn:aws:lambda:us-east-1:111111111111:layer:"
#define ROLE R"("Role":"arn:aws:iam::111111111111:role/r")"
#define CREATE R"({"FunctionName":"f","Runtime":"python3.12",)" ROLE R"(,"Handler":"index.handler","$zip":"1"})"
#define CREATE_FULL(more)                               \
  R"({"FunctionName":"f","Runtime":"python3.12",)" ROLE \
  R"(,"Handler":"handler.handler","Environment":{"Variables":{}},"Timeout":30,"$zip":"1")" more "}"
#define F R"({"FunctionName":"f"})"

std::vector<Scene> scenes() {
  return {
      {"TestLambdaFunction::test_function_lifecycle",
       {{"create_response", "CreateFunction",
         R"({"FunctionName":"f","Runtime":"python3.12",)" ROLE
         R"(,"Handler":"handler.handler","Environment":{"Variables":{}},"Timeout":5,"MemorySize":256,"$zip":"1"})"},
        {"get_function_response", "GetFunction", F},
        {"update_func_conf_response", "UpdateFunctionConfiguration",
         R"({"FunctionName":"f","Runtime":"python3.11","Description":"Changed-Description","MemorySize":512,"Timeout":10,
             "Environment":{"Variables":{"ENV_A":"a"}}})"},
        {"get_function_response_postupdate", "GetFunction", F},
        {"update_code_response", "UpdateFunctionCode", R"({"FunctionName":"f","$zip":"2"})"},
        {"get_function_response_postcodeupdate", "GetFunction", F},
        {"delete_response", "DeleteFunction", F},
        {"delete_postdelete", "DeleteFunction", F}}},
      {"TestLambdaFunction::test_lambda_code_location_zipfile",
       {{"create-response-zip-file", "CreateFunction", CREATE},
        {"get-function-response", "GetFunction", F},
        {"update-function-response", "UpdateFunctionCode", R"({"FunctionName":"f","$zip":"2"})"}}},
      {"TestLambdaFunction::test_function_arns",
       {{"invalid_function_name_exc", "CreateFunction",
         R"({"FunctionName":"invalid:function:name","Runtime":"python3.12",)" ROLE R"(,"Handler":"h.h","$zip":"1"})"},
        {"function_arn_other_region_exc", "GetFunction",
         R"({"FunctionName":"arn:aws:lambda:ap-southeast-1:111111111111:function:f"})"}}},
      {"TestLambdaFunction::test_update_lambda_exceptions",
       {{"", "CreateFunction", CREATE},
        {"invalid_role_arn_exc", "UpdateFunctionConfiguration", R"({"FunctionName":"f","Role":"r1"})"},
        {"invalid_runtime_exc", "UpdateFunctionConfiguration", R"({"FunctionName":"f","Runtime":"non-existent-runtime"})"},
        {"uppercase_runtime_exc", "UpdateFunctionConfiguration", R"({"FunctionName":"f","Runtime":"PYTHON3.9"})"}}},
      {"TestLambdaVersions::test_version_lifecycle",
       {{"create_response", "CreateFunction",
         R"({"FunctionName":"f","Runtime":"python3.12",)" ROLE
         R"(,"Handler":"index.handler","Description":"No version :(","$zip":"1"})"},
        {"get_function_result", "GetFunction", F},
        {"list_versions_result", "ListVersionsByFunction", F},
        {"first_update_response", "UpdateFunctionConfiguration", R"j({"FunctionName":"f","Description":"First version :)"})j"},
        {"first_update_get_function", "GetFunction", F},
        {"first_publish_response", "PublishVersion", R"j({"FunctionName":"f","Description":"First version description :)"})j"},
        {"first_publish_get_function", "GetFunction", R"({"FunctionName":"f","Qualifier":"1"})"},
        {"first_publish_get_function_config", "GetFunctionConfiguration", R"({"FunctionName":"f","Qualifier":"1"})"},
        {"second_update_response", "UpdateFunctionConfiguration",
         R"j({"FunctionName":"f","Description":"Second version :))"})j"},
        {"first_publish_get_function_after_update", "GetFunction", R"({"FunctionName":"f","Qualifier":"1"})"},
        {"second_publish_response", "PublishVersion", F},
        {"third_publish_response", "PublishVersion",
         R"j({"FunctionName":"f","Description":"Third version description :)))"})j"},
        {"list_versions_result_after_third_publish", "ListVersionsByFunction", F},
        {"", "DeleteFunction", R"({"FunctionName":"f","Qualifier":"1"})"},
        {"list_versions_result_after_deletion_of_first_version", "ListVersionsByFunction", F}}},
      {"TestLambdaVersions::test_publish_with_wrong_revisionid",
       {{"", "CreateFunction", CREATE},
        {"publish_wrong_revisionid_exc", "PublishVersion", R"({"FunctionName":"f","RevisionId":"doesntexist"})"}}},
      {"TestLambdaVersions::test_publish_with_update",
       {{"create_response", "CreateFunction", CREATE},
        {"update_function_code_result", "UpdateFunctionCode", R"({"FunctionName":"f","Publish":true,"$zip":"2"})"}}},
      {"TestLambdaAlias::test_alias_naming",
       {{"", "CreateFunction", CREATE},
        {"", "PublishVersion", F},
        {"create_alias_number_exception", "CreateAlias", R"({"FunctionName":"f","Name":"2024","FunctionVersion":"1"})"}}},
      {"TestLambdaAlias::test_non_existent_alias_update",
       {{"", "CreateFunction", CREATE},
        {"update_alias_response", "UpdateAlias", R"({"FunctionName":"f","Name":"non-existent"})"}}},
      {"TestLambdaTags::test_tag_lifecycle",
       {{"", "CreateFunction", CREATE_FULL(R"(,"Tags":{"key_a":"value_a"})")},
        {"list_tags_response_postfncreate", "ListTags", R"({"Resource":")" ARN R"(f"})"},
        {"get_fn_response_postfncreate", "GetFunction", F},
        {"", "UntagResource", R"({"Resource":")" ARN R"(f","TagKeys":["key_a"]})"},
        {"list_tags_response_postuntagall", "ListTags", R"({"Resource":")" ARN R"(f"})"},
        {"get_fn_response_postuntagall", "GetFunction", F},
        {"", "DeleteFunction", F},
        {"list_tags_postdelete", "ListTags", R"({"Resource":")" ARN R"(f"})"}}},
      {"TestLambdaTag::test_tag_exceptions[lambda_function]",
       {{"not_found_exception_tag", "TagResource", R"({"Resource":")" ARN R"(none","Tags":{"a":"b"}})"},
        {"", "CreateFunction", CREATE},
        {"aliased_arn_exception", "TagResource", R"({"Resource":")" ARN R"(f:alias","Tags":{"a":"b"}})"},
        {"invalid_arn_exception", "TagResource",
         R"({"Resource":"arn:aws:lambda:us-east-1:111111111111:foobar:f","Tags":{"a":"b"}})"}}},
      {"TestLambdaReservedConcurrency::test_function_concurrency",
       {{"", "CreateFunction", CREATE},
        {"put_function_concurrency_with_reserved_0", "PutFunctionConcurrency",
         R"({"FunctionName":"f","ReservedConcurrentExecutions":0})"},
        {"put_function_concurrency_with_reserved_1", "PutFunctionConcurrency",
         R"({"FunctionName":"f","ReservedConcurrentExecutions":1})"},
        {"get_function_concurrency", "GetFunctionConcurrency", F},
        {"delete_response", "DeleteFunctionConcurrency", F},
        {"get_function_concurrency_after_delete", "GetFunctionConcurrency", F}}},
      {"TestLambdaReservedConcurrency::test_function_concurrency_limits",
       {{"", "CreateFunction", CREATE},
        {"put_function_concurrency_account_limit_exceeded", "PutFunctionConcurrency",
         R"({"FunctionName":"f","ReservedConcurrentExecutions":1001})"}}},
      {"TestLambdaPermissions::test_add_lambda_permission_aws",
       {{"create_lambda", "CreateFunction", CREATE_FULL("")},
        {"add_permission", "AddPermission",
         R"({"FunctionName":"f","StatementId":"s3","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com",
             "SourceArn":"arn:aws:s3:::b"})"},
        {"get_policy", "GetPolicy", F}}},
      {"TestLambdaPermissions::test_lambda_permission_revisions",
       {{"", "CreateFunction", CREATE},
        {"add_permission_revision_id_doesnotmatch", "AddPermission",
         R"({"FunctionName":"f","StatementId":"s","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com","RevisionId":"wrong"})"}}},
      {"TestLambdaLayer::test_layer_lifecycle",
       {{"", "CreateFunction", CREATE_FULL("")},
        {"get_fn_config_result", "GetFunctionConfiguration", F},
        {"publish_result", "PublishLayerVersion",
         R"({"LayerName":"l","CompatibleRuntimes":["python3.12"],"CompatibleArchitectures":["x86_64"],"LicenseInfo":"MIT","Description":"d","$zip":"a"})"},
        {"publish_result_2", "PublishLayerVersion",
         R"({"LayerName":"l","CompatibleRuntimes":["python3.12"],"CompatibleArchitectures":["x86_64"],"LicenseInfo":"MIT","Description":"d","$zip":"a"})"},
        {"update_fn_config", "UpdateFunctionConfiguration", R"({"FunctionName":"f","Layers":[")" LAYER R"(l:1"]})"},
        {"get_fn_config", "GetFunctionConfiguration", F},
        {"get_layer_ver_result", "GetLayerVersion", R"({"LayerName":"l","VersionNumber":1})"},
        {"get_layer_by_arn_version", "GetLayerVersionByArn", R"({"Arn":")" LAYER R"(l:1"})"},
        {"list_layer_versions_predelete", "ListLayerVersions", R"({"LayerName":"l"})"},
        {"delete_layer_1", "DeleteLayerVersion", R"({"LayerName":"l","VersionNumber":1})"},
        {"get_fn_config_postdelete", "GetFunctionConfiguration", F},
        {"delete_layer_2", "DeleteLayerVersion", R"({"LayerName":"l","VersionNumber":2})"},
        {"list_layer_versions_postdelete", "ListLayerVersions", R"({"LayerName":"l"})"},
        {"publish_result_3", "PublishLayerVersion",
         R"({"LayerName":"l","CompatibleRuntimes":["python3.12"],"CompatibleArchitectures":["x86_64"],"LicenseInfo":"MIT","Description":"d","$zip":"a"})"}}},
      {"TestLambdaLayer::test_layer_function_exceptions",
       {{"publish_result", "PublishLayerVersion",
         R"({"LayerName":"l","CompatibleRuntimes":[],"CompatibleArchitectures":["x86_64"],"$zip":"a"})"},
        {"publish_result_2", "PublishLayerVersion",
         R"({"LayerName":"l","CompatibleRuntimes":[],"CompatibleArchitectures":["x86_64"],"$zip":"a"})"},
        {"", "CreateFunction", CREATE},
        {"two_layer_versions_single_function_exc", "UpdateFunctionConfiguration",
         R"({"FunctionName":"f","Layers":[")" LAYER R"(l:1",")" LAYER R"(l:2"]})"},
        {"two_identical_layer_versions_single_function_exc", "UpdateFunctionConfiguration",
         R"({"FunctionName":"f","Layers":[")" LAYER R"(l:1",")" LAYER R"(l:1"]})"},
        {"add_nonexistent_layer_exc", "UpdateFunctionConfiguration",
         R"({"FunctionName":"f","Layers":[")" LAYER R"(doesnotexist:1"]})"},
        {"add_nonexistent_layer_version_exc", "UpdateFunctionConfiguration",
         R"({"FunctionName":"f","Layers":[")" LAYER R"(l:9"]})"},
        {"add_layer_arn_without_version_exc", "UpdateFunctionConfiguration",
         R"({"FunctionName":"f","Layers":[")" LAYER R"(l"]})"},
        {"create_function_with_layer_in_different_region", "UpdateFunctionConfiguration",
         R"({"FunctionName":"f","Layers":["arn:aws:lambda:eu-west-1:111111111111:layer:l:1"]})"}}},
  };
}

// Rows of aws-errors.tsv (whose scenario is test.step) and a call that provokes each. There is a function f with version 1, and
// layers l1 to l6. Of test_invoke_exceptions the older of two recordings is in the table (without ":$LATEST"); the newer one
// holds.
std::vector<Step> provocations() {
  return {
      {"test_create_lambda_exceptions.invalid_runtime_exc", "CreateFunction",
       R"({"FunctionName":"g","Runtime":"non-existent-runtime",)" ROLE R"(,"Handler":"h.h","$zip":"1"})"},
      {"test_create_lambda_exceptions.invalid_zip_exc", "CreateFunction",
       R"({"FunctionName":"g","Runtime":"python3.12",)" ROLE R"(,"Handler":"h.h","$bytes":"this is not a zip"})"},
      {"test_create_lambda_exceptions.uppercase_architecture", "CreateFunction",
       R"({"FunctionName":"g","Runtime":"python3.12",)" ROLE R"(,"Handler":"h.h","Architectures":["X86_64"],"$zip":"1"})"},
      {"test_create_lambda_exceptions.multiple_architectures", "CreateFunction",
       R"({"FunctionName":"g","Runtime":"python3.12",)" ROLE
       R"(,"Handler":"h.h","Architectures":["x86_64","arm64"],"$zip":"1"})"},
      {"test_create_deprecated_function_runtime_with_validation_enabled.deprecation_error", "CreateFunction",
       R"({"FunctionName":"g","Runtime":"python3.7",)" ROLE R"(,"Handler":"h.h","$zip":"1"})"},
      {"test_create_deprecated_function_runtime_with_validation_enabled.deprecation_error", "CreateFunction",
       R"({"FunctionName":"g","Runtime":"java8",)" ROLE R"(,"Handler":"h.h","$zip":"1"})"},
      {"test_layer_function_quota_exception.create_function_with_six_layers", "UpdateFunctionConfiguration",
       R"({"FunctionName":"f","Layers":[")" LAYER R"(l1:1",")" LAYER R"(l2:1",")" LAYER R"(l3:1",")" LAYER R"(l4:1",")" LAYER
       R"(l5:1",")" LAYER R"(l6:1"]})"},
      {"test_publish_with_wrong_sha256.publish_wrong_sha256_exc", "PublishVersion",
       R"({"FunctionName":"f","CodeSha256":"somenonexistentsha256"})"},
      {"test_tag_exceptions.tag_empty_tags", "TagResource", R"({"Resource":")" ARN R"(f","Tags":{}})"},
      {"test_tag_exceptions.tag_lambda_qualifier_doesnotexist", "TagResource",
       R"({"Resource":")" ARN R"(f:none","Tags":{"a":"b"}})"},
      {"test_tag_exceptions.untag_empty_keys", "UntagResource", R"({"Resource":")" ARN R"(f"})"},
      {"test_ops_with_arn_qualifier_mismatch.not_match_exception", "GetFunction",
       R"({"FunctionName":")" ARN R"(some-function:1","Qualifier":"$LATEST"})"},
      {"test_ops_with_arn_qualifier_mismatch.match_exception", "GetFunction",
       R"({"FunctionName":")" ARN R"(some-function:$LATEST","Qualifier":"$LATEST"})"},
      {"test_ops_with_arn_qualifier_mismatch.match_exception", "DeleteFunction",
       R"({"FunctionName":"f","Qualifier":"$LATEST"})"},
      {"test_function_concurrency_exceptions.put_function_concurrency_with_qualified_arn", "PutFunctionConcurrency",
       R"({"FunctionName":")" ARN R"(f:$LATEST","ReservedConcurrentExecutions":1})"},
      {"test_permission_exceptions.add_permission_fn_qualifier_latest", "AddPermission",
       R"({"FunctionName":"f","StatementId":"s","Action":"lambda:InvokeFunction","Principal":"x","Qualifier":"$LATEST"})"},
      {"test_permission_exceptions.add_permission_fn_qualifier_invalid", "AddPermission",
       R"({"FunctionName":"f","StatementId":"s","Action":"lambda:InvokeFunction","Principal":"x","Qualifier":"invalid-qualifier-with-?-char"})"},
      {"test_permission_exceptions.add_permission_fn_qualifier_valid_doesnotexist", "AddPermission",
       R"({"FunctionName":"f","StatementId":"s","Action":"lambda:InvokeFunction","Principal":"x","Qualifier":"valid-with-$-but-doesnotexist"})"},
      {"test_permission_exceptions.remove_permission_fn_doesnotexist", "RemovePermission",
       R"({"FunctionName":"doesnotexist","StatementId":"s"})"},
      {"test_remove_multi_permissions.remove_permission_exception_nonexisting_sid", "RemovePermission",
       R"({"FunctionName":"f","StatementId":"non-existent"})"},
      {"test_ops_on_nonexisting_fn.not_found_exception", "GetPolicy", R"({"FunctionName":"none"})"},
      {"test_notfound_and_invalid_routingconfigs.alias_does_not_exist_esc", "GetAlias",
       R"({"FunctionName":"f","Name":"non-existent"})"},
      {"test_notfound_and_invalid_routingconfigs.target_version_doesnotexist", "CreateAlias",
       R"({"FunctionName":"f","Name":"a","FunctionVersion":"10"})"},
      {"test_notfound_and_invalid_routingconfigs.routing_config_exc_subzero", "CreateAlias",
       R"({"FunctionName":"f","Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":-1.0}}})"},
      {"test_alias_lifecycle.get_function_alias_notfound_exc", "GetFunction",
       R"({"FunctionName":"f","Qualifier":"aliasdoesnotexist"})"},
      {"test_alias_naming.create_alias_number_exception", "CreateAlias",
       R"({"FunctionName":"f","Name":"2024","FunctionVersion":"1"})"},
      {"test_lambda_alias_moving.invocation_exc_not_existent", "Invoke",
       R"({"FunctionName":"f","Qualifier":"non-existent-alias"})"},
      {"test_invalid_invoke.invoke_function_name_pattern_exc", "Invoke",
       R"({"FunctionName":"arn:aws:lambda:us-east-1:123400000000@function:myfn"})"},
      {"test_layer_exceptions.list_layers_exc_compatibleruntime_invalid", "ListLayers",
       R"({"CompatibleRuntime":"runtimedoesnotexist"})"},
      {"test_layer_exceptions.list_layers_exc_compatiblearchitecture_invalid", "ListLayers",
       R"({"CompatibleArchitecture":"archdoesnotexist"})"},
      {"test_layer_exceptions.get_layer_version_by_arn_exc_invalidarn", "GetLayerVersionByArn", R"({"Arn":")" LAYER R"(l1"})"},
      {"test_layer_exceptions.publish_layer_version_exc_invalid_runtime_arch", "PublishLayerVersion",
       R"({"LayerName":"x","CompatibleRuntimes":["invalidruntime"],"CompatibleArchitectures":["invalidarch"],"$zip":"a"})"},
      {"test_layer_exceptions.publish_layer_version_exc_partially_invalid_values", "PublishLayerVersion",
       R"({"LayerName":"x","CompatibleRuntimes":["invalidruntime","invalidruntime2","nodejs20.x"],
           "CompatibleArchitectures":["invalidarch","x86_64"],"$zip":"a"})"},
  };
}

// Does `ours` read as `recorded` does, where <…> stands for a value of the caller's?
bool fits(std::string_view recorded, std::string_view ours) {
  size_t open = recorded.find('<');
  if (open == std::string_view::npos) return recorded == ours;
  if (recorded.substr(0, open) != ours.substr(0, open)) return false;
  size_t close = recorded.find('>', open);
  if (close == std::string_view::npos) return recorded == ours;
  std::string_view rest = recorded.substr(close + 1);
  for (size_t at = open; at <= ours.size(); ++at) {
    if (fits(rest, ours.substr(at))) return true;
  }
  return false;
}

// Where they differ; "" when they do not.
std::string difference(const Value& recorded, const Value& ours, const std::string& at) {
  if (recorded.is_object() && ours.is_string()) {  // the recording tool opened JSON texts
    auto opened = parse_json(ours.as_string());
    if (opened.ok() && opened->is_object()) return difference(recorded, *opened, at);
  }
  if (recorded.is_object() && ours.is_object()) {
    for (const Value::Member& m : recorded.as_object()) {
      if (m.first == "ResponseMetadata" || m.first == "CreateEventSourceMappingResponse") continue;
      const Value* v = ours.find(m.first);
      if (v == nullptr) return at + "." + m.first + " is missing";
      if (std::string d = difference(m.second, *v, at + "." + m.first); !d.empty()) return d;
    }
    for (const Value::Member& m : ours.as_object()) {
      if (recorded.find(m.first) == nullptr) return at + "." + m.first + " is not AWS's";
    }
    return "";
  }
  if (recorded.is_list() && ours.is_list()) {
    if (recorded.size() != ours.size()) return at + " has " + std::to_string(ours.size()) + " elements";
    for (size_t i = 0; i < recorded.size(); ++i) {
      std::string d = difference(recorded.as_list()[i], ours.as_list()[i], at + "[" + std::to_string(i) + "]");
      if (!d.empty()) return d;
    }
    return "";
  }
  if (recorded.is_string()) {
    if (recorded.as_string() == "date" || recorded.as_string().starts_with('<')) return "";
    std::string text = replace_all(replace_all(recorded.as_string(), "<partition>", "aws"), "<region>", "us-east-1");
    if (ours.is_string() && fits(text, ours.as_string())) return "";
  } else if (recorded == ours) {
    return "";
  }
  return at + " is " + to_json(ours) + ", AWS's " + to_json(recorded);
}

class Recorded : public LambdaTest {
 protected:
  Value input(const std::string& operation, const char* json) {
    Value in = doc(json);
    Blob bytes;
    if (auto text = in.str("$zip")) {
      bytes.bytes = zip({{"index.py", std::string(*text)}});
    } else if (auto raw = in.str("$bytes")) {
      bytes.bytes = *raw;
    } else {
      return in;
    }
    in.erase("$zip");
    in.erase("$bytes");
    if (operation == "UpdateFunctionCode") return in.set("ZipFile", std::move(bytes));
    return in.set(operation == "CreateFunction" ? "Code" : "Content", Value::object().set("ZipFile", std::move(bytes)));
  }

  void compare(const Value& recorded, const aws::Outcome& out, const std::string& where) {
    const Value* error = recorded.object_at("Error");
    if (error == nullptr) {
      ASSERT_TRUE(out.ok()) << where << ": " << out.error().code << ": " << out.error().message;
      const Value* created = recorded.object_at("CreateFunctionResponse");
      EXPECT_EQ(difference(created != nullptr ? *created : recorded, *out, ""), "") << where;
      return;
    }
    ASSERT_FALSE(out.ok()) << where << " should fail with " << to_json(*error);
    EXPECT_EQ(out.error().code, error->str("Code")) << where;
    EXPECT_EQ(out.error().http_status, recorded.object_at("ResponseMetadata")->num("HTTPStatusCode")) << where;
    std::string text = replace_all(replace_all(error->str_or("Message", ""), "<partition>", "aws"), "<region>", "us-east-1");
    EXPECT_TRUE(fits(text, out.error().message)) << where << "\n  ours " << out.error().message << "\n  AWS's " << text;
  }
};

TEST_F(Recorded, Scenes) {
  const char* vectors = std::getenv("SAVIA_VECTORS");
  Value recorded;
  if (vectors != nullptr) {
    recorded = doc(os::read_file(std::string(vectors) + "/recorded/lambda.json").value());
  } else {
    const char* ci = std::getenv("CI");
    ASSERT_FALSE(ci != nullptr && std::string_view(ci) == "true") << "SAVIA_VECTORS is not set";
  }
  size_t compared = 0, skipped = 0;
  for (const Scene& scene : scenes()) {
    const Value* replies = nullptr;
    if (recorded.is_object()) {
      for (const Value::Member& m : recorded.as_object()) {
        if (m.first.ends_with(scene.test)) replies = m.second.object_at("replies");
      }
      ASSERT_NE(replies, nullptr) << scene.test;
    }
    for (const Step& step : scene.steps) {
      aws::Outcome out = call(step.operation, input(step.operation, step.in));
      std::string where = std::string(scene.test) + " " + (*step.label != '\0' ? step.label : step.operation);
      if (*step.label == '\0') {
        EXPECT_TRUE(out.ok()) << where << (out.ok() ? "" : ": " + out.error().message);
      } else if (replies == nullptr) {
        ++skipped;
      } else {
        const Value* reply = replies->find(step.label);
        ASSERT_NE(reply, nullptr) << where;
        compare(*reply, out, where);
        ++compared;
      }
    }
    (void)call("DeleteFunction", doc(F));
    for (int v = 1; v < 4; ++v) (void)call("DeleteLayerVersion", Value::object().set("LayerName", "l").set("VersionNumber", v));
    ASSERT_TRUE(database_
                    ->write([](state::Tx& tx) -> Result<void> {
                      TRY(tx.exec("DELETE FROM lambda_layer"));
                      return {};
                    })
                    .ok());
  }
  if (skipped > 0) std::cout << "not compared: " << skipped << " recorded answers (SAVIA_VECTORS is not set)\n";
  if (vectors != nullptr) {
    EXPECT_GT(compared, 70U);
  }
}

TEST_F(Recorded, Errors) {
  const char* vectors = std::getenv("SAVIA_VECTORS");
  struct Row {
    int64_t status;
    std::string code, message;
  };
  std::multimap<std::string, Row> rows;
  std::string table = vectors == nullptr ? "" : os::read_file(std::string(vectors) + "/aws-errors.tsv").value();
  for (std::string_view line : split(table, '\n')) {
    auto cells = split(line, '\t');
    if (cells.size() < 5 || cells[0] != "lambda") continue;
    std::string text = replace_all(replace_all(std::string(cells[3]), "<partition>", "aws"), "<region>", "us-east-1");
    rows.emplace(cells[4], Row{parse_int(cells[1]).value_or(0), std::string(cells[2]), std::move(text)});
  }
  ok("CreateFunction", input("CreateFunction", CREATE));
  ok("PublishVersion", F);
  for (int i = 1; i <= 6; ++i) layer("l" + std::to_string(i), {{"x", "1"}});
  for (const Step& step : provocations()) {
    aws::Outcome out = call(step.operation, input(step.operation, step.in));
    ASSERT_FALSE(out.ok()) << step.label;
    if (vectors == nullptr) continue;
    auto [first, last] = rows.equal_range(step.label);
    ASSERT_NE(first, last) << step.label;
    bool found = false;
    std::string wanted;
    for (auto it = first; it != last; ++it) {
      const Row& r = it->second;
      found =
          found || (r.status == out.error().http_status && r.code == out.error().code && fits(r.message, out.error().message));
      wanted += "\n  AWS's " + std::to_string(r.status) + " " + r.code + " " + r.message;
    }
    EXPECT_TRUE(found) << step.label << "\n  ours  " << out.error().http_status << " " << out.error().code << " "
                       << out.error().message << wanted;
  }
  if (vectors == nullptr)
    std::cout << "not compared: " << provocations().size() << " recorded errors (SAVIA_VECTORS is not set)\n";
}

}  // namespace
}  // namespace savia::lambda

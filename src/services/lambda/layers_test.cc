#include <filesystem>

#include "base/limits.h"
#include "base/strings.h"
#include "services/lambda/testing.h"

namespace savia::lambda {
namespace {

constexpr const char* kLayer = "arn:aws:lambda:us-east-1:111111111111:layer:";

TEST_F(LambdaTest, LayersFromPublishToDelete) {
  Value v1 = layer("l", {{"nodejs/node_modules/m/index.js", "1"}});
  EXPECT_EQ(v1.num("Version"), 1);
  EXPECT_EQ(v1.str("LayerVersionArn"), std::string(kLayer) + "l:1");
  EXPECT_EQ(v1.str("Description"), "");
  EXPECT_TRUE(v1.list_at("CompatibleRuntimes")->empty());
  std::string use = R"({"Layers":[")" + std::string(kLayer) + R"(l:1"]})";
  Value f = create("f", use);
  EXPECT_EQ((*f.list_at("Layers"))[0].str("Arn"), std::string(kLayer) + "l:1");
  EXPECT_EQ(content(engine_->spec("f:$LATEST").opt_dir + "/nodejs/node_modules/m/index.js"), "1");

  layer("l", {{"nodejs/node_modules/m/index.js", "2"}});
  EXPECT_EQ(content(engine_->spec("f:$LATEST").opt_dir + "/nodejs/node_modules/m/index.js"), "1");  // pinned
  ok("DeleteLayerVersion", R"({"LayerName":"l","VersionNumber":1})");
  EXPECT_EQ(content(engine_->spec("f:$LATEST").opt_dir + "/nodejs/node_modules/m/index.js"), "1");  // its bytes stay
  open();
  EXPECT_EQ(content(engine_->spec("f:$LATEST").opt_dir + "/nodejs/node_modules/m/index.js"), "1");
  EXPECT_EQ(said("GetLayerVersion", R"({"LayerName":"l","VersionNumber":1})"),
            "404 ResourceNotFoundException The resource you requested does not exist.");
  ok("UpdateFunctionConfiguration", R"({"FunctionName":"f","Layers":[")" + std::string(kLayer) + R"(l:2"]})");
  EXPECT_EQ(content(engine_->spec("f:$LATEST").opt_dir + "/nodejs/node_modules/m/index.js"), "2");
  Value none = ok("UpdateFunctionConfiguration", R"({"FunctionName":"f","Layers":[]})");
  EXPECT_FALSE(none.has("Layers"));
  EXPECT_EQ(engine_->spec("f:$LATEST").opt_dir, "");
  ok("DeleteLayerVersion", R"({"LayerName":"l","VersionNumber":2})");
  EXPECT_EQ(layer("l", {{"x", "3"}}).num("Version"), 3);  // numbers do not come back
}

TEST_F(LambdaTest, LaterLayersWin) {
  layer("a", {{"same", "a"}, {"dir/x", "a"}, {"file", "a"}, {"a", "a"}});
  layer("b", {{"same", "b"}, {"dir", "b"}, {"file/y", "b"}, {"b", "b"}});
  std::string a = std::string(kLayer) + "a:1", b = std::string(kLayer) + "b:1";
  create("ab", R"({"Layers":[")" + a + R"(",")" + b + R"("]})");
  create("ba", R"({"Layers":[")" + b + R"(",")" + a + R"("]})");
  std::string ab = engine_->spec("ab:$LATEST").opt_dir, ba = engine_->spec("ba:$LATEST").opt_dir;
  EXPECT_EQ(content(ab + "/same"), "b");
  EXPECT_EQ(content(ba + "/same"), "a");
  EXPECT_EQ(content(ab + "/dir"), "b");
  EXPECT_EQ(content(ba + "/dir/x"), "a");
  EXPECT_EQ(content(ab + "/file/y"), "b");
  EXPECT_EQ(content(ba + "/file"), "a");
  EXPECT_EQ(content(ab + "/a") + content(ab + "/b"), "ab");
}

TEST_F(LambdaTest, LayerLists) {
  layer("l", {{"x", "1"}});
  Value in = doc(
      R"({"LayerName":"l","CompatibleRuntimes":["nodejs22.x"],"CompatibleArchitectures":["x86_64"],"LicenseInfo":"MIT","Description":"d"})");
  in.set("Content", Value::object().set("ZipFile", Blob{zip({{"x", "2"}})}));
  Value v2 = ok("PublishLayerVersion", in);
  layer("other", {{"x", "1"}});
  Value list = ok("ListLayerVersions", R"({"LayerName":"l"})");
  ASSERT_EQ(list.list_at("LayerVersions")->size(), 2U);
  EXPECT_EQ((*list.list_at("LayerVersions"))[0].num("Version"), 2);
  EXPECT_FALSE((*list.list_at("LayerVersions"))[0].has("LayerArn"));
  EXPECT_EQ(ok("ListLayerVersions", R"({"LayerName":"l","CompatibleRuntime":"nodejs22.x"})").list_at("LayerVersions")->size(),
            1U);
  Value layers = ok("ListLayers", "{}");
  ASSERT_EQ(layers.list_at("Layers")->size(), 2U);
  EXPECT_EQ((*layers.list_at("Layers"))[0].object_at("LatestMatchingVersion")->num("Version"), 2);
  Value got = ok("GetLayerVersionByArn", R"({"Arn":")" + std::string(kLayer) + R"(l:2"})");
  EXPECT_TRUE(got == v2);
  EXPECT_EQ(got.str("LicenseInfo"), "MIT");
  EXPECT_TRUE(ok("GetLayerVersion", R"({"LayerName":"l","VersionNumber":2})") == v2);
  std::string text = "400 InvalidParameterValueException Layer Version Cannot be less than 1";
  EXPECT_EQ(said("GetLayerVersion", R"({"LayerName":"l","VersionNumber":0})"), text);
  EXPECT_EQ(said("DeleteLayerVersion", R"({"LayerName":"l","VersionNumber":-1})"), text);
  EXPECT_TRUE(ok("ListLayerVersions", R"({"LayerName":"none"})").list_at("LayerVersions")->empty());
}

TEST_F(LambdaTest, LayerReferencesAreChecked) {
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) layer(name, {{"x", name}});
  layer("a", {{"x", "2"}});
  auto with = [&](const std::vector<std::string>& names) {
    Value list = Value::list();
    for (const std::string& n : names) list.push(n.starts_with("arn:") ? n : kLayer + n);
    Value in = create_input("fn");
    in.set("Layers", std::move(list));
    return said("CreateFunction", in);
  };
  std::string code = "400 InvalidParameterValueException ";
  EXPECT_EQ(with({"a:1", "b:1", "c:1", "d:1", "e:1", "f:1"}), code + "Cannot reference more than 5 layers.");
  EXPECT_EQ(with({"a:9"}), code + "Layer version " + kLayer + "a:9 does not exist.");
  EXPECT_EQ(with({"none:1"}), code + "Layer version " + kLayer + "none:1 does not exist.");
  EXPECT_EQ(with({"a:1", "b:1", "a:2"}),
            code + "Two different versions of the same layer are not allowed to be referenced in the same function. " + kLayer +
                "a:1 and " + kLayer + "a:2 are versions of the same layer.");
  EXPECT_EQ(with({"arn:aws:lambda:eu-west-1:111111111111:layer:a:1"}),
            code + "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.");
  EXPECT_EQ(said("GetFunction", R"({"FunctionName":"fn"})").substr(0, 3), "404");
  EXPECT_EQ(with({"a:1", "b:1", "c:1", "d:1", "e:1"}), "ok");
}

}  // namespace
}  // namespace savia::lambda

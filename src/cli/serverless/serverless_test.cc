#include <gtest/gtest.h>

#include "cli/package.h"
#include "cli/serverless/config.h"
#include "cli/serverless/variables.h"
#include "cli/workspace.h"
#include "os/file.h"

namespace savia::cli {
namespace {

class Variables : public testing::Test {
 protected:
  Node resolve(const std::string& yaml) {
    root_ = *parse_node(yaml, "serverless.yaml");
    VariableResolver r(root_, sources_);
    Node out = r.resolve_all();
    findings_ = r.findings();
    return out;
  }
  std::string one(const std::string& expression, const std::string& rest = "") {
    Node out = resolve("value: " + expression + "\n" + rest);
    return out.find("value")->text();
  }
  void SetUp() override {
    sources_.options = {{"stage", "qa"}};
    sources_.params = {{"mysqlLayer", "7"}};
    sources_.account_id = "000000000000";
    sources_.region = "us-east-1";
    sources_.env = [](const std::string& name) -> std::optional<std::string> {
      return name == "SET" ? std::optional<std::string>("from env") : std::nullopt;
    };
  }
  VariableSources sources_;
  Node root_;
  std::vector<Finding> findings_;
};

TEST_F(Variables, Sources) {
  EXPECT_EQ(one("${opt:stage}"), "qa");
  EXPECT_EQ(one("${opt:stage, 'dev'}"), "qa");
  EXPECT_EQ(one("${opt:none, 'dev'}"), "dev");
  EXPECT_EQ(one("${param:mysqlLayer}"), "7");
  EXPECT_EQ(one("${env:SET}"), "from env");
  EXPECT_EQ(one("${env:UNSET, ''}"), "");
  EXPECT_EQ(one("${aws:accountId}"), "000000000000");
  EXPECT_EQ(one("arn:aws:lambda:${aws:region}:${aws:accountId}:layer:x:${param:mysqlLayer}"),
            "arn:aws:lambda:us-east-1:000000000000:layer:x:7");
  EXPECT_EQ(one("${self:custom.${opt:stage}.name}", "custom: {qa: {name: nested}}"), "nested");
  EXPECT_EQ(one("${self:custom.${opt:none, self:custom.other}}", "custom: {other: key, key: deep}"), "deep");
  EXPECT_EQ(one("${self:a.b}", "a: ${self:c}\nc: {b: through}"), "through");
  EXPECT_EQ(one("${strToBool(${env:NONE, 'false'})}"), "false");
  EXPECT_EQ(one("${AWS::Region}-x"), "${AWS::Region}-x");
  EXPECT_TRUE(findings_.empty());
}

TEST_F(Variables, KeepTypes) {
  Node out = resolve("value: ${self:custom.map}\ncustom: {map: {a: 1, b: [x]}}");
  EXPECT_TRUE(out.find("value")->is_map());
  EXPECT_TRUE(out.find("value")->find("a")->scalar.is_int());
}

TEST_F(Variables, FindingsNameThePlace) {
  resolve("a: 1\nvalue: x-${ssm:/path/key}\n");
  ASSERT_EQ(findings_.size(), 1U);
  EXPECT_EQ(findings_[0].place.text(), "serverless.yaml:2:8");
  EXPECT_NE(findings_[0].message.find("ssm"), std::string::npos);
  resolve("value: ${env:UNSET}\n");
  ASSERT_EQ(findings_.size(), 1U);
  EXPECT_EQ(findings_[0].message, "${env:UNSET} has no value");
  resolve("value: ${self:value}\n");
  EXPECT_FALSE(findings_.empty());
  resolve("value: ${opt:stage\n");
  EXPECT_FALSE(findings_.empty());
}

TEST_F(Variables, CyclesAndDepthEnd) {
  resolve("a: ${self:b}\nb: ${self:a}\n");
  EXPECT_FALSE(findings_.empty());
  std::string deep = "value: ";
  for (int i = 0; i < 200; ++i) deep += "${self:";
  resolve(deep + "x" + std::string(200, '}') + "\n");
  EXPECT_FALSE(findings_.empty());
}

TEST_F(Variables, Files) {
  auto dir = os::TempDir::create();
  ASSERT_TRUE(dir.ok());
  ASSERT_TRUE(os::write_file_atomic(dir->path() + "/env.yml", "qa: {DB: q1}\n").ok());
  sources_.base_dir = dir->path();
  EXPECT_EQ(one("${file(./env.yml):${opt:stage}.DB}"), "q1");
  EXPECT_EQ(one("${file(./none.yml):x, 'absent'}"), "absent");
}

ServiceConfig load(const std::string& yaml) {
  auto dir = os::TempDir::create();
  EXPECT_TRUE(os::write_file_atomic(dir->path() + "/serverless.yaml", yaml).ok());
  VariableSources s;
  s.account_id = "000000000000";
  s.region = "us-east-1";
  auto c = load_service({dir->path() + "/serverless.yaml", "serverless.yaml", s});
  EXPECT_TRUE(c.ok());
  return std::move(*c);
}

constexpr const char* kService = R"(service: multi-recipes
provider:
  name: aws
  runtime: nodejs22.x
  stage: ${opt:stage, 'dev'}
  memorySize: 256
  environment: {STAGE: "${self:provider.stage}"}
functions:
  api:
    handler: src/index.handler
    environment: {PORT: 8080}
    events:
      - http: ANY /
      - http: {path: '/{proxy+}', method: any, cors: true}
      - httpApi: '*'
      - httpApi: {path: /x, method: get}
)";

TEST(Config, NamesAsTheFramework) {
  ServiceConfig c = load(kService);
  ASSERT_EQ(c.functions.size(), 1U);
  const FunctionConfig& f = c.functions[0];
  EXPECT_EQ(f.name, "multi-recipes-dev-api");
  EXPECT_EQ(c.rest_api_name, "dev-multi-recipes");
  EXPECT_EQ(f.memory_mib, 256);
  EXPECT_EQ(f.timeout_s, 6);
  EXPECT_EQ(f.environment.at("PORT"), "8080");
  EXPECT_EQ(f.environment.at("STAGE"), "dev");
  ASSERT_EQ(f.events.size(), 4U);
  EXPECT_EQ(f.events[1].path, "/{proxy+}");
  EXPECT_TRUE(f.events[1].cors);
  EXPECT_EQ(f.events[2].route_key(), "$default");
  EXPECT_EQ(f.events[3].route_key(), "GET /x");
  EXPECT_TRUE(c.findings.empty());
}

TEST(Config, WhatIsNotKnownIsListedWithItsPlace) {
  ServiceConfig c =
      load(std::string(kService) + "      - schedule: rate(1 hour)\nplugins:\n  - serverless-offline\nresources: {}\n");
  ASSERT_EQ(c.findings.size(), 3U);
  EXPECT_EQ(c.findings[0].place.line, 17);
  EXPECT_NE(c.findings[0].message.find("schedule"), std::string::npos);
  EXPECT_NE(c.findings[1].message.find("serverless-offline"), std::string::npos);
  EXPECT_FALSE(c.has_errors());
}

TEST(Config, AnEmptyVariableIsAnError) {
  ServiceConfig c = load("service: s\nprovider: {name: aws, runtime: nodejs22.x, environment: {KEY: }}\n");
  EXPECT_TRUE(c.has_errors());
}

TEST(Glob, Matches) {
  EXPECT_TRUE(glob_match("nodejs/**", "nodejs/a/b.js"));
  EXPECT_TRUE(glob_match("**/*.md", "a/b/README.md"));
  EXPECT_TRUE(glob_match("**/*.md", "README.md"));
  EXPECT_FALSE(glob_match("*.md", "a/README.md"));
  EXPECT_TRUE(glob_match("serverless*.yaml", "serverless-prod.yaml"));
  EXPECT_TRUE(glob_match("src/{a,b}.js", "src/b.js"));
  EXPECT_TRUE(glob_match("./x", "x"));
  EXPECT_TRUE(glob_match("f[0-9]", "f7"));
  EXPECT_FALSE(glob_match("a?c", "a/c"));
}

TEST(Package, SameFilesSameBytes) {
  auto dir = os::TempDir::create();
  ASSERT_TRUE(os::make_dirs(dir->path() + "/node_modules/dev").ok());
  ASSERT_TRUE(os::make_dirs(dir->path() + "/node_modules/prod").ok());
  for (const char* f : {"/index.js", "/serverless.yaml", "/node_modules/dev/i.js", "/node_modules/prod/i.js", "/.env"}) {
    ASSERT_TRUE(os::write_file_atomic(dir->path() + f, "x").ok());
  }
  ASSERT_TRUE(os::write_file_atomic(dir->path() + "/package-lock.json",
                                    R"({"packages":{"":{},"node_modules/dev":{"dev":true},"node_modules/prod":{}}})")
                  .ok());
  PackageRequest r;
  r.dir = dir->path();
  r.patterns = {"!serverless*.yaml"};
  r.exclude_dev_dependencies = true;
  auto a = make_package(r);
  auto b = make_package(r);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->zip, b->zip);
  EXPECT_EQ(a->files, 3U);  // index.js, package-lock.json, node_modules/prod/i.js
}

TEST(Workspace, ReadsTheExampleForm) {
  auto dir = os::TempDir::create();
  ASSERT_TRUE(os::make_dirs(dir->path() + "/layers/l").ok());
  ASSERT_TRUE(os::make_dirs(dir->path() + "/apis/a").ok());
  ASSERT_TRUE(os::write_file_atomic(
                  dir->path() + "/savia.yaml",
                  "name: w\nlayers:\n  l: {path: layers/l}\napis:\n  a:\n    path: apis/a\n    config: {dev: serverless.yaml}\n"
                  "    params: {x: layer:l, y: layer:none}\n")
                  .ok());
  auto w = load_workspace(dir->path(), Lang::kSpanish);
  ASSERT_TRUE(w.ok());
  EXPECT_EQ(w->apis.size(), 1U);
  ASSERT_EQ(w->findings.size(), 1U);
  EXPECT_EQ(w->findings[0].place.text(), "savia.yaml:8:29");
  EXPECT_EQ(w->findings[0].message, "la layer none no está en el espacio de trabajo");
}

}  // namespace
}  // namespace savia::cli

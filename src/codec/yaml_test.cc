#include "codec/yaml.h"

#include <gtest/gtest.h>

#include "codec/json.h"

namespace savia {
namespace {

std::string json_of(std::string_view text) {
  auto r = parse_yaml(text);
  return r.ok() ? to_json(r->to_value()) : "error " + r.error().message();
}

TEST(Yaml, CoreSchema) {
  EXPECT_EQ(
      json_of(
          "a: 1\nb: -2.5\nc: true\nd: yes\ne: ~\nf:\ng: 0x1F\nh: 0o17\ni: '1'\nj: 1e3\nk: 012\nl: 2012-10-17\nm: .inf\nn: +7\n"
          "o: 1.2.3\np: 1_000\nq: FALSE\nr: .5\ns: 99999999999999999999\n"),
      R"({"a":1,"b":-2.5,"c":true,"d":"yes","e":null,"f":null,"g":31,"h":15,"i":"1","j":1000,"k":12,"l":"2012-10-17",)"
      R"("m":"Infinity","n":7,"o":"1.2.3","p":"1_000","q":false,"r":0.5,"s":100000000000000000000})");
  EXPECT_EQ(json_of(""), "null");
  EXPECT_EQ(json_of("# only a comment\n"), "null");
  EXPECT_EQ(json_of("---\n- a\n- [b, {c: d}]\n...\n"), R"(["a",["b",{"c":"d"}]])");
  EXPECT_EQ(json_of("a: |\n  x\n  y\nb: >-\n  x\n  y\n"), R"({"a":"x\ny\n","b":"x y"})");
  EXPECT_EQ(json_of("{\"a\": [1, \"x\\u00f1\"]}"), R"({"a":[1,"xñ"]})");
  EXPECT_EQ(json_of("a: !!str 1\nb: !!int '2'\n"), R"({"a":"1","b":2})");
  EXPECT_EQ(json_of("a: ${self:custom.x}\nb: arn:aws:lambda:us-east-1:1:layer:x:${param:l}\n"),
            R"({"a":"${self:custom.x}","b":"arn:aws:lambda:us-east-1:1:layer:x:${param:l}"})");
}

TEST(Yaml, PositionsAndTags) {
  auto r = parse_yaml("Resources:\n  Table: !Ref Name\n  Arn: !GetAtt\n    - A\n    - Arn\n  S: !Sub \"${x}\"\n");
  ASSERT_TRUE(r.ok()) << r.error().message();
  const YamlNode* resources = r->find("Resources");
  ASSERT_NE(resources, nullptr);
  EXPECT_EQ(resources->find("Table")->tag, "!Ref");
  EXPECT_EQ(resources->find("Table")->scalar, "Name");
  EXPECT_EQ(resources->members[0].key.position(), "2:3");
  EXPECT_EQ(resources->find("Arn")->tag, "!GetAtt");
  EXPECT_EQ(resources->find("Arn")->items[1].position(), "5:7");
  EXPECT_EQ(resources->find("S")->tag, "!Sub");
  EXPECT_FALSE(resources->find("S")->plain);
  EXPECT_EQ(resources->find("None"), nullptr);
}

TEST(Yaml, AnchorsAndMerges) {
  EXPECT_EQ(json_of("base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\na: {<<: *b, y: 9}\nc:\n  <<: [*b, *o]\nd: *b\n"),
            R"({"base":{"x":1,"y":2},"other":{"y":3,"z":4},"a":{"y":9,"x":1},"c":{"x":1,"y":2,"z":4},"d":{"x":1,"y":2}})");
  EXPECT_EQ(json_of("a: *x\n"), "error 1:4: alias *x without its anchor");
  EXPECT_EQ(json_of("a: &x [*x]\n"), "error 1:8: alias *x without its anchor");
  EXPECT_EQ(json_of("a: {<<: 1}\n"), "error 1:9: << needs a mapping or a list of mappings");
}

TEST(Yaml, Errors) {
  EXPECT_EQ(json_of("a: 1\na: 2\n"), "error 2:1: key 'a' is there twice");
  EXPECT_EQ(json_of("a: 1\n---\nb: 2\n"), "error 2:1: a second document in one file");
  EXPECT_EQ(json_of("? [a]\n: b\n"), "error 1:3: a key must be a scalar");
  for (const char* bad : {"a: [1, 2", "a: 'x", "a: b: c", "\ta: 1", "a:\n  - b\n c: d", "\xff", "a: {", "%YAML 9.9\n---\na"}) {
    std::string e = json_of(bad);
    EXPECT_TRUE(e.starts_with("error ") && e.find(": ") != std::string::npos) << bad << " -> " << e;
  }
  EXPECT_EQ(json_of("a: 1\nb: [1, 2\nc: 3\n").substr(0, 8), "error 4:");
}

TEST(Yaml, LimitsHold) {
  std::string deep(2000, '[');
  EXPECT_FALSE(parse_yaml(deep + std::string(2000, ']')).ok());
  EXPECT_TRUE(parse_yaml(std::string(20, '[') + std::string(20, ']')).ok());
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string p = std::to_string(i - 1), n = std::to_string(i);
    laughs += "a" + n + ": &a" + n + " [";
    for (int k = 0; k < 10; ++k) laughs += "*a" + p + (k < 9 ? "," : "]\n");
  }
  EXPECT_NE(json_of(laughs).find("grows beyond"), std::string::npos);
}

}  // namespace
}  // namespace savia

#include <gtest/gtest.h>

#include "edge/api.h"
#include "edge/mock.h"
#include "edge/registry.h"
#include "edge/route_trie.h"

namespace savia::edge {
namespace {

class Trie {
 public:
  uint32_t add(std::string path, std::string method = "GET") {
    EXPECT_TRUE(trie_.add(path, method, next_)) << path;
    return next_++;
  }
  // Index of the route, -1 when none; the captures are joined with "|".
  int match(std::string path, std::string method = "GET", RouteTrie::Order order = RouteTrie::Order::kResource) {
    Captures c{};
    uint32_t found = trie_.match(path, method, order, c);
    captured_.clear();
    for (auto v : c.at) captured_ += v.empty() ? "" : std::string(v) + "|";
    return found == RouteTrie::kNoRoute ? -1 : static_cast<int>(found);
  }
  int http(std::string path, std::string method = "GET") { return match(path, method, RouteTrie::Order::kRoute); }
  const std::string& captured() const { return captured_; }
  RouteTrie& trie() { return trie_; }

 private:
  RouteTrie trie_;
  uint32_t next_ = 0;
  std::string captured_;
};

TEST(RouteTrie, StaticThenParamThenGreedy) {
  Trie t;
  int root = t.add("/"), users = t.add("/users"), user = t.add("/users/{id}"), me = t.add("/users/me"),
      posts = t.add("/users/{id}/posts");
  int rest = t.add("/users/{rest+}"), all = t.add("/{proxy+}");
  EXPECT_EQ(t.match(""), root);
  EXPECT_EQ(t.match("users"), users);
  EXPECT_EQ(t.match("users/me"), me);
  EXPECT_EQ(t.match("users/7"), user);
  EXPECT_EQ(t.captured(), "7|");
  EXPECT_EQ(t.match("users/me/posts"), posts);  // "me" has no such child: the {id} branch is tried
  EXPECT_EQ(t.captured(), "me|");
  EXPECT_EQ(t.match("users/7/x/y"), rest);
  EXPECT_EQ(t.captured(), "7/x/y|");
  EXPECT_EQ(t.match("other//deep/"), all);
  EXPECT_EQ(t.captured(), "other//deep/|");
  EXPECT_EQ(t.match("users//posts"), rest);  // {id} takes no empty segment
}

TEST(RouteTrie, MethodsOfResources) {
  Trie t;
  int get = t.add("/a", "GET"), any = t.add("/a", "ANY"), post = t.add("/b", "POST");
  t.add("/{proxy+}", "ANY");
  EXPECT_EQ(t.match("a", "GET"), get);
  EXPECT_EQ(t.match("a", "PUT"), any);
  EXPECT_EQ(t.match("b", "POST"), post);
  EXPECT_EQ(t.match("b", "GET"), -1);  // REST: the resource is chosen before the method
}

TEST(RouteTrie, HttpRoutesNeedTheMethodAndPreferFullMatches) {
  Trie t;
  int param = t.add("/pets/{id}", "GET");
  t.add("/pets/dog", "POST");
  int greedy = t.add("/a/{rest+}", "GET"), full = t.add("/{x}/b", "GET"), any = t.add("/{proxy+}", "ANY");
  EXPECT_EQ(t.http("pets/dog"), param);
  EXPECT_EQ(t.http("a/b"), full);
  EXPECT_EQ(t.http("a/c"), greedy);
  EXPECT_EQ(t.http("a/c", "POST"), any);
  EXPECT_EQ(t.http(""), -1);
}

TEST(RouteTrie, RefusesWhatItCannotHold) {
  Trie t;
  t.add("/a/{x}");
  EXPECT_FALSE(t.trie().add("/a/{y}", "GET", 9));  // the same path under another name
  EXPECT_FALSE(t.trie().add("a", "GET", 9));
  EXPECT_FALSE(t.trie().add("/{p+}/x", "GET", 9));
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "/x";
  EXPECT_FALSE(t.trie().add(deep, "GET", 9));
  EXPECT_EQ(t.match(deep.substr(1)), -1);
}

TEST(RouteTrie, ManyRoutes) {
  Trie t;
  for (int i = 0; i < 5000; ++i) t.add("/svc" + std::to_string(i) + "/v1/items/{id}");
  for (int i = 0; i < 5000; i += 7) EXPECT_EQ(t.match("svc" + std::to_string(i) + "/v1/items/x"), i);
  EXPECT_EQ(t.match("svc5000/v1/items/x"), -1);
}

TEST(Mock, StatusCodes) {
  EXPECT_EQ(mock_status_code(R"({"statusCode": 200})"), 200);
  EXPECT_EQ(mock_status_code(R"({"statusCode": "404"})"), 404);
  EXPECT_EQ(mock_status_code("{statusCode:200}"), 200);
  EXPECT_EQ(mock_status_code("{ 'statusCode' : 201 }"), 201);
  EXPECT_EQ(mock_status_code(R"({"x": 1, statusCode: 500,})"), 500);
  for (const char* bad : {"", "{}", "200", "statusCode:200", R"({"statusCode": 7})", R"({"statusCode": "x"})", "{statusCode:}",
                          R"("statusCode")"}) {
    EXPECT_EQ(mock_status_code(bad), -1) << bad;
  }
}

TEST(Mock, PatternsChooseAnswers) {
  ports::IntegrationSpec spec;
  spec.request_templates["application/json"] = R"({"statusCode": 404})";
  ports::MethodResponseSpec ok, missing;
  ok.status_code = "200";
  missing.status_code = "404";
  missing.selection_pattern = "4\\d{2}";
  missing.templates["text/html"] = "<p>";
  missing.templates["application/json"] = "{}";
  spec.responses = {ok, missing};
  MockPlan plan(spec);
  MockPlan::Choice c = plan.choose("", "", "");
  EXPECT_EQ(c.status, 404);
  EXPECT_EQ(c.variant->body, "{}");
  EXPECT_EQ(plan.choose("", "text/html;q=1, */*", "").variant->body, "<p>");
  EXPECT_EQ(plan.choose("text/xml", "", R"({"statusCode":200})").status, 200);
}

TEST(Registry, ReadersCatchUp) {
  Registry registry;
  auto make = [](std::string id) {
    auto spec = std::make_shared<ports::ApiSpec>();
    spec->api_id = std::move(id);
    return Api::compile(std::move(spec));
  };
  RegistryView early(registry), late(registry);
  EXPECT_EQ(early.find("a"), nullptr);
  for (int i = 0; i < 3000; ++i) {
    registry.publish("a" + std::to_string(i % 100), make("x"));
    if (i % 500 == 0) {
      EXPECT_NE(early.find("a0"), nullptr);
    }
  }
  registry.publish("a5", nullptr);
  registry.publish("never", nullptr);
  EXPECT_EQ(early.find("a5"), nullptr);
  EXPECT_EQ(late.find("a5"), nullptr);
  EXPECT_NE(late.find("a99"), nullptr);
  EXPECT_EQ(registry.size(), 99u);
}

TEST(Match, StagesAndSlashes) {
  auto spec = std::make_shared<ports::ApiSpec>();
  ports::RouteSpec route;
  route.method = "ANY";
  route.path = "/{proxy+}";
  ports::StageSpec dev{"dev", "d", {}, {route}}, fallback{"$default", "d", {}, {route}};
  spec->stages = {dev, fallback};
  auto match = [&](ports::ApiKind kind, std::string path) {
    spec->kind = kind;
    auto api = Api::compile(spec);
    Request r;
    r.method = "GET";
    MatchResult result = match_request(*api, path, r);
    if (result == MatchResult::kNoStage) return std::string("no stage");
    if (result == MatchResult::kNoRoute) return std::string("no route");
    return r.stage->spec->name + " " + std::string(r.full_path) + " " + std::string(r.path) + " " +
           std::string(r.captures.at[0]);
  };
  using enum ports::ApiKind;
  EXPECT_EQ(match(kRest, "/dev/x"), "dev /dev/x /x x");
  EXPECT_EQ(match(kRest, "//dev/x/"), "dev /dev/x/ /x/ x");
  EXPECT_EQ(match(kRest, "/dev//x%2Fy"), "dev /dev//x%2Fy /x%2Fy x%2Fy");
  EXPECT_EQ(match(kRest, "/x"), "no stage");
  EXPECT_EQ(match(kRest, "/$default/x"), "no stage");
  EXPECT_EQ(match(kRest, "/dev"), "no route");
  EXPECT_EQ(match(kRest, "/"), "no stage");
  EXPECT_EQ(match(kHttp, "/dev/x"), "dev /dev/x /x x");
  EXPECT_EQ(match(kHttp, "/x%20y"), "$default /x y /x y x y");
  EXPECT_EQ(match(kHttp, "/devx"), "$default /devx /devx devx");
}

}  // namespace
}  // namespace savia::edge

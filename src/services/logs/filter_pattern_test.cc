#include "services/logs/filter_pattern.h"

#include <gtest/gtest.h>

#include "services/logs/filter_tree.h"

namespace savia::logs {
namespace {

struct Case {
  const char* pattern;
  const char* message;
  bool matches;
};

constexpr char kJson[] =
    R"({"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another value"],)"
    R"("objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"cluster.name":"c","ms":120.5,"n":-3,"ok":true,"bad":false,)"
    R"("user":{"name":"ana","tags":{"x":"deep"}},"status":"404"})";
constexpr char kLine[] = R"(127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534)";

TEST(FilterPattern, Table) {
  const Case cases[] = {
      // Everything.
      {"", "anything", true},
      {" ", "anything", true},
      // Terms.
      {"ERROR", "[ERROR 400] BAD REQUEST", true},
      {"ERROR", "[error 400] bad request", false},
      {"ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", true},
      {"ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED", false},
      {"?ERROR ?ARGUMENTS", "[ERROR 401] UNAUTHORIZED", true},
      {"?ERROR ?ARGUMENTS", "INVALID ARGUMENTS", true},
      {"?ERROR ?ARGUMENTS", "INFO", false},
      {"ERROR -ARGUMENTS", "[ERROR 401] UNAUTHORIZED", true},
      {"ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", false},
      {"-DEBUG", "INFO", true},
      {"-DEBUG", "DEBUG x", false},
      {"INFO ?ERROR", "INFO", true},  // beside others a '?' says nothing
      {"\"INTERNAL SERVER ERROR\"", "[ERROR 500] INTERNAL SERVER ERROR", true},
      {"\"INTERNAL SERVER ERROR\"", "INTERNAL ERROR SERVER", false},
      {R"("say \"hi\"")", R"(they say "hi" here)", true},
      {R"(-"out of memory" ERROR)", "ERROR out of memory", false},
      {"año", "el año", true},
      // Regular expressions.
      {"%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED", true},
      {R"(%Task timed out after \d+%)", "x Task timed out after 3.00 seconds", true},
      {R"(ERROR %4\d\d% -%41\d%)", "ERROR 404", true},
      {R"(ERROR %4\d\d% -%41\d%)", "ERROR 419", false},
      {R"(%100\%%)", "at 100% now", true},
      // JSON.
      {R"({ $.eventType = "UpdateTrail" })", kJson, true},
      {R"({$.eventType=UpdateTrail})", kJson, true},
      {R"({ $.eventType = "Update*" })", kJson, true},
      {R"({ $.eventType = "update*" })", kJson, false},
      {R"({ $.sourceIPAddress != 123.123.* })", kJson, true},
      {R"({ $.sourceIPAddress = 111.111.* })", kJson, true},
      {R"({ $.arrayKey[0] = "value" })", kJson, true},
      {R"({ $.arrayKey[1] = "value" })", kJson, false},
      {R"({ $.arrayKey[*] = "another value" })", kJson, true},
      {R"({ $.arrayKey[9] = "value" })", kJson, false},
      {R"({ $.objectList[1].id = 2 })", kJson, true},
      {R"({ $.objectList[*].name = b })", kJson, true},
      {R"({ $.SomeObject IS NULL })", kJson, true},
      {R"({ $.eventType IS NULL })", kJson, false},
      {R"({ $.SomeOther NOT EXISTS })", kJson, true},
      {R"({ $.eventType NOT EXISTS })", kJson, false},
      {R"({ $.eventType EXISTS })", kJson, true},
      {R"({ $.SomeOther EXISTS })", kJson, false},
      {R"({ $.['cluster.name'] = "c" })", kJson, true},
      {R"({ $["cluster.name"] = "c" })", kJson, true},
      {R"({ $.ms > 120 && $.ms <= 120.5 })", kJson, true},
      {R"({ $.ms = 1.205e2 })", kJson, true},
      {R"({ $.n < -2 })", kJson, true},
      {R"({ $.n >= 0 })", kJson, false},
      {R"({ $.ok IS TRUE && $.bad IS FALSE })", kJson, true},
      {R"({ $.ok = true })", kJson, true},
      {R"({ $.status = 404 })", kJson, true},
      {R"({ $.status > 400 })", kJson, false},  // a string is not ordered
      {R"({ $.eventType > 1 })", kJson, false},
      {R"({ $.missing != "x" })", kJson, false},
      {R"({ $.user.name = "ana" })", kJson, true},
      {R"({ $.user.*.x = "deep" })", kJson, true},
      {R"({ $.eventType = %^Update% })", kJson, true},
      {R"({ ($.ms > 1000 || $.user.name = "ana") && ($.n = -3) })", kJson, true},
      {R"({ $.ms > 1000 || $.user.name = "ana" && $.n = 3 })", kJson, false},
      {R"({ $.n = -3 || $.ms > 1000 && $.n = 3 })", kJson, true},
      {R"({ $.a = 1 })", "not json", false},
      {R"({ $.a = 1 })", R"({"a":1)", false},
      {R"({ $.a = 1 })", "  {\"a\":1}\n", true},
      // Space-delimited fields.
      {"[ip, id, user, timestamp, request, status_code = 4*, size]", kLine, true},
      {"[ip, id, user, timestamp, request, status_code = 5*, size]", kLine, false},
      {"[ip, id, user, timestamp, request = *html*, status_code = 4*]", kLine, false},  // one field short
      {"[..., status_code = 404 || status_code = 410, size > 1000]", kLine, true},
      {"[..., status_code = 404 && size = 3, size]", kLine, false},
      {"[..., size < 1000]", kLine, false},
      {"[ip = 127.*, ...]", kLine, true},
      {"[ip, id, user = frank, ..., size]", kLine, true},
      {"[w1 = ERROR || w1 = %WARN%, w2]", "WARNING disk", true},
      {"[w1 = ERROR, w2 != \"a b\"]", "ERROR \"a b\"", false},
      {"[w1 != ERROR, w2]", "INFO x", true},
      {"[a, , c = 3]", "1 2 3", true},
      {"[a]", "", false},
      {"[...]", "", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.pattern) + "   on   " + c.message);
    const auto p = FilterPattern::parse(c.pattern);
    if (std::string_view(c.pattern) == "[..., status_code = 404 && size = 3, size]") {
      EXPECT_FALSE(p.ok());  // a condition names one field
      continue;
    }
    ASSERT_TRUE(p.ok()) << p.error().message();
    EXPECT_EQ(p->matches(c.message), c.matches);
  }
}

TEST(FilterPattern, WhatIsWrongIsSaid) {
  const std::pair<std::string, std::string> cases[] = {
      {"[a", "Invalid filter pattern: ',' or ']' expected at character 3"},
      {"[a] x", "Invalid filter pattern: nothing may follow ']' at character 5"},
      {"[..., ...]", "Invalid filter pattern: only one '...' is allowed at character 10"},
      {"{ $.a }", "Invalid filter pattern: a comparison is missing at character 7"},
      {"{ $.a = }", "Invalid filter pattern: a value is missing at character 9"},
      {"{ a = 1 }", "Invalid filter pattern: a selector begins with '$' at character 3"},
      {"{ $ = 1 }", "Invalid filter pattern: a selector names a member: $.name at character 4"},
      {"{ $.a = 1", "Invalid filter pattern: '}' expected at character 10"},
      {"{ ($.a = 1 }", "Invalid filter pattern: ')' expected at character 12"},
      {"{ $.a[x] = 1 }", "Invalid filter pattern: an index is a number at character 7"},
      {"{ $.a IS 1 }", "Invalid filter pattern: NULL, TRUE or FALSE expected at character 10"},
      {"\"open", "Invalid filter pattern: a quotation mark is not closed at character 6"},
      {"%open", "Invalid filter pattern: a regular expression is not closed at character 6"},
      {"%(%", "Invalid regular expression in filter pattern: missing ): ("},
      {"a=b", "Invalid character(s) in term 'a=b'"},
      {"- x", "Invalid character(s) in term ''"},
      {"{ " + std::string(500, '(') + "$.a=1", "Invalid filter pattern: too many parentheses at character 36"},
  };
  for (const auto& [pattern, message] : cases) {
    SCOPED_TRACE(pattern);
    const auto p = FilterPattern::parse(pattern);
    ASSERT_FALSE(p.ok());
    EXPECT_EQ(p.error().message(), message);
    EXPECT_EQ(p.error().kind(), ErrorKind::kInvalid);
  }
}

TEST(FilterPattern, EveryByteAndEveryPrefixEnds) {
  const std::string patterns[] = {R"({ ($.a.b[0]['c'] = "x*" && $.n >= 1e3) || $.k NOT EXISTS || $.z = %r% })",
                                  R"([a, b = "x y" || b = 3, ..., z != %r%])", R"(ERROR -"x y" ?z %r\d%)"};
  for (const std::string& p : patterns) {
    for (size_t cut = 0; cut <= p.size(); ++cut) {
      const auto parsed = FilterPattern::parse(p.substr(0, cut));
      if (parsed.ok()) (void)parsed->matches(R"({"a":{"b":[{"c":"x"}]},"n":1})");
    }
    for (size_t at = 0; at < p.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string changed = p;
        changed[at] = static_cast<char>(byte);
        const auto parsed = FilterPattern::parse(changed);
        if (parsed.ok()) (void)parsed->matches("a \"b c\" [d] 4");
      }
    }
  }
}

TEST(FilterPattern, Wildcards) {
  EXPECT_TRUE(wildcard_match("", ""));
  EXPECT_FALSE(wildcard_match("", "a"));
  EXPECT_TRUE(wildcard_match("*", ""));
  EXPECT_TRUE(wildcard_match("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(wildcard_match("a*b", "abx"));
  EXPECT_TRUE(wildcard_match("**a**", "xax"));
}

TEST(FilterPattern, Fields) {
  EXPECT_EQ(split_fields(kLine).size(), 7U);
  EXPECT_EQ(split_fields("  a  \"b c\"d [e"), (std::vector<std::string_view>{"a", "b c", "d", "[e"}));
}

}  // namespace
}  // namespace savia::logs

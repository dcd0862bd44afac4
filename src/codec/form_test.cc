#include "codec/form.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace savia {
namespace {

TEST(Form, Reads) {
  FormPairs p = *parse_form("a=1&b=x+y%20z%C3%B1&&c&a=2&=v&d=%zz%4&e=1=2");
  FormPairs expected = {{"a", "1"}, {"b", "x y zñ"}, {"c", ""}, {"a", "2"}, {"", "v"}, {"d", "%zz%4"}, {"e", "1=2"}};
  EXPECT_EQ(p, expected);
  EXPECT_TRUE(parse_form("")->empty());
}

TEST(Form, EveryByteRoundTrips) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  FormPairs p = {{all, "x"}, {"k", all}};
  EXPECT_EQ(*parse_form(build_form(p)), p);
  EXPECT_EQ(build_form({{"a b", "~-._/"}}), "a+b=~-._%2F");
}

TEST(Form, PairsAreLimited) {
  std::string s;
  for (size_t i = 0; i < limits::kFormPairs; ++i) s += "a&";
  EXPECT_TRUE(parse_form(s).ok());
  EXPECT_FALSE(parse_form(s + "a").ok());
}

}  // namespace
}  // namespace savia

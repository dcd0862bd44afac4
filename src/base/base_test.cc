#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "base/strings.h"

namespace savia {
namespace {

Result<int> half(int v) {
  if (v % 2 != 0) return Error::invalid("odd");
  return v / 2;
}
Result<std::string> quarter(int v) {
  int h = TRY(half(v));
  int q = TRY_CONTEXT(half(h), "second half");
  return std::to_string(q);
}

TEST(Result, TryCarriesValuesAndErrors) {
  EXPECT_EQ(*quarter(8), "2");
  EXPECT_EQ(quarter(7).error().message(), "odd");
  EXPECT_EQ(quarter(6).error().message(), "second half: odd");
  EXPECT_EQ(quarter(6).error().kind(), ErrorKind::kInvalid);
}

TEST(Clock, FormatsAndParses) {
  constexpr int64_t kMs = 1'795'521'600'123;  // 2026-11-24T12:00:00.123Z
  EXPECT_EQ(format_iso8601_ms(kMs), "2026-11-24T12:00:00.123Z");
  EXPECT_EQ(format_lambda_time(kMs), "2026-11-24T12:00:00.123+0000");
  EXPECT_EQ(format_rfc7231(kMs), "Tue, 24 Nov 2026 12:00:00 GMT");
  EXPECT_EQ(format_clf_time(kMs), "24/Nov/2026:12:00:00 +0000");
  EXPECT_EQ(parse_amz_date(format_amz_date(kMs)), kMs - 123);
  EXPECT_EQ(parse_iso8601(format_iso8601_ms(kMs)), kMs);
  EXPECT_EQ(parse_iso8601("2026-11-24T13:00:00+01:00"), kMs - 123);
  EXPECT_EQ(parse_rfc7231(format_rfc7231(kMs)), kMs - 123);
  EXPECT_EQ(parse_iso8601("2026-11-24 12:00:00Z"), -1);
  EXPECT_EQ(parse_amz_date("20261324T120000Z"), -1);
}

TEST(Random, IdsHaveTheirForm) {
  SeededRandom r(7);
  std::string id = new_uuid(r);
  EXPECT_EQ(id.size(), 36U);
  EXPECT_EQ(id[14], '4');
  EXPECT_EQ(new_alnum(r, 10).size(), 10U);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(r.below(7), 7U);
}

TEST(Strings, Utf8) {
  EXPECT_TRUE(is_utf8("año €😀"));
  EXPECT_FALSE(is_utf8("\xc0\xaf"));
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(is_utf8("\xe2\x82"));
}

TEST(Strings, PercentAndHex) {
  EXPECT_EQ(percent_decode("a%20b%zz%4"), "a b%zz%4");
  EXPECT_EQ(percent_encode("a b/ñ", true), "a%20b/%C3%B1");
  EXPECT_EQ(from_hex("0aFF"), std::string("\x0a\xff"));
  EXPECT_FALSE(from_hex("0g"));
  EXPECT_EQ(parse_int("-12"), -12);
  EXPECT_FALSE(parse_int("12x"));
  EXPECT_FALSE(parse_int("99999999999999999999"));
}

}  // namespace
}  // namespace savia

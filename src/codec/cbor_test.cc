#include "codec/cbor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/strings.h"
#include "codec/json.h"

namespace savia {
namespace {

std::string json_of(std::string_view hex) {
  auto v = parse_cbor(*from_hex(hex));
  return v.ok() ? to_json(*v) : "error " + v.error().message();
}

TEST(Cbor, PublishedVectors) {  // RFC 8949, appendix A
  const std::pair<const char*, const char*> vectors[] = {{"00", "0"},
                                                         {"17", "23"},
                                                         {"1818", "24"},
                                                         {"1903e8", "1000"},
                                                         {"1a000f4240", "1000000"},
                                                         {"1b000000e8d4a51000", "1000000000000"},
                                                         {"20", "-1"},
                                                         {"3903e7", "-1000"},
                                                         {"f93c00", "1"},
                                                         {"f93e00", "1.5"},
                                                         {"f97bff", "65504"},
                                                         {"fb3ff199999999999a", "1.1"},
                                                         {"fa47c35000", "100000"},
                                                         {"f90001", "5.960464477539063e-08"},
                                                         {"f9c400", "-4"},
                                                         {"f97c00", "\"Infinity\""},
                                                         {"f97e00", "\"NaN\""},
                                                         {"f4", "false"},
                                                         {"f5", "true"},
                                                         {"f6", "null"},
                                                         {"f7", "null"},
                                                         {"c11a514b67b0", "1363896240"},
                                                         {"c1fb41d452d9ec200000", "1363896240.5"},
                                                         {"4401020304", "\"AQIDBA==\""},
                                                         {"60", "\"\""},
                                                         {"62c3bc", "\"ü\""},
                                                         {"80", "[]"},
                                                         {"8301820203820405", "[1,[2,3],[4,5]]"},
                                                         {"a0", "{}"},
                                                         {"a26161016162820203", R"({"a":1,"b":[2,3]})"},
                                                         {"5f42010243030405ff", "\"AQIDBAU=\""},
                                                         {"7f657374726561646d696e67ff", "\"streaming\""},
                                                         {"9fff", "[]"},
                                                         {"9f018202039f0405ffff", "[1,[2,3],[4,5]]"},
                                                         {"bf61610161629f0203ffff", R"({"a":1,"b":[2,3]})"},
                                                         {"1bffffffffffffffff", "18446744073709552000"},
                                                         {"d9d9f7f5", "true"}};
  for (auto [hex, json] : vectors) {
    if (std::string_view(hex) == "1bffffffffffffffff") {
      EXPECT_EQ(parse_cbor(*from_hex(hex))->as_double(), 18446744073709551615.0);
      continue;
    }
    EXPECT_EQ(json_of(hex), json) << hex;
  }
}

TEST(Cbor, Refuses) {
  for (const char* hex : {"",
                          "18",
                          "1c",
                          "ff",
                          "5f",
                          "5f6161ff",
                          "5f5f4101ffff",
                          "62c328",
                          "9f",
                          "81",
                          "a1",
                          "a10102",
                          "bf6161ff",
                          "0000",
                          "f8ff",
                          "c16161",
                          "c1fb7ff0000000000000",
                          "9bffffffffffffffff",
                          "bbffffffffffffffff",
                          "5bffffffffffffffff",
                          "7b7fffffffffffffff"}) {
    EXPECT_FALSE(parse_cbor(*from_hex(hex)).ok()) << hex;
  }
  EXPECT_EQ(json_of("8201"), "error byte 1: more elements than the document can hold");
  EXPECT_FALSE(parse_cbor(std::string(1000, '\x81')).ok());
  EXPECT_FALSE(parse_cbor(std::string(1000, '\xc1')).ok());
}

TEST(Cbor, RoundTrips) {
  Value v =
      *parse_json(R"({"a":[0,23,24,255,256,65535,65536,4294967296,-1,-25,-9223372036854775808,1.5,true,null,"ñ"],"b":{}})");
  v.set("t", Timestamp{1'700'000'000'123}).set("u", Timestamp{-1000}).set("x", Blob{std::string("\0\xff", 2)});
  EXPECT_TRUE(*parse_cbor(to_cbor(v)) == v);
  std::string bytes = to_cbor(v);
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(parse_cbor(bytes.substr(0, n)).ok()) << n;
  EXPECT_EQ(json_of("a2616101616102"), R"({"a":2})");
}

TEST(Cbor, EveryHeadByte) {
  for (int c = 0; c < 256; ++c) {
    for (const char* tail : {"", "0", "\x01\x02\x03\x04\x05\x06\x07\x08\xff"}) {
      auto v = parse_cbor(static_cast<char>(c) + std::string(tail));
      if (v.ok()) {
        EXPECT_TRUE(parse_cbor(to_cbor(*v)).ok()) << c;
      }
    }
  }
}

}  // namespace
}  // namespace savia

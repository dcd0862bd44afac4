#include "codec/digest.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "codec/base64.h"

namespace savia {
namespace {

TEST(Digest, PublishedVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2
  EXPECT_EQ(to_hex(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(md5("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");  // RFC 1321
  EXPECT_EQ(to_hex(digest(DigestAlgorithm::kSha512, "abc")).substr(0, 32), "ddaf35a193617abacc417349ae204131");
}

TEST(Digest, Hmac) {  // RFC 4231, cases 1, 2, 6
  EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Digest, EverySplit) {
  std::string m;
  for (int i = 0; i < 300; ++i) m += static_cast<char>(i);
  Digest d(DigestAlgorithm::kSha256);
  for (size_t i = 0; i <= m.size(); ++i) {
    d.update(std::string_view(m).substr(0, i));
    d.update(std::string_view(m).substr(i));
    ASSERT_EQ(d.finish(), sha256(m));
    ASSERT_EQ(crc32(m.substr(i), crc32(m.substr(0, i))), crc32(m));
    ASSERT_EQ(crc32c(m.substr(i), crc32c(m.substr(0, i))), crc32c(m));
    ASSERT_EQ(crc64nvme(m.substr(i), crc64nvme(m.substr(0, i))), crc64nvme(m));
  }
  d.update("junk");
  d.reset();
  EXPECT_EQ(d.finish(), sha256(""));
}

TEST(Digest, Checksums) {  // the catalogue's check value is the CRC of "123456789"
  EXPECT_EQ(crc32("123456789"), 0xcbf43926U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc64nvme("123456789"), 0xae8b14860a799888ULL);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(to_hex(big_endian(uint32_t{0xe3069283})), "e3069283");
  EXPECT_EQ(to_hex(big_endian(uint64_t{1})), "0000000000000001");
}

TEST(Base64, PublishedVectors) {  // RFC 4648, 10
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (auto [plain, coded] : vectors) {
    EXPECT_EQ(base64_encode(plain), coded);
    EXPECT_EQ(*base64_decode(coded), plain);
  }
  EXPECT_EQ(base64url_encode("\xfb\xff\xfe\x01"), "-__-AQ");
  EXPECT_EQ(*base64url_decode("-__-AQ"), "\xfb\xff\xfe\x01");
}

TEST(Base64, Strict) {
  for (const char* bad :
       {"Z", "Zg", "Zg=", "Zg===", "=Zg=", "Zm9v\n", "Zm 9", "Zh==", "Zm9=", "Zm9_", "====", "Zg==Zg==", "Z==="}) {
    EXPECT_FALSE(base64_decode(bad).ok()) << bad;
  }
  EXPECT_FALSE(base64url_decode("Zg==").ok());
  EXPECT_FALSE(base64url_decode("Zh").ok());
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int c = 0; c < 256; ++c) {
    bool in = kAlphabet.find(static_cast<char>(c)) != std::string_view::npos;
    for (size_t at : {0U, 1U, 2U, 5U}) {
      std::string text = "AAAAAAAAAAAA";
      text[at] = static_cast<char>(c);
      EXPECT_EQ(base64_decode(text).ok(), in) << c;
    }
  }
}

TEST(Base64, RoundTripsEveryLength) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(*base64_decode(base64_encode(bytes)), bytes);
    ASSERT_EQ(*base64url_decode(base64url_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
}

}  // namespace
}  // namespace savia

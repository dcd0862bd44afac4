#include "aws/chunked.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/digest.h"

namespace savia::aws {
namespace {

std::string decode_all(std::string_view input, ChunkedDecoder::Options options, size_t step, std::string* body = nullptr,
                       net::Headers* trailers = nullptr) {
  options.max_bytes = 1 << 20;
  ChunkedDecoder decoder(std::move(options));
  for (size_t at = 0; at < input.size(); at += step) {
    auto r = decoder.feed(input.substr(at, step));
    if (!r.ok()) return r.error().message;
  }
  auto end = decoder.finish();
  if (!end.ok()) return end.error().message;
  if (body != nullptr) *body = decoder.body();
  if (trailers != nullptr) *trailers = decoder.trailers();
  return "";
}

TEST(Chunked, PlainAtEverySplit) {
  const std::string input = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
  for (size_t step = 1; step <= input.size(); ++step) {
    std::string body;
    net::Headers trailers;
    EXPECT_EQ(decode_all(input, {.trailer = true}, step, &body, &trailers), "");
    EXPECT_EQ(body, "hello world");
    EXPECT_EQ(trailers.get("X-Amz-Checksum-Crc32"), "AAAAAA==");
  }
}

TEST(Chunked, EveryPrefixIsIncomplete) {
  const std::string input = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
  // The last line's CRLF and the empty line may be missing: some clients leave them out.
  const size_t enough = input.find("\r\nx-amz") + 3;
  for (size_t n = 0; n < enough; ++n) EXPECT_NE(decode_all(input.substr(0, n), {.trailer = true}, 1), "") << n;
  EXPECT_EQ(decode_all(input.substr(0, input.size() - 2), {.trailer = true}, 1), "");
}

TEST(Chunked, EveryByteAsSizeDigit) {
  for (int c = 0; c < 256; ++c) {
    std::string input = std::string(1, static_cast<char>(c)) + "\r\n";
    std::string rest = "aaaaaaaaaaaaaaa";
    bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    ChunkedDecoder decoder({.max_bytes = 100});
    EXPECT_EQ(decoder.feed(input).ok(), digit) << c;
  }
}

TEST(Chunked, Refusals) {
  EXPECT_NE(decode_all("", {}, 1), "");
  EXPECT_NE(decode_all("5\nhello\r\n0\r\n\r\n", {}, 1), "");
  EXPECT_NE(decode_all("5\r\nhelloX\r\n0\r\n\r\n", {}, 1), "");
  EXPECT_NE(decode_all("-1\r\n", {}, 1), "");
  EXPECT_NE(decode_all("0x5\r\nhello\r\n0\r\n\r\n", {}, 1), "");
  EXPECT_NE(decode_all("fffffffff\r\n", {}, 1), "");
  EXPECT_NE(decode_all("ffffffff\r\n", {}, 1), "");
  EXPECT_NE(decode_all("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", {}, 1), "") << "trailer not announced";
  EXPECT_NE(decode_all("0\r\nnonsense\r\n\r\n", {.trailer = true}, 1), "");
  EXPECT_NE(decode_all("0\r\na:1\r\na:2\r\n\r\n", {.trailer = true}, 1), "");
  EXPECT_NE(decode_all("0\r\n\r\nmore", {}, 1), "");
  EXPECT_NE(decode_all(std::string(5000, '0'), {}, 1), "");
}

// The example of AWS's page "Signature calculations for the authorization header: transferring payload in multiple chunks".
constexpr int64_t kTime = 1'369'353'600'000;  // 2013-05-24T00:00:00Z
const Credentials kExample = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};

net::HttpRequest documented_request(bool broken = false) {
  net::HttpRequest r;
  r.method = "PUT";
  r.target = "/examplebucket/chunkObject.txt";
  r.headers.add("Host", "s3.amazonaws.com");
  r.headers.add("x-amz-storage-class", "REDUCED_REDUNDANCY");
  r.headers.add("Content-Encoding", "aws-chunked");
  r.headers.add("x-amz-decoded-content-length", "66560");
  r.headers.add("Content-Length", "66824");
  r.headers.add("X-Amz-Content-Sha256", kStreamingSigned);
  SignOptions o;
  o.region = "us-east-1";
  o.service = "s3";
  o.now_ms = kTime;
  o.payload_hash = kStreamingSigned;
  sign_headers(r, kExample, o);
  r.body =
      "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + std::string(65536, 'a') +
      "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + std::string(1024, 'a') +
      "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
  if (broken) r.body[200] = 'b';
  return r;
}

TEST(Chunked, DocumentedSignedChunks) {
  net::HttpRequest r = documented_request();
  Claim claim = read_claim(r).value();
  EXPECT_EQ(claim.signature, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  std::string key = signing_key(kExample.secret, claim.scope);
  auto decoded = decode_aws_chunked(r, &claim, key, true);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(r.body, std::string(66560, 'a'));
  EXPECT_FALSE(r.headers.has("Content-Encoding"));

  net::HttpRequest broken = documented_request(true);
  auto refused = decode_aws_chunked(broken, &claim, key, true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().problem, AuthProblem::kMismatch);
}

std::string trailer_body(const Claim& claim, const std::string& key, const std::string& data, const std::string& trailer) {
  auto chain = [&](const std::string& kind, const std::string& before, const std::string& rest) {
    return signature(key, kind + "\n" + claim.amz_date + "\n" + claim.scope.text() + "\n" + before + "\n" + rest);
  };
  const std::string empty = std::string(kEmptySha256) + "\n";
  std::string first = chain("AWS4-HMAC-SHA256-PAYLOAD", claim.signature, empty + sha256_hex(data));
  std::string last = chain("AWS4-HMAC-SHA256-PAYLOAD", first, empty + std::string(kEmptySha256));
  std::string end = chain("AWS4-HMAC-SHA256-TRAILER", last, sha256_hex(trailer + "\n"));
  char size[16];
  std::snprintf(size, sizeof size, "%zx", data.size());
  return std::string(size) + ";chunk-signature=" + first + "\r\n" + data + "\r\n0;chunk-signature=" + last + "\r\n" + trailer +
         "\r\nx-amz-trailer-signature:" + end + "\r\n\r\n";
}

TEST(Chunked, SignedTrailer) {
  auto request = [](const std::string& trailer) {
    net::HttpRequest r;
    r.method = "PUT";
    r.target = "/bucket/key";
    r.headers.add("Host", "localhost");
    r.headers.add("X-Amz-Decoded-Content-Length", "9");
    r.headers.add("X-Amz-Trailer", "x-amz-checksum-crc32c");
    r.headers.add("X-Amz-Content-Sha256", kStreamingSignedTrailer);
    r.headers.add("Content-Encoding", "aws-chunked, gzip");
    SignOptions o;
    o.region = "us-east-1";
    o.service = "s3";
    o.now_ms = kTime;
    o.payload_hash = kStreamingSignedTrailer;
    sign_headers(r, kExample, o);
    Claim claim = read_claim(r).value();
    r.body = trailer_body(claim, signing_key(kExample.secret, claim.scope), "123456789", trailer);
    return r;
  };
  const std::string good = "x-amz-checksum-crc32c:" + base64_encode(big_endian(crc32c("123456789")));
  net::HttpRequest r = request(good);
  Claim claim = read_claim(r).value();
  std::string key = signing_key(kExample.secret, claim.scope);
  auto decoded = decode_aws_chunked(r, &claim, key, true);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_TRUE(check_checksums(r).ok());
  EXPECT_EQ(r.headers.get("content-encoding"), "gzip");

  r = request(good);
  r.body[r.body.size() - 10] = r.body[r.body.size() - 10] == '0' ? '1' : '0';
  EXPECT_EQ(decode_aws_chunked(r, &claim, key, true).error().problem, AuthProblem::kMismatch);

  r = request("x-amz-checksum-crc32c:AAAAAA==");
  ASSERT_TRUE(decode_aws_chunked(r, &claim, key, true).ok());
  EXPECT_EQ(check_checksums(r).error().problem, AuthProblem::kBadChecksum);

  r = request("x-amz-checksum-crc32:AAAAAA==");  // another than announced
  EXPECT_EQ(decode_aws_chunked(r, &claim, key, true).error().problem, AuthProblem::kBadTrailer);
}

TEST(Chunked, LengthMustMatch) {
  net::HttpRequest r;
  r.headers.add("Content-Encoding", "aws-chunked");
  r.body = "3\r\nabc\r\n0\r\n\r\n";
  EXPECT_TRUE(is_aws_chunked(r, ""));
  EXPECT_FALSE(decode_aws_chunked(r, nullptr, "", false).ok()) << "no decoded length";
  r.headers.add("X-Amz-Decoded-Content-Length", "4");
  EXPECT_FALSE(decode_aws_chunked(r, nullptr, "", false).ok());
  r.headers.set("X-Amz-Decoded-Content-Length", "3");
  EXPECT_TRUE(decode_aws_chunked(r, nullptr, "", false).ok());
  EXPECT_EQ(r.body, "abc");
}

TEST(Checksums, EachAlgorithm) {
  const std::string data = "123456789";
  const std::pair<const char*, std::string> sums[] = {
      {"x-amz-checksum-crc32", base64_encode(big_endian(crc32(data)))},
      {"x-amz-checksum-crc32c", base64_encode(big_endian(crc32c(data)))},
      {"x-amz-checksum-crc64nvme", base64_encode(big_endian(crc64nvme(data)))},
      {"x-amz-checksum-sha1", base64_encode(sha1(data))},
      {"x-amz-checksum-sha256", base64_encode(sha256(data))},
      {"Content-MD5", base64_encode(md5(data))},
  };
  EXPECT_EQ(sums[0].second, "y/Q5Jg==");      // CRC-32/ISO-HDLC of "123456789": cbf43926
  EXPECT_EQ(sums[1].second, "4waSgw==");      // CRC-32C: e3069283
  EXPECT_EQ(sums[2].second, "rosUhgp5mIg=");  // CRC-64/NVME: ae8b14860a799888
  for (const auto& [name, sum] : sums) {
    net::HttpRequest r;
    r.body = data;
    r.headers.add(name, sum);
    EXPECT_TRUE(check_checksums(r).ok()) << name;
    r.body += "0";
    EXPECT_FALSE(check_checksums(r).ok()) << name;
    r.headers.set(name, "not base64!");
    EXPECT_FALSE(check_checksums(r).ok()) << name;
    r.headers.set(name, "AAA=");
    EXPECT_FALSE(check_checksums(r).ok()) << name;
  }
}

}  // namespace
}  // namespace savia::aws

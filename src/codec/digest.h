// Digests and checksums. Results are raw bytes (to_hex and base64_encode are at hand); CRCs are numbers, and big-endian
// bytes where AWS's checksum headers want them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace savia {

enum class DigestAlgorithm { kMd5, kSha1, kSha256, kSha512 };

// Incremental. finish() answers the digest and makes it ready for the next message; reuse one object to save allocations.
class Digest {
 public:
  explicit Digest(DigestAlgorithm algorithm);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  void update(std::string_view bytes);
  std::string finish();
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string digest(DigestAlgorithm algorithm, std::string_view bytes);
inline std::string sha256(std::string_view bytes) {
  return digest(DigestAlgorithm::kSha256, bytes);
}
inline std::string sha1(std::string_view bytes) {
  return digest(DigestAlgorithm::kSha1, bytes);
}
inline std::string md5(std::string_view bytes) {
  return digest(DigestAlgorithm::kMd5, bytes);
}
std::string sha256_hex(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view message);  // RFC 2104

// `crc` is the value so far (0 at the start), so parts can be fed one after the other.
uint32_t crc32(std::string_view bytes, uint32_t crc = 0);
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);
uint64_t crc64nvme(std::string_view bytes, uint64_t crc = 0);
std::string big_endian(uint32_t v);
std::string big_endian(uint64_t v);

}  // namespace savia

#include "codec/digest.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/strings.h"

namespace savia {
namespace {

// Fetching an algorithm from the provider takes locks and lookups; it is done once per algorithm and process.
const EVP_MD* algorithm_of(DigestAlgorithm a) {
  static const std::array<EVP_MD*, 4> fetched = {EVP_MD_fetch(nullptr, "MD5", nullptr), EVP_MD_fetch(nullptr, "SHA1", nullptr),
                                                 EVP_MD_fetch(nullptr, "SHA2-256", nullptr),
                                                 EVP_MD_fetch(nullptr, "SHA2-512", nullptr)};
  const EVP_MD* md = fetched[static_cast<size_t>(a)];
  CHECK(md != nullptr);
  return md;
}

}  // namespace

struct Digest::State {
  explicit State(DigestAlgorithm a) : algorithm(a), context(EVP_MD_CTX_new()) {
    CHECK(context != nullptr);
    start();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void start() { CHECK(EVP_DigestInit_ex2(context, algorithm_of(algorithm), nullptr) == 1); }

  DigestAlgorithm algorithm;
  EVP_MD_CTX* context;
};

Digest::Digest(DigestAlgorithm algorithm) : state_(std::make_unique<State>(algorithm)) {}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::update(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}
std::string Digest::finish() {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(state_->context, out, &size) == 1);
  state_->start();
  return {reinterpret_cast<char*>(out), size};
}
void Digest::reset() {
  state_->start();
}

std::string digest(DigestAlgorithm algorithm, std::string_view bytes) {
  if (algorithm == DigestAlgorithm::kSha256) {
    static thread_local Digest reused(DigestAlgorithm::kSha256);  // the one that every signed request takes several times
    reused.update(bytes);
    return reused.finish();
  }
  Digest d(algorithm);
  d.update(bytes);
  return d.finish();
}

std::string sha256_hex(std::string_view bytes) {
  return to_hex(sha256(bytes));
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
  constexpr size_t kBlock = 64;
  std::string short_key;
  if (key.size() > kBlock) {
    short_key = sha256(key);
    key = short_key;
  }
  char inner[kBlock], outer[kBlock];
  for (size_t i = 0; i < kBlock; ++i) {
    unsigned char k = i < key.size() ? static_cast<unsigned char>(key[i]) : 0;
    inner[i] = static_cast<char>(k ^ 0x36);
    outer[i] = static_cast<char>(k ^ 0x5c);
  }
  static thread_local Digest reused(DigestAlgorithm::kSha256);
  reused.update({inner, kBlock});
  reused.update(message);
  std::string hash = reused.finish();
  reused.update({outer, kBlock});
  reused.update(hash);
  return reused.finish();
}

uint32_t crc32(std::string_view bytes, uint32_t crc) {
  return static_cast<uint32_t>(::crc32_z(crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

namespace {

// Slicing by 8: table[k][b] is the effect of byte b followed by k zero bytes, so eight bytes take eight independent look-ups
// instead of a chain of eight. Reflected polynomials, both CRCs start from and end with inverted bits.
template <class Word>
constexpr std::array<std::array<Word, 256>, 8> slicing_tables(Word polynomial) {
  std::array<std::array<Word, 256>, 8> t{};
  for (size_t i = 0; i < 256; ++i) {
    Word v = static_cast<Word>(i);
    for (int bit = 0; bit < 8; ++bit) v = (v & 1) != 0 ? (v >> 1) ^ polynomial : v >> 1;
    t[0][i] = v;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t i = 0; i < 256; ++i) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 255];
  }
  return t;
}
constexpr auto kCrc32c = slicing_tables<uint32_t>(0x82f63b78U);               // Castagnoli, RFC 3720
constexpr auto kCrc64Nvme = slicing_tables<uint64_t>(0x9a6c9329ac4bc9b5ULL);  // NVM Express, 5.2.1.3.4

template <class Word>
Word sliced(const std::array<std::array<Word, 256>, 8>& t, std::string_view bytes, Word crc) {
  crc = ~crc;
  const char* p = bytes.data();
  size_t left = bytes.size();
  while (left >= 8) {
    uint64_t w = 0;
    std::memcpy(&w, p, 8);  // little-endian, as every machine that Savia runs on
    w ^= crc;
    crc = t[7][w & 255] ^ t[6][w >> 8 & 255] ^ t[5][w >> 16 & 255] ^ t[4][w >> 24 & 255] ^ t[3][w >> 32 & 255] ^
          t[2][w >> 40 & 255] ^ t[1][w >> 48 & 255] ^ t[0][w >> 56];
    p += 8;
    left -= 8;
  }
  for (; left > 0; --left, ++p) crc = (crc >> 8) ^ t[0][(crc ^ static_cast<unsigned char>(*p)) & 255];
  return ~crc;
}

template <class Word>
std::string big_endian_bytes(Word v) {
  std::string out(sizeof(Word), '\0');
  for (size_t i = sizeof(Word); i-- > 0; v >>= 8) out[i] = static_cast<char>(v & 255);
  return out;
}

}  // namespace

uint32_t crc32c(std::string_view bytes, uint32_t crc) {
  return sliced(kCrc32c, bytes, crc);
}
uint64_t crc64nvme(std::string_view bytes, uint64_t crc) {
  return sliced(kCrc64Nvme, bytes, crc);
}
std::string big_endian(uint32_t v) {
  return big_endian_bytes(v);
}
std::string big_endian(uint64_t v) {
  return big_endian_bytes(v);
}

}  // namespace savia

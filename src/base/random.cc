#include "base/random.h"

#include <sys/random.h>

#include <array>
#include <cstring>

#include "base/check.h"

namespace savia {
namespace {

class SecureRandom final : public Random {
 public:
  void fill(void* out, size_t size) override {
    // One getrandom serves many ids; bytes are wiped as they are handed out.
    struct Pool {
      std::array<unsigned char, 512> bytes;
      size_t used = 512;
    };
    thread_local Pool pool;
    auto* p = static_cast<unsigned char*>(out);
    while (size > 0) {
      if (pool.used == pool.bytes.size()) {
        refill(pool.bytes.data(), pool.bytes.size());
        pool.used = 0;
      }
      size_t n = std::min(size, pool.bytes.size() - pool.used);
      std::memcpy(p, pool.bytes.data() + pool.used, n);
      explicit_bzero(pool.bytes.data() + pool.used, n);
      pool.used += n;
      p += n;
      size -= n;
    }
  }

 private:
  static void refill(unsigned char* p, size_t size) {
    while (size > 0) {
      ssize_t n = getrandom(p, size, 0);
      CHECK(n > 0);
      p += n;
      size -= static_cast<size_t>(n);
    }
  }
};

std::string from_alphabet(Random& random, size_t length, const char* alphabet, uint64_t count) {
  std::string out(length, '\0');
  for (char& c : out) c = alphabet[random.below(count)];
  return out;
}

}  // namespace

uint64_t Random::u64() {
  uint64_t v = 0;
  fill(&v, sizeof v);
  return v;
}

uint64_t Random::below(uint64_t bound) {
  CHECK(bound > 0);
  uint64_t limit = ~uint64_t{0} - (~uint64_t{0} % bound + 1) % bound;
  for (;;) {
    uint64_t v = u64();
    if (v <= limit) return v % bound;
  }
}

Random& secure_random() {
  static SecureRandom random;
  return random;
}

void SeededRandom::fill(void* out, size_t size) {
  // splitmix64
  auto* p = static_cast<unsigned char*>(out);
  while (size > 0) {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    size_t n = std::min(size, sizeof z);
    std::memcpy(p, &z, n);
    p += n;
    size -= n;
  }
}

std::string new_uuid(Random& random) {
  std::array<unsigned char, 16> b{};
  random.fill(b.data(), b.size());
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kHex[b[i] >> 4];
    out += kHex[b[i] & 15];
  }
  return out;
}

std::string new_hex(Random& random, size_t digits) {
  return from_alphabet(random, digits, "0123456789abcdef", 16);
}
std::string new_alnum(Random& random, size_t length) {
  return from_alphabet(random, length, "abcdefghijklmnopqrstuvwxyz0123456789", 36);
}
std::string new_key_text(Random& random, size_t length) {
  return from_alphabet(random, length, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 62);
}

}  // namespace savia

// Randomness, injected so that tests and simulators can seed it.
#pragma once

#include <cstdint>
#include <string>

namespace savia {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(void* out, size_t size) = 0;
  uint64_t u64();
  uint64_t below(uint64_t bound);  // uniform in [0, bound); bound > 0
};

// The kernel's generator (getrandom), buffered per thread: fit for keys and tokens.
Random& secure_random();

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void fill(void* out, size_t size) override;

 private:
  uint64_t state_;
};

// Identifiers in the forms AWS uses.
std::string new_uuid(Random& random);                     // 8-4-4-4-12 lower-case hex, version 4
std::string new_hex(Random& random, size_t digits);       // lower-case hex
std::string new_alnum(Random& random, size_t length);     // a-z0-9, as API Gateway's ids
std::string new_key_text(Random& random, size_t length);  // A-Za-z0-9, as secret keys

}  // namespace savia

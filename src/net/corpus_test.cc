#include <gtest/gtest.h>

#include "base/corpus.h"
#include "base/random.h"
#include "net/fuzz_entry.h"

namespace savia {
namespace {

TEST(Corpus, Http1) {
  std::vector<std::string> files = corpus_files("http1_fuzz");
  ASSERT_FALSE(files.empty());
  for (const std::string& file : files) fuzz::http1(file);
}

// A short walk away from the corpus in every run; ./dev fuzz goes further.
TEST(Corpus, Http1Mutations) {
  std::vector<std::string> files = corpus_files("http1_fuzz");
  ASSERT_FALSE(files.empty());
  SeededRandom random(20261124);
  constexpr std::string_view kBytes = "\r\n:;, \t\0/?#=aF09{}%+-\x7f\x80";
  for (int i = 0; i < 30'000; ++i) {
    std::string wire = files[random.below(files.size())];
    for (uint64_t n = 1 + random.below(4); n > 0 && wire.size() > 2; --n) {
      size_t at = random.below(wire.size());
      switch (random.below(4)) {
        case 0:
          wire[at] = kBytes[random.below(kBytes.size())];
          break;
        case 1:
          wire.insert(at, 1, kBytes[random.below(kBytes.size())]);
          break;
        case 2:
          wire.erase(at, 1 + random.below(3));
          break;
        default:
          wire.insert(at, wire.substr(random.below(wire.size()), random.below(20)));
      }
    }
    fuzz::http1(wire);
  }
}

}  // namespace
}  // namespace savia

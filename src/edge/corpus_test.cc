#include <gtest/gtest.h>

#include "base/corpus.h"
#include "base/random.h"
#include "edge/fuzz_entry.h"

namespace savia {
namespace {

// The corpus, and a short walk away from it in every run; ./dev fuzz goes further.
void run(const std::string& target, void (*entry)(std::string_view), std::string_view alphabet) {
  std::vector<std::string> files = corpus_files(target);
  ASSERT_FALSE(files.empty()) << target;
  for (const std::string& file : files) entry(file);
  SeededRandom random(20261124);
  for (int i = 0; i < 3'000; ++i) {
    std::string bytes = files[random.below(files.size())];
    for (uint64_t n = 1 + random.below(3); n > 0 && bytes.size() > 2; --n) {
      size_t at = random.below(bytes.size());
      if (random.below(2) == 0) {
        bytes[at] = alphabet[random.below(alphabet.size())];
      } else {
        bytes.insert(at, 1, alphabet[random.below(alphabet.size())]);
      }
    }
    entry(bytes);
  }
}

TEST(Corpus, EdgeEvent) {
  run("edge_event_fuzz", fuzz::edge_event, std::string_view("/%?&=+ ;{}\"\\\x00\x7f\xc3\xff:aZ09", 22));
}
TEST(Corpus, EdgeAnswer) {
  run("edge_answer_fuzz", fuzz::edge_answer, "{}[]\":,\\rn0129.eE-tfu \xc3\xff");
}

}  // namespace
}  // namespace savia

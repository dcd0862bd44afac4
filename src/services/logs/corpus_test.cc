// Every file that a fuzzer found worth keeping, or that began its corpus, runs as a test.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "services/logs/fuzz_entry.h"

namespace savia::logs {
namespace {

// fuzz/corpus above the folder of the test program, so that any build folder inside the clone works.
std::filesystem::path corpus_root() {
  std::error_code ec;
  for (auto at = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path(); at.has_relative_path();
       at = at.parent_path()) {
    if (std::filesystem::is_directory(at / "fuzz/corpus", ec)) return at / "fuzz/corpus";
  }
  return {};
}

TEST(LogsCorpus, EveryFile) {
  const auto root = corpus_root();
  ASSERT_FALSE(root.empty()) << "fuzz/corpus not found";
  const std::pair<const char*, void (*)(std::string_view)> targets[] = {{"logs_filter_fuzz", &fuzz::filter_pattern},
                                                                        {"logs_segment_fuzz", &fuzz::segment}};
  for (const auto& [name, run] : targets) {
    size_t files = 0;
    for (const auto& e : std::filesystem::directory_iterator(root / name)) {
      SCOPED_TRACE(e.path());
      std::ifstream in(e.path(), std::ios::binary);
      std::stringstream bytes;
      bytes << in.rdbuf();
      run(bytes.str());
      ++files;
    }
    EXPECT_GT(files, 0U) << name;
  }
}

}  // namespace
}  // namespace savia::logs

// Every file that a fuzzer of signatures found worth keeping, or that began its corpus, runs as a test.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "aws/auth_fuzz_entry.h"

namespace savia::aws {
namespace {

// fuzz/corpus above the folder of the test program, so that any build folder inside the clone works.
std::filesystem::path corpus_root() {
  std::error_code ec;
  std::filesystem::path at = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
  for (; at.has_relative_path(); at = at.parent_path()) {
    if (std::filesystem::is_directory(at / "fuzz/corpus", ec)) return at / "fuzz/corpus";
  }
  return {};
}

void run_all(const std::string& name, void (*run)(std::string_view)) {
  std::filesystem::path root = corpus_root();
  ASSERT_FALSE(root.empty()) << "fuzz/corpus not found";
  size_t files = 0;
  for (const auto& e : std::filesystem::directory_iterator(root / name)) {
    SCOPED_TRACE(e.path());
    std::ifstream in(e.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    run(bytes.str());
    ++files;
  }
  EXPECT_GT(files, 0U);
}

TEST(AuthCorpus, SigV4) {
  run_all("sigv4_fuzz", fuzz::sigv4);
}
TEST(AuthCorpus, Chunked) {
  run_all("chunked_fuzz", fuzz::chunked);
}

}  // namespace
}  // namespace savia::aws

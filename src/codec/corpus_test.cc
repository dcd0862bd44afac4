// Every file that a fuzzer found worth keeping, or that began its corpus, runs as a test.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "codec/fuzz_entry.h"

namespace savia {
namespace {

// fuzz/corpus beside or above the folder of the test program, so that any build folder inside the clone works.
std::filesystem::path corpus_root() {
  std::error_code ec;
  std::filesystem::path at = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
  for (; at.has_relative_path(); at = at.parent_path()) {
    if (std::filesystem::is_directory(at / "fuzz/corpus", ec)) return at / "fuzz/corpus";
  }
  return {};
}

TEST(Corpus, EveryFile) {
  const std::map<std::string, std::function<void(std::string_view)>> targets = {
      {"json_fuzz", fuzz::json},     {"cbor_fuzz", fuzz::cbor}, {"xml_fuzz", fuzz::xml},  {"form_fuzz", fuzz::form},
      {"base64_fuzz", fuzz::base64}, {"zip_fuzz", fuzz::zip},   {"yaml_fuzz", fuzz::yaml}};
  std::filesystem::path root = corpus_root();
  ASSERT_FALSE(root.empty()) << "fuzz/corpus not found";
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
}  // namespace savia

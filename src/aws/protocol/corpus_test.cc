// Every file that a protocol's fuzzer found worth keeping, or that began its corpus, runs as a test.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "aws/protocol/fuzz_entry.h"

namespace savia {
namespace {

std::filesystem::path corpus_root() {
  std::error_code ec;
  std::filesystem::path at = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
  for (; at.has_relative_path(); at = at.parent_path()) {
    if (std::filesystem::is_directory(at / "fuzz/corpus", ec)) return at / "fuzz/corpus";
  }
  return {};
}

TEST(ProtocolCorpus, EveryFile) {
  const std::map<std::string, void (*)(std::string_view)> targets = {
      {"protocol_json_fuzz", fuzz::protocol_json},         {"protocol_rest_json_fuzz", fuzz::protocol_rest_json},
      {"protocol_query_fuzz", fuzz::protocol_query},       {"protocol_ec2_fuzz", fuzz::protocol_ec2},
      {"protocol_rest_xml_fuzz", fuzz::protocol_rest_xml}, {"protocol_cbor_fuzz", fuzz::protocol_cbor}};
  std::filesystem::path root = corpus_root();
  ASSERT_FALSE(root.empty()) << "fuzz/corpus not found";
  for (const auto& [name, run] : targets) {
    size_t files = 0;
    for (const auto& e : std::filesystem::directory_iterator(root / name)) {
      SCOPED_TRACE(e.path());
      std::ifstream in(e.path(), std::ios::binary);
      std::stringstream bytes;
      bytes << in.rdbuf();
      std::string text = bytes.str();
      run(text);
      // Cut and turned at many places; the fuzzer does the rest.
      for (size_t i = 0; i < text.size() && text.size() < 2048; i += 7) {
        run(std::string_view(text).substr(0, i));
        std::string turned = text;
        turned[i] = static_cast<char>(turned[i] ^ 0x11);
        run(turned);
      }
      ++files;
    }
    EXPECT_GT(files, 0U) << name;
  }
}

}  // namespace
}  // namespace savia

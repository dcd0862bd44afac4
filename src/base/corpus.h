// For tests: the files that fuzzers found worth keeping, or began with.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace savia {

// Contents of fuzz/corpus/<target>/, looked for beside and above the running program's folder; empty when there is none.
inline std::vector<std::string> corpus_files(const std::string& target) {
  std::error_code ec;
  std::vector<std::string> files;
  std::filesystem::path at = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
  for (; at.has_relative_path(); at = at.parent_path()) {
    if (std::filesystem::is_directory(at / "fuzz/corpus", ec)) break;
  }
  for (const auto& entry : std::filesystem::directory_iterator(at / "fuzz/corpus" / target, ec)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    files.push_back(bytes.str());
  }
  return files;
}

}  // namespace savia

// What exec and posix_spawn take: pointers to the strings, and a null at the end.
#pragma once

#include <string>
#include <vector>

namespace savia::os {

// Valid as long as `strings` is not changed.
inline std::vector<char*> exec_pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (std::string& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace savia::os

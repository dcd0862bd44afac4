#include "codec/utf8.h"

#include <algorithm>

namespace savia {

std::string text_position(std::string_view text, size_t offset) {
  std::string_view before = text.substr(0, offset);
  auto lines = std::count(before.begin(), before.end(), '\n');
  size_t nl = before.rfind('\n');
  size_t column = nl == std::string_view::npos ? before.size() + 1 : before.size() - nl;
  return "line " + std::to_string(lines + 1) + " column " + std::to_string(column);
}

}  // namespace savia

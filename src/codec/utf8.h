// One step over UTF-8 text, for the codecs that scan bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace savia {

// Length (1-4) of the well-formed UTF-8 sequence at the start of [p, end), 0 when there is none (Unicode 3.9, table 3-7:
// no overlong forms, no surrogates, nothing over U+10FFFF).
inline size_t utf8_sequence(const char* p, const char* end) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(p[i]); };
  auto tail = [&](size_t i) { return (at(i) & 0xc0U) == 0x80U; };
  size_t left = static_cast<size_t>(end - p);
  if (left == 0) return 0;
  unsigned char b = at(0);
  if (b < 0x80) return 1;
  if (b < 0xc2) return 0;
  if (b < 0xe0) return left >= 2 && tail(1) ? 2 : 0;
  if (b < 0xf0) {
    if (left < 3 || !tail(1) || !tail(2)) return 0;
    if (b == 0xe0 && at(1) < 0xa0) return 0;
    if (b == 0xed && at(1) > 0x9f) return 0;
    return 3;
  }
  if (b > 0xf4 || left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
  if (b == 0xf0 && at(1) < 0x90) return 0;
  if (b == 0xf4 && at(1) > 0x8f) return 0;
  return 4;
}

inline void append_utf8(std::string& out, uint32_t c) {
  auto put = [&](uint32_t v) { out += static_cast<char>(static_cast<unsigned char>(v)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3f));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

inline constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";  // U+FFFD

// "line 3 column 7" of a byte offset; columns count bytes, both from 1.
std::string text_position(std::string_view text, size_t offset);

}  // namespace savia

#include "codec/base64.h"

#include <array>
#include <cstdint>

namespace savia {
namespace {

constexpr char kStandard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kUrl[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr uint8_t kBad = 0x80;  // outside the alphabet; or-ing four of them keeps the bit

constexpr std::array<uint8_t, 256> inverse(const char* alphabet) {
  std::array<uint8_t, 256> t{};
  for (auto& v : t) v = kBad;
  for (uint8_t i = 0; i < 64; ++i) t[static_cast<unsigned char>(alphabet[i])] = i;
  return t;
}
constexpr auto kStandardInverse = inverse(kStandard);
constexpr auto kUrlInverse = inverse(kUrl);

uint32_t byte(std::string_view s, size_t i) {
  return static_cast<unsigned char>(s[i]);
}

void encode(std::string& out, std::string_view in, const char* alphabet, bool pad) {
  size_t full = in.size() / 3, rest = in.size() % 3;
  size_t at = out.size();
  out.resize(at + full * 4 + (rest == 0 ? 0 : pad ? 4 : rest + 1));
  char* o = out.data() + at;
  size_t i = 0;
  for (; i < full * 3; i += 3) {
    uint32_t v = byte(in, i) << 16 | byte(in, i + 1) << 8 | byte(in, i + 2);
    *o++ = alphabet[v >> 18];
    *o++ = alphabet[v >> 12 & 63];
    *o++ = alphabet[v >> 6 & 63];
    *o++ = alphabet[v & 63];
  }
  if (rest == 0) return;
  uint32_t v = byte(in, i) << 16 | (rest == 2 ? byte(in, i + 1) << 8 : 0);
  *o++ = alphabet[v >> 18];
  *o++ = alphabet[v >> 12 & 63];
  if (rest == 2) *o++ = alphabet[v >> 6 & 63];
  if (!pad) return;
  if (rest == 1) *o++ = '=';
  *o = '=';
}

// `in` without padding.
Result<std::string> decode(std::string_view in, const std::array<uint8_t, 256>& table) {
  auto bad = [] { return Error::invalid("not base64: character outside the alphabet"); };
  size_t full = in.size() / 4, rest = in.size() % 4;
  if (rest == 1) return Error::invalid("not base64: wrong length");
  std::string out(full * 3 + (rest == 0 ? 0 : rest - 1), '\0');
  char* o = out.data();
  size_t i = 0;
  uint32_t seen = 0;
  for (; i < full * 4; i += 4) {
    uint32_t a = table[byte(in, i)], b = table[byte(in, i + 1)], c = table[byte(in, i + 2)], d = table[byte(in, i + 3)];
    seen |= a | b | c | d;
    uint32_t v = a << 18 | b << 12 | c << 6 | d;
    *o++ = static_cast<char>(v >> 16 & 255);
    *o++ = static_cast<char>(v >> 8 & 255);
    *o++ = static_cast<char>(v & 255);
  }
  if ((seen & kBad) != 0) return bad();
  if (rest != 0) {
    uint32_t a = table[byte(in, i)], b = table[byte(in, i + 1)], c = rest == 3 ? table[byte(in, i + 2)] : 0;
    if (((a | b | c) & kBad) != 0) return bad();
    uint32_t v = a << 18 | b << 12 | c << 6;
    if ((v & (rest == 3 ? 0xffU : 0xffffU)) != 0) return Error::invalid("not base64: bits left over at the end");
    *o++ = static_cast<char>(v >> 16 & 255);
    if (rest == 3) *o = static_cast<char>(v >> 8 & 255);
  }
  return out;
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
  encode(out, bytes, kStandard, true);
}
std::string base64_encode(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}
std::string base64url_encode(std::string_view bytes) {
  std::string out;
  encode(out, bytes, kUrl, false);
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return Error::invalid("not base64: length is no multiple of 4");
  if (text.ends_with("==")) {
    text.remove_suffix(2);
  } else if (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  return decode(text, kStandardInverse);
}
Result<std::string> base64url_decode(std::string_view text) {
  return decode(text, kUrlInverse);
}

}  // namespace savia

// The inner loop of JSON strings, both ways: how far does text go that needs no attention?
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace savia {

// The first byte of [p, end) that is a quote, a backslash, a control character or outside ASCII; `end` when there is none.
inline const char* json_plain_end(const char* p, const char* end) {
#ifdef __SSE2__
  // Signed compare against 0x20 catches control characters and (as negative numbers) all bytes from 0x80 on.
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
  while (end - p >= 16) {
    __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(b, quote), _mm_cmpeq_epi8(b, backslash)), _mm_cmplt_epi8(b, space));
    int mask = _mm_movemask_epi8(hit);
    if (mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
    p += 16;
  }
#endif
  while (p != end) {
    unsigned char c = static_cast<unsigned char>(*p);
    if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
    ++p;
  }
  return p;
}

}  // namespace savia

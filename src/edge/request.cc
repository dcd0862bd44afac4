#include "edge/request.h"

#include <cstring>

#include "base/random.h"

namespace savia::edge {

using net::http1::Name;

IdSource::IdSource() {
  secure_random().fill(state_, sizeof state_);
  state_[0] |= 1;  // xoshiro must not start from all zeros
}

// xoshiro256**, Blackman and Vigna.
uint64_t IdSource::next() {
  auto rotate = [](uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
  uint64_t result = rotate(state_[1] * 5, 7) * 9;
  uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate(state_[3], 45);
  return result;
}

void IdSource::fill(RequestIds& ids, int64_t now_ms) {
  static constexpr char kHex[] = "0123456789abcdef";
  static constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  auto hex = [](char* out, uint64_t bits, int digits) {
    for (int i = 0; i < digits; ++i, bits >>= 4) out[i] = kHex[bits & 15];
  };
  uint64_t a = next(), b = next(), c = next(), d = next();
  char* r = ids.request_id;
  hex(r, a, 8);
  r[8] = '-';
  hex(r + 9, a >> 32, 4);
  r[13] = '-';
  r[14] = '4';
  hex(r + 15, a >> 48, 3);
  r[18] = '-';
  r[19] = kHex[8 | (a >> 60 & 3)];
  hex(r + 20, b, 3);
  r[23] = '-';
  hex(r + 24, b >> 16, 12);
  for (int i = 0; i < 15; ++i) {
    ids.extended_id[i] = kBase64[i < 10 ? (c >> (6 * i) & 63) : (d >> (6 * (i - 10)) & 63)];
  }
  ids.extended_id[15] = '=';
  std::memcpy(ids.trace_id, "Root=1-", 7);
  uint64_t seconds = static_cast<uint64_t>(now_ms / 1000);
  for (int i = 0; i < 8; ++i) ids.trace_id[7 + i] = kHex[seconds >> (4 * (7 - i)) & 15];
  ids.trace_id[15] = '-';
  uint64_t e = next();
  hex(ids.trace_id + 16, e, 16);
  hex(ids.trace_id + 32, d >> 30, 8);
}

std::string_view Request::trace_header() const {
  std::string_view sent = header(Name::kXAmznTraceId);
  return sent.find("Root=") != std::string_view::npos ? sent : ids->trace();
}

bool rest_drops_request_field(Name id) {
  switch (id) {
    case Name::kConnection:
    case Name::kContentLength:
    case Name::kContentMd5:
    case Name::kExpect:
    case Name::kKeepAlive:
    case Name::kMaxForwards:
    case Name::kProxyAuthenticate:
    case Name::kProxyAuthorization:
    case Name::kProxyConnection:
    case Name::kServer:
    case Name::kTe:
    case Name::kTrailer:
    case Name::kTransferEncoding:
    case Name::kUpgrade:
    case Name::kWwwAuthenticate:
      return true;
    default:
      return false;
  }
}

}  // namespace savia::edge

// One function a fuzz target: the libFuzzer program calls it, and corpus_test runs every file of fuzz/corpus/<target>/ through
// it.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "aws/chunked.h"
#include "aws/sigv4.h"
#include "base/check.h"
#include "base/strings.h"

namespace savia::aws::fuzz {

inline bool is_token(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

// A request line's target, then header lines: claims are read without harm, the canonical form is its own canonical form, and
// what we sign we accept.
inline void sigv4(std::string_view bytes) {
  std::vector<std::string_view> lines = split(bytes, '\n');
  net::HttpRequest r;
  r.method = "GET";
  r.target = "/" + std::string(lines[0]);
  for (size_t i = 1; i < lines.size() && i < 64; ++i) {
    size_t colon = lines[i].find(':');
    if (colon != std::string_view::npos && is_token(lines[i].substr(0, colon))) {
      r.headers.add(lines[i].substr(0, colon), lines[i].substr(colon + 1));
    }
  }
  SigningKeys keys;
  auto claim = read_claim(r);
  if (claim.ok()) (void)check_claim(*claim, r, "UNSIGNED-PAYLOAD", "secret", claim->time_ms, keys);
  std::string query = canonical_query(r.query());
  CHECK(canonical_query(query) == query);
  std::string path = canonical_path(r.path(), path_rules("s3"));
  CHECK(canonical_path(path, path_rules("s3")) == path);

  r.headers.remove("Authorization");
  r.headers.remove("X-Amz-Security-Token");
  r.headers.set("Host", "localhost");
  SignOptions options;
  options.region = "us-east-1";
  options.service = "lambda";
  options.now_ms = 1'700'000'000'000;
  options.payload_hash = kUnsignedPayload;
  if (r.query().find("X-Amz-") != std::string_view::npos || r.query().find('%') != std::string_view::npos) return;
  sign_headers(r, {"AKID", "secret", ""}, options);
  auto mine = read_claim(r);
  CHECK(mine.ok());
  CHECK(check_claim(*mine, r, kUnsignedPayload, "secret", options.now_ms, keys).ok());
}

// The first byte picks the kind of body and how it is split; whole and split input must give the same.
inline void chunked(std::string_view bytes) {
  if (bytes.empty()) return;
  auto choice = static_cast<unsigned char>(bytes[0]);
  bytes.remove_prefix(1);
  auto decode = [&](size_t step, std::string& body, std::string& error) {
    ChunkedDecoder::Options options;
    options.max_bytes = 1 << 16;
    options.trailer = (choice & 1) != 0;
    options.check_signatures = false;
    if ((choice & 2) != 0) options.signing = ChunkedDecoder::Signing{"key", "20231114T221320Z", {"20231114", "r", "s"}, "seed"};
    ChunkedDecoder decoder(std::move(options));
    for (size_t at = 0; at < bytes.size(); at += step) {
      auto fed = decoder.feed(bytes.substr(at, step));
      if (!fed.ok()) {
        error = fed.error().message;
        return;
      }
    }
    auto end = decoder.finish();
    if (!end.ok()) error = end.error().message;
    body = decoder.body();
    CHECK(body.size() <= 1 << 16);
  };
  std::string whole, whole_error, parts, parts_error;
  decode(bytes.size() + 1, whole, whole_error);
  decode(size_t{1} + (choice >> 2) % 7, parts, parts_error);
  CHECK(whole_error == parts_error);
  CHECK(whole == parts);
}

}  // namespace savia::aws::fuzz

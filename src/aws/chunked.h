// The aws-chunked content coding: what S3 clients wrap bodies in when they stream, sign each piece, or learn a checksum only at
// the end. (Not HTTP's transfer coding, which the server has undone before.)
//
//   size-hex[;chunk-signature=64 hex]\r\n data \r\n  …  0[;chunk-signature=…]\r\n
//   [x-amz-checksum-crc32:AAAAAA==\r\n  [x-amz-trailer-signature:64 hex\r\n]]  \r\n
//
// A push parser: any split of the input gives the same result, and no state is kept beyond the decoded bytes and one line.
// Signed chunks form a chain: each signature covers the one before, the first the request's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aws/sigv4.h"
#include "base/result.h"
#include "net/http.h"

namespace savia::aws {

class ChunkedDecoder {
 public:
  struct Signing {
    std::string key;  // derived signing key
    std::string amz_date;
    Scope scope;
    std::string seed;  // the request's signature
  };
  struct Options {
    std::optional<Signing> signing = {};  // chunks must be signed
    bool check_signatures = true;         // false: signatures must be there and well formed, but any value is taken (open mode)
    bool trailer = false;                 // trailer fields are expected
    size_t max_bytes = 0;                 // of decoded data
  };

  explicit ChunkedDecoder(Options options) : options_(std::move(options)) {}
  Result<void, AuthError> feed(std::string_view bytes);
  Result<void, AuthError> finish();  // the input has ended: everything must be complete
  std::string& body() { return body_; }
  net::Headers& trailers() { return trailers_; }

 private:
  enum class State { kSize, kData, kDataCr, kDataLf, kTrailer, kDone };
  Result<void, AuthError> on_size_line();
  Result<void, AuthError> on_trailer_line();
  Result<void, AuthError> on_chunk_end();
  Result<void, AuthError> on_trailers_end();
  bool take_line(std::string_view& bytes);  // true: line_ is complete, without its CRLF
  Result<void, AuthError> check(std::string_view kind, std::string_view middle, std::string_view hash,
                                const std::string& given);

  Options options_;
  State state_ = State::kSize;
  std::string line_;
  std::string body_;
  size_t chunk_start_ = 0;  // in body_
  size_t remaining_ = 0;
  std::string chunk_signature_;
  std::string trailer_text_;  // as signed: "name:value\n" each
  std::string trailer_signature_;
  net::Headers trailers_;
};

// True for bodies that are aws-chunked: by X-Amz-Content-Sha256 or Content-Encoding.
bool is_aws_chunked(const net::HttpRequest& request, std::string_view content_sha256);

// Undoes the coding in place: body, Content-Encoding without aws-chunked, trailers into request.trailers; checks
// X-Amz-Decoded-Content-Length and that the trailers announced in X-Amz-Trailer came. `claim` null: unsigned request.
Result<void, AuthError> decode_aws_chunked(net::HttpRequest& request, const Claim* claim, const std::string& derived_key,
                                           bool check_signatures);

// x-amz-checksum-* (headers or trailers) and Content-MD5 against the whole, decoded body.
Result<void, AuthError> check_checksums(const net::HttpRequest& request);

}  // namespace savia::aws

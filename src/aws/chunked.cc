#include "aws/chunked.h"

#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/digest.h"

namespace savia::aws {
namespace {

constexpr size_t kLineBytes = 4096;  // one chunk head or trailer field
constexpr size_t kTrailerFields = 16;
constexpr size_t kSizeDigits = 8;  // 4 GiB, far above kApiBodyBytes
constexpr std::string_view kSignatureExtension = "chunk-signature=";

AuthError bad_chunk(std::string message) {
  return {AuthProblem::kBadChunk, std::move(message)};
}

AuthError incomplete_body() {
  return bad_chunk("The request body terminated unexpectedly");
}

AuthError malformed_trailer() {
  return {AuthProblem::kBadTrailer,
          "The request contained trailing data that was not well-formed or did not conform to our published schema."};
}

// A class table, not arithmetic on characters: everything else is not a digit.
int hex_digit(char c) {
  switch (c) {
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
      return c - '0';
    case 'a':
    case 'b':
    case 'c':
    case 'd':
    case 'e':
    case 'f':
      return c - 'a' + 10;
    case 'A':
    case 'B':
    case 'C':
    case 'D':
    case 'E':
    case 'F':
      return c - 'A' + 10;
    default:
      return -1;
  }
}

bool is_signature(std::string_view s) {
  return s.size() == 64 && std::all_of(s.begin(), s.end(), [](char c) { return hex_digit(c) >= 0; });
}

struct Checksum {
  std::string_view header;
  std::string_view name;  // as AWS's message has it
  std::string (*compute)(std::string_view);
};

constexpr Checksum kChecksums[] = {
    {"x-amz-checksum-crc32", "CRC32", [](std::string_view b) { return big_endian(crc32(b)); }},
    {"x-amz-checksum-crc32c", "CRC32C", [](std::string_view b) { return big_endian(crc32c(b)); }},
    {"x-amz-checksum-crc64nvme", "CRC64NVME", [](std::string_view b) { return big_endian(crc64nvme(b)); }},
    {"x-amz-checksum-sha1", "SHA1", [](std::string_view b) { return sha1(b); }},
    {"x-amz-checksum-sha256", "SHA256", [](std::string_view b) { return sha256(b); }},
};

}  // namespace

bool ChunkedDecoder::take_line(std::string_view& bytes) {
  size_t lf = bytes.find('\n');
  line_.append(bytes.substr(0, lf));
  if (lf == std::string_view::npos) {
    bytes = {};
    return false;
  }
  bytes.remove_prefix(lf + 1);
  return true;
}

Result<void, AuthError> ChunkedDecoder::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::kSize:
      case State::kTrailer: {
        bool whole = take_line(bytes);
        if (line_.size() > kLineBytes)
          return state_ == State::kSize ? bad_chunk("A chunk head is too long.") : malformed_trailer();
        if (!whole) return {};
        if (line_.empty() || line_.back() != '\r') return bad_chunk("Lines of aws-chunked must end with CRLF.");
        line_.pop_back();
        if (state_ == State::kSize) {
          TRY(on_size_line());
        } else {
          TRY(on_trailer_line());
        }
        line_.clear();
        break;
      }
      case State::kData: {
        size_t n = std::min(remaining_, bytes.size());
        body_.append(bytes.substr(0, n));
        bytes.remove_prefix(n);
        remaining_ -= n;
        if (remaining_ == 0) state_ = State::kDataCr;
        break;
      }
      case State::kDataCr:
        if (bytes[0] != '\r') return bad_chunk("A chunk is longer than its size says.");
        bytes.remove_prefix(1);
        state_ = State::kDataLf;
        break;
      case State::kDataLf:
        if (bytes[0] != '\n') return bad_chunk("A chunk is longer than its size says.");
        bytes.remove_prefix(1);
        state_ = State::kSize;
        TRY(on_chunk_end());
        break;
      case State::kDone:
        return bad_chunk("There is data after the last chunk.");
    }
  }
  return {};
}

Result<void, AuthError> ChunkedDecoder::on_size_line() {
  std::string_view line = line_;
  size_t semicolon = line.find(';');
  std::string_view digits = line.substr(0, semicolon);
  if (digits.empty() || digits.size() > kSizeDigits) return bad_chunk("The chunk size is not a hexadecimal number.");
  uint64_t size = 0;
  for (char c : digits) {
    int d = hex_digit(c);
    if (d < 0) return bad_chunk("The chunk size is not a hexadecimal number.");
    size = size * 16 + static_cast<uint64_t>(d);
  }
  if (size > options_.max_bytes - body_.size()) return bad_chunk("The decoded body is larger than allowed.");
  std::string_view extension = semicolon == std::string_view::npos ? std::string_view() : line.substr(semicolon + 1);
  chunk_signature_.clear();
  if (options_.signing) {
    if (extension.substr(0, kSignatureExtension.size()) != kSignatureExtension ||
        !is_signature(extension.substr(kSignatureExtension.size()))) {
      return bad_chunk("A chunk has no valid chunk-signature.");
    }
    chunk_signature_ = extension.substr(kSignatureExtension.size());
  }
  chunk_start_ = body_.size();
  remaining_ = size;
  if (size > 0) {
    state_ = State::kData;
    return {};
  }
  TRY(on_chunk_end());
  state_ = State::kTrailer;
  return {};
}

Result<void, AuthError> ChunkedDecoder::check(std::string_view kind, std::string_view middle, std::string_view hash,
                                              const std::string& given) {
  Signing& s = *options_.signing;
  std::string to_sign(kind);
  to_sign += '\n';
  to_sign += s.amz_date;
  to_sign += '\n';
  to_sign += s.scope.text();
  to_sign += '\n';
  to_sign += s.seed;
  to_sign += '\n';
  to_sign += middle;
  to_sign += hash;
  std::string expected = signature(s.key, to_sign);
  if (options_.check_signatures && !constant_time_equal(expected, given)) {
    return AuthError(
        AuthProblem::kMismatch,
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.");
  }
  s.seed = given;
  return {};
}

Result<void, AuthError> ChunkedDecoder::on_chunk_end() {
  if (!options_.signing) return {};
  std::string hash = sha256_hex(std::string_view(body_).substr(chunk_start_));
  return check("AWS4-HMAC-SHA256-PAYLOAD", std::string(kEmptySha256) + "\n", hash, chunk_signature_);
}

Result<void, AuthError> ChunkedDecoder::on_trailer_line() {
  if (line_.empty()) {
    state_ = State::kDone;
    return on_trailers_end();
  }
  size_t colon = line_.find(':');
  if (!options_.trailer || colon == 0 || colon == std::string::npos || trailers_.fields().size() >= kTrailerFields) {
    return malformed_trailer();
  }
  std::string name = to_lower(trim(std::string_view(line_).substr(0, colon)));
  std::string_view value = trim(std::string_view(line_).substr(colon + 1));
  if (name == "x-amz-trailer-signature") {
    if (!trailer_signature_.empty() || !is_signature(value)) return malformed_trailer();
    trailer_signature_ = value;
    return {};
  }
  if (trailers_.has(name)) return malformed_trailer();
  trailer_text_ += name + ":" + std::string(value) + "\n";
  trailers_.add(name, value);
  return {};
}

Result<void, AuthError> ChunkedDecoder::on_trailers_end() {
  if (!options_.signing || !options_.trailer) return {};
  if (trailer_signature_.empty()) return malformed_trailer();
  return check("AWS4-HMAC-SHA256-TRAILER", "", sha256_hex(trailer_text_), trailer_signature_);
}

Result<void, AuthError> ChunkedDecoder::finish() {
  if (state_ == State::kDone) return {};
  // Some clients leave out the empty line that ends the trailers, or the last line's CRLF.
  if (state_ == State::kTrailer && (!line_.empty() || !options_.trailer || !trailers_.empty())) {
    if (!line_.empty()) {
      if (line_.back() == '\r') line_.pop_back();
      if (!line_.empty()) TRY(on_trailer_line());
      line_.clear();
    }
    if (state_ != State::kDone) {
      state_ = State::kDone;
      return on_trailers_end();
    }
    return {};
  }
  return incomplete_body();
}

bool is_aws_chunked(const net::HttpRequest& request, std::string_view content_sha256) {
  if (is_streaming_payload(content_sha256)) return true;
  const std::string* encoding = request.headers.find("content-encoding");
  if (encoding == nullptr) return false;
  for (std::string_view part : split(*encoding, ',')) {
    if (iequals(trim(part), "aws-chunked")) return true;
  }
  return false;
}

Result<void, AuthError> decode_aws_chunked(net::HttpRequest& request, const Claim* claim, const std::string& derived_key,
                                           bool check_signatures) {
  std::string_view said =
      claim != nullptr ? std::string_view(claim->content_sha256) : request.headers.get("x-amz-content-sha256");
  ChunkedDecoder::Options options;
  options.check_signatures = check_signatures;
  options.max_bytes = limits::kApiBodyBytes;
  const std::string* announced = request.headers.find("x-amz-trailer");
  options.trailer = announced != nullptr || said == kStreamingSignedTrailer || said == kStreamingUnsignedTrailer;
  if (said == kStreamingSigned || said == kStreamingSignedTrailer) {
    ChunkedDecoder::Signing signing;
    if (claim != nullptr) signing = {derived_key, claim->amz_date, claim->scope, claim->signature};
    options.signing = std::move(signing);
  }
  std::optional<int64_t> length = parse_int(request.headers.get("x-amz-decoded-content-length"));
  if (!length || *length < 0) {
    return bad_chunk("You must provide the x-amz-decoded-content-length HTTP header.");
  }
  ChunkedDecoder decoder(std::move(options));
  TRY(decoder.feed(request.body));
  TRY(decoder.finish());
  if (decoder.body().size() != static_cast<size_t>(*length)) {
    return bad_chunk("You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header");
  }
  if (announced != nullptr) {
    for (std::string_view name : split(*announced, ',')) {
      if (!trim(name).empty() && !decoder.trailers().has(trim(name))) return malformed_trailer();
    }
  }
  request.body = std::move(decoder.body());
  for (const auto& [name, value] : decoder.trailers().fields()) request.trailers.set(name, value);
  std::vector<std::string> encodings;
  if (const std::string* encoding = request.headers.find("content-encoding")) {
    for (std::string_view part : split(*encoding, ',')) {
      if (!iequals(trim(part), "aws-chunked")) encodings.emplace_back(trim(part));
    }
  }
  if (encodings.empty()) {
    request.headers.remove("content-encoding");
  } else {
    request.headers.set("Content-Encoding", join(encodings, ","));
  }
  return {};
}

Result<void, AuthError> check_checksums(const net::HttpRequest& request) {
  auto one = [&request](std::string_view header, std::string_view label, std::string_view given,
                        std::string (*compute)(std::string_view)) -> Result<void, AuthError> {
    std::string expected = compute(request.body);
    Result<std::string> bytes = base64_decode(given);
    if (!bytes.ok() || bytes->size() != expected.size()) {
      return AuthError(AuthProblem::kBadChecksum, label == "Content-MD5"
                                                      ? "The Content-MD5 you specified was invalid."
                                                      : "Value for " + std::string(header) + " header is invalid.");
    }
    if (*bytes != expected) {
      return AuthError(AuthProblem::kBadChecksum,
                       "The " + std::string(label) + " you specified did not match " +
                           (label == "Content-MD5" ? "what we received." : "the calculated checksum."));
    }
    return {};
  };
  for (const Checksum& c : kChecksums) {
    const std::string* given = request.headers.find(c.header);
    if (given == nullptr) given = request.trailers.find(c.header);
    if (given != nullptr) TRY(one(c.header, c.name, *given, c.compute));
  }
  if (const std::string* given = request.headers.find("content-md5")) {
    TRY(one("content-md5", "Content-MD5", *given, md5));
  }
  return {};
}

}  // namespace savia::aws

// AWS Signature Version 4: what clients sign requests with, and what the front checks.
//
// A signature is HMAC-SHA256(derived key, string to sign). The string to sign names a time, a scope (date/region/service) and
// the SHA-256 of the canonical request: method, path, sorted query, the signed headers, their names and a payload hash. The
// derived key comes from the secret and the scope by four HMACs and is the same for a day, so SigningKeys keeps it.
//
// Two places carry it: the Authorization header, and the query (a presigned URL with its own expiry). Two readings of the path:
// every service but S3 removes dot segments and encodes the already encoded path once more; S3 takes it as it stands.
//
// Pure: no I/O, no clock of its own. Knows nothing of keys' owners (keys.h) nor of protocols (auth_fault.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "net/http.h"

namespace savia::aws {

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kStreamingSigned = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
inline constexpr std::string_view kStreamingSignedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
inline constexpr std::string_view kStreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
inline constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Credentials {
  std::string access_key;
  std::string secret;
  std::string token;  // temporary credentials only
};

struct Scope {
  std::string date;  // "20150830"
  std::string region;
  std::string service;  // the signing name: "monitoring" for CloudWatch
  std::string text() const { return date + "/" + region + "/" + service + "/aws4_request"; }
};

struct PathRules {
  bool normalize = true;     // remove "." and "..", merge slashes
  bool encode_again = true;  // encode the wire path once more; else it is decoded and encoded once
};
PathRules path_rules(std::string_view signing_service);  // S3: neither

// --- pieces ---------------------------------------------------------------------------------------------------------------

std::string canonical_path(std::string_view wire_path, PathRules rules);
// Decoded, encoded anew and sorted; `without` is left out (X-Amz-Signature, and where signed so X-Amz-Security-Token).
std::string canonical_query(std::string_view wire_query, const std::vector<std::string_view>& without = {});
// `signed_headers`: lower case, sorted. A header that is absent counts as empty.
std::string canonical_request(const net::HttpRequest& request, const std::vector<std::string>& signed_headers,
                              std::string_view payload_hash, PathRules rules,
                              const std::vector<std::string_view>& without_query = {});
std::string string_to_sign(std::string_view amz_date, const Scope& scope, std::string_view canonical);
std::string signing_key(std::string_view secret, const Scope& scope);          // 32 raw bytes
std::string signature(std::string_view key, std::string_view string_to_sign);  // 64 hex digits

// --- signing --------------------------------------------------------------------------------------------------------------

struct SignOptions {
  std::string region;
  std::string service;
  int64_t now_ms = 0;
  std::optional<PathRules> rules;    // else by service
  std::string payload_hash;          // else the body's SHA-256 (for presigning S3: UNSIGNED-PAYLOAD)
  bool add_content_sha256 = false;   // send X-Amz-Content-Sha256
  bool token_after_signing = false;  // X-Amz-Security-Token is added, but not signed
  int64_t expires_s = 900;           // presigning
};

// Adds X-Amz-Date, X-Amz-Security-Token, X-Amz-Content-Sha256 (as asked) and Authorization. Host must be there. Signs every
// header except those that hops change.
void sign_headers(net::HttpRequest& request, const Credentials& credentials, const SignOptions& options);
// Adds the X-Amz-* query parameters. Signs Host and whatever headers the request has.
void sign_query(net::HttpRequest& request, const Credentials& credentials, const SignOptions& options);

// --- verification ---------------------------------------------------------------------------------------------------------

enum class AuthProblem {
  kMissing,     // nothing signed
  kIncomplete,  // an Authorization header or query that lacks parts or is malformed
  kUnknownKey,  // no such access key
  kInactiveKey,
  kBadToken,  // temporary credentials without their token, or another one
  kExpiredToken,
  kSkew,                // signed too long ago or in the future
  kExpiredUrl,          // presigned, and its time is over
  kBadScope,            // date, terminator or service of the scope
  kMismatch,            // the signature is another
  kPayloadHash,         // the body is not what X-Amz-Content-Sha256 says
  kMissingPayloadHash,  // S3 asks for the header
  kBadChunk,            // aws-chunked framing, length or chunk signature
  kBadChecksum,         // x-amz-checksum-*, Content-MD5 or a trailer
  kBadTrailer,
};

struct AuthError {
  AuthProblem problem;
  std::string message;  // AWS's text
  AuthError(AuthProblem p, std::string m) : problem(p), message(std::move(m)) {}
  AuthError context(std::string_view) && { return std::move(*this); }
};

// What a request says of its signature; nothing of it is proven yet.
struct Claim {
  bool presigned = false;
  std::string access_key;
  Scope scope;
  std::vector<std::string> signed_headers;  // lower case, in order
  std::string signature;
  std::string amz_date;  // "20150830T123600Z"
  int64_t time_ms = 0;
  int64_t expires_s = 0;  // presigned
  std::string token;
  std::string content_sha256;  // X-Amz-Content-Sha256 as sent, "" when absent
};

// Reads the claim. kMissing when the request has neither an Authorization header nor presigned parameters.
Result<Claim, AuthError> read_claim(const net::HttpRequest& request);

// Derived keys by (access key, scope). Thread-safe; holds the most recent few hundred.
class SigningKeys {
 public:
  std::string get(const std::string& access_key, std::string_view secret, const Scope& scope);
  void clear();

 private:
  struct Entry {
    std::string secret;
    std::string key;
  };
  Guarded<std::map<std::string, Entry, std::less<>>> entries_;
};

// Time window and signature; `payload_hash` is what the canonical request ends with (see expected_payload_hash).
Result<void, AuthError> check_claim(const Claim& claim, const net::HttpRequest& request, std::string_view payload_hash,
                                    std::string_view secret, int64_t now_ms, SigningKeys& keys);

// The last line of the canonical request for this claim: the header as sent, or the body's hash, or UNSIGNED-PAYLOAD for
// presigned S3. Refuses a body that is not what the header says, and S3 requests without the header.
Result<std::string, AuthError> expected_payload_hash(const Claim& claim, const net::HttpRequest& request);

bool is_streaming_payload(std::string_view content_sha256);

}  // namespace savia::aws

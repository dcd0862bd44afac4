// Signature Version 4. The canonical form is where implementations differ, so each rule stands in a function of its own.
#include "aws/sigv4.h"

#include <algorithm>

#include "base/clock.h"
#include "base/limits.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/digest.h"

namespace savia::aws {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kTerminator = "aws4_request";
constexpr size_t kKeptKeys = 512;  // derived keys held by one SigningKeys

// Header values as AWS reads them: no space at the ends, one space for a run of white space inside. The continuation lines
// of a folded header count as white space.
void append_header_value(std::string& out, std::string_view value) {
  bool space = false;
  for (char c : trim(value)) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      space = true;
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += c;
  }
}

std::string normalized(std::string_view path) {
  std::vector<std::string_view> kept;
  std::vector<std::string_view> segments = split(path, '/');
  for (std::string_view s : segments) {
    if (s.empty() || s == ".") continue;
    if (s == "..") {
      if (!kept.empty()) kept.pop_back();
      continue;
    }
    kept.push_back(s);
  }
  std::string out;
  out.reserve(path.size() + 1);
  for (std::string_view s : kept) {
    out += '/';
    out += s;
  }
  std::string_view last = segments.back();
  if (kept.empty() || last.empty() || last == "." || last == "..") {
    // "/a/" keeps its slash. "/a/.." is "/", and "/a/b/.." is "/a/" (RFC 3986 5.2.4).
    if (out.empty() || out.back() != '/') out += '/';
  }
  return out;
}

// The path as S3 reads it: escapes stay escapes ("%2F" is part of a key, '/' divides it), in the one canonical spelling.
std::string encoded_once(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (size_t i = 0; i < path.size(); ++i) {
    std::string_view piece = path.substr(i, 1);
    if (path[i] == '%') {
      std::optional<std::string> byte = i + 2 < path.size() ? from_hex(path.substr(i + 1, 2)) : std::nullopt;
      if (byte) {
        out += percent_encode(*byte);
        i += 2;
        continue;
      }
    }
    out += percent_encode(piece, true);
  }
  return out;
}

// Headers that proxies and HTTP libraries change or add after signing.
bool is_hop_header(std::string_view lower) {
  static constexpr std::string_view kHop[] = {"authorization", "connection",        "expect",     "x-amzn-trace-id",
                                              "user-agent",    "transfer-encoding", "keep-alive", "upgrade"};
  return std::find(std::begin(kHop), std::end(kHop), lower) != std::end(kHop);
}

std::vector<std::string> headers_to_sign(const net::HttpRequest& request) {
  std::vector<std::string> names;
  for (const auto& [name, value] : request.headers.fields()) {
    std::string lower = to_lower(name);
    if (!is_hop_header(lower)) names.push_back(std::move(lower));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// 'name' of a query string, decoded, first one; nullopt when absent.
std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  for (std::string_view part : split(query, '&')) {
    size_t eq = part.find('=');
    std::string_view key = part.substr(0, eq);
    if (key == name || (key.find('%') != std::string_view::npos && percent_decode(key) == name)) {
      return eq == std::string_view::npos ? std::string() : percent_decode(part.substr(eq + 1));
    }
  }
  return std::nullopt;
}

AuthError incomplete(std::string message) {
  return {AuthProblem::kIncomplete, std::move(message)};
}

bool is_hex64(std::string_view s) {
  return s.size() == 64 &&
         std::all_of(s.begin(), s.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// "AKID/20150830/us-east-1/service/aws4_request". An access key holds no slash.
Result<void, AuthError> read_credential(std::string_view text, Claim& claim) {
  std::vector<std::string_view> parts = split(text, '/');
  if (parts.size() != 5 || parts[0].empty()) {
    return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" +
                      std::string(text.substr(0, 256)) + "'");
  }
  claim.access_key = parts[0];
  claim.scope = {std::string(parts[1]), std::string(parts[2]), std::string(parts[3])};
  if (parts[4] != kTerminator) {
    return AuthError(AuthProblem::kBadScope, "Credential should be scoped with a valid terminator: 'aws4_request', not '" +
                                                 std::string(parts[4].substr(0, 64)) + "'.");
  }
  return {};
}

Result<void, AuthError> read_signed_headers(std::string_view text, Claim& claim) {
  bool host = false;
  for (std::string_view name : split(text, ';')) {
    if (name.empty()) return incomplete("SignedHeaders holds an empty header name.");
    claim.signed_headers.push_back(to_lower(name));
    host = host || claim.signed_headers.back() == "host" || claim.signed_headers.back() == ":authority";
  }
  if (claim.signed_headers.size() > limits::kHeaders) return incomplete("SignedHeaders names too many headers.");
  if (!host) {
    return AuthError(AuthProblem::kMismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  }
  return {};
}

// The request's own time, and that the scope's date is that day.
Result<void, AuthError> read_time(const net::HttpRequest& request, Claim& claim, std::string_view where) {
  if (claim.amz_date.empty()) {
    if (const std::string* date = request.headers.find("date")) {
      int64_t ms = parse_amz_date(*date);
      if (ms < 0) ms = parse_rfc7231(*date);
      if (ms >= 0) claim.amz_date = format_amz_date(ms);
    }
  }
  claim.time_ms = parse_amz_date(claim.amz_date);
  if (claim.time_ms < 0) {
    if (claim.presigned) return incomplete("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    return incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. " +
                      std::string(where));
  }
  if (std::string_view(claim.amz_date).substr(0, 8) != claim.scope.date) {
    return AuthError(AuthProblem::kBadScope,
                     "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
                         claim.scope.date.substr(0, 32) + "' != '" + claim.amz_date.substr(0, 8) + "', from '" +
                         claim.amz_date + "'.");
  }
  return {};
}

Result<Claim, AuthError> read_header_claim(const net::HttpRequest& request, std::string_view text) {
  Claim claim;
  size_t space = text.find_first_of(" \t");
  std::string_view algorithm = text.substr(0, space);
  if (algorithm != kAlgorithm) {
    return incomplete("Unsupported AWS 'algorithm': '" + std::string(algorithm.substr(0, 64)) + "'.");
  }
  std::string_view rest = space == std::string_view::npos ? std::string_view() : text.substr(space);
  std::optional<std::string_view> credential, headers, sig;
  for (std::string_view part : split(rest, ',')) {
    part = trim(part);
    if (part.empty()) continue;
    size_t eq = part.find('=');
    if (eq == std::string_view::npos) {
      return incomplete("'" + std::string(part.substr(0, 64)) +
                        "' not a valid key=value pair (missing equal-sign) in Authorization header.");
    }
    std::string_view name = trim(part.substr(0, eq)), value = trim(part.substr(eq + 1));
    std::optional<std::string_view>* slot = name == "Credential"      ? &credential
                                            : name == "SignedHeaders" ? &headers
                                            : name == "Signature"     ? &sig
                                                                      : nullptr;
    if (slot == nullptr) continue;
    if (slot->has_value()) return incomplete("Authorization header has '" + std::string(name) + "' twice.");
    *slot = value;
  }
  const std::string where = "(Hashed with SHA-256 and encoded with Base64) Authorization=" + base64_encode(sha256(text));
  std::string missing;
  if (!credential) missing += "Authorization header requires 'Credential' parameter. ";
  if (!sig) missing += "Authorization header requires 'Signature' parameter. ";
  if (!headers) missing += "Authorization header requires 'SignedHeaders' parameter. ";
  claim.amz_date = request.headers.get("x-amz-date");
  if (claim.amz_date.empty() && !request.headers.has("date")) {
    missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
  }
  if (!missing.empty()) return incomplete(missing + where);
  claim.signature = *sig;
  claim.token = request.headers.get("x-amz-security-token");
  claim.content_sha256 = request.headers.get("x-amz-content-sha256");
  TRY(read_credential(*credential, claim));
  TRY(read_signed_headers(*headers, claim));
  TRY(read_time(request, claim, where));
  return claim;
}

Result<Claim, AuthError> read_query_claim(const net::HttpRequest& request) {
  std::string_view query = request.query();
  Claim claim;
  claim.presigned = true;
  auto algorithm = query_value(query, "X-Amz-Algorithm");
  auto credential = query_value(query, "X-Amz-Credential");
  auto sig = query_value(query, "X-Amz-Signature");
  auto headers = query_value(query, "X-Amz-SignedHeaders");
  auto date = query_value(query, "X-Amz-Date");
  auto expires = query_value(query, "X-Amz-Expires");
  if (!algorithm || !credential || !sig || !headers || !date || !expires) {
    return incomplete(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, "
        "X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
  }
  if (*algorithm != kAlgorithm) return incomplete("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  std::optional<int64_t> seconds = parse_int(*expires);
  if (!seconds) return incomplete("X-Amz-Expires should be a number");
  if (*seconds < 0) return incomplete("X-Amz-Expires must be non-negative");
  if (*seconds > limits::kPresignedMaxS) {
    return incomplete(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 "
        "seconds");
  }
  claim.expires_s = *seconds;
  claim.signature = *sig;
  claim.amz_date = *date;
  claim.token = query_value(query, "X-Amz-Security-Token").value_or(std::string(request.headers.get("x-amz-security-token")));
  claim.content_sha256 =
      query_value(query, "X-Amz-Content-Sha256").value_or(std::string(request.headers.get("x-amz-content-sha256")));
  TRY(read_credential(*credential, claim));
  TRY(read_signed_headers(*headers, claim));
  TRY(read_time(request, claim, ""));
  return claim;
}

Result<void, AuthError> check_time(const Claim& claim, int64_t now_ms) {
  const int64_t skew = limits::kClockSkewMs;
  auto at = [](int64_t ms) { return format_amz_date(std::max<int64_t>(0, ms)); };
  if (claim.time_ms > now_ms + skew) {
    return AuthError(AuthProblem::kSkew, "Signature not yet current: " + claim.amz_date + " is still later than " +
                                             at(now_ms + skew) + " (" + at(now_ms) + " + 15 min.)");
  }
  if (claim.presigned) {
    if (now_ms >= claim.time_ms + claim.expires_s * 1000) {
      return AuthError(AuthProblem::kExpiredUrl, "Signature expired: " + at(claim.time_ms + claim.expires_s * 1000) +
                                                     " is now earlier than " + at(now_ms));
    }
  } else if (claim.time_ms < now_ms - skew) {
    return AuthError(AuthProblem::kSkew, "Signature expired: " + claim.amz_date + " is now earlier than " + at(now_ms - skew) +
                                             " (" + at(now_ms) + " - 15 min.)");
  }
  return {};
}

bool is_s3(std::string_view signing_service) {
  return signing_service == "s3" || signing_service == "s3-outposts";
}

}  // namespace

PathRules path_rules(std::string_view signing_service) {
  return is_s3(signing_service) ? PathRules{false, false} : PathRules{true, true};
}

std::string canonical_path(std::string_view wire_path, PathRules rules) {
  std::string path = rules.normalize ? normalized(wire_path) : std::string(wire_path.empty() ? "/" : wire_path);
  return rules.encode_again ? percent_encode(path, true) : encoded_once(path);
}

std::string canonical_query(std::string_view wire_query, const std::vector<std::string_view>& without) {
  if (wire_query.empty()) return {};
  std::vector<std::pair<std::string, std::string>> parts;
  for (std::string_view part : split(wire_query, '&')) {
    if (part.empty()) continue;
    size_t eq = part.find('=');
    std::string key = percent_decode(part.substr(0, eq));
    if (std::find(without.begin(), without.end(), key) != without.end()) continue;
    std::string value = eq == std::string_view::npos ? std::string() : percent_decode(part.substr(eq + 1));
    parts.emplace_back(percent_encode(key), percent_encode(value));
  }
  std::sort(parts.begin(), parts.end());
  std::string out;
  for (const auto& [key, value] : parts) {
    if (!out.empty()) out += '&';
    out += key;
    out += '=';
    out += value;
  }
  return out;
}

std::string canonical_request(const net::HttpRequest& request, const std::vector<std::string>& signed_headers,
                              std::string_view payload_hash, PathRules rules,
                              const std::vector<std::string_view>& without_query) {
  std::string out;
  out.reserve(1024);
  out += request.method;
  out += '\n';
  out += canonical_path(request.path(), rules);
  out += '\n';
  out += canonical_query(request.query(), without_query);
  out += '\n';
  for (const std::string& name : signed_headers) {
    out += name;
    out += ':';
    bool first = true;
    for (const auto& [field, value] : request.headers.fields()) {
      if (!iequals(field, name)) continue;
      if (!first) out += ',';
      first = false;
      append_header_value(out, value);
    }
    out += '\n';
  }
  out += '\n';
  for (size_t i = 0; i < signed_headers.size(); ++i) {
    if (i > 0) out += ';';
    out += signed_headers[i];
  }
  out += '\n';
  out += payload_hash;
  return out;
}

std::string string_to_sign(std::string_view amz_date, const Scope& scope, std::string_view canonical) {
  std::string out(kAlgorithm);
  out += '\n';
  out += amz_date;
  out += '\n';
  out += scope.text();
  out += '\n';
  out += sha256_hex(canonical);
  return out;
}

std::string signing_key(std::string_view secret, const Scope& scope) {
  std::string key = hmac_sha256("AWS4" + std::string(secret), scope.date);
  key = hmac_sha256(key, scope.region);
  key = hmac_sha256(key, scope.service);
  return hmac_sha256(key, kTerminator);
}

std::string signature(std::string_view key, std::string_view to_sign) {
  return to_hex(hmac_sha256(key, to_sign));
}

void sign_headers(net::HttpRequest& request, const Credentials& credentials, const SignOptions& options) {
  const std::string date = format_amz_date(options.now_ms);
  const Scope scope{date.substr(0, 8), options.region, options.service};
  request.headers.set("X-Amz-Date", date);
  std::string hash = options.payload_hash.empty() ? sha256_hex(request.body) : options.payload_hash;
  if (options.add_content_sha256) request.headers.set("X-Amz-Content-Sha256", hash);
  if (!credentials.token.empty() && !options.token_after_signing)
    request.headers.set("X-Amz-Security-Token", credentials.token);
  std::vector<std::string> names = headers_to_sign(request);
  if (options.token_after_signing) std::erase(names, "x-amz-security-token");
  std::string canonical = canonical_request(request, names, hash, options.rules.value_or(path_rules(options.service)));
  std::string sig = signature(signing_key(credentials.secret, scope), string_to_sign(date, scope, canonical));
  if (!credentials.token.empty() && options.token_after_signing) request.headers.set("X-Amz-Security-Token", credentials.token);
  request.headers.set("Authorization", std::string(kAlgorithm) + " Credential=" + credentials.access_key + "/" + scope.text() +
                                           ", SignedHeaders=" + join(names, ";") + ", Signature=" + sig);
}

void sign_query(net::HttpRequest& request, const Credentials& credentials, const SignOptions& options) {
  const std::string date = format_amz_date(options.now_ms);
  const Scope scope{date.substr(0, 8), options.region, options.service};
  std::vector<std::string> names = headers_to_sign(request);
  auto add = [&request](std::string_view name, std::string_view value) {
    request.target += request.target.find('?') == std::string::npos ? '?' : '&';
    request.target += name;
    request.target += '=';
    request.target += percent_encode(value);
  };
  add("X-Amz-Algorithm", kAlgorithm);
  add("X-Amz-Credential", credentials.access_key + "/" + scope.text());
  add("X-Amz-Date", date);
  add("X-Amz-SignedHeaders", join(names, ";"));
  add("X-Amz-Expires", std::to_string(options.expires_s));
  if (!credentials.token.empty() && !options.token_after_signing) add("X-Amz-Security-Token", credentials.token);
  std::string hash = options.payload_hash;
  if (hash.empty()) hash = is_s3(options.service) ? std::string(kUnsignedPayload) : sha256_hex(request.body);
  std::string canonical = canonical_request(request, names, hash, options.rules.value_or(path_rules(options.service)));
  std::string sig = signature(signing_key(credentials.secret, scope), string_to_sign(date, scope, canonical));
  if (!credentials.token.empty() && options.token_after_signing) add("X-Amz-Security-Token", credentials.token);
  add("X-Amz-Signature", sig);
}

Result<Claim, AuthError> read_claim(const net::HttpRequest& request) {
  const std::string* header = request.headers.find("authorization");
  bool in_query = request.query().find("X-Amz-") != std::string_view::npos &&
                  (query_value(request.query(), "X-Amz-Algorithm") || query_value(request.query(), "X-Amz-Signature") ||
                   query_value(request.query(), "X-Amz-Credential"));
  if (header != nullptr && in_query) {
    return incomplete(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or "
        "the Authorization header should be specified");
  }
  if (in_query) return read_query_claim(request);
  if (header == nullptr) return AuthError(AuthProblem::kMissing, "Missing Authentication Token");
  return read_header_claim(request, trim(*header));
}

std::string SigningKeys::get(const std::string& access_key, std::string_view secret, const Scope& scope) {
  std::string name = access_key + '/' + scope.text();
  std::string found = entries_.with([&](auto& entries) {
    auto it = entries.find(name);
    return it != entries.end() && it->second.secret == secret ? it->second.key : std::string();
  });
  if (!found.empty()) return found;
  std::string key = signing_key(secret, scope);
  entries_.with([&](auto& entries) {
    // Scopes change once a day; emptying a full table costs four HMACs an entry, and needs no order of use.
    if (entries.size() >= kKeptKeys) entries.clear();
    entries.insert_or_assign(std::move(name), Entry{std::string(secret), key});
  });
  return key;
}

void SigningKeys::clear() {
  entries_.with([](auto& entries) { entries.clear(); });
}

Result<void, AuthError> check_claim(const Claim& claim, const net::HttpRequest& request, std::string_view payload_hash,
                                    std::string_view secret, int64_t now_ms, SigningKeys& keys) {
  TRY(check_time(claim, now_ms));
  const PathRules rules = path_rules(claim.scope.service);
  std::string key = keys.get(claim.access_key, secret, claim.scope);
  std::vector<std::string_view> without;
  if (claim.presigned) without.push_back("X-Amz-Signature");
  // A presigned token may have been added before or after signing; the second is tried last. It stays bound to the key, since
  // temporary credentials are found by key and token.
  for (int round = 0; round < (claim.presigned && !claim.token.empty() ? 2 : 1); ++round) {
    if (round == 1) without.push_back("X-Amz-Security-Token");
    std::string canonical = canonical_request(request, claim.signed_headers, payload_hash, rules, without);
    std::string expected = signature(key, string_to_sign(claim.amz_date, claim.scope, canonical));
    if (constant_time_equal(expected, claim.signature)) return {};
  }
  return AuthError(
      AuthProblem::kMismatch,
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
      "Key and signing method. Consult the service documentation for details.");
}

bool is_streaming_payload(std::string_view content_sha256) {
  return content_sha256.substr(0, 10) == "STREAMING-";
}

Result<std::string, AuthError> expected_payload_hash(const Claim& claim, const net::HttpRequest& request) {
  const std::string& said = claim.content_sha256;
  if (said.empty()) {
    if (!is_s3(claim.scope.service)) return sha256_hex(request.body);
    if (claim.presigned) return std::string(kUnsignedPayload);
    return AuthError(AuthProblem::kMissingPayloadHash, "Missing required header for this request: x-amz-content-sha256");
  }
  if (said == kUnsignedPayload || said == kStreamingSigned || said == kStreamingSignedTrailer ||
      said == kStreamingUnsignedTrailer) {
    return said;
  }
  if (!is_hex64(said)) {
    return AuthError(AuthProblem::kPayloadHash,
                     "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                     "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.");
  }
  if (sha256_hex(request.body) != said) {
    return AuthError(AuthProblem::kPayloadHash, "The provided 'x-amz-content-sha256' header does not match what was computed.");
  }
  return said;
}

}  // namespace savia::aws

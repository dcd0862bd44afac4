#include "aws/auth_fault.h"

namespace savia::aws {
namespace {

// Which of AWS's front ends answers: the older RPC ones (query, ec2; json; cbor), the REST one, or S3's own.
enum class Face { kQuery, kJson, kRest, kS3 };

Face face_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::kQuery:
    case Protocol::kEc2:
      return Face::kQuery;
    case Protocol::kJson10:
    case Protocol::kJson11:
    case Protocol::kCbor:
      return Face::kJson;
    case Protocol::kRestJson:
      return Face::kRest;
    case Protocol::kRestXml:
      return Face::kS3;
  }
  return Face::kJson;
}

// Query services name the fault without "Exception" and send 403; json services send 400, rest ones 403.
Fault general(Face face, const std::string& code, std::string message, int query_status = 403) {
  if (face == Face::kQuery) return {code, std::move(message), query_status};
  return {code + "Exception", std::move(message), face == Face::kJson ? 400 : 403};
}

constexpr const char* kInvalidToken = "The security token included in the request is invalid.";

Fault s3_fault(const AuthError& e) {
  switch (e.problem) {
    case AuthProblem::kMissing:
      return {"AccessDenied", "Access Denied", 403};
    case AuthProblem::kIncomplete:
    case AuthProblem::kBadScope:
      return {"AuthorizationHeaderMalformed", "The authorization header is malformed; " + e.message, 400};
    case AuthProblem::kUnknownKey:
    case AuthProblem::kInactiveKey:
      return {"InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403};
    case AuthProblem::kBadToken:
      return {"InvalidToken", "The provided token is malformed or otherwise invalid.", 400};
    case AuthProblem::kExpiredToken:
      return {"ExpiredToken", "The provided token has expired.", 400};
    case AuthProblem::kSkew:
      return {"RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", 403};
    case AuthProblem::kExpiredUrl:
      return {"AccessDenied", "Request has expired", 403};
    case AuthProblem::kMismatch:
      return {
          "SignatureDoesNotMatch",
          "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
          403};
    case AuthProblem::kPayloadHash:
      return {"XAmzContentSHA256Mismatch", e.message, 400};
    case AuthProblem::kMissingPayloadHash:
      return {"InvalidRequest", e.message, 400};
    case AuthProblem::kBadChunk:
      return {"IncompleteBody", e.message, 400};
    case AuthProblem::kBadChecksum:
      return {"BadDigest", e.message, 400};
    case AuthProblem::kBadTrailer:
      return {"MalformedTrailerError", e.message, 400};
  }
  return {"AccessDenied", "Access Denied", 403};
}

}  // namespace

Fault auth_fault(const AuthError& e, Protocol protocol) {
  const Face face = face_of(protocol);
  if (face == Face::kS3) return s3_fault(e);
  switch (e.problem) {
    case AuthProblem::kMissing:
      return general(face, "MissingAuthenticationToken",
                     face == Face::kRest ? "Missing Authentication Token" : "Request is missing Authentication Token");
    case AuthProblem::kIncomplete:
      return general(face, "IncompleteSignature", e.message, 400);
    case AuthProblem::kUnknownKey:
    case AuthProblem::kInactiveKey:
    case AuthProblem::kBadToken:
      if (face == Face::kQuery) return {"InvalidClientTokenId", kInvalidToken, 403};
      return general(face, "UnrecognizedClient", kInvalidToken);
    case AuthProblem::kExpiredToken:
      return general(face, "ExpiredToken", "The security token included in the request is expired");
    case AuthProblem::kPayloadHash:
      return general(
          face, face == Face::kQuery ? "SignatureDoesNotMatch" : "InvalidSignature",
          "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
          "Key and signing method. Consult the service documentation for details.");
    case AuthProblem::kSkew:
    case AuthProblem::kExpiredUrl:
    case AuthProblem::kBadScope:
    case AuthProblem::kMismatch:
      return general(face, face == Face::kQuery ? "SignatureDoesNotMatch" : "InvalidSignature", e.message);
    case AuthProblem::kMissingPayloadHash:
    case AuthProblem::kBadChunk:
    case AuthProblem::kBadChecksum:
    case AuthProblem::kBadTrailer:
      return {face == Face::kQuery ? "InvalidRequest" : "InvalidRequestException", e.message, 400};
  }
  return general(face, "AccessDenied", "Access Denied");
}

}  // namespace savia::aws

// JSON Web Tokens in compact form (RFC 7519): parsing and checks that need no key.
#pragma once

#include <string>
#include <vector>

#include <absl/strings/string_view.h>
#include <google/protobuf/struct.pb.h>

namespace proxy {

struct Jwt {
  std::string algorithm, kid;
  google::protobuf::Struct header, payload;
  absl::string_view payload_text;  // base64url, a view of the token.
  absl::string_view signed_text;   // Header and payload, as signed.
  std::string signature;
  // "iss", "sub"; empty if absent. "aud" may be a string or a list.
  std::string issuer, subject;
  std::vector<std::string> audiences;
  // Seconds since 1970; negative if absent.
  double expires = -1, not_before = -1, issued = -1;
};

// Why a token, or a request, is refused. The texts are what clients are told.
enum class JwtStatus : uint8_t {
  kOk,
  kMissing,
  kNotCompact,
  kHeaderEncoding,
  kHeaderJson,
  kHeaderAlgorithm,
  kPayloadEncoding,
  kPayloadJson,
  kSignatureEncoding,
  kUnknownIssuer,
  kAudience,
  kSubject,
  kExpired,
  kNotYet,
  kNoExpiration,
  kLifetime,
  kSignature,
  kNoKey,
  kFetchFailed,
};
const char* JwtStatusText(JwtStatus status);

// Reads `token` into `jwt`, which then has views of it. Checks nothing but form.
JwtStatus ParseJwt(absl::string_view token, Jwt& jwt);

// The claim at `path`, whose parts are joined by dots; null if there is none.
const google::protobuf::Value* FindClaim(const google::protobuf::Struct& payload,
                                         absl::string_view path);

}  // namespace proxy

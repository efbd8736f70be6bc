// The compact form of a token, taken apart.
#include "proxy/filters/jwt.h"

#include <google/protobuf/util/json_util.h>

#include "proxy/filters/jwks.h"

namespace proxy {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

bool ReadJson(const std::string& text, Struct& into) {
  return google::protobuf::util::JsonStringToMessage(text, &into).ok();
}

// False: the claim is there and not a string.
bool ReadText(const Struct& from, const char* name, std::string& into) {
  const auto found = from.fields().find(name);
  if (found == from.fields().end()) return true;
  if (found->second.kind_case() != Value::kStringValue) return false;
  into = found->second.string_value();
  return true;
}

// False: the claim is there and not a positive number.
bool ReadTime(const Struct& from, const char* name, double& into) {
  const auto found = from.fields().find(name);
  if (found == from.fields().end()) return true;
  if (found->second.kind_case() != Value::kNumberValue || !(found->second.number_value() >= 0)) {
    return false;
  }
  into = found->second.number_value();
  return true;
}

bool ReadAudiences(const Struct& from, std::vector<std::string>& into) {
  const auto found = from.fields().find("aud");
  if (found == from.fields().end()) return true;
  if (found->second.kind_case() == Value::kStringValue) {
    into.push_back(found->second.string_value());
    return true;
  }
  if (found->second.kind_case() != Value::kListValue) return false;
  for (const Value& one : found->second.list_value().values()) {
    if (one.kind_case() != Value::kStringValue) return false;
    into.push_back(one.string_value());
  }
  return true;
}

}  // namespace

const char* JwtStatusText(JwtStatus status) {
  switch (status) {
    case JwtStatus::kOk: return "OK";
    case JwtStatus::kMissing: return "Jwt is missing";
    case JwtStatus::kNotCompact:
      return "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    case JwtStatus::kHeaderEncoding: return "Jwt header is an invalid Base64url encoded";
    case JwtStatus::kHeaderJson: return "Jwt header is an invalid JSON";
    case JwtStatus::kHeaderAlgorithm: return "Jwt header [alg] is not supported";
    case JwtStatus::kPayloadEncoding: return "Jwt payload is an invalid Base64url encoded";
    case JwtStatus::kPayloadJson: return "Jwt payload is an invalid JSON";
    case JwtStatus::kSignatureEncoding: return "Jwt signature is an invalid Base64url encoded";
    case JwtStatus::kUnknownIssuer: return "Jwt issuer is not configured";
    case JwtStatus::kAudience: return "Audiences in Jwt are not allowed";
    case JwtStatus::kSubject: return "Jwt subject is not allowed";
    case JwtStatus::kExpired: return "Jwt is expired";
    case JwtStatus::kNotYet: return "Jwt not yet valid";
    case JwtStatus::kNoExpiration: return "Jwt has no expiration";
    case JwtStatus::kLifetime: return "Jwt lifetime is too long";
    case JwtStatus::kSignature: return "Jwt verification fails";
    case JwtStatus::kNoKey: return "Jwks doesn't have key to match kid or alg from Jwt";
    case JwtStatus::kFetchFailed: return "Jwks remote fetch is failed";
  }
  return "";
}

JwtStatus ParseJwt(absl::string_view token, Jwt& jwt) {
  const size_t first = token.find('.');
  const size_t second = token.rfind('.');
  if (first == absl::string_view::npos || first == second || token.find('.', first + 1) != second ||
      second + 1 == token.size()) {
    return JwtStatus::kNotCompact;
  }
  std::string text;
  if (!DecodeBase64Url(token.substr(0, first), text)) return JwtStatus::kHeaderEncoding;
  if (!ReadJson(text, jwt.header)) return JwtStatus::kHeaderJson;
  if (!ReadText(jwt.header, "alg", jwt.algorithm) || jwt.algorithm.empty()) {
    return JwtStatus::kHeaderAlgorithm;
  }
  // Extensions that must be understood are not (RFC 7515 §4.1.11).
  if (!ReadText(jwt.header, "kid", jwt.kid) || jwt.header.fields().contains("crit")) {
    return JwtStatus::kHeaderJson;
  }
  static constexpr const char* kKnown[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                           "PS512", "ES256", "ES384", "ES512", "HS256",
                                           "HS384", "HS512", "EdDSA"};
  bool known = false;
  for (const char* one : kKnown) known = known || jwt.algorithm == one;
  if (!known) return JwtStatus::kHeaderAlgorithm;
  jwt.payload_text = token.substr(first + 1, second - first - 1);
  if (!DecodeBase64Url(jwt.payload_text, text)) return JwtStatus::kPayloadEncoding;
  if (!ReadJson(text, jwt.payload) || !ReadText(jwt.payload, "iss", jwt.issuer) ||
      !ReadText(jwt.payload, "sub", jwt.subject) || !ReadTime(jwt.payload, "exp", jwt.expires) ||
      !ReadTime(jwt.payload, "nbf", jwt.not_before) || !ReadTime(jwt.payload, "iat", jwt.issued) ||
      !ReadAudiences(jwt.payload, jwt.audiences)) {
    return JwtStatus::kPayloadJson;
  }
  if (!DecodeBase64Url(token.substr(second + 1), jwt.signature)) {
    return JwtStatus::kSignatureEncoding;
  }
  jwt.signed_text = token.substr(0, second);
  return JwtStatus::kOk;
}

const Value* FindClaim(const Struct& payload, absl::string_view path) {
  const Struct* level = &payload;
  while (true) {
    const size_t dot = path.find('.');
    // A name with dots in it (a URL) stands for itself.
    const auto whole = level->fields().find(std::string(path));
    if (whole != level->fields().end()) return &whole->second;
    if (dot == absl::string_view::npos) return nullptr;
    const auto part = level->fields().find(std::string(path.substr(0, dot)));
    if (part == level->fields().end() || !part->second.has_struct_value()) return nullptr;
    level = &part->second.struct_value();
    path.remove_prefix(dot + 1);
  }
}

}  // namespace proxy

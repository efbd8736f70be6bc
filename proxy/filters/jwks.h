// JSON Web Keys and the signatures that they verify (RFC 7515, 7517, 7518, 8037).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <openssl/evp.h>

namespace proxy {

// One key. Immutable; any thread.
struct Jwk {
  std::string kid, alg;           // May be empty.
  std::string kty;                // "RSA", "EC", "OKP" or "oct".
  std::string curve;              // EC: "P-256", "P-384", "P-521"; OKP: "Ed25519".
  bssl::UniquePtr<EVP_PKEY> key;  // RSA and EC.
  std::string bytes;              // OKP: the public key; oct: the secret.
  // Whether `signature` of `text` by `algorithm` ("RS256", "ES256", ...) is this key's. An
  // algorithm that does not fit the key, or "none", never is.
  bool Verifies(absl::string_view algorithm, absl::string_view text,
                absl::string_view signature) const;
};

struct Jwks {
  std::vector<Jwk> keys;
  // Whether one of the keys verifies: those named `kid` (all if it is empty; those without a name
  // always) whose own algorithm, if they have one, is `algorithm`. kNoKey: there is none of them.
  enum class Answer : uint8_t { kGood, kBad, kNoKey };
  Answer Verify(absl::string_view kid, absl::string_view algorithm, absl::string_view text,
                absl::string_view signature) const;
};

// Keys of other kinds, or meant for encryption, are left out (RFC 7517 §5).
// Errors: InvalidArgument if it is no key set, or holds no key of a kind that is known.
absl::StatusOr<std::shared_ptr<const Jwks>> ParseJwks(const std::string& json);

// Strict: no padding, no other alphabet, no spaces (RFC 7515 §2). False if it is not base64url.
bool DecodeBase64Url(absl::string_view text, std::string& bytes);

}  // namespace proxy

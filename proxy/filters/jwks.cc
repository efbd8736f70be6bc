// Reads key sets and verifies signatures with BoringSSL.
#include "proxy/filters/jwks.h"

#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

namespace proxy {
namespace {

using google::protobuf::Struct;

constexpr unsigned kRsaBitsMin = 2048;  // RFC 7518 §3.3
constexpr unsigned kRsaBitsMax = 8192;  // Beyond it one verification takes milliseconds.

const uint8_t* Raw(absl::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

std::string TextOf(const Struct& object, const char* name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? "" : found->second.string_value();
}

bool BytesOf(const Struct& object, const char* name, std::string& bytes) {
  return DecodeBase64Url(TextOf(object, name), bytes) && !bytes.empty();
}

bssl::UniquePtr<BIGNUM> Number(const std::string& bytes) {
  return bssl::UniquePtr<BIGNUM>(BN_bin2bn(Raw(bytes), bytes.size(), nullptr));
}

bssl::UniquePtr<EVP_PKEY> ReadRsa(const Struct& object) {
  std::string n, e;
  if (!BytesOf(object, "n", n) || !BytesOf(object, "e", e)) return nullptr;
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<BIGNUM> modulus = Number(n);
  bssl::UniquePtr<BIGNUM> exponent = Number(e);
  const unsigned bits = BN_num_bits(modulus.get());
  if (bits < kRsaBitsMin || bits > kRsaBitsMax) return nullptr;
  if (RSA_set0_key(rsa.get(), modulus.get(), exponent.get(), nullptr) != 1) return nullptr;
  (void)modulus.release();
  (void)exponent.release();
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (EVP_PKEY_set1_RSA(key.get(), rsa.get()) != 1) return nullptr;
  return key;
}

bssl::UniquePtr<EVP_PKEY> ReadEc(const Struct& object, const std::string& curve) {
  const int nid = curve == "P-256"   ? NID_X9_62_prime256v1
                  : curve == "P-384" ? NID_secp384r1
                  : curve == "P-521" ? NID_secp521r1
                                     : 0;
  std::string x, y;
  if (nid == 0 || !BytesOf(object, "x", x) || !BytesOf(object, "y", y)) return nullptr;
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(nid));
  // Fails if the point is not on the curve.
  if (ec == nullptr ||
      EC_KEY_set_public_key_affine_coordinates(ec.get(), Number(x).get(), Number(y).get()) != 1) {
    return nullptr;
  }
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) != 1) return nullptr;
  return key;
}

// False: not a key that can be used here.
bool ReadKey(const Struct& object, Jwk& jwk) {
  jwk.kty = TextOf(object, "kty");
  jwk.kid = TextOf(object, "kid");
  jwk.alg = TextOf(object, "alg");
  jwk.curve = TextOf(object, "crv");
  if (TextOf(object, "use") == "enc") return false;
  if (jwk.kty == "RSA") return (jwk.key = ReadRsa(object)) != nullptr;
  if (jwk.kty == "EC") return (jwk.key = ReadEc(object, jwk.curve)) != nullptr;
  if (jwk.kty == "OKP") {
    return jwk.curve == "Ed25519" && BytesOf(object, "x", jwk.bytes) &&
           jwk.bytes.size() == ED25519_PUBLIC_KEY_LEN;
  }
  return jwk.kty == "oct" && BytesOf(object, "k", jwk.bytes);
}

const EVP_MD* DigestOf(absl::string_view algorithm) {
  const absl::string_view size = algorithm.size() == 5 ? algorithm.substr(2) : "";
  if (size == "256") return EVP_sha256();
  if (size == "384") return EVP_sha384();
  if (size == "512") return EVP_sha512();
  return nullptr;
}

bool VerifyDigest(EVP_PKEY* key, const EVP_MD* digest, bool pss, absl::string_view text,
                  absl::string_view signature) {
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX* parameters = nullptr;
  if (EVP_DigestVerifyInit(context.get(), &parameters, digest, nullptr, key) != 1) return false;
  if (pss && (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
              EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, -1) != 1)) {
    return false;
  }
  return EVP_DigestVerify(context.get(), Raw(signature), signature.size(), Raw(text),
                          text.size()) == 1;
}

// JWS has r and s side by side (RFC 7518 §3.4), BoringSSL wants them in DER.
bool VerifyEcdsa(EVP_PKEY* key, const EVP_MD* digest, absl::string_view text,
                 absl::string_view signature, size_t half) {
  if (signature.size() != 2 * half) return false;
  bssl::UniquePtr<ECDSA_SIG> pair(ECDSA_SIG_new());
  if (BN_bin2bn(Raw(signature), half, pair->r) == nullptr ||
      BN_bin2bn(Raw(signature) + half, half, pair->s) == nullptr) {
    return false;
  }
  uint8_t* der = nullptr;
  size_t length = 0;
  if (ECDSA_SIG_to_bytes(&der, &length, pair.get()) != 1) return false;
  const bssl::UniquePtr<uint8_t> owned(der);
  return VerifyDigest(key, digest, false, text, {reinterpret_cast<const char*>(der), length});
}

bool VerifyHmac(const std::string& secret, const EVP_MD* digest, absl::string_view text,
                absl::string_view signature) {
  uint8_t mac[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(digest, secret.data(), secret.size(), Raw(text), text.size(), mac, &length);
  return signature.size() == length && CRYPTO_memcmp(mac, signature.data(), length) == 0;
}

}  // namespace

bool Jwk::Verifies(absl::string_view algorithm, absl::string_view text,
                   absl::string_view signature) const {
  if (!alg.empty() && alg != algorithm) return false;
  bool good = false;
  if (algorithm == "EdDSA") {
    good = kty == "OKP" && signature.size() == ED25519_SIGNATURE_LEN &&
           ED25519_verify(Raw(text), text.size(), Raw(signature), Raw(bytes)) == 1;
    ERR_clear_error();
    return good;
  }
  const EVP_MD* digest = DigestOf(algorithm);
  if (digest == nullptr) return false;
  const absl::string_view family = algorithm.substr(0, 2);
  if (kty == "RSA" && (family == "RS" || family == "PS")) {
    good = VerifyDigest(key.get(), digest, family == "PS", text, signature);
  } else if (kty == "EC" && family == "ES") {
    // Each algorithm has its own curve (RFC 7518 §3.4).
    if (curve == "P-256" && algorithm == "ES256") {
      good = VerifyEcdsa(key.get(), digest, text, signature, 32);
    } else if (curve == "P-384" && algorithm == "ES384") {
      good = VerifyEcdsa(key.get(), digest, text, signature, 48);
    } else if (curve == "P-521" && algorithm == "ES512") {
      good = VerifyEcdsa(key.get(), digest, text, signature, 66);
    }
  } else if (kty == "oct" && family == "HS") {
    good = VerifyHmac(bytes, digest, text, signature);
  }
  ERR_clear_error();
  return good;
}

Jwks::Answer Jwks::Verify(absl::string_view kid, absl::string_view algorithm,
                          absl::string_view text, absl::string_view signature) const {
  Answer answer = Answer::kNoKey;
  for (const Jwk& key : keys) {
    if (!kid.empty() && !key.kid.empty() && key.kid != kid) continue;
    if (!key.alg.empty() && key.alg != algorithm) continue;
    if (key.Verifies(algorithm, text, signature)) return Answer::kGood;
    answer = Answer::kBad;
  }
  return answer;
}

absl::StatusOr<std::shared_ptr<const Jwks>> ParseJwks(const std::string& json) {
  Struct whole;
  if (!google::protobuf::util::JsonStringToMessage(json, &whole).ok()) {
    return absl::InvalidArgumentError("not JSON");
  }
  const auto list = whole.fields().find("keys");
  if (list == whole.fields().end() || !list->second.has_list_value()) {
    return absl::InvalidArgumentError("needs a list 'keys'");
  }
  auto jwks = std::make_shared<Jwks>();
  for (const auto& one : list->second.list_value().values()) {
    if (!one.has_struct_value()) continue;
    Jwk jwk;
    if (ReadKey(one.struct_value(), jwk)) jwks->keys.push_back(std::move(jwk));
  }
  ERR_clear_error();
  if (jwks->keys.empty()) return absl::InvalidArgumentError("holds no key that can be used");
  return std::shared_ptr<const Jwks>(std::move(jwks));
}

bool DecodeBase64Url(absl::string_view text, std::string& bytes) {
  if (text.size() % 4 == 1) return false;
  const bool alphabet = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
  return alphabet && absl::WebSafeBase64Unescape(text, &bytes);
}

}  // namespace proxy

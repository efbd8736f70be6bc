#include <catch2/catch.hpp>

#include <absl/strings/str_cat.h>

#include "proxy/filters/jwks.h"
#include "proxy/filters/jwt.h"

namespace proxy {
namespace {

// RFC 7515 appendix A, RFC 8037 appendix A: the same payload under each algorithm.
constexpr char kPayload[] =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlf"
    "Q";
constexpr char kHmacHead[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
constexpr char kHmacSignature[] = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
constexpr char kHmacKey[] =
    R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})";
constexpr char kRsaHead[] = "eyJhbGciOiJSUzI1NiJ9";
constexpr char kRsaSignature[] =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L"
    "07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUi"
    "pUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
constexpr char kRsaKey[] =
    R"({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})";
constexpr char kEcHead[] = "eyJhbGciOiJFUzI1NiJ9";
constexpr char kEcSignature[] =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
constexpr char kEcKey[] =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
constexpr char kEdText[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
constexpr char kEdSignature[] =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
constexpr char kEdKey[] =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

std::shared_ptr<const Jwks> Keys(const std::string& key) {
  auto keys = ParseJwks("{\"keys\":[" + key + "]}");
  return keys.ok() ? *keys : nullptr;
}

bool Verifies(const std::string& key, const char* algorithm, const std::string& text,
              const std::string& signature) {
  std::string bytes;
  REQUIRE(DecodeBase64Url(signature, bytes));
  const auto keys = Keys(key);
  REQUIRE(keys != nullptr);
  return keys->Verify("", algorithm, text, bytes) == Jwks::Answer::kGood;
}

}  // namespace

TEST_CASE("jwks: the signatures of the RFCs' examples are good, and changed texts are not") {
  const std::string dot = std::string(".") + kPayload;
  CHECK(Verifies(kHmacKey, "HS256", kHmacHead + dot, kHmacSignature));
  CHECK(Verifies(kRsaKey, "RS256", kRsaHead + dot, kRsaSignature));
  CHECK(Verifies(kEcKey, "ES256", kEcHead + dot, kEcSignature));
  CHECK(Verifies(kEdKey, "EdDSA", kEdText, kEdSignature));
  CHECK_FALSE(Verifies(kHmacKey, "HS256", kHmacHead + dot + "x", kHmacSignature));
  CHECK_FALSE(Verifies(kRsaKey, "RS256", kRsaHead + dot + "x", kRsaSignature));
  CHECK_FALSE(Verifies(kEcKey, "ES256", kEcHead + dot + "x", kEcSignature));
  CHECK_FALSE(Verifies(kEdKey, "EdDSA", std::string(kEdText) + "x", kEdSignature));
}

TEST_CASE("jwks: a key serves no algorithm but its own") {
  const std::string rsa = std::string(kRsaHead) + "." + kPayload;
  for (const char* other :
       {"RS384", "PS256", "HS256", "ES256", "EdDSA", "none", "", "RS25", "rs256"}) {
    CHECK_FALSE(Verifies(kRsaKey, other, rsa, kRsaSignature));
  }
  const std::string ec = std::string(kEcHead) + "." + kPayload;
  CHECK_FALSE(Verifies(kEcKey, "ES384", ec, kEcSignature));
  CHECK_FALSE(Verifies(kEcKey, "ES512", ec, kEcSignature));
  // The key says which algorithm it is for.
  std::string bound = kRsaKey;
  bound.insert(1, R"("alg":"RS512",)");
  CHECK_FALSE(Verifies(bound, "RS256", rsa, kRsaSignature));
}

TEST_CASE("jwks: keys are chosen by their id where there is one") {
  std::string named = kRsaKey;
  named.insert(1, R"("kid":"a",)");
  const auto keys = Keys(named);
  std::string signature;
  REQUIRE(DecodeBase64Url(kRsaSignature, signature));
  const std::string text = std::string(kRsaHead) + "." + kPayload;
  CHECK(keys->Verify("a", "RS256", text, signature) == Jwks::Answer::kGood);
  CHECK(keys->Verify("", "RS256", text, signature) == Jwks::Answer::kGood);
  CHECK(keys->Verify("b", "RS256", text, signature) == Jwks::Answer::kNoKey);
}

TEST_CASE("jwks: weak, broken and foreign keys are left out") {
  CHECK(Keys(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})") == nullptr);
  CHECK(Keys(R"({"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"})") == nullptr);  // Off the curve.
  CHECK(Keys(R"({"kty":"EC","crv":"secp256k1","x":"AQAB","y":"AQAB"})") == nullptr);
  CHECK(Keys(R"({"kty":"OKP","crv":"Ed25519","x":"AQAB"})") == nullptr);
  CHECK(Keys(R"({"kty":"oct","k":""})") == nullptr);
  CHECK(Keys(R"({"kty":1})") == nullptr);
  std::string other_use = kRsaKey;
  other_use.insert(1, R"("use":"enc",)");
  CHECK(Keys(other_use) == nullptr);
  CHECK(Keys(std::string(R"({"kty":"new"},)") + kRsaKey)->keys.size() == 1);
  CHECK_FALSE(ParseJwks("").ok());
  CHECK_FALSE(ParseJwks("[]").ok());
  CHECK_FALSE(ParseJwks("{}").ok());
}

TEST_CASE("jwks: base64url is read strictly") {
  std::string bytes;
  CHECK(DecodeBase64Url("", bytes));
  CHECK(DecodeBase64Url("_-8", bytes));
  CHECK(bytes == "\xff\xef");
  for (const char* wrong : {"a", "YQ==", "YQ=", "+/8", "Y Q", "YQ\n"}) {
    CHECK_FALSE(DecodeBase64Url(wrong, bytes));
  }
}

TEST_CASE("jwt: the parts of a token") {
  const std::string token = absl::StrCat(kHmacHead, ".", kPayload, ".", kHmacSignature);
  Jwt jwt;
  REQUIRE(ParseJwt(token, jwt) == JwtStatus::kOk);
  CHECK(jwt.algorithm == "HS256");
  CHECK(jwt.issuer == "joe");
  CHECK(jwt.expires == 1300819380);
  CHECK(FindClaim(jwt.payload, "http://example.com/is_root")->bool_value());
}

TEST_CASE("jwt: what is no token says what is wrong with it") {
  const auto status = [](const std::string& token) {
    Jwt jwt;
    return ParseJwt(token, jwt);
  };
  CHECK(status("") == JwtStatus::kNotCompact);
  CHECK(status("a.b") == JwtStatus::kNotCompact);
  CHECK(status("e30.e30.") == JwtStatus::kNotCompact);
  CHECK(status("a.b.c.d") == JwtStatus::kNotCompact);
  CHECK(status("a.e30.AAAA") == JwtStatus::kHeaderEncoding);
  CHECK(status("YQ.e30.AAAA") == JwtStatus::kHeaderJson);
  CHECK(status("e30.e30.AAAA") == JwtStatus::kHeaderAlgorithm);                  // {}
  CHECK(status("eyJhbGciOiJub25lIn0.e30.AAAA") == JwtStatus::kHeaderAlgorithm);  // "none"
  CHECK(status("eyJhbGciOiJIUzI1NiJ9.%.AAAA") == JwtStatus::kPayloadEncoding);
  CHECK(status("eyJhbGciOiJIUzI1NiJ9.YQ.AAAA") == JwtStatus::kPayloadJson);
  CHECK(status("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOiJ4In0.AAAA") ==
        JwtStatus::kPayloadJson);  // exp: "x"
  CHECK(status("eyJhbGciOiJIUzI1NiJ9.e30.%") == JwtStatus::kSignatureEncoding);
  CHECK(status("eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYiJdfQ.e30.AAAA") ==
        JwtStatus::kHeaderJson);  // crit
}

}  // namespace proxy

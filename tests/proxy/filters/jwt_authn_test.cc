#include <catch2/catch.hpp>

#include <openssl/hmac.h>

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

#include "proxy/http/metadata.h"
#include "tests/testing/proxy/filter_bench.h"

namespace proxy {
namespace {

constexpr char kSecret[] = "a secret of thirty-two bytes, ok";
constexpr int64_t kNow = 1'700'000'000;  // FakeClock's.

std::string Base64(const std::string& text) {
  std::string out = absl::WebSafeBase64Escape(text);
  return out;
}

std::string Keys() {
  return absl::StrCat(R"({"keys":[{"kty":"oct","k":")", Base64(kSecret), R"("}]})");
}

std::string Token(const std::string& payload) {
  const std::string text = Base64(R"({"alg":"HS256"})") + "." + Base64(payload);
  uint8_t mac[32];
  unsigned length = 0;
  HMAC(EVP_sha256(), kSecret, sizeof(kSecret) - 1, reinterpret_cast<const uint8_t*>(text.data()),
       text.size(), mac, &length);
  return text + "." + Base64(std::string(reinterpret_cast<char*>(mac), length));
}

std::string Config(const std::string& provider, const std::string& requires_ = "provider_name: p") {
  return absl::StrCat("providers:\n  p: {issuer: me, local_jwks: {inline_string: '", Keys(), "'}, ",
                      provider, "}\n  q: {issuer: you, local_jwks: {inline_string: '", Keys(),
                      "'}}\nrules: [{match: {prefix: /}, requires: {", requires_, "}}]\n");
}

// The status of a request with these tokens in Authorization fields; 200 if it passes.
int Ask(FilterBench& bench, std::vector<std::string> payloads) {
  bench.head.headers.Remove("authorization");
  for (const std::string& payload : payloads) {
    bench.head.headers.Add("authorization", "Bearer " + Token(payload));
  }
  bench.Get();
  return bench.reply ? bench.reply->status : 200;
}

std::string ValueOf(const FilterBench& bench, absl::string_view name) {
  const Header* found = bench.head.headers.Find(name);
  return found == nullptr ? "-" : std::string(found->value);
}

}  // namespace

TEST_CASE("jwt: a good token passes and is taken out of the request") {
  FilterBench bench;
  REQUIRE(bench.Add(JwtAuthnFilter(), Config("")).ok());
  CHECK(Ask(bench, {R"({"iss":"me"})"}) == 200);
  CHECK(ValueOf(bench, "authorization") == "-");
  CHECK(bench.Stat("http.in.jwt_authn.allowed") == 1);
}

TEST_CASE("jwt: what is wrong with a token decides the answer") {
  FilterBench bench;
  REQUIRE(bench.Add(JwtAuthnFilter(), Config("audiences: [shop]")).ok());
  CHECK(Ask(bench, {}) == 401);
  CHECK(bench.details == "jwt_authn_access_denied{Jwt_is_missing}");
  CHECK(bench.reply->headers[0].second == "Bearer realm=\"http://svc/\"");
  CHECK(Ask(bench, {R"({"iss":"you","aud":"shop"})"}) == 401);
  CHECK(bench.details == "jwt_authn_access_denied{Jwt_issuer_is_not_configured}");
  CHECK(Ask(bench, {R"({"iss":"me","aud":"bank"})"}) == 403);
  CHECK(Ask(bench, {R"({"iss":"me","aud":["bank","shop"]})"}) == 200);
  CHECK(Ask(bench, {absl::StrCat(R"({"iss":"me","aud":"shop","exp":)", kNow - 61, "}")}) == 401);
  CHECK(bench.details == "jwt_authn_access_denied{Jwt_is_expired}");
  CHECK(Ask(bench, {absl::StrCat(R"({"iss":"me","aud":"shop","exp":)", kNow - 59, "}")}) == 200);
  CHECK(Ask(bench, {absl::StrCat(R"({"iss":"me","aud":"shop","nbf":)", kNow + 61, "}")}) == 401);
  CHECK(Ask(bench, {absl::StrCat(R"({"iss":"me","aud":"shop","nbf":)", kNow + 59, "}")}) == 200);
  CHECK(bench.Stat("http.in.jwt_authn.denied") == 5);
}

TEST_CASE("jwt: a bad token beside a good one is refused") {
  FilterBench bench;
  REQUIRE(bench.Add(JwtAuthnFilter(), Config("")).ok());
  CHECK(Ask(bench, {R"({"iss":"me"})", R"({"iss":"you"})"}) == 401);
  CHECK(Ask(bench, {R"({"iss":"you"})", R"({"iss":"me"})"}) == 401);
}

TEST_CASE("jwt: expiration, lifetime and subject can be asked for") {
  FilterBench bench;
  REQUIRE(bench
              .Add(JwtAuthnFilter(), Config("require_expiration: true, max_lifetime: 600s, "
                                            "subjects: {prefix: 'user-'}"))
              .ok());
  CHECK(Ask(bench, {R"({"iss":"me","sub":"user-1"})"}) == 401);
  const auto with = [](int64_t exp, const char* sub) {
    return absl::StrCat(R"({"iss":"me","sub":")", sub, R"(","iat":)", kNow, R"(,"exp":)",
                        kNow + exp, "}");
  };
  CHECK(Ask(bench, {with(600, "user-1")}) == 200);
  CHECK(Ask(bench, {with(601, "user-1")}) == 401);
  CHECK(Ask(bench, {with(600, "admin")}) == 401);
}

TEST_CASE("jwt: claims become fields, and nobody else can set those") {
  FilterBench bench;
  REQUIRE(bench
              .Add(JwtAuthnFilter(),
                   Config("forward: true, forward_payload_header: x-payload, payload_in_metadata: "
                          "claims, claim_to_headers: [{header_name: x-sub, claim_name: sub}, "
                          "{header_name: x-org, claim_name: org.id}, {header_name: x-none, "
                          "claim_name: none}]"))
              .ok());
  bench.head.headers.Add("x-sub", "forged");
  bench.head.headers.Add("x-none", "forged");
  bench.head.headers.Add("x-payload", "forged");
  const std::string payload = R"({"iss":"me","sub":"anne","org":{"id":7}})";
  CHECK(Ask(bench, {payload}) == 200);
  CHECK(ValueOf(bench, "x-sub") == "anne");
  CHECK(ValueOf(bench, "x-org") == "7");
  CHECK(ValueOf(bench, "x-none") == "-");
  CHECK(ValueOf(bench, "x-payload") == Base64(payload));
  CHECK(ValueOf(bench, "authorization") != "-");
  CHECK(bench.info_.metadata->filters["envoy.filters.http.jwt_authn"]
            .fields()
            .at("claims")
            .struct_value()
            .fields()
            .at("sub")
            .string_value() == "anne");
}

TEST_CASE("jwt: tokens in other fields, parameters and cookies") {
  FilterBench bench;
  REQUIRE(bench
              .Add(JwtAuthnFilter(), Config("from_headers: [{name: X-Token, value_prefix: 't='}], "
                                            "from_params: [tok], from_cookies: [jar]"))
              .ok());
  const std::string token = Token(R"({"iss":"me"})");
  const auto ask = [&] {
    bench.Get();
    return bench.reply ? bench.reply->status : 200;
  };
  CHECK(ask() == 401);
  bench.head.headers.Add("x-token", "t=" + token + ",rest");
  CHECK(ask() == 200);
  CHECK(ask() == 401);  // Taken out.
  const std::string path = "/?a=b&tok=" + token;
  bench.head.path = path;
  CHECK(ask() == 200);
  bench.head.path = "/";
  bench.head.headers.Add("cookie", "x=1; jar=" + token + "; y=2");
  CHECK(ask() == 200);
}

TEST_CASE("jwt: any, all and none of several providers") {
  const std::string me = R"({"iss":"me"})", you = R"({"iss":"you"})";
  const std::string both = "{provider_name: p}, {provider_name: q}";
  FilterBench any, all, missing, missing_any, failed;
  REQUIRE(
      any.Add(JwtAuthnFilter(), Config("", "requires_any: {requirements: [" + both + "]}")).ok());
  CHECK(Ask(any, {me}) == 200);
  CHECK(Ask(any, {you}) == 200);
  CHECK(Ask(any, {}) == 401);
  CHECK(Ask(any, {R"({"iss":"they"})"}) == 401);
  REQUIRE(all.Add(JwtAuthnFilter(),
                  Config("from_params: [t]", "requires_all: {requirements: [" + both + "]}"))
              .ok());
  CHECK(Ask(all, {you}) == 401);
  const std::string path = "/?t=" + Token(me);
  all.head.path = path;
  CHECK(Ask(all, {you}) == 200);
  REQUIRE(missing.Add(JwtAuthnFilter(), Config("", "allow_missing: {}")).ok());
  CHECK(Ask(missing, {}) == 200);
  CHECK(Ask(missing, {you}) == 200);
  CHECK(Ask(missing, {R"({"iss":"they"})"}) == 401);
  REQUIRE(missing_any
              .Add(JwtAuthnFilter(), Config("",
                                            "requires_any: {requirements: [{provider_name: p}, "
                                            "{allow_missing: {}}]}"))
              .ok());
  CHECK(Ask(missing_any, {}) == 200);
  CHECK(Ask(missing_any, {me}) == 200);
  CHECK(Ask(missing_any, {you}) == 401);
  REQUIRE(failed.Add(JwtAuthnFilter(), Config("", "allow_missing_or_failed: {}")).ok());
  CHECK(Ask(failed, {R"({"iss":"they"})"}) == 200);
}

TEST_CASE("jwt: keys are fetched once, kept, renewed in time and outlive a failing issuer") {
  FilterBench bench;
  REQUIRE(bench
              .Add(JwtAuthnFilter(), R"(
providers:
  p:
    issuer: me
    remote_jwks:
      http_uri: {uri: 'https://issuer.example/keys?x=1', cluster: issuer, timeout: 1s}
      cache_duration: 100s
rules: [{match: {prefix: /}, requires: {provider_name: p}}]
)")
              .ok());
  const auto ask = [&] { return Ask(bench, {R"({"iss":"me"})"}); };
  ask();
  CHECK(bench.out.empty());
  REQUIRE(bench.fetches.size() == 1);
  CHECK(bench.fetches[0].first.cluster == "issuer");
  CHECK(bench.fetches[0].first.head.authority == "issuer.example");
  CHECK(bench.fetches[0].first.head.path == "/keys?x=1");
  bench.fetches[0].second(200, Keys());
  CHECK(bench.out == std::vector<std::string>{"head."});
  CHECK(ask() == 200);
  CHECK(bench.fetches.size() == 1);
  bench.Advance(absl::Seconds(85));  // Renewed behind the request's back.
  CHECK(ask() == 200);
  CHECK(bench.out == std::vector<std::string>{"head."});
  REQUIRE(bench.fetches.size() == 2);
  bench.fetches[1].second(503, "");
  bench.Advance(absl::Seconds(100));
  CHECK(ask() == 200);  // Old keys are better than none, for as long again.
  REQUIRE(bench.fetches.size() == 3);
  bench.fetches[2].second(200, "not keys");
  bench.Advance(absl::Seconds(100));
  ask();
  REQUIRE(bench.fetches.size() == 4);
  bench.fetches[3].second(0, "");
  REQUIRE(bench.reply);
  CHECK(bench.details == "jwt_authn_access_denied{Jwks_remote_fetch_is_failed}");
  CHECK(bench.Stat("http.in.jwt_authn.jwks_fetch_success") == 1);
  CHECK(bench.Stat("http.in.jwt_authn.jwks_fetch_failed") == 3);
}

TEST_CASE("jwt: a stream that ends while keys are fetched hears nothing of them") {
  FilterBench bench;
  REQUIRE(bench
              .Add(JwtAuthnFilter(), R"(
providers:
  p: {issuer: me, remote_jwks: {http_uri: {uri: 'https://i/k', cluster: c, timeout: 1s}}}
rules: [{match: {prefix: /}, requires: {provider_name: p}}]
)")
              .ok());
  Ask(bench, {R"({"iss":"me"})"});
  bench.End();
  bench.run.reset();
  bench.fetches[0].second(200, Keys());
  CHECK(bench.out.empty());
}

TEST_CASE("jwt: settings without meaning are refused") {
  FilterBench bench;
  CHECK(bench.Add(JwtAuthnFilter(), "providers: {p: {}}").message() ==
        "providers['p']: jwks_source_specifier: needs local or remote_jwks");
  CHECK(bench.Add(JwtAuthnFilter(), "providers: {p: {local_jwks: {inline_string: x}}}").message() ==
        "providers['p']: local_jwks: not JSON");
  CHECK(bench.Add(JwtAuthnFilter(), "rules: [{match: {prefix: /}, requires: {provider_name: z}}]")
            .message() == "rules[0]: provider_name: 'z' is not known");
}

}  // namespace proxy

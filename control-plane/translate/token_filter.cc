// Builds the filter that verifies tokens.
#include "control-plane/translate/token_filter.h"

#include <absl/strings/str_cat.h>

#include "control-plane/translate/pack.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb.h"

namespace control {
namespace {

namespace jwt = envoy::extensions::filters::http::jwt_authn::v3;

constexpr absl::Duration kFetchTimeout = absl::Seconds(5);
constexpr absl::Duration kKeysFor = absl::Minutes(5);

void SetKeys(const Mesh& mesh, const TokenIssuer& issuer, jwt::JwtProvider& to) {
  if (issuer.port == 0) {
    to.mutable_local_jwks()->set_inline_string(issuer.jwks);
    return;
  }
  auto& remote = *to.mutable_remote_jwks();
  auto& uri = *remote.mutable_http_uri();
  const std::string host = issuer.host.empty() ? Fqdn(mesh, issuer.service) : issuer.host;
  uri.set_uri(absl::StrCat("http://", host, issuer.path));
  uri.set_cluster(OutboundCluster(mesh, issuer.service, issuer.port));
  *uri.mutable_timeout() = ToProto(kFetchTimeout);
  *remote.mutable_cache_duration() = ToProto(kKeysFor);
}

void SetIssuer(const Mesh& mesh, const TokenIssuer& issuer, jwt::JwtProvider& to) {
  to.set_issuer(issuer.issuer);
  for (const std::string& audience : issuer.audiences) to.add_audiences(audience);
  SetKeys(mesh, issuer, to);
  for (const auto& [name, prefix] : issuer.headers) {
    auto& header = *to.add_from_headers();
    header.set_name(name);
    header.set_value_prefix(prefix);
  }
  for (const std::string& param : issuer.params) to.add_from_params(param);
  for (const std::string& cookie : issuer.cookies) to.add_from_cookies(cookie);
  to.set_forward(issuer.forward);
  to.set_payload_in_metadata(kTokenPayload);
  to.set_clock_skew_seconds(static_cast<uint32_t>(absl::ToInt64Seconds(issuer.clock_skew)));
  for (const auto& [header, claim] : issuer.claim_headers) {
    auto& one = *to.add_claim_to_headers();
    one.set_header_name(header);
    one.set_claim_name(claim);
  }
}

}  // namespace

void AddTokenFilter(const Mesh& mesh, const std::string& ns, const Labels& labels,
                    HttpConnectionManager& manager) {
  jwt::JwtAuthentication filter;
  jwt::JwtRequirementOrList any;
  bool required = false;
  for (const RequestAuthenticationSpec& policy : mesh.request_authentications) {
    if (!policy.scope.Concerns(ns, labels)) continue;
    required = required || policy.required;
    for (const TokenIssuer& issuer : policy.issuers) {
      const std::string name =
          absl::StrCat(policy.meta.key.ns, "/", policy.meta.key.name, "/", issuer.name);
      SetIssuer(mesh, issuer, (*filter.mutable_providers())[name]);
      any.add_requirements()->set_provider_name(name);
    }
  }
  if (any.requirements().empty()) return;
  if (!required) any.add_requirements()->mutable_allow_missing();
  auto& rule = *filter.add_rules();
  rule.mutable_match()->set_prefix("/");
  if (any.requirements_size() == 1) {
    *rule.mutable_requires() = any.requirements(0);
  } else {
    *rule.mutable_requires()->mutable_requires_any() = any;
  }
  auto& out = *manager.add_http_filters();
  out.set_name(kTokenFilter);
  *out.mutable_typed_config() = Pack(filter);
}

}  // namespace control

// RequestAuthentication as Envoy's jwt_authn filter, and where others find the claims.
#pragma once

#include <string>

#include <absl/strings/str_split.h>

#include "control-plane/model/mesh.h"
#include "control-plane/translate/filters.h"

namespace control {

inline constexpr char kTokenFilter[] = "envoy.filters.http.jwt_authn";
inline constexpr char kTokenPayload[] = "payload";

void AddTokenFilter(const Mesh& mesh, const std::string& ns, const Labels& labels,
                    HttpConnectionManager& manager);

// Points a metadata matcher or key at a claim, whose parts are joined by dots.
inline void SetClaimPath(const std::string& claim,
                         envoy::type::matcher::v3::MetadataMatcher& matcher) {
  matcher.set_filter(kTokenFilter);
  matcher.add_path()->set_key(kTokenPayload);
  for (const absl::string_view part : absl::StrSplit(claim, '.')) {
    matcher.add_path()->set_key(std::string(part));
  }
}
inline void SetClaimPath(const std::string& claim, envoy::type::metadata::v3::MetadataKey& key) {
  key.set_key(kTokenFilter);
  key.add_path()->set_key(kTokenPayload);
  for (const absl::string_view part : absl::StrSplit(claim, '.')) {
    key.add_path()->set_key(std::string(part));
  }
}

}  // namespace control

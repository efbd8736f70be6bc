// One issuer of tokens: where tokens stand in requests, what must be true of them, and the keys.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb.h"
#include "proxy/filters/jwks.h"
#include "proxy/filters/jwt.h"
#include "proxy/http/filter.h"
#include "proxy/route/route.h"

namespace proxy {

// Keys fetched from an issuer, as one worker has them. That worker's thread.
struct FetchedKeys {
  std::shared_ptr<const Jwks> keys;  // The last good ones; null: none yet.
  int64_t fetched_ns = 0;
  int64_t tried_ns = 0;
  bool fetching = false;
  std::vector<std::weak_ptr<std::function<void()>>> waiters;  // Called when a fetch is over.
};

// Immutable, but for `fetched`, of which each worker touches its own.
struct JwtProvider {
  struct Place {
    std::string name;  // Of the header field, lower case.
    std::string prefix;
  };
  std::string name, issuer;
  std::vector<std::string> audiences;  // Empty: any.
  std::optional<TextMatch> subject;
  bool require_expiration = false;
  absl::Duration lifetime_max = absl::InfiniteDuration();
  absl::Duration clock_skew = absl::Seconds(60);
  std::vector<Place> headers;
  std::vector<std::string> params, cookies;
  bool forward = false;
  std::string payload_header, payload_metadata, header_metadata;
  bool pad_payload = false;
  std::vector<std::pair<std::string, std::string>> claim_headers;  // Field, claim.
  bool clear_route = false;
  std::shared_ptr<const Jwks> local;  // Or fetched:
  std::string cluster, authority, path;
  absl::Duration fetch_timeout, cache_for;
  mutable std::vector<FetchedKeys> fetched;  // By worker.

  // The keys to verify with now; null if they must be fetched first (or could not be).
  std::shared_ptr<const Jwks> Keys(FilterHost& host) const;
  // Whether a fetch should begin: there are no keys, or they are old.
  bool WantsFetch(FilterHost& host) const;
  // The tokens of a request, where this provider's may stand.
  std::vector<absl::string_view> Tokens(const RequestHead& head) const;
  // All that can be checked of a token but its signature. `audiences` replaces the provider's.
  JwtStatus Check(const Jwt& jwt, const std::vector<std::string>* audiences, absl::Time now) const;
  // Leaves with the request what the settings want of a good token.
  void Pass(const Jwt& jwt, FilterHost& host) const;
};

// Takes a query parameter out of the path, wherever it stands.
void RemoveParam(absl::string_view name, RequestHead& head);

// Starts a fetch unless one is under way on this worker. `stat` hears whether it went well.
void FetchKeys(std::shared_ptr<const JwtProvider> provider, FilterHost& host,
               std::function<void(bool good)> stat);

// Errors: InvalidArgument "field: rule".
absl::StatusOr<std::shared_ptr<const JwtProvider>> ReadJwtProvider(
    const std::string& name,
    const envoy::extensions::filters::http::jwt_authn::v3::JwtProvider& proto, size_t workers);

}  // namespace proxy

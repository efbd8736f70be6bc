// Who may call workloads, with which tokens, how often: policies as values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <absl/time/time.h>

#include "control-plane/model/object.h"

namespace control {

// The workloads that a policy concerns.
struct WorkloadScope {
  bool mesh = false;              // All of them.
  std::string ns;                 // Else those of a namespace,
  std::vector<Labels> selectors;  // and of these the ones that one selects; empty: all.
  bool Concerns(const std::string& workload_ns, const Labels& labels) const;
};

// A field or claim, of whose values one must be there.
struct ValueChoice {
  std::string name;  // Header: lower case. Claim: parts joined by dots.
  std::vector<std::string> values;
};

// Texts may end in '*': then what stands before it is a prefix.
struct AccessSource {                   // All that is not empty must hold; one item of each list.
  std::vector<std::string> identities;  // SPIFFE ids.
  std::vector<std::string> ips;         // CIDR, of the connection's peer.
  std::vector<ValueChoice> claims;      // Each.
};
struct AccessOperation {
  std::vector<std::string> methods, paths;
  std::vector<ValueChoice> headers;  // Each.
  std::vector<uint16_t> ports;       // Of the workload.
};
struct AccessRule {
  std::string name;
  std::vector<AccessSource> from;   // One of them; empty: anybody.
  std::vector<AccessOperation> to;  // One of them; empty: anything.
};
struct AccessPolicySpec {
  ObjectMeta meta;
  WorkloadScope scope;
  bool deny = false;
  bool dry_run = false;
  std::vector<AccessRule> rules;  // Empty (Allow only): nobody.
};

struct TokenIssuer {
  std::string name, issuer;
  std::vector<std::string> audiences;
  std::string jwks;        // The keys themselves; or where they are:
  NamespacedName service;  // Serves them on `port`,
  uint16_t port = 0;
  std::string host, path;                                    // asked for like this.
  std::vector<std::pair<std::string, std::string>> headers;  // Field, prefix.
  std::vector<std::string> params, cookies;
  bool forward = false;
  std::vector<std::pair<std::string, std::string>> claim_headers;  // Field, claim.
  absl::Duration clock_skew = absl::Minutes(1);
};
struct RequestAuthenticationSpec {
  ObjectMeta meta;
  WorkloadScope scope;
  bool required = false;  // Else requests without a token pass.
  std::vector<TokenIssuer> issuers;
};

// What requests are told apart by.
struct RateKey {
  enum class Kind { kHeader, kClientIp, kClaim, kPath, kMethod };
  Kind kind = Kind::kHeader;
  std::string name;  // Of the header or claim.
};
struct RateLimitSpec {
  std::string name;
  uint32_t requests = 1;  // Every `per`.
  absl::Duration per = absl::Seconds(1);
  uint32_t burst = 1;         // At once.
  std::vector<RateKey> keys;  // Empty: all requests together.
};
struct RateLimitPolicySpec {
  ObjectMeta meta;
  WorkloadScope scope;
  bool dry_run = false;
  uint32_t keys_max = 10'000;  // Of each limit that has keys.
  std::vector<RateLimitSpec> limits;
};

}  // namespace control

// What a request is hashed by: for splits that keep each user where it is, and for balancers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "envoy/config/route/v3/route_components.pb.h"
#include "proxy/http/stream_info.h"
#include "proxy/route/route.h"

namespace proxy {

struct HashPolicy {
  enum class Kind : uint8_t { kHeader, kCookie, kQuery, kSourceIp };
  Kind kind = Kind::kHeader;
  std::string name;                    // Header: lower case.
  std::shared_ptr<const RE2> rewrite;  // Header: applied to the value first; may be null.
  std::string substitution;
  bool terminal = false;  // If it finds something, those after it are not asked.
};
struct HashPolicies {
  std::vector<HashPolicy> list;
};

// xxHash64 (seed 0) of what the policies find, as Envoy computes it, so that every proxy of either
// kind comes to the same number; nullopt if none finds anything.
std::optional<uint64_t> HashOf(const HashPolicies& policies, const RequestHead& head,
                               const StreamInfo& info);

// Errors: InvalidArgument "hash_policy: ...".
absl::Status ReadHashPolicy(const envoy::config::route::v3::RouteAction::HashPolicy& proto,
                            HashPolicy& policy);

}  // namespace proxy

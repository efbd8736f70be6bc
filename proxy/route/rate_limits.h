// What a request is counted by: Envoy's rate limit actions and the descriptors that they make.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/inlined_vector.h>
#include <absl/status/status.h>

#include "envoy/config/route/v3/route_components.pb.h"
#include "proxy/http/stream_info.h"
#include "proxy/route/route.h"

namespace proxy {

// Keys and values in order, e.g. {("remote_address", "10.0.0.1"), ("path", "/a")}.
using RateDescriptor = absl::InlinedVector<std::pair<std::string, std::string>, 2>;

struct RateAction {
  enum class Kind : uint8_t {
    kGenericKey,
    kRequestHeader,
    kQueryParameter,
    kRemoteAddress,
    kDestinationCluster,
    kHeaderMatch,
    kQueryMatch,
    kMetadata,
  };
  Kind kind = Kind::kGenericKey;
  std::string key, value;  // Of the descriptor; `value` is the default of kMetadata.
  std::string name;        // Header, parameter, or the metadata's filter.
  std::vector<std::string> path;
  bool skip_if_absent = false;  // Else no descriptor is made.
  bool expect_match = true;
  uint32_t v4_bits = 32, v6_bits = 128;
  std::vector<HeaderMatch> headers;
  std::vector<QueryMatch> query;
};

// One descriptor's recipe.
struct RateLimitEntry {
  uint32_t stage = 0;  // 0..10; a filter reads those of its own stage.
  std::vector<RateAction> actions;
};

// Those of a route or virtual host.
struct RateLimitEntries {
  std::vector<RateLimitEntry> entries;
};

// The request's descriptor by `entry`; nullopt if one of its actions finds nothing.
std::optional<RateDescriptor> Describe(const RateLimitEntry& entry, const RequestHead& head,
                                       const StreamInfo& info);

// Errors: InvalidArgument "actions[0]: ...".
absl::Status ReadRateLimit(const envoy::config::route::v3::RateLimit& proto, RateLimitEntry& entry);

}  // namespace proxy

// What is known of one request when it ends: for access logs and statistics.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include "proxy/http/headers.h"
#include "proxy/net/address.h"

namespace proxy {

// Envoy's response flags, as bits (docs: access log, %RESPONSE_FLAGS%).
enum class ResponseFlag : uint32_t {
  kNoHealthyUpstream = 1 << 0,         // UH
  kUpstreamConnectFailure = 1 << 1,    // UF
  kUpstreamOverflow = 1 << 2,          // UO
  kNoRoute = 1 << 3,                   // NR
  kRetryLimit = 1 << 4,                // URX
  kNoCluster = 1 << 5,                 // NC
  kDownstreamReset = 1 << 6,           // DC
  kUpstreamClosed = 1 << 7,            // UC
  kUpstreamTimeout = 1 << 8,           // UT
  kLocalReset = 1 << 9,                // LR
  kUpstreamReset = 1 << 10,            // UR
  kDownstreamProtocolError = 1 << 11,  // DPE
  kUpstreamProtocolError = 1 << 12,    // UPE
  kIdleTimeout = 1 << 13,              // SI
  kDelayInjected = 1 << 14,            // DI
  kFaultInjected = 1 << 15,            // FI
  kRateLimited = 1 << 16,              // RL
  kUnauthorizedExternal = 1 << 17,     // UAEX
  kRateLimitServiceError = 1 << 18,    // RLSE
};
// "UH,URX"; "-" if there is none.
std::string ResponseFlagsText(uint32_t flags);

struct DynamicMetadata;  // http/metadata.h

// Filled while a request lives. Views point into the heads, which live as long.
struct StreamInfo {
  absl::Time start;               // Wall time of the head's arrival.
  int64_t start_ns = 0;           // Steady; 0 for what has not happened.
  int64_t request_end_ns = 0;     // The last byte of the request came.
  int64_t upstream_first_ns = 0;  // The response head came.
  int64_t end_ns = 0;
  uint64_t request_bytes = 0;  // Bodies, without framing.
  uint64_t response_bytes = 0;
  int status = 0;      // 0: no response was begun.
  uint32_t flags = 0;  // ResponseFlag bits.
  uint32_t attempts = 0;
  absl::string_view details;  // Static text.
  absl::string_view route_name;
  absl::string_view cluster;
  std::string upstream_failure;  // Transport failure text.
  Address upstream_host;
  Address downstream_remote;  // The client, as far as the settings trust X-Forwarded-For.
  Address downstream_direct;  // The connection's peer.
  Address downstream_local;
  absl::string_view downstream_identity;  // SPIFFE URI of the caller; empty without mTLS.
  absl::string_view requested_server_name;
  absl::string_view upstream_identity;
  absl::string_view request_id;               // In the request's head.
  std::shared_ptr<DynamicMetadata> metadata;  // Null until a filter sets something.
  const RequestHead* request = nullptr;
  const ResponseHead* response = nullptr;  // Null before one was begun.
};

inline void SetFlag(StreamInfo& info, ResponseFlag flag) {
  info.flags |= static_cast<uint32_t>(flag);
}
inline bool HasFlag(const StreamInfo& info, ResponseFlag flag) {
  return (info.flags & static_cast<uint32_t>(flag)) != 0;
}

}  // namespace proxy

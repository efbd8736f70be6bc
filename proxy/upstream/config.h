// Clusters as configured: values, immutable once shared.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/time/time.h>

#include "common/config_from.h"
#include "proxy/codec/codec.h"
#include "proxy/net/address.h"
#include "proxy/tls/context.h"

namespace proxy {

// Key and value pairs of an endpoint's "envoy.transport_socket_match" metadata, sorted.
using MatchLabels = std::vector<std::pair<std::string, std::string>>;

enum class EndpointHealth : uint8_t { kHealthy, kDegraded, kUnhealthy, kDraining };

struct EndpointConfig {
  Address address;       // Empty while a name is unresolved.
  std::string hostname;  // STRICT_DNS: the name to resolve.
  uint16_t port = 0;     // With `hostname`.
  std::string name;      // What the endpoint calls itself, for SNI; may be empty.
  uint32_t weight = 1;   // 1..2^32-1
  uint32_t priority = 0;
  EndpointHealth health = EndpointHealth::kHealthy;
  MatchLabels labels;
  bool operator==(const EndpointConfig&) const = default;
};
using EndpointList = std::vector<EndpointConfig>;

// Envoy's defaults; each is finite.
struct CircuitLimits {
  uint32_t connections = 1024;
  uint32_t pending = 1024;
  uint32_t requests = 1024;
  uint32_t retries = 3;
  // Instead of `retries`: this many percent of the requests at work and waiting, but no fewer than
  // `retries_min`. Negative: `retries` holds.
  double retry_budget_percent = -1;
  uint32_t retries_min = 3;
};

// envoy.config.cluster.v3.OutlierDetection with Envoy's defaults. `enforcing_...`: percent, 0..100,
// of what is detected that is acted upon.
struct OutlierConfig {
  uint32_t consecutive_5xx = 5;  // Of the three counts in a row, 0 turns one off.
  uint32_t gateway_failures = 5;
  uint32_t local_failures = 5;
  uint32_t enforcing_5xx = 100;
  uint32_t enforcing_gateway = 0;
  uint32_t enforcing_local = 100;
  bool split_local = false;  // What no answer came to is judged apart from answers.
  absl::Duration interval = absl::Seconds(10);
  absl::Duration base_ejection = absl::Seconds(30);
  absl::Duration ejection_max = absl::Seconds(300);  // At least base_ejection, whatever it says.
  absl::Duration ejection_jitter_max = absl::ZeroDuration();
  uint32_t ejection_percent_max = 10;
  bool always_eject_one = false;
  uint32_t success_rate_hosts_min = 5;
  uint32_t success_rate_volume = 100;         // Requests in an interval.
  uint32_t success_rate_stdev_factor = 1900;  // Thousandths of a standard deviation.
  uint32_t enforcing_success_rate = 100;
  uint32_t enforcing_local_success_rate = 100;
  uint32_t failure_percentage_threshold = 85;
  uint32_t failure_percentage_hosts_min = 5;
  uint32_t failure_percentage_volume = 50;
  uint32_t enforcing_failure_percentage = 0;
  uint32_t enforcing_local_failure_percentage = 0;
};

// How to talk to the endpoints that carry `labels` (empty: any).
struct TransportChoice {
  std::string name;
  MatchLabels labels;
  std::shared_ptr<const TlsSlot> tls;  // Null: plain bytes.
};

// What is offered in TLS by the protocol that the stream will have, indexed by HttpVersion; empty:
// as the cluster says.
struct UpstreamAlpn {
  std::array<TlsClientOptions, 3> by_protocol = {};
};

struct ClusterConfig {
  enum class Kind : uint8_t { kStatic, kEds, kStrictDns, kOriginalDst };
  enum class Balancer : uint8_t { kRoundRobin, kLeastRequest, kRandom };

  std::string name;
  Kind kind = Kind::kStatic;
  Balancer balancer = Balancer::kRoundRobin;
  uint32_t choice_count = 2;  // kLeastRequest
  absl::Duration connect_timeout = absl::Seconds(5);
  CircuitLimits limits;
  std::optional<OutlierConfig> outlier;
  bool http2 = false;
  Http2Limits codec;
  bool match_downstream_protocol = false;  // use_downstream_protocol_config
  bool auto_protocol = false;              // auto_config: what ALPN yields; HTTP/1.1 if nothing.
  absl::Duration idle_timeout = absl::Hours(1);
  uint32_t requests_per_connection_max = 0;                       // 0: no bound.
  absl::Duration connection_duration_max = absl::ZeroDuration();  // Zero: none.
  std::vector<TransportChoice> transports;  // The first that fits an endpoint; then `tls`.
  std::shared_ptr<const TlsSlot> tls;       // Null: plain bytes.
  int proxy_protocol = 0;                   // The PROXY header's version; 0: none is sent.
  bool auto_sni = false;                    // The server name is the request's host,
  std::string auto_sni_header = {};         // or this field's value, if named and there.
  bool auto_san_validation = false;         // The peer's certificate must be for that name.
  std::string eds_name;                     // kEds
  pinnace::ConfigFrom eds_from;
  absl::Duration dns_refresh = absl::Seconds(5);
  EndpointList endpoints;  // kStatic: as they are. kStrictDns: to be resolved.
  uint64_t hash = 0;       // Of the serialized resource: equal means unchanged.
};

}  // namespace proxy

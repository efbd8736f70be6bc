// HTTP connection managers and TCP proxies as configured.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "proxy/accesslog/access_log.h"
#include "proxy/codec/codec.h"
#include "proxy/http/filter.h"
#include "proxy/route/route.h"
#include "proxy/stats/stats.h"
#include "proxy/upstream/cluster.h"

namespace proxy {

// How paths are brought to one spelling (see path.h).
struct PathRules {
  enum class EscapedSlashes : uint8_t { kKeep, kReject, kRedirect, kForward };
  EscapedSlashes escaped_slashes = EscapedSlashes::kKeep;
  bool normalize = false;
  bool merge_slashes = false;
  bool any() const {
    return normalize || merge_slashes || escaped_slashes != EscapedSlashes::kKeep;
  }
};

// What becomes of x-forwarded-client-cert.
struct ClientCertConfig {
  enum class Mode : uint8_t { kSanitize, kForward, kAppend, kSet, kAlwaysForward };
  Mode mode = Mode::kSanitize;
  bool subject = false, cert = false, chain = false, dns = false, uri = false;
};

struct HttpConfig {
  enum class ServerHeader : uint8_t { kOverwrite, kAppendIfAbsent, kPassThrough };
  enum class Codec : uint8_t { kAuto, kHttp1, kHttp2 };
  std::string stat_prefix;
  Codec codec = Codec::kAuto;
  Http2Limits limits;
  std::shared_ptr<const RouteTable> routes;  // Inline; or:
  std::string rds_name;                      // Looked up in Tables for each request.
  pinnace::ConfigFrom rds_from;
  std::shared_ptr<const UpstreamAlpn> upstream_alpn;  // Null: as the clusters say.
  std::string server_name = "envoy";
  bool generate_request_id = true;
  bool keep_request_id = false;  // preserve_external_request_id
  bool always_set_request_id_in_response = false;
  bool use_remote_address = false;
  uint32_t xff_trusted_hops = 0;  // Proxies before us whose X-Forwarded-For is believed.
  bool forward_continue = false;  // proxy_100_continue
  ServerHeader server_header = ServerHeader::kOverwrite;
  std::vector<UpgradeRule> upgrades;
  PathRules path;
  ClientCertConfig client_cert;
  bool strip_port = false;
  bool suppress_envoy_headers = false;  // Of those that only tell Envoy's users something.
  absl::Duration idle_timeout = absl::Hours(1);
  absl::Duration stream_idle_timeout = absl::Minutes(5);
  absl::Duration request_headers_timeout = absl::Seconds(60);  // HTTP/1, from a head's first byte.
  absl::Duration request_timeout = absl::ZeroDuration();       // Zero: none.
  absl::Duration drain_timeout = absl::Seconds(5);
  absl::Duration connection_duration_max = absl::ZeroDuration();  // Zero: none; so the next two.
  absl::Duration stream_duration_max = absl::ZeroDuration();
  uint32_t requests_per_connection_max = 0;
  std::vector<AccessLog> access_logs;
  std::vector<FilterEntry> filters;        // In order, without the router.
  size_t filter_buffer_max = 1024 * 1024;  // Bytes that filters may hold of one message.
  std::shared_ptr<Scope> stats;
};

struct TcpConfig {
  std::string stat_prefix;
  std::vector<WeightedCluster> clusters;
  uint32_t total_weight = 1;
  absl::Duration idle_timeout = absl::Hours(1);  // Zero: none.
  uint32_t connect_attempts_max = 1;
  std::vector<AccessLog> access_logs;
  std::shared_ptr<Scope> stats;
};

// What a request looks up by name: the newest accepted version of each. Immutable.
struct Tables {
  std::shared_ptr<const ClusterTable> clusters = std::make_shared<ClusterTable>();
  absl::flat_hash_map<std::string, std::shared_ptr<const RouteTable>> routes;
};

// One worker's view, renewed by Adopt(): a request pins what it uses. Loop thread only.
struct WorkerContext {
  EventLoop& loop;
  Network& network;
  size_t index;  // Of its stats shards.
  Clusters& clusters;
  SideCalls& side_calls;
  std::shared_ptr<const Tables> tables;
  Cell* server_stats;
  Cell* http2_stats;  // Of all downstream connections.
  bool draining = false;
};

}  // namespace proxy

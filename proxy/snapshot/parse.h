// xDS resources -> the folders' own config values. Main thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "common/config_from.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "proxy/exchange/config.h"
#include "proxy/listener/config.h"
#include "proxy/route/read_match.h"
#include "proxy/route/route.h"

namespace proxy {

// What parsing needs and shares: content that several resources name is kept once.
struct ParseContext {
  StatsRegistry& stats;
  SecretStore& secrets;
  std::map<std::string, std::shared_ptr<LogSink>> sinks = {};      // By path.
  std::map<std::string, std::weak_ptr<const TlsSlot>> slots = {};  // By content.
  // The sources that resources were said to come from, but for ADS and static ones.
  std::map<std::string, envoy::config::core::v3::ConfigSource> sources = {};
};

// Each answers InvalidArgument naming the field and the rule. Fields that the proxy does not obey
// are errors too (see supported.h).
absl::StatusOr<std::shared_ptr<const ClusterConfig>> ParseCluster(
    const envoy::config::cluster::v3::Cluster& proto, ParseContext& context);
absl::StatusOr<EndpointList> ParseEndpoints(
    const envoy::config::endpoint::v3::ClusterLoadAssignment& proto);
absl::StatusOr<std::shared_ptr<const RouteTable>> ParseRoutes(
    const envoy::config::route::v3::RouteConfiguration& proto, ParseContext& context);
absl::StatusOr<std::shared_ptr<const ListenerConfig>> ParseListener(
    const envoy::config::listener::v3::Listener& proto, ParseContext& context);
absl::Status ParseSecret(const envoy::extensions::transport_sockets::tls::v3::Secret& proto,
                         ParseContext& context);

// Shared by the above.
absl::StatusOr<std::shared_ptr<const TlsSlot>> ParseTransportSocket(
    const envoy::config::core::v3::TransportSocket& proto, bool server, ParseContext& context);
absl::StatusOr<Address> ParseAddress(const envoy::config::core::v3::Address& proto);
// Notes the source in `context`. Errors: InvalidArgument if its kind is not supported.
absl::StatusOr<pinnace::ConfigFrom> ParseConfigFrom(
    const envoy::config::core::v3::ConfigSource& proto, ParseContext& context);
// Sets what `proto` sets; errors name its fields.
absl::Status ReadHttp2Options(const envoy::config::core::v3::Http2ProtocolOptions& proto,
                              Http2Limits& to);
absl::Status ReadOutlier(const envoy::config::cluster::v3::OutlierDetection& proto,
                         OutlierConfig& to);

}  // namespace proxy

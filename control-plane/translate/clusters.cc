// Builds clusters from services, their ports and their traffic settings.
#include "control-plane/translate/clusters.h"

#include <algorithm>

#include <absl/strings/str_cat.h>

#include "control-plane/translate/pack.h"
#include "control-plane/translate/tls.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

namespace control {
namespace {

using envoy::config::cluster::v3::Cluster;
using HttpOptions = envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

constexpr char kHttpOptionsKey[] = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
constexpr absl::Duration kConnectTimeoutDefault = absl::Seconds(5);
constexpr uint32_t kBreakerDefault = 1024;  // Connections, pending and active requests.
constexpr uint32_t kRetriesAtOnceDefault = 3;

Cluster::LbPolicy Balancing(const TrafficSettings& traffic, const ProxyNode& node) {
  // gRPC clients refuse the others (gRFC A27).
  if (node.kind == ProxyNode::Kind::kGrpc) return Cluster::ROUND_ROBIN;
  switch (traffic.load_balancing.value_or(LoadBalancing::kLeastRequest)) {
    case LoadBalancing::kRoundRobin: return Cluster::ROUND_ROBIN;
    case LoadBalancing::kRandom: return Cluster::RANDOM;
    case LoadBalancing::kLeastRequest: break;
  }
  return Cluster::LEAST_REQUEST;
}

void SetLimits(const TrafficSettings& traffic, Cluster& cluster) {
  auto& limits = *cluster.mutable_circuit_breakers()->add_thresholds();
  limits.mutable_max_connections()->set_value(traffic.max_connections.value_or(kBreakerDefault));
  limits.mutable_max_pending_requests()->set_value(traffic.max_pending.value_or(kBreakerDefault));
  limits.mutable_max_requests()->set_value(traffic.max_requests.value_or(kBreakerDefault));
  limits.mutable_max_retries()->set_value(traffic.max_retries.value_or(kRetriesAtOnceDefault));
}

void SetOutlier(const TrafficSettings& traffic, Cluster& cluster) {
  if (traffic.consecutive_5xx == 0u) return;
  if (!traffic.consecutive_5xx && !traffic.base_ejection && !traffic.ejection_interval &&
      !traffic.max_ejection_percent) {
    return;
  }
  auto& outlier = *cluster.mutable_outlier_detection();
  if (traffic.consecutive_5xx) {
    outlier.mutable_consecutive_5xx()->set_value(*traffic.consecutive_5xx);
  }
  if (traffic.base_ejection) {
    *outlier.mutable_base_ejection_time() = ToProto(*traffic.base_ejection);
  }
  if (traffic.ejection_interval) {
    *outlier.mutable_interval() = ToProto(*traffic.ejection_interval);
  }
  if (traffic.max_ejection_percent) {
    outlier.mutable_max_ejection_percent()->set_value(*traffic.max_ejection_percent);
  }
  // Most services have fewer endpoints than the percentage needs to let one go.
  outlier.mutable_always_eject_one_host()->set_value(true);
  outlier.mutable_enforcing_success_rate()->set_value(0);  // Not part of the policy.
}

void SetHttp(Protocol protocol, const TrafficSettings& traffic, Cluster& cluster) {
  if (!IsHttp(protocol)) return;
  HttpOptions options;
  auto& config = *options.mutable_explicit_http_config();
  if (IsHttp2(protocol)) {
    config.mutable_http2_protocol_options();
  } else {
    config.mutable_http_protocol_options();
  }
  if (traffic.idle_timeout) {
    *options.mutable_common_http_protocol_options()->mutable_idle_timeout() =
        ToProto(*traffic.idle_timeout);
  }
  (*cluster.mutable_typed_extension_protocol_options())[kHttpOptionsKey] = Pack(options);
}

envoy::config::core::v3::TransportSocket Mtls(const Mesh& mesh, const Service& service,
                                              const ServicePort& port) {
  std::set<std::string> identities;
  for (const Endpoint& endpoint : port.endpoints) {
    if (endpoint.mutual_tls && !endpoint.identity.empty()) identities.insert(endpoint.identity);
  }
  return UpstreamMtls(mesh, port.protocol, identities,
                      absl::StrCat("outbound_.", port.port, "_._.", Fqdn(mesh, service.key)));
}

bool TakesMtls(const Endpoint& endpoint) { return endpoint.mutual_tls; }

// Towards a sidecar mutual TLS, towards all others plaintext.
void SetTransports(const Mesh& mesh, const Service& service, const ServicePort& port,
                   Cluster& cluster) {
  if (std::none_of(port.endpoints.begin(), port.endpoints.end(), &TakesMtls)) return;
  auto& mutual = *cluster.add_transport_socket_matches();
  mutual.set_name("tlsMode-pinnace");
  (*mutual.mutable_match()->mutable_fields())["tlsMode"].set_string_value("pinnace");
  *mutual.mutable_transport_socket() = Mtls(mesh, service, port);
  auto& plain = *cluster.add_transport_socket_matches();
  plain.set_name("tlsMode-disabled");
  plain.mutable_match();
  *plain.mutable_transport_socket() = RawBuffer();
}

Cluster OutboundClusterOf(const Mesh& mesh, const ProxyNode& node, const Service& service,
                          const ServicePort& port) {
  Cluster cluster;
  cluster.set_name(OutboundCluster(mesh, service.key, port.port));
  cluster.set_type(Cluster::EDS);
  *cluster.mutable_eds_cluster_config()->mutable_eds_config() = AdsSource();
  *cluster.mutable_connect_timeout() =
      ToProto(service.traffic.connect_timeout.value_or(kConnectTimeoutDefault));
  cluster.set_lb_policy(Balancing(service.traffic, node));
  SetLimits(service.traffic, cluster);
  SetOutlier(service.traffic, cluster);
  if (node.kind == ProxyNode::Kind::kGrpc) return cluster;
  SetHttp(port.protocol, service.traffic, cluster);
  SetTransports(mesh, service, port, cluster);
  return cluster;
}

Cluster OriginalDestination(const std::string& name) {
  Cluster cluster;
  cluster.set_name(name);
  cluster.set_type(Cluster::ORIGINAL_DST);
  cluster.set_lb_policy(Cluster::CLUSTER_PROVIDED);
  *cluster.mutable_connect_timeout() = ToProto(kConnectTimeoutDefault);
  return cluster;
}

// To the endpoint that the application chose. Such a cluster knows nothing of single endpoints, so
// it is mutual TLS if all of them take it.
Cluster PodClusterOf(const Mesh& mesh, const Service& service, const ServicePort& port) {
  Cluster cluster = OriginalDestination(PodCluster(mesh, service.key, port.port));
  SetLimits(service.traffic, cluster);
  SetHttp(port.protocol, service.traffic, cluster);
  if (!port.endpoints.empty() &&
      std::all_of(port.endpoints.begin(), port.endpoints.end(), &TakesMtls)) {
    *cluster.mutable_transport_socket() = Mtls(mesh, service, port);
  }
  return cluster;
}

// Where requests to a backend that does not exist end.
void AddGrpcBlackHole(ResourceSet& resources) {
  Cluster cluster;
  cluster.set_name(kBlackHoleCluster);
  cluster.set_type(Cluster::EDS);  // gRPC clients refuse STATIC (gRFC A27).
  *cluster.mutable_eds_cluster_config()->mutable_eds_config() = AdsSource();
  Add(resources, kClusterType, cluster);
  AddEndpoints(kBlackHoleCluster, ServicePort(), resources);
}

}  // namespace

void AddOutboundClusters(const Mesh& mesh, const ProxyNode& node, ResourceSet& resources) {
  for (const auto& [key, service] : mesh.services) {
    for (const ServicePort& port : service.ports) {
      const Cluster cluster = OutboundClusterOf(mesh, node, service, port);
      Add(resources, kClusterType, cluster);
      AddEndpoints(cluster.name(), port, resources);
      if (service.headless && node.kind == ProxyNode::Kind::kSidecar) {
        Add(resources, kClusterType, PodClusterOf(mesh, service, port));
      }
    }
  }
  if (node.kind == ProxyNode::Kind::kGrpc) AddGrpcBlackHole(resources);
}

void AddLocalClusters(const std::vector<InboundPort>& inbound, ResourceSet& resources) {
  Add(resources, kClusterType, OriginalDestination(kPassthroughCluster));
  Add(resources, kClusterType, OriginalDestination(kInboundPassthroughCluster));
  Cluster black_hole;
  black_hole.set_name(kBlackHoleCluster);
  black_hole.set_type(Cluster::STATIC);
  *black_hole.mutable_connect_timeout() = ToProto(kConnectTimeoutDefault);
  Add(resources, kClusterType, black_hole);
  for (const InboundPort& port : inbound) {
    Cluster cluster = OriginalDestination(InboundCluster(port.port));
    SetHttp(port.protocol, TrafficSettings(), cluster);
    Add(resources, kClusterType, cluster);
  }
}

}  // namespace control

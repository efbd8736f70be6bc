// Builds the endpoints of a cluster, one locality a zone.
#include <map>

#include "control-plane/translate/clusters.h"
#include "control-plane/translate/pack.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"

namespace control {
namespace {

constexpr char kTransportMatchKey[] = "envoy.transport_socket_match";

void Fill(const Endpoint& endpoint, envoy::config::endpoint::v3::LbEndpoint& out) {
  auto& address = *out.mutable_endpoint()->mutable_address()->mutable_socket_address();
  address.set_address(endpoint.address);
  address.set_port_value(endpoint.port);
  out.set_health_status(endpoint.draining ? envoy::config::core::v3::DRAINING
                                          : envoy::config::core::v3::HEALTHY);
  if (endpoint.mutual_tls) {
    auto& match = (*out.mutable_metadata()->mutable_filter_metadata())[kTransportMatchKey];
    (*match.mutable_fields())["tlsMode"].set_string_value("pinnace");
  }
}

}  // namespace

void AddEndpoints(const std::string& cluster, const ServicePort& port, ResourceSet& resources) {
  std::map<std::string, std::vector<const Endpoint*>> by_zone;
  for (const Endpoint& endpoint : port.endpoints) by_zone[endpoint.zone].push_back(&endpoint);
  envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
  assignment.set_cluster_name(cluster);
  for (const auto& [zone, endpoints] : by_zone) {
    auto& locality = *assignment.add_endpoints();
    locality.mutable_locality()->set_zone(zone);
    // gRPC clients leave out localities without a weight (gRFC A27).
    locality.mutable_load_balancing_weight()->set_value(static_cast<uint32_t>(endpoints.size()));
    for (const Endpoint* endpoint : endpoints) Fill(*endpoint, *locality.add_lb_endpoints());
  }
  resources[kEndpointType][cluster] = MakeResource(cluster, assignment);
}

}  // namespace control

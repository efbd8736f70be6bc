// The xDS resources that translation yields and streams carry.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <google/protobuf/any.pb.h>

namespace control {

// Type URLs, as they stand in DiscoveryRequest.type_url.
inline constexpr char kListenerType[] = "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr char kRouteType[] = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
inline constexpr char kClusterType[] = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr char kEndpointType[] =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
inline constexpr char kSecretType[] =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

// One resource, serialized once and shared by every stream that carries it. Immutable.
struct Resource {
  std::string name;
  std::string version;        // 16 hex digits, xxHash64 of `any`: the same on every replica.
  google::protobuf::Any any;  // type_url and the serialized message (deterministic order).
};
using ResourcePtr = std::shared_ptr<const Resource>;

// The resources of one type, by name.
using ResourceMap = std::map<std::string, ResourcePtr>;

// Everything that one proxy is served, by type URL. A missing type means "none".
using ResourceSet = std::map<std::string, ResourceMap>;

}  // namespace control

// Serialization that yields the same bytes everywhere, and small parts that many resources share.
#pragma once

#include <string>

#include <absl/strings/string_view.h>
#include <absl/time/time.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>

#include "control-plane/model/mesh.h"
#include "control-plane/model/resource.h"
#include "envoy/config/core/v3/config_source.pb.h"

namespace control {

// Names of clusters that every sidecar has.
inline constexpr char kPassthroughCluster[] = "PassthroughCluster";
inline constexpr char kInboundPassthroughCluster[] = "InboundPassthroughCluster";
inline constexpr char kBlackHoleCluster[] = "BlackHoleCluster";
inline constexpr char kRootSecret[] = "ROOTCA";
inline constexpr char kIdentitySecret[] = "default";  // The proxy provides it itself.
inline constexpr uint16_t kOutboundPort = 15001;
inline constexpr uint16_t kInboundPort = 15006;

// `message` in an Any, map fields in the order of their keys.
google::protobuf::Any Pack(const google::protobuf::Message& message);

// The resource with this name; its version is the hash of its bytes.
ResourcePtr MakeResource(absl::string_view name, const google::protobuf::Message& message);

google::protobuf::Duration ToProto(absl::Duration duration);

// "This stream", in the v3 API.
envoy::config::core::v3::ConfigSource AdsSource();

// "outbound|PORT||FQDN"; "outbound|PORT|pod|FQDN", which connects to the endpoint that the
// application chose; "inbound|PORT||"; and "FQDN:PORT" for routes.
std::string PodCluster(const Mesh& mesh, const NamespacedName& service, uint16_t port);
std::string OutboundCluster(const Mesh& mesh, const NamespacedName& service, uint16_t port);
std::string InboundCluster(uint16_t port);
std::string RouteName(const Mesh& mesh, const NamespacedName& service, uint16_t port);

// Adds `message` to `resources` under its own name.
template <typename Message>
void Add(ResourceSet& resources, const char* type_url, const Message& message) {
  resources[type_url][message.name()] = MakeResource(message.name(), message);
}

}  // namespace control

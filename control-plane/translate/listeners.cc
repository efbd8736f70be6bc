// Builds the listeners through which an application reaches services.
#include "control-plane/translate/listeners.h"

#include <algorithm>

#include <absl/strings/str_cat.h>

#include "control-plane/translate/filters.h"
#include "control-plane/translate/pack.h"
#include "control-plane/translate/routes.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace control {
namespace {

using envoy::config::listener::v3::Filter;
using envoy::config::listener::v3::Listener;

Listener ListenerAt(const std::string& name, const std::string& address, uint32_t port) {
  Listener listener;
  listener.set_name(name);
  auto& socket = *listener.mutable_address()->mutable_socket_address();
  socket.set_address(address);
  socket.set_port_value(port);
  listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
  return listener;
}

// A listener that only gets what virtualOutbound hands to it.
void AddVirtual(const std::string& address, uint16_t port, const Filter& filter,
                ResourceSet& resources) {
  Listener listener = ListenerAt(absl::StrCat(address, "_", port), address, port);
  listener.mutable_bind_to_port()->set_value(false);
  *listener.add_filter_chains()->add_filters() = filter;
  // The first service to claim an address keeps it: services come in the order of their names.
  const auto& there = resources[kListenerType];
  if (there.find(listener.name()) == there.end()) Add(resources, kListenerType, listener);
}

Filter ServiceFilter(const Mesh& mesh, const Service& service, const ServicePort& port) {
  const std::string cluster = OutboundCluster(mesh, service.key, port.port);
  if (!IsHttp(port.protocol)) {
    return TcpFilter(mesh, cluster, cluster, service.traffic.idle_timeout);
  }
  HttpConnectionManager manager = SidecarHttp(mesh, cluster);
  SetRds(RouteName(mesh, service.key, port.port), manager);
  return HttpFilterOf(manager);
}

// To the endpoint that the application has chosen itself.
Filter PodFilter(const Mesh& mesh, const Service& service, const ServicePort& port) {
  const std::string cluster = PodCluster(mesh, service.key, port.port);
  if (!IsHttp(port.protocol)) {
    return TcpFilter(mesh, cluster, cluster, service.traffic.idle_timeout);
  }
  HttpConnectionManager manager = SidecarHttp(mesh, cluster);
  *manager.mutable_route_config() = RouteAll(cluster, cluster);
  return HttpFilterOf(manager);
}

void AddVirtualOutbound(const Mesh& mesh, ResourceSet& resources) {
  Listener listener = ListenerAt("virtualOutbound", "0.0.0.0", kOutboundPort);
  listener.mutable_use_original_dst()->set_value(true);
  auto& loop = *listener.add_filter_chains();
  loop.set_name("virtualOutbound-blackhole");
  loop.mutable_filter_chain_match()->mutable_destination_port()->set_value(kOutboundPort);
  *loop.add_filters() = TcpFilter(mesh, kBlackHoleCluster, kBlackHoleCluster);
  auto& rest = *listener.mutable_default_filter_chain();
  rest.set_name("virtualOutbound-passthrough");
  *rest.add_filters() = TcpFilter(mesh, kPassthroughCluster, kPassthroughCluster);
  Add(resources, kListenerType, listener);
}

}  // namespace

void AddOutboundListeners(const Mesh& mesh, ResourceSet& resources) {
  AddVirtualOutbound(mesh, resources);
  for (const auto& [key, service] : mesh.services) {
    for (const ServicePort& port : service.ports) {
      if (service.cluster_ips.empty()) continue;
      const Filter filter = ServiceFilter(mesh, service, port);
      for (const std::string& ip : service.cluster_ips) {
        AddVirtual(ip, port.port, filter, resources);
      }
    }
  }
  // After all services, so that an address of a service is never taken for an endpoint's.
  for (const auto& [key, service] : mesh.services) {
    if (!service.headless) continue;
    for (const ServicePort& port : service.ports) {
      const Filter filter = PodFilter(mesh, service, port);
      size_t count = 0;
      for (const Endpoint& endpoint : port.endpoints) {
        if (++count > kHeadlessListenersMax) break;
        AddVirtual(endpoint.address, endpoint.port, filter, resources);
      }
    }
  }
}

void AddGrpcListeners(const Mesh& mesh, ResourceSet& resources) {
  for (const auto& [key, service] : mesh.services) {
    const auto http = [](const ServicePort& port) { return IsHttp(port.protocol); };
    const bool alone = std::count_if(service.ports.begin(), service.ports.end(), http) == 1;
    for (const ServicePort& port : service.ports) {
      if (!http(port)) continue;
      Listener listener;
      *listener.mutable_api_listener()->mutable_api_listener() =
          Pack(GrpcHttp(RouteName(mesh, key, port.port)));
      // As a resolver's search path would let an application write it.
      for (const std::string& host : {Fqdn(mesh, key), absl::StrCat(key.name, ".", key.ns, ".svc"),
                                      absl::StrCat(key.name, ".", key.ns)}) {
        listener.set_name(absl::StrCat(host, ":", port.port));
        Add(resources, kListenerType, listener);
        if (!alone) continue;
        listener.set_name(host);
        Add(resources, kListenerType, listener);
      }
    }
  }
}

}  // namespace control

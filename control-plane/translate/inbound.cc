// Builds the listener through which a workload is reached.
#include <absl/strings/str_cat.h>

#include "control-plane/translate/filters.h"
#include "control-plane/translate/inbound_filters.h"
#include "control-plane/translate/listeners.h"
#include "control-plane/translate/pack.h"
#include "control-plane/translate/routes.h"
#include "control-plane/translate/tls.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"

namespace control {
namespace {

using envoy::config::listener::v3::Filter;
using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::Listener;

// How long a permissive workload waits for a client's first bytes before it takes the connection
// for a plaintext one whose server speaks first.
constexpr absl::Duration kFirstBytesWait = absl::Seconds(1);

// What stands behind one port: its name, where it goes and how.
struct Behind {
  std::string name;
  std::optional<uint16_t> port;  // Not set: every port without chains of its own.
  bool http = false;
  Filter plain;  // As the port's protocol has it.
  Filter bytes;  // Bytes as they are.
};

Behind BehindPort(const Mesh& mesh, const InboundWorkload& workload, const InboundPort& inbound) {
  Behind behind;
  behind.name = InboundCluster(inbound.port);
  behind.port = inbound.port;
  behind.http = IsHttp(inbound.protocol);
  behind.bytes = TcpFilter(mesh, behind.name, behind.name);
  if (!behind.http) {
    behind.plain = behind.bytes;
    return behind;
  }
  HttpConnectionManager manager = SidecarHttp(mesh, behind.name);
  *manager.mutable_route_config() = RouteAll(behind.name, behind.name);
  AddInboundFilters(mesh, workload.ns, workload.labels, manager);
  behind.plain = HttpFilterOf(manager);
  return behind;
}

Behind BehindRest(const Mesh& mesh) {
  Behind behind;
  behind.name = "virtualInbound-passthrough";
  behind.plain = behind.bytes =
      TcpFilter(mesh, kInboundPassthroughCluster, kInboundPassthroughCluster);
  return behind;
}

FilterChain& AddChain(const Behind& behind, const char* suffix, const char* transport,
                      const Filter& filter, Listener& listener) {
  FilterChain& chain = *listener.add_filter_chains();
  chain.set_name(absl::StrCat(behind.name, suffix));
  auto& match = *chain.mutable_filter_chain_match();
  if (behind.port) match.mutable_destination_port()->set_value(*behind.port);
  match.set_transport_protocol(transport);
  *chain.add_filters() = filter;
  return chain;
}

void AddChains(const Mesh& mesh, TlsMode mode, const Behind& behind, Listener& listener) {
  if (mode == TlsMode::kDisable) {
    AddChain(behind, "-plain", "", behind.plain, listener);
    return;
  }
  FilterChain& mutual = AddChain(behind, "-mutual", "tls", behind.plain, listener);
  *mutual.mutable_transport_socket() = DownstreamMtls(mesh, behind.http);
  // By these names the mesh's TLS is told from the application's own.
  for (const char* alpn : {kAlpnTcp, kAlpnHttp1, kAlpnHttp2}) {
    mutual.mutable_filter_chain_match()->add_application_protocols(alpn);
  }
  if (mode == TlsMode::kStrict) return;
  AddChain(behind, "-tls", "tls", behind.bytes, listener);
  AddChain(behind, "-plain", "raw_buffer", behind.plain, listener);
}

void AddListenerFilters(TlsMode mode, Listener& listener) {
  auto& original = *listener.add_listener_filters();
  original.set_name("envoy.filters.listener.original_dst");
  *original.mutable_typed_config() =
      Pack(envoy::extensions::filters::listener::original_dst::v3::OriginalDst());
  if (mode == TlsMode::kDisable) return;
  auto& inspector = *listener.add_listener_filters();
  inspector.set_name("envoy.filters.listener.tls_inspector");
  *inspector.mutable_typed_config() =
      Pack(envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector());
  if (mode == TlsMode::kStrict) return;
  *listener.mutable_listener_filters_timeout() = ToProto(kFirstBytesWait);
  listener.set_continue_on_listener_filters_timeout(true);
}

}  // namespace

void AddInboundListener(const Mesh& mesh, const InboundWorkload& workload, ResourceSet& resources) {
  const TlsMode mode = workload.mode;
  Listener listener;
  listener.set_name("virtualInbound");
  auto& socket = *listener.mutable_address()->mutable_socket_address();
  socket.set_address("0.0.0.0");
  socket.set_port_value(kInboundPort);
  listener.set_traffic_direction(envoy::config::core::v3::INBOUND);
  AddListenerFilters(mode, listener);
  for (const uint16_t own : {kOutboundPort, kInboundPort}) {
    FilterChain& loop = *listener.add_filter_chains();
    loop.set_name(absl::StrCat("virtualInbound-blackhole-", own));
    loop.mutable_filter_chain_match()->mutable_destination_port()->set_value(own);
    *loop.add_filters() = TcpFilter(mesh, kBlackHoleCluster, kBlackHoleCluster);
  }
  for (const InboundPort& port : workload.ports) {
    if (port.port == kOutboundPort || port.port == kInboundPort) continue;
    AddChains(mesh, mode, BehindPort(mesh, workload, port), listener);
  }
  AddChains(mesh, mode, BehindRest(mesh), listener);
  Add(resources, kListenerType, listener);
}

}  // namespace control

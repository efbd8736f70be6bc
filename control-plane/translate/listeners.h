// Listeners: towards services, and before a workload.
#pragma once

#include "control-plane/model/mesh.h"
#include "control-plane/model/proxy_node.h"
#include "control-plane/model/resource.h"

namespace control {

// Of a headless service at most so many endpoints get a listener of their own; connections to the
// others are passed through as they are.
inline constexpr size_t kHeadlessListenersMax = 256;

// "virtualOutbound", one listener for each address and port of a service, and one for each
// endpoint of a headless service.
void AddOutboundListeners(const Mesh& mesh, ResourceSet& resources);

// The workload that an inbound listener stands before.
struct InboundWorkload {
  const std::string& ns;
  const Labels& labels;
  TlsMode mode;
  const std::vector<InboundPort>& ports;
};

// "virtualInbound", with filter chains for each port by the workload's TLS mode.
void AddInboundListener(const Mesh& mesh, const InboundWorkload& workload, ResourceSet& resources);

// What a gRPC client asks for as "xds:///HOST:PORT", where HOST is NAME.NS, NAME.NS.svc or the
// FQDN; without a port too if the service has only one for HTTP.
void AddGrpcListeners(const Mesh& mesh, ResourceSet& resources);

}  // namespace control

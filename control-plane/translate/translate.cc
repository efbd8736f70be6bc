// Puts the resources of one proxy together: read this file first.
#include "control-plane/translate/translate.h"

#include "control-plane/translate/clusters.h"
#include "control-plane/translate/listeners.h"
#include "control-plane/translate/pack.h"
#include "control-plane/translate/routes.h"
#include "control-plane/translate/shared.h"
#include "control-plane/translate/tls.h"

namespace control {

ResourceSet TranslateShared(const Mesh& mesh, const ProxyNode& node) {
  ResourceSet resources;
  switch (node.kind) {
    case ProxyNode::Kind::kSidecar:
      AddOutboundClusters(mesh, node, resources);
      AddRoutes(mesh, node, resources);
      AddOutboundListeners(mesh, resources);
      AddSecrets(mesh, resources);
      break;
    case ProxyNode::Kind::kGrpc:
      AddOutboundClusters(mesh, node, resources);
      AddRoutes(mesh, node, resources);
      AddGrpcListeners(mesh, resources);
      break;
    case ProxyNode::Kind::kGateway: break;  // Gateways have no resources yet.
  }
  return resources;
}

void TranslateOwn(const Mesh& mesh, const ProxyNode& node, ResourceSet& resources) {
  if (node.kind != ProxyNode::Kind::kSidecar) return;
  const Workload* workload = mesh.FindWorkload({node.pod_namespace, node.pod});
  const TlsMode mode = workload != nullptr
                           ? workload->tls_mode
                           : EffectiveTlsMode(mesh, node.pod_namespace, node.labels);
  const std::string& ip = workload != nullptr && !workload->ip.empty() ? workload->ip : node.ip;
  const auto it = mesh.inbound.find(ip);
  static const std::vector<InboundPort> kNone;
  const std::vector<InboundPort>& inbound = it == mesh.inbound.end() ? kNone : it->second;
  AddLocalClusters(inbound, resources);
  AddInboundListener(mesh, mode, inbound, resources);
}

ResourceSet Translate(const Mesh& mesh, const ProxyNode& node) {
  ResourceSet resources = TranslateShared(mesh, node);
  TranslateOwn(mesh, node, resources);
  return resources;
}

}  // namespace control

// Puts the resources of one proxy together: read this file first.
#include "control-plane/translate/translate.h"

#include <absl/strings/str_cat.h>

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

namespace {

// What the resources of a node's own depend on.
struct Own {
  TlsMode mode = TlsMode::kPermissive;
  std::vector<InboundPort> inbound;
  Labels labels;
};

Own OwnOf(const Mesh& mesh, const ProxyNode& node) {
  Own own;
  const Workload* workload = mesh.FindWorkload({node.pod_namespace, node.pod});
  own.mode = workload != nullptr ? workload->tls_mode
                                 : EffectiveTlsMode(mesh, node.pod_namespace, node.labels);
  own.labels = workload != nullptr ? workload->labels : node.labels;
  const std::string& ip = workload != nullptr && !workload->ip.empty() ? workload->ip : node.ip;
  const auto it = mesh.inbound.find(ip);
  if (it != mesh.inbound.end()) own.inbound = it->second;
  return own;
}

}  // namespace

std::string OwnKey(const Mesh& mesh, const ProxyNode& node) {
  if (node.kind != ProxyNode::Kind::kSidecar) return "";
  const Own own = OwnOf(mesh, node);
  std::string key = absl::StrCat(static_cast<int>(own.mode));
  for (const InboundPort& port : own.inbound) {
    absl::StrAppend(&key, " ", port.port, "/", static_cast<int>(port.protocol), "/",
                    port.service.ns, "/", port.service.name);
  }
  // Labels enter by what they are for: which policies concern the workload.
  const auto add = [&](const auto& policies) {
    absl::StrAppend(&key, ";");
    for (size_t i = 0; i < policies.size(); ++i) {
      if (policies[i].scope.Concerns(node.pod_namespace, own.labels)) absl::StrAppend(&key, i, ",");
    }
  };
  add(mesh.access_policies);
  add(mesh.request_authentications);
  add(mesh.rate_limit_policies);
  return key;
}

void TranslateOwn(const Mesh& mesh, const ProxyNode& node, ResourceSet& resources) {
  if (node.kind != ProxyNode::Kind::kSidecar) return;
  const Own own = OwnOf(mesh, node);
  AddLocalClusters(own.inbound, resources);
  AddInboundListener(
      mesh,
      {.ns = node.pod_namespace, .labels = own.labels, .mode = own.mode, .ports = own.inbound},
      resources);
}

ResourceSet Translate(const Mesh& mesh, const ProxyNode& node) {
  ResourceSet resources = TranslateShared(mesh, node);
  TranslateOwn(mesh, node, resources);
  return resources;
}

}  // namespace control

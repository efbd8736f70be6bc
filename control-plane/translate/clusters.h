// Clusters and their endpoints.
#pragma once

#include "control-plane/model/mesh.h"
#include "control-plane/model/proxy_node.h"
#include "control-plane/model/resource.h"

namespace control {

// One EDS cluster and its endpoints for each port of each service, and of headless ones a second
// cluster that connects where the application wanted to.
void AddOutboundClusters(const Mesh& mesh, const ProxyNode& node, ResourceSet& resources);

// The endpoints of one cluster, by zone.
void AddEndpoints(const std::string& cluster, const ServicePort& port, ResourceSet& resources);

// What a sidecar forwards to without choosing: passthrough, black hole, and one cluster for each
// port of its own workload.
void AddLocalClusters(const std::vector<InboundPort>& inbound, ResourceSet& resources);

}  // namespace control

// Translation in two parts, so that many proxies share the larger one.
#pragma once

#include <string>

#include "control-plane/model/mesh.h"
#include "control-plane/model/proxy_node.h"
#include "control-plane/model/resource.h"

namespace control {

// The part of Translate() that is equal for all nodes with the same `kind`, `pod_namespace` and
// `pinnace`; of `node` nothing else is read. Keep it by these three and copy it (pointers only) for
// each node.
// By itself it is not Consistent(): its listeners use the clusters that TranslateOwn() adds.
ResourceSet TranslateShared(const Mesh& mesh, const ProxyNode& node);

// Nodes of which this and what TranslateShared() reads are equal have equal resources under one
// mesh: the pods of one deployment, say.
std::string OwnKey(const Mesh& mesh, const ProxyNode& node);

// Adds the rest: what depends on the workload itself. Cost: linear in its own ports.
void TranslateOwn(const Mesh& mesh, const ProxyNode& node, ResourceSet& resources);

}  // namespace control

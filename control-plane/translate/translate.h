// Mesh model -> xDS resources, purely.
#pragma once

#include "control-plane/model/mesh.h"
#include "control-plane/model/proxy_node.h"
#include "control-plane/model/resource.h"

namespace control {

// All resources that `node` is served under `mesh`. Pure: the same arguments yield the same bytes
// and versions, on every replica. Any thread. Cost: linear in the services that `node` may call.
ResourceSet Translate(const Mesh& mesh, const ProxyNode& node);

}  // namespace control

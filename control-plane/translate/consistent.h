// References between resources.
#pragma once

#include <string>
#include <vector>

#include "control-plane/model/resource.h"

namespace control {

// One line for each reference to a resource that `resources` lacks (a client would wait for it for
// ever): listener to route configuration, route or TCP proxy to cluster, cluster to endpoints,
// TLS context to a secret over ADS; and for each resource that does not parse. Empty: consistent.
// Cost: one parse of every resource.
std::vector<std::string> Inconsistencies(const ResourceSet& resources);

}  // namespace control

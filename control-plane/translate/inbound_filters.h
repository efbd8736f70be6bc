// The HTTP filters before a workload, as the policies that concern it want them.
#pragma once

#include <string>

#include "control-plane/model/mesh.h"
#include "control-plane/translate/filters.h"

namespace control {

// Puts the filters of RequestAuthentication, AccessPolicy (refusals first) and RateLimitPolicy
// before the router. `labels` are the workload's.
void AddInboundFilters(const Mesh& mesh, const std::string& ns, const Labels& labels,
                       HttpConnectionManager& manager);

}  // namespace control

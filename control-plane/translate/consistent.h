// References between resources.
#pragma once

#include <string>
#include <vector>

#include "control-plane/model/resource.h"

namespace control {

// A resource that another one names.
struct Reference {
  std::string type_url;
  std::string name;

  auto operator<=>(const Reference&) const = default;
};

// What one resource refers to, sorted: listener to route configuration and clusters, route to
// clusters, cluster to endpoints, TLS contexts to secrets over ADS. Cost: one parse.
std::vector<Reference> ReferencesOf(const google::protobuf::Any& any);

// One line for each reference to a resource that `resources` lacks (a client would wait for it for
// ever): listener to route configuration, route or TCP proxy to cluster, cluster to endpoints,
// TLS context to a secret over ADS; and for each resource that does not parse. Empty: consistent.
// Cost: one parse of every resource.
std::vector<std::string> Inconsistencies(const ResourceSet& resources);

}  // namespace control

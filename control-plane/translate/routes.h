// Route configurations: from a service's routes and traffic settings.
#pragma once

#include "control-plane/model/mesh.h"
#include "control-plane/model/proxy_node.h"
#include "control-plane/model/resource.h"
#include "envoy/config/route/v3/route.pb.h"

namespace control {

// The routes of one HTTP port, as clients of `node`'s kind and namespace see them: those of the
// client's own namespace (consumer routes) if there are any, else those of the service's; without
// any, everything goes to the service itself. In Gateway API's order of precedence. Where routes
// exist and none matches, the answer is 404.
envoy::config::route::v3::RouteConfiguration BuildRoutes(const Mesh& mesh, const ProxyNode& node,
                                                         const Service& service,
                                                         const ServicePort& port);

// Everything to one cluster, for inbound ports and single pods; no timeout, no retry.
envoy::config::route::v3::RouteConfiguration RouteAll(const std::string& name,
                                                      const std::string& cluster);

// Adds BuildRoutes() of every HTTP port.
void AddRoutes(const Mesh& mesh, const ProxyNode& node, ResourceSet& resources);

}  // namespace control

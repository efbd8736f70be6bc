// Load balancing: which of the hosts at hand gets the next request.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "common/random.h"
#include "proxy/upstream/host.h"

namespace proxy {

// One cluster's policy on one worker. Loop thread only.
class LoadBalancer {
 public:
  virtual ~LoadBalancer() = default;
  // The hosts to choose from changed; they stay alive until the next call.
  virtual void SetHosts(std::span<Host* const> hosts) = 0;
  // One of them; null if there is none.
  virtual Host* Pick() = 0;
};

// One policy: its name in ClusterConfig and how it is made.
struct LoadBalancerKind {
  ClusterConfig::Balancer balancer;
  std::unique_ptr<LoadBalancer> (*make)(const ClusterConfig& config, pinnace::Random& random);
};
std::unique_ptr<LoadBalancer> NewLoadBalancer(const ClusterConfig& config, pinnace::Random& random);

}  // namespace proxy

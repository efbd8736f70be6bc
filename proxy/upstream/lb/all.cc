// The list of load balancing policies: a new one is a file and a line here.
#include "proxy/upstream/lb/lb.h"

namespace proxy {

extern const LoadBalancerKind kRoundRobinBalancer;
extern const LoadBalancerKind kLeastRequestBalancer;
extern const LoadBalancerKind kRandomBalancer;

std::unique_ptr<LoadBalancer> NewLoadBalancer(const ClusterConfig& config,
                                              pinnace::Random& random) {
  const LoadBalancerKind* const all[] = {
      &kRoundRobinBalancer,
      &kLeastRequestBalancer,
      &kRandomBalancer,
  };
  for (const LoadBalancerKind* kind : all) {
    if (kind->balancer == config.balancer) return kind->make(config, random);
  }
  return kRoundRobinBalancer.make(config, random);
}

}  // namespace proxy

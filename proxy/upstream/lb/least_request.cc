// The least busy of a few random hosts.
#include <algorithm>

#include "proxy/upstream/lb/lb.h"

namespace proxy {
namespace {

// Of `choices` random hosts, the one with the fewest requests in flight for its weight. O(choices).
// Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 2001.
class LeastRequest final : public LoadBalancer {
 public:
  LeastRequest(uint32_t choices, pinnace::Random& random) : choices_(choices), random_(random) {}

  void SetHosts(std::span<Host* const> hosts) override {
    hosts_.assign(hosts.begin(), hosts.end());
  }

  Host* Pick() override {
    if (hosts_.empty()) return nullptr;
    Host* best = hosts_[random_.Below(hosts_.size())];
    for (uint32_t i = 1; i < choices_; ++i) {
      Host* other = hosts_[random_.Below(hosts_.size())];
      if (Load(*other) < Load(*best)) best = other;
    }
    return best;
  }

 private:
  static double Load(const Host& host) {
    return (host.active_requests + 1.0) / std::max(1U, host.config.weight);
  }
  const uint32_t choices_;
  pinnace::Random& random_;
  std::vector<Host*> hosts_;
};

}  // namespace

extern const LoadBalancerKind kLeastRequestBalancer;
const LoadBalancerKind kLeastRequestBalancer = {
    ClusterConfig::Balancer::kLeastRequest,
    [](const ClusterConfig& config, pinnace::Random& random) -> std::unique_ptr<LoadBalancer> {
      return std::make_unique<LeastRequest>(config.choice_count, random);
    }};

}  // namespace proxy

// A random host, in proportion to the weights.
#include <algorithm>

#include "proxy/upstream/lb/lb.h"

namespace proxy {
namespace {

// Draws by cumulated weights. O(log hosts).
class RandomHost final : public LoadBalancer {
 public:
  explicit RandomHost(pinnace::Random& random) : random_(random) {}

  void SetHosts(std::span<Host* const> hosts) override {
    hosts_.assign(hosts.begin(), hosts.end());
    ends_.clear();
    uint64_t total = 0;
    for (const Host* host : hosts_) ends_.push_back(total += host->config.weight);
  }

  Host* Pick() override {
    if (hosts_.empty()) return nullptr;
    const uint64_t ticket = random_.Below(ends_.back());
    const auto found = std::upper_bound(ends_.begin(), ends_.end(), ticket);
    return hosts_[static_cast<size_t>(found - ends_.begin())];
  }

 private:
  pinnace::Random& random_;
  std::vector<Host*> hosts_;
  std::vector<uint64_t> ends_;
};

}  // namespace

extern const LoadBalancerKind kRandomBalancer;
const LoadBalancerKind kRandomBalancer = {
    ClusterConfig::Balancer::kRandom,
    [](const ClusterConfig&, pinnace::Random& random) -> std::unique_ptr<LoadBalancer> {
      return std::make_unique<RandomHost>(random);
    }};

}  // namespace proxy

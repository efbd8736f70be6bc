// Hosts in turn, in proportion to their weights.
#include <algorithm>

#include "proxy/upstream/lb/lb.h"

namespace proxy {
namespace {

// Smooth weighted round robin: each turn adds its weight to every host's credit and the richest is
// chosen and pays the total. O(1) when all weights are equal, else O(hosts).
// Source: the scheme of nginx's upstream module, described in its commit message of 2012.
class RoundRobin final : public LoadBalancer {
 public:
  explicit RoundRobin(pinnace::Random& random) : random_(random) {}

  void SetHosts(std::span<Host* const> hosts) override {
    hosts_.assign(hosts.begin(), hosts.end());
    credits_.assign(hosts_.size(), 0);
    total_ = 0;
    even_ = true;
    for (const Host* host : hosts_) {
      total_ += host->config.weight;
      even_ = even_ && host->config.weight == hosts_[0]->config.weight;
    }
    // A random start, so that many proxies do not all begin at the first host.
    next_ = hosts_.empty() ? 0 : random_.Below(hosts_.size());
  }

  Host* Pick() override {
    if (hosts_.empty()) return nullptr;
    if (even_) {
      next_ = next_ + 1 >= hosts_.size() ? 0 : next_ + 1;
      return hosts_[next_];
    }
    size_t best = 0;
    for (size_t i = 0; i < hosts_.size(); ++i) {
      credits_[i] += hosts_[i]->config.weight;
      if (credits_[i] > credits_[best]) best = i;
    }
    credits_[best] -= static_cast<int64_t>(total_);
    return hosts_[best];
  }

 private:
  pinnace::Random& random_;
  std::vector<Host*> hosts_;
  std::vector<int64_t> credits_;
  uint64_t total_ = 0;
  size_t next_ = 0;
  bool even_ = true;
};

}  // namespace

extern const LoadBalancerKind kRoundRobinBalancer;
const LoadBalancerKind kRoundRobinBalancer = {
    ClusterConfig::Balancer::kRoundRobin,
    [](const ClusterConfig&, pinnace::Random& random) -> std::unique_ptr<LoadBalancer> {
      return std::make_unique<RoundRobin>(random);
    }};

}  // namespace proxy

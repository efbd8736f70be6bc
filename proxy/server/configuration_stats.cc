// What the configuration counts of itself.
#include <algorithm>

#include <absl/strings/str_cat.h>

#include "proxy/server/configuration.h"

namespace proxy {

Cell* Configuration::Stats(const ScopeKind& kind, const std::string& name) {
  return stats_.Get(kind, name)->Shard(stats_.workers() - 1);
}

void Configuration::Count(const std::string& url, const std::string& name, bool accepted) {
  const SourceStat stat = accepted ? kSourceUpdateSuccess : kSourceUpdateRejected;
  if (url == kSecretUrl) return Stats(kSdsScope, name)[stat].Add();
  if (url == kEndpointUrl) {
    const auto count = [&](const ClusterConfig& config) {
      if (config.kind == ClusterConfig::Kind::kEds && config.eds_name == name)
        Stats(kClusterScope, config.name)[accepted ? kUpdateSuccess : kUpdateRejected].Add();
    };
    for (const auto& [cluster, pending] : pending_) count(*pending.config);
    for (const auto& [cluster, entry] : clusters_)
      if (!pending_.contains(cluster)) count(*entry->config);
  }
  if (url != kRouteUrl) return;
  const auto count = [&](const FilterChain& chain) {
    if (chain.http == nullptr || chain.http->rds_name != name) return;
    Stats(kRdsScope, absl::StrCat(chain.http->stat_prefix, ".rds.", name))[stat].Add();
  };
  for (const auto& [of, listener] : listeners_) {
    for (const FilterChain& chain : listener->chains) count(chain);
    if (listener->default_chain) count(*listener->default_chain);
  }
}

void Configuration::CountMembers(const ClusterEntry& entry) {
  size_t total = 0, healthy = 0;
  if (entry.endpoints != nullptr) {
    total = entry.endpoints->size();
    healthy = static_cast<size_t>(std::count_if(
        entry.endpoints->begin(), entry.endpoints->end(),
        [](const EndpointConfig& one) { return one.health == EndpointHealth::kHealthy; }));
  }
  Cell* cells = entry.stats->Shard(stats_.workers() - 1);
  cells[kMembershipTotal].Set(total);
  cells[kMembershipHealthy].Set(healthy);
}

void Configuration::CountTotals() {
  Cell* clusters = Stats(kClusterManagerScope);
  clusters[kActiveClusters].Set(clusters_.size());
  clusters[kWarmingClusters].Set(pending_.size());
  Cell* listeners = Stats(kListenerManagerScope);
  listeners[kListenersActive].Set(serving_.size());
  const auto warming = std::count_if(listeners_.begin(), listeners_.end(), [this](const auto& one) {
    const auto serving = serving_.find(one.first);
    return serving == serving_.end() || serving->second != one.second;
  });
  listeners[kListenersWarming].Set(static_cast<uint64_t>(warming));
}

}  // namespace proxy

// Hosts of a cluster: choosing, ejecting, updating, retiring.
#include "proxy/upstream/cluster.h"

#include <algorithm>
#include <utility>

namespace proxy {
namespace {

// How often hosts that nobody uses any more are let go.
constexpr absl::Duration kSweepEvery = absl::Seconds(5);

bool Usable(const Host& host) {
  return !host.health->ejected.load(std::memory_order_relaxed) &&
         host.config.health != EndpointHealth::kUnhealthy &&
         host.config.health != EndpointHealth::kDraining && !host.config.address.empty();
}

bool Unused(const Host& host) {
  return host.active_requests == 0 &&
         std::all_of(host.pools_of_clients.begin(), host.pools_of_clients.end(),
                     [](const auto& one) { return one.second->empty(); }) &&
         std::all_of(std::begin(host.pool), std::end(host.pool),
                     [](const auto& pool) { return pool == nullptr || pool->empty(); }) &&
         std::all_of(host.special.begin(), host.special.end(),
                     [](const auto& pool) { return pool->empty(); });
}

}  // namespace

Cluster::Cluster(EventLoop& loop, Network& network, size_t worker,
                 std::shared_ptr<const ClusterEntry> entry)
    : loop_(loop),
      entry_(std::move(entry)),
      context_{loop, network, entry_->stats->Shard(worker), *entry_->breaker, entry_->config},
      balancer_(NewLoadBalancer(*entry_->config, loop.random())),
      outliers_(loop.timers(), [this] { LookForOutliers(); }),
      sweep_(loop.timers(), [this] { Sweep(); }) {
  SetHosts();
}

Cluster::~Cluster() = default;

void Cluster::SetHosts() {
  if (config().kind == ClusterConfig::Kind::kOriginalDst) return;
  std::vector<std::unique_ptr<Host>> before = std::move(hosts_);
  hosts_.clear();
  if (entry_->endpoints != nullptr) {
    const auto records =
        entry_->health->Adopt(*entry_->endpoints, config().outlier.has_value(), context_.stats);
    for (size_t i = 0; i < records.size(); ++i) {
      const EndpointConfig& endpoint = (*entry_->endpoints)[i];
      const auto same = std::find_if(before.begin(), before.end(), [&](const auto& host) {
        return host != nullptr && host->config.address == endpoint.address &&
               host->config.labels == endpoint.labels;
      });
      if (same != before.end()) {
        (*same)->config = endpoint;
        hosts_.push_back(std::move(*same));
      } else {
        hosts_.push_back(std::make_unique<Host>(endpoint));
      }
      hosts_.back()->health = records[i];
    }
  }
  for (auto& host : before) {
    if (host != nullptr) Retire(std::move(host));
  }
  Rebalance();
  config().outlier ? outliers_.Arm(config().outlier->interval) : outliers_.Cancel();
}

void Cluster::Retire(std::unique_ptr<Host> host) {
  host->removed = true;
  for (auto& pool : host->pool) {
    if (pool != nullptr) pool->Drain();
  }
  for (auto& [key, pool] : host->pools_of_clients) pool->Drain();
  for (auto& pool : host->special) pool->Drain();
  retired_.push_back(std::move(host));
  if (!sweep_.armed()) sweep_.Arm(kSweepEvery);
}

void Cluster::Rebalance() {
  std::vector<Host*> usable;
  generation_ = entry_->health->generation();
  uint32_t priority = UINT32_MAX;
  for (const auto& host : hosts_) {
    if (Usable(*host)) priority = std::min(priority, host->config.priority);
  }
  for (const auto& host : hosts_) {
    if (Usable(*host) && host->config.priority == priority) usable.push_back(host.get());
  }
  balancer_->SetHosts(usable);
}

Host* Cluster::OriginalHost(const Address& wanted) {
  if (wanted.empty()) return nullptr;
  const auto found = by_address_.find(wanted);
  if (found != by_address_.end()) return hosts_[found->second].get();
  by_address_[wanted] = hosts_.size();
  EndpointConfig endpoint;
  endpoint.address = wanted;
  hosts_.push_back(std::make_unique<Host>(std::move(endpoint)));
  if (!sweep_.armed()) sweep_.Arm(kSweepEvery);
  return hosts_.back().get();
}

Host* Cluster::Pick(const Address& wanted, const Host* avoid) {
  if (config().kind == ClusterConfig::Kind::kOriginalDst) return OriginalHost(wanted);
  // Another worker may have ejected or readmitted a host.
  if (generation_ != entry_->health->generation()) Rebalance();
  Host* host = balancer_->Pick();
  // A few more draws find another host if there is one.
  for (int i = 0; i < 3 && host != nullptr && host == avoid; ++i) host = balancer_->Pick();
  if (host == nullptr) context_.stats[kUpstreamCxNoneHealthy].Add();
  return host;
}

Pool& Cluster::PoolOf(Host& host, bool http2, const StreamEnds& ends) {
  if (!sweep_.armed()) sweep_.Arm(kSweepEvery);
  auto& own = host.pools_of_clients[{http2, ends}];
  if (own == nullptr) {
    own = std::make_unique<Pool>(context_, host, http2, TlsClientOptions(), ends);
  }
  return *own;
}

Pool& Cluster::PoolOf(Host& host, bool http2, const TlsClientOptions& options) {
  if (!options.empty()) {
    for (const auto& pool : host.special)
      if (pool->Serves(http2, options)) return *pool;
    // As many stay as have connections or waiters, which the breaker bounds.
    std::erase_if(host.special, [](const auto& pool) { return pool->empty(); });
    host.special.push_back(std::make_unique<Pool>(context_, host, http2, options));
    return *host.special.back();
  }
  auto& pool = host.pool[http2 ? 1 : 0];
  if (pool == nullptr) pool = std::make_unique<Pool>(context_, host, http2);
  return *pool;
}

HealthContext Cluster::Context() { return {loop_.NowNs(), loop_.random(), context_.stats}; }

void Cluster::Record(Host& host, Outcome outcome) {
  if (!config().outlier || host.health == nullptr) return;
  entry_->health->Record(*host.health, outcome, *config().outlier, Context());
}

void Cluster::LookForOutliers() {
  if (!config().outlier) return;
  entry_->health->Tick(*config().outlier, Context());
  outliers_.Arm(config().outlier->interval);
}

void Cluster::Update(std::shared_ptr<const ClusterEntry> entry) {
  const bool same_config = entry->config == entry_->config;
  const bool same_hosts = same_config && entry->endpoints == entry_->endpoints;
  entry_ = std::move(entry);
  if (!same_config) {
    context_.config = entry_->config;
    balancer_ = NewLoadBalancer(*entry_->config, loop_.random());
    // Connections made under another configuration end with their streams.
    for (auto& host : hosts_) Retire(std::move(host));
    hosts_.clear();
    by_address_.clear();
  }
  if (!same_hosts) SetHosts();
}

void Cluster::Sweep() {
  std::erase_if(retired_, [](const auto& host) { return Unused(*host); });
  if (config().kind == ClusterConfig::Kind::kOriginalDst) {
    std::erase_if(hosts_, [](const auto& host) { return Unused(*host); });
    by_address_.clear();
    for (size_t i = 0; i < hosts_.size(); ++i) by_address_[hosts_[i]->config.address] = i;
  }
  size_t clients = 0;
  for (const auto& host : hosts_) {
    std::erase_if(host->pools_of_clients, [](const auto& one) { return one.second->empty(); });
    clients += host->pools_of_clients.size();
  }
  if (!retired_.empty() || !by_address_.empty() || clients > 0) sweep_.Arm(kSweepEvery);
}

bool Cluster::empty() const {
  const auto unused = [](const auto& host) { return Unused(*host); };
  return std::all_of(hosts_.begin(), hosts_.end(), unused) &&
         std::all_of(retired_.begin(), retired_.end(), unused);
}

void Cluster::Drain() {
  for (auto& host : hosts_) Retire(std::move(host));
  hosts_.clear();
  by_address_.clear();
  balancer_->SetHosts({});
  outliers_.Cancel();
}

void Clusters::Adopt(std::shared_ptr<const ClusterTable> table) {
  if (table == table_) return;
  table_ = std::move(table);
  for (auto it = used_.begin(); it != used_.end();) {
    const auto now = table_->find(it->first);
    if (now == table_->end()) {
      it->second->Drain();
      leaving_.push_back(std::move(it->second));
      used_.erase(it++);
      continue;
    }
    if (now->second.get() != &it->second->entry()) it->second->Update(now->second);
    ++it;
  }
  std::erase_if(leaving_,
                [](const auto& cluster) { return cluster.use_count() == 1 && cluster->empty(); });
}

std::shared_ptr<Cluster> Clusters::Find(absl::string_view name) {
  if (const auto found = used_.find(name); found != used_.end()) return found->second;
  const auto known = table_->find(name);
  if (known == table_->end()) return nullptr;
  auto cluster = std::make_shared<Cluster>(loop_, network_, worker_, known->second);
  used_.emplace(std::string(name), cluster);
  return cluster;
}

}  // namespace proxy

// Clusters as one worker uses them: built on first use from what all workers share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>

#include "proxy/stats/names.h"
#include "proxy/upstream/breaker.h"
#include "proxy/upstream/cluster_health.h"
#include "proxy/upstream/host.h"
#include "proxy/upstream/lb/lb.h"
#include "proxy/upstream/pool.h"

namespace proxy {

// One cluster as published: shared by all workers, immutable but for the breaker's counts
// and the hosts' health.
struct ClusterEntry {
  std::shared_ptr<const ClusterConfig> config;
  std::shared_ptr<const EndpointList> endpoints;  // Null while still unknown (warming).
  std::shared_ptr<Breaker> breaker;               // Kept across updates of the same name.
  std::shared_ptr<Scope> stats;
  // Kept likewise.
  std::shared_ptr<ClusterHealth> health = std::make_shared<ClusterHealth>();
};
// All clusters by name.
using ClusterTable = absl::flat_hash_map<std::string, std::shared_ptr<const ClusterEntry>>;

// One cluster on one worker. Loop thread only. Outlives its streams.
class Cluster {
 public:
  Cluster(EventLoop& loop, Network& network, size_t worker,
          std::shared_ptr<const ClusterEntry> entry);
  ~Cluster();

  // The host of the next request; null if none is healthy. `wanted`: where the request was going
  // (ORIGINAL_DST uses it). `avoid`: a host that has just failed, passed over if there is another.
  Host* Pick(const Address& wanted, const Host* avoid);
  // The pool whose connections are made with these options.
  Pool& PoolOf(Host& host, bool http2, const TlsClientOptions& options);
  Pool& PoolOf(Host& host, bool http2) { return PoolOf(host, http2, TlsClientOptions()); }
  // Where the cluster sends PROXY headers: the pool whose connections speak for this client.
  Pool& PoolOf(Host& host, bool http2, const StreamEnds& ends);
  // What came of a request: feeds outlier detection.
  void Record(Host& host, Outcome outcome);
  // Takes over a new version of the same name; hosts that stay keep their connections.
  void Update(std::shared_ptr<const ClusterEntry> entry);
  // Nothing is open any more.
  bool empty() const;
  void Drain();

  const ClusterConfig& config() const { return *entry_->config; }
  const ClusterEntry& entry() const { return *entry_; }
  Breaker& breaker() { return *entry_->breaker; }
  Cell* stats() { return context_.stats; }
  size_t hosts() const { return hosts_.size(); }

 private:
  void SetHosts();
  void Rebalance();
  void Retire(std::unique_ptr<Host> host);
  Host* OriginalHost(const Address& wanted);
  void Sweep();
  void LookForOutliers();
  HealthContext Context();

  EventLoop& loop_;
  std::shared_ptr<const ClusterEntry> entry_;
  PoolContext context_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Host>> retired_;  // Their last streams are still running.
  std::map<Address, size_t> by_address_;        // ORIGINAL_DST: index into hosts_.
  std::unique_ptr<LoadBalancer> balancer_;
  uint64_t generation_ = 0;  // Of the health that balancer_ goes by.
  Timer outliers_;
  Timer sweep_;
};

// All clusters of one worker.
class Clusters {
 public:
  Clusters(EventLoop& loop, Network& network, size_t worker)
      : loop_(loop), network_(network), worker_(worker) {}

  // Takes the newest table: clusters in use are updated, vanished ones drained.
  void Adopt(std::shared_ptr<const ClusterTable> table);
  // The cluster of that name; null if it is not in the table. The result stays valid while the
  // caller's stream holds it.
  std::shared_ptr<Cluster> Find(absl::string_view name);
  size_t in_use() const { return used_.size(); }

 private:
  EventLoop& loop_;
  Network& network_;
  const size_t worker_;
  std::shared_ptr<const ClusterTable> table_ = std::make_shared<ClusterTable>();
  absl::flat_hash_map<std::string, std::shared_ptr<Cluster>> used_;
  std::vector<std::shared_ptr<Cluster>> leaving_;
};

}  // namespace proxy

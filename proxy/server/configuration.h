// Which accepted resources are in force: warming, waiting, make before break. No I/O.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/server/published.h"
#include "proxy/snapshot/parse.h"
#include "proxy/stats/names.h"
#include "proxy/xds/discovery.h"

namespace proxy {

// Resources come in by Accept(), are parsed and kept; Reconsider() then moves those into force
// whose needs are met: a cluster with its endpoints and secrets, a listener with its routes and
// secrets. Until then the version before stays. Main thread only; time is passed in.
class Configuration {
 public:
  using Gone = ResourceEvents::Gone;

  // `resolve` is called for each STRICT_DNS cluster that has come; SetResolved() answers it.
  Configuration(StatsRegistry& stats, SecretStore& secrets,
                std::function<void(std::shared_ptr<const ClusterConfig>)> resolve);

  // A resource of the bootstrap: it is in force at once if it needs nothing, and never removed.
  // InvalidArgument names the field and the rule.
  // `of_server`: a server of configuration is reached by it: PINGs find out whether it is still
  // there, unless the cluster has settings of its own for them.
  absl::Status AddStatic(const envoy::config::cluster::v3::Cluster& proto, bool of_server = false);
  absl::Status AddStatic(const envoy::config::listener::v3::Listener& proto);

  // A resource from a server or a file. Errors: InvalidArgument; the version before stays.
  absl::Status Accept(const std::string& url, const std::string& name,
                      const google::protobuf::Any& any);
  // Listeners and clusters go. What others still refer to stays as it was if its server has removed
  // it, as in Envoy; if its time to live is over, it goes.
  void Remove(const std::string& url, const std::string& name, Gone gone);
  // Whoever waits for it need not any more.
  void Missing(const std::string& url, const std::string& name);
  // All resources of that type are awaited: listeners of servers do not open before the clusters.
  void ExpectAll(const std::string& url, const pinnace::ConfigFrom& from, int64_t now_ns);
  // The first response of that type has been applied.
  void NoteAnswered(const std::string& url) { expected_.erase(url); }
  // Addresses for a cluster that `resolve` was called with; none if its names were not found.
  void SetResolved(const ClusterConfig& config, EndpointList found);
  bool Current(const ClusterConfig& config) const;

  // Moves into force what is ready. Steady time. Afterwards:
  void Reconsider(int64_t now_ns);
  SnapshotPtr Published() const;
  // When Reconsider() is due again without news; INT64_MAX: never.
  int64_t next_ns() const { return next_ns_; }
  // The names of that type that are referred to, by source. Secrets but those of `own_secret`.
  NamesBySource Wanted(const std::string& url) const;
  // Everything that was asked for at the start has come or was given up. Latches.
  bool ready() const { return ready_; }

  ParseContext& parse() { return parse_; }
  const std::map<std::string, std::shared_ptr<const ClusterEntry>>& clusters() const {
    return clusters_;
  }
  const std::map<std::string, std::shared_ptr<const ListenerConfig>>& serving() const {
    return serving_;
  }
  uint64_t waits_given_up() const { return given_up_; }
  // A secret that the process makes itself and asks nobody for.
  void SetOwnSecret(std::string name) { own_secret_ = std::move(name); }

  static constexpr absl::Duration kServerPingEvery = absl::Seconds(30);
  static constexpr absl::Duration kServerPingAnswer = absl::Seconds(15);
  // How long a change waits for others that are on their way: new routes for the clusters that they
  // name, a removed cluster for routes that still name it. Servers send types one by one.
  static constexpr absl::Duration kMakeBeforeBreak = absl::Milliseconds(500);

 private:
  struct Routes {
    std::shared_ptr<const RouteTable> table;
    std::vector<std::string> clusters;  // That it names.
    int64_t hold_until_ns = 0;          // 0: not held back yet.
  };
  struct PendingCluster {
    std::shared_ptr<const ClusterConfig> config;
    std::shared_ptr<const EndpointList> resolved;  // STRICT_DNS.
  };
  absl::Status Take(const std::string& url, const std::string& name,
                    const google::protobuf::Any& any);
  void Count(const std::string& url, const std::string& name, bool accepted);
  void CountMembers(const ClusterEntry& entry);
  void CountTotals();
  // The main thread's shard of a scope.
  Cell* Stats(const ScopeKind& kind, const std::string& name = "");
  absl::Status AcceptCluster(const google::protobuf::Any& any);
  absl::Status AcceptListener(const google::protobuf::Any& any);
  void StartCluster(std::shared_ptr<const ClusterConfig> config);
  // True once the wait for that resource is over; begins it when first asked.
  bool GivenUp(const std::string& url, const std::string& name, const pinnace::ConfigFrom& from);
  bool Warm(const TlsSlot* slot);
  bool Warm(const ClusterConfig& config);
  bool Warm(const ListenerConfig& listener);
  // False while it names a cluster that is not in force and may still come.
  bool ClustersKnown(const std::vector<std::string>& names, int64_t& hold_until_ns);
  void ReconsiderClusters();
  void ReconsiderRoutes();
  void ReconsiderListeners();
  void RemoveLeaving();
  void ForgetUnwanted();

  StatsRegistry& stats_;
  ParseContext parse_;
  std::function<void(std::shared_ptr<const ClusterConfig>)> resolve_;
  std::map<std::string, PendingCluster> pending_;  // Accepted, not yet in force.
  std::map<std::string, std::shared_ptr<const ClusterEntry>> clusters_;  // In force.
  std::set<std::string> static_clusters_, static_listeners_;
  std::map<std::string, int64_t> leaving_;  // Removed, but still named: until when they stay.
  std::map<std::string, std::shared_ptr<const EndpointList>> endpoints_;  // By EDS name.
  std::map<std::string, Routes> routes_, next_routes_;  // In force; accepted and held back.
  std::map<std::string, std::shared_ptr<const ListenerConfig>> listeners_;  // Accepted.
  std::map<std::string, std::shared_ptr<const ListenerConfig>> serving_;    // In force.
  std::map<std::string, int64_t> listener_holds_;
  std::map<std::string, int64_t> expected_;  // Types whose first response is awaited: until when.
  std::map<std::pair<std::string, std::string>, int64_t> waits_;  // By type and name: until when.
  std::set<std::pair<std::string, std::string>> waited_;          // In this round.
  std::string own_secret_;
  int64_t now_ns_ = 0;
  int64_t next_ns_ = INT64_MAX;
  uint64_t given_up_ = 0;
  bool initialized_ = false;  // The first clusters of the servers are in force or given up.
  bool ready_ = false;
};

}  // namespace proxy

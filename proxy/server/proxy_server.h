// The whole proxy: configuration in force, workers, admin.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "proxy/admin/admin.h"
#include "proxy/server/worker.h"
#include "proxy/snapshot/parse.h"
#include "proxy/xds/ads_client.h"
#include "proxy/xds/identity.h"

namespace proxy {

struct ServerOptions {
  std::string config_file = {};
  uint32_t concurrency = 1;     // Worker threads, 1..1024.
  std::string ports_file = {};  // Written once serving: JSON of the bound ports.
};

// Main thread, but for what the workers run.
class ProxyServer final : public ResourceEvents {
 public:
  ProxyServer(ServerOptions options, Network& network, pinnace::Clock& clock);
  ~ProxyServer() override;

  // Everything wrong with `bootstrap`, a line each; empty if it can be served.
  std::vector<std::string> Load(const envoy::config::bootstrap::v3::Bootstrap& bootstrap);
  // Serves until SIGTERM or SIGINT. The process's exit code.
  int Run();

 private:
  void AddAdmin();
  void Publish();
  void WritePorts();
  void BeginDrain();
  void WatchDrain();
  void AddCluster(std::shared_ptr<const ClusterConfig> config);
  void Resolve(const std::string& name);

  // The control plane's part: proxy_dynamic.cc.
  bool LoadDynamic(std::vector<std::string>& problems);
  absl::Status OnResource(const std::string& url, const std::string& name,
                          const google::protobuf::Any& any) override;
  void OnRemoved(const std::string& url, const std::string& name) override;
  void OnResponseApplied(const std::string& url) override;
  void OnConnectedChange(bool connected) override;
  bool Warm(const ListenerConfig& listener) const;

  const ServerOptions options_;
  Network& network_;
  pinnace::Clock& clock_;
  EventLoop loop_;
  StatsRegistry stats_;
  SecretStore secrets_;
  ParseContext parse_;
  envoy::config::bootstrap::v3::Bootstrap bootstrap_;
  std::map<std::string, std::shared_ptr<const ClusterEntry>> clusters_;
  std::set<std::string> static_clusters_;  // Of the bootstrap: never removed.
  std::map<std::string, std::shared_ptr<const EndpointList>> endpoints_;  // By EDS name.
  std::map<std::string, std::shared_ptr<const RouteTable>> routes_;
  std::map<std::string, std::shared_ptr<const ListenerConfig>> listeners_;
  std::map<std::string, std::shared_ptr<const ListenerConfig>> serving_;  // Those that were warm.
  std::map<std::string, std::unique_ptr<Timer>> resolvers_;  // STRICT_DNS clusters by name.
  std::vector<std::thread> lookups_;  // getaddrinfo() blocks; joined at the end.
  std::vector<std::unique_ptr<Worker>> workers_;
  Admin admin_;
  Clusters own_clusters_;  // What the main thread itself calls: control plane and CA.
  std::string token_file_;
  std::unique_ptr<IdentityClient> identity_;
  std::unique_ptr<AdsClient> ads_;
  Address admin_address_;
  int64_t started_ns_ = 0;
  bool draining_ = false;
  std::unique_ptr<Timer> drain_timer_;
  int64_t drain_end_ns_ = 0;
};

}  // namespace proxy

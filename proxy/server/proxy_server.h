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
#include "proxy/server/configuration.h"
#include "proxy/server/kept_config.h"
#include "proxy/server/records.h"
#include "proxy/server/secret_files.h"
#include "proxy/server/worker.h"
#include "proxy/xds/discovery.h"
#include "proxy/xds/identity.h"

namespace proxy {

struct ServerOptions {
  std::string config_file = {};
  uint32_t concurrency = 1;     // Worker threads, 1..1024.
  std::string ports_file = {};  // Written once serving: JSON of the bound ports.
  std::string state_dir = {};   // What servers sent is kept there; empty: nowhere.
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
  // Brings into force what is ready, asks for what is missing, tells the workers.
  void Apply();
  void WritePorts();
  void BeginDrain();
  void WatchDrain();
  // Looks the names of a STRICT_DNS cluster up, now and again, for as long as it is current.
  void Resolve(std::shared_ptr<const ClusterConfig> config, absl::Duration after);
  void LookUpNow(std::shared_ptr<const ClusterConfig> config);

  // The control plane's part: proxy_dynamic.cc.
  void LoadDynamic(std::vector<std::string>& problems);
  void LoadOverload(std::vector<std::string>& problems);
  void LoadExtensions(std::string& state_dir, std::vector<std::string>& problems);
  void LoadSources(std::vector<std::string>& problems);
  void LoadKept(const std::string& folder);
  void CheckStatic(const char* where, const std::string& cluster,
                   std::vector<std::string>& problems) const;
  absl::Status OnResource(const std::string& url, const std::string& name,
                          const std::string& version, const google::protobuf::Any& any) override;
  void OnRemoved(const std::string& url, const std::string& name, Gone gone) override;
  void OnMissing(const std::string& url, const std::string& name, const std::string& why) override;
  void OnResponseApplied(const std::string& url, const std::string& error) override;
  void OnConnectedChange(bool connected) override;

  const ServerOptions options_;
  Network& network_;
  pinnace::Clock& clock_;
  EventLoop loop_;
  StatsRegistry stats_;
  SecretStore secrets_;
  Configuration config_;
  SecretFiles secret_files_;
  envoy::config::bootstrap::v3::Bootstrap bootstrap_;
  Timer apply_;  // Armed by whatever may have changed what is in force.
  std::map<std::string, std::unique_ptr<Timer>> resolvers_;  // STRICT_DNS clusters by name.
  std::vector<std::thread> lookups_;  // getaddrinfo() blocks; joined at the end.
  ConnectionLimit limit_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Admin admin_;
  Clusters own_clusters_;  // What the main thread itself calls: control plane and CA.
  std::string token_file_;
  std::unique_ptr<IdentityClient> identity_;
  std::unique_ptr<Discovery> discovery_;
  ResourceRecords records_;
  std::unique_ptr<KeptConfig> kept_;  // Null if nothing is to be kept.
  Address admin_address_;
  int64_t started_ns_ = 0;
  bool draining_ = false;
  std::unique_ptr<Timer> drain_timer_;
  int64_t drain_end_ns_ = 0;
};

}  // namespace proxy

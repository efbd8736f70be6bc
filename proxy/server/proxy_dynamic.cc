// What the control plane sends, made part of the configuration in force.
#include <algorithm>
#include <set>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "common/version.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb.h"
#include "proxy/server/proxy_server.h"
#include "proxy/snapshot/native.h"

namespace proxy {
namespace {

// "spiffe://TRUST/ns/NS/sa/ACCOUNT" of a node's metadata.
std::string SpiffeOf(const envoy::config::core::v3::Node& node, const std::string& trust_domain) {
  const auto text = [&](const char* key, const char* otherwise) -> std::string {
    const auto found = node.metadata().fields().find(key);
    return found == node.metadata().fields().end() ? otherwise : found->second.string_value();
  };
  return absl::StrCat("spiffe://", trust_domain.empty() ? "cluster.local" : trust_domain, "/ns/",
                      text("NAMESPACE", "default"), "/sa/", text("SERVICE_ACCOUNT", "default"));
}

}  // namespace

void ProxyServer::LoadDynamic(std::vector<std::string>& problems) {
  std::string state_dir = options_.state_dir;
  LoadExtensions(state_dir, problems);
  LoadSources(problems);
  LoadKept(state_dir);
  for (const char* url : {kEndpointUrl, kRouteUrl, kSecretUrl}) {
    const NamesBySource wanted = config_.Wanted(url);
    const auto by_ads = wanted.find(pinnace::ConfigFrom::kAds);
    if (by_ads != wanted.end() && !discovery_->has_ads()) {
      problems.push_back(absl::StrCat("'", *by_ads->second.begin(),
                                      "' comes by ads, but dynamic_resources has no ads_config"));
    }
  }
}

// The clusters that servers are reached by cannot come from servers.
void ProxyServer::CheckStatic(const char* where, const std::string& cluster,
                              std::vector<std::string>& problems) const {
  const auto& fixed = bootstrap_.static_resources().clusters();
  if (std::none_of(fixed.begin(), fixed.end(),
                   [&](const auto& one) { return one.name() == cluster; }))
    problems.push_back(absl::StrCat(where, ": cluster '", cluster, "' is not in the bootstrap"));
}

void ProxyServer::LoadExtensions(std::string& state_dir, std::vector<std::string>& problems) {
  for (const auto& extension : bootstrap_.bootstrap_extensions()) {
    if (DoneNatively(extension.typed_config())) continue;
    mesh::v1::WorkloadIdentity config;
    if (!extension.typed_config().UnpackTo(&config)) {
      problems.push_back(
          absl::StrCat("bootstrap_extensions: '", extension.name(), "' is not supported"));
      continue;
    }
    CheckStatic("bootstrap_extensions: ca_cluster", config.ca_cluster(), problems);
    token_file_ = config.token_file();
    if (state_dir.empty()) state_dir = config.state_dir();
    config_.SetOwnSecret(config.secret_name().empty() ? "default" : config.secret_name());
    identity_ = std::make_unique<IdentityClient>(
        loop_, config, SpiffeOf(bootstrap_.node(), config.trust_domain()),
        [this, name = config.ca_cluster()] { return own_clusters_.Find(name); }, secrets_);
  }
}

void ProxyServer::LoadOverload(std::vector<std::string>& problems) {
  using envoy::extensions::resource_monitors::downstream_connections::v3::
      DownstreamConnectionsConfig;
  for (const auto& monitor : bootstrap_.overload_manager().resource_monitors()) {
    DownstreamConnectionsConfig config;
    if (!monitor.typed_config().UnpackTo(&config) ||
        config.max_active_downstream_connections() < 1) {
      problems.push_back(
          absl::StrCat("overload_manager.resource_monitors: '", monitor.name(),
                       "': only global_downstream_max_connections of at least 1 is supported"));
      continue;
    }
    limit_.SetMost(config.max_active_downstream_connections());
  }
  for (const auto& layer : bootstrap_.layered_runtime().layers()) {
    if (!layer.static_layer().fields().empty()) {
      pinnace::LogWarning("server", absl::StrCat("layered_runtime: the keys of layer '",
                                                 layer.name(), "' are not used"));
    }
  }
}

void ProxyServer::LoadSources(std::vector<std::string>& problems) {
  const auto& dynamic = bootstrap_.dynamic_resources();
  envoy::config::core::v3::Node node = bootstrap_.node();
  node.set_user_agent_name("pinnace");
  node.set_user_agent_version(pinnace::kVersion);
  for (const char* feature :
       {"envoy.lb.does_not_support_overprovisioning", "xds.config.supports-resource-ttl",
        "xds.config.supports-resource-in-sotw"}) {
    node.add_client_features(feature);
  }
  discovery_ = std::make_unique<Discovery>(Discovery::Context{
      .loop = loop_,
      .cluster = [this](const std::string& name) { return own_clusters_.Find(name); },
      .node = std::move(node),
      .token = [this] { return ReadToken(token_file_); },
      .events = *this,
      .sources = config_.parse().sources});
  for (const auto& service : dynamic.ads_config().grpc_services())
    CheckStatic("dynamic_resources.ads_config", service.envoy_grpc().cluster_name(), problems);
  const auto note = [&](const char* where, const absl::Status& status) {
    if (!status.ok())
      problems.push_back(absl::StrCat("dynamic_resources.", where, ": ", status.message()));
    return status.ok();
  };
  if (dynamic.has_ads_config()) {
    note("ads_config", discovery_->SetAds(dynamic.ads_config()));
    stats_.Get(kControlPlaneScope, "");  // "Not connected" is to be seen too.
  }
  const auto subscribe = [&](const char* where, const char* url, bool has, const auto& source) {
    if (!has) return;
    const auto from = ParseConfigFrom(source, config_.parse());
    if (!note(where, from.status())) return;
    config_.ExpectAll(url, *from, loop_.ReadNs());
    note(where, discovery_->SubscribeAll(url, *from));
  };
  // A bootstrap that names ADS alone wants everything from there.
  const bool implied =
      dynamic.has_ads_config() && !dynamic.has_cds_config() && !dynamic.has_lds_config();
  envoy::config::core::v3::ConfigSource ads;
  ads.mutable_ads();
  subscribe("cds_config", kClusterUrl, implied || dynamic.has_cds_config(),
            implied ? ads : dynamic.cds_config());
  subscribe("lds_config", kListenerUrl, implied || dynamic.has_lds_config(),
            implied ? ads : dynamic.lds_config());
}

// A restarted proxy begins with what it had; its server tells the differences.
void ProxyServer::LoadKept(const std::string& folder) {
  if (folder.empty()) return;
  auto kept =
      std::make_unique<KeptConfig>(loop_.timers(), folder, bootstrap_.node().id(), records_);
  size_t used = 0;
  for (const auto& resource : kept->Load()) {
    const std::string& url = resource.resource().type_url();
    const absl::Status taken =
        OnResource(url, resource.name(), resource.version(), resource.resource());
    if (!taken.ok()) {
      pinnace::LogWarning("xds", absl::StrCat("kept ", resource.name(), ": ", taken.message()));
      continue;
    }
    discovery_->Restore(url, resource.name(), resource.version());
    config_.NoteAnswered(url);
    ++used;
  }
  if (used > 0) pinnace::LogInfo("xds", absl::StrCat("serving ", used, " kept resources"));
  kept_ = std::move(kept);
}

absl::Status ProxyServer::OnResource(const std::string& url, const std::string& name,
                                     const std::string& version, const google::protobuf::Any& any) {
  const absl::Status accepted = config_.Accept(url, name, any);
  if (!accepted.ok()) {
    records_.Refuse(url, name, version, std::string(accepted.message()), clock_.Wall());
    return accepted;
  }
  records_.Accept(url, name, version, any, clock_.Wall());
  if (kept_ != nullptr) kept_->Note();
  if (SecretFiles::Secret secret; url == kSecretUrl && any.UnpackTo(&secret))
    secret_files_.Watch(secret);
  return accepted;
}

void ProxyServer::OnRemoved(const std::string& url, const std::string& name, Gone gone) {
  config_.Remove(url, name, gone);
  if (url == kListenerUrl || url == kClusterUrl || gone == Gone::kExpired)
    records_.Remove(url, name);
  if (kept_ != nullptr) kept_->Note();
}

void ProxyServer::OnMissing(const std::string& url, const std::string& name,
                            const std::string& why) {
  pinnace::LogWarning("xds", absl::StrCat(url, " '", name, "' does not exist: ", why));
  config_.Missing(url, name);
}

void ProxyServer::OnResponseApplied(const std::string& url, const std::string& error) {
  Cell* stats = stats_.Get(kServerScope, "")->Shard(options_.concurrency);
  stats[error.empty() ? kServerXdsUpdateSuccess : kServerXdsUpdateRejected].Add();
  if (!error.empty()) pinnace::LogError("xds", absl::StrCat("refused: ", error));
  const auto count = [&](const ScopeKind& kind, size_t success, size_t rejected) {
    stats_.Get(kind, "")->Shard(options_.concurrency)[error.empty() ? success : rejected].Add();
  };
  if (url == kClusterUrl) count(kClusterManagerScope, kCdsUpdateSuccess, kCdsUpdateRejected);
  if (url == kListenerUrl) count(kListenerManagerScope, kLdsUpdateSuccess, kLdsUpdateRejected);
  config_.NoteAnswered(url);
  apply_.Arm(absl::ZeroDuration());
}

void ProxyServer::OnConnectedChange(bool connected) {
  Cell* stats = stats_.Get(kControlPlaneScope, "")->Shard(options_.concurrency);
  connected ? stats[kControlPlaneConnected].Add() : stats[kControlPlaneConnected].Sub();
  if (connected) pinnace::LogInfo("xds", "connected to the control plane");
}

}  // namespace proxy

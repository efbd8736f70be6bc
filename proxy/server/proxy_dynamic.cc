// What the control plane sends, made part of the configuration in force.
#include <set>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "common/version.h"
#include "proxy/server/proxy_server.h"

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
  const auto& dynamic = bootstrap_.dynamic_resources();
  for (const auto& extension : bootstrap_.bootstrap_extensions()) {
    mesh::v1::WorkloadIdentity config;
    if (!extension.typed_config().UnpackTo(&config)) {
      problems.push_back(
          absl::StrCat("bootstrap_extensions: '", extension.name(), "' is not supported"));
      continue;
    }
    token_file_ = config.token_file();
    config_.SetOwnSecret(config.secret_name().empty() ? "default" : config.secret_name());
    identity_ = std::make_unique<IdentityClient>(
        loop_, config, SpiffeOf(bootstrap_.node(), config.trust_domain()),
        [this, name = config.ca_cluster()] { return own_clusters_.Find(name); }, secrets_);
  }
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
  const auto note = [&](const char* where, const absl::Status& status) {
    if (!status.ok())
      problems.push_back(absl::StrCat("dynamic_resources.", where, ": ", status.message()));
    return status.ok();
  };
  if (dynamic.has_ads_config()) note("ads_config", discovery_->SetAds(dynamic.ads_config()));
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
  for (const char* url : {kEndpointUrl, kRouteUrl, kSecretUrl}) {
    const NamesBySource wanted = config_.Wanted(url);
    const auto by_ads = wanted.find(pinnace::ConfigFrom::kAds);
    if (by_ads != wanted.end() && !discovery_->has_ads()) {
      problems.push_back(absl::StrCat("'", *by_ads->second.begin(),
                                      "' comes by ads, but dynamic_resources has no ads_config"));
    }
  }
}

absl::Status ProxyServer::OnResource(const std::string& url, const std::string& name,
                                     const google::protobuf::Any& any) {
  const absl::Status accepted = config_.Accept(url, name, any);
  if (SecretFiles::Secret secret; accepted.ok() && url == kSecretUrl && any.UnpackTo(&secret))
    secret_files_.Watch(secret);
  return accepted;
}

void ProxyServer::OnRemoved(const std::string& url, const std::string& name, Gone gone) {
  config_.Remove(url, name, gone);
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
  config_.NoteAnswered(url);
  apply_.Arm(absl::ZeroDuration());
}

void ProxyServer::OnConnectedChange(bool connected) {
  Cell* stats = stats_.Get(kServerScope, "")->Shard(options_.concurrency);
  connected ? stats[kServerXdsConnected].Add() : stats[kServerXdsConnected].Sub();
  if (connected) pinnace::LogInfo("xds", "connected to the control plane");
}

}  // namespace proxy

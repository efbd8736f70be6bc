// What the control plane sends, made part of the configuration in force.
#include <set>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "common/version.h"
#include "proxy/server/proxy_server.h"

namespace proxy {
namespace {

absl::Status NameDiffers(const std::string& outer, const std::string& inner) {
  return absl::InvalidArgumentError(
      absl::StrCat("the resource calls itself '", inner, "', not '", outer, "'"));
}

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

bool ProxyServer::LoadDynamic(std::vector<std::string>& problems) {
  const auto& dynamic = bootstrap_.dynamic_resources();
  for (const auto& extension : bootstrap_.bootstrap_extensions()) {
    mesh::v1::WorkloadIdentity config;
    if (!extension.typed_config().UnpackTo(&config)) {
      problems.push_back(
          absl::StrCat("bootstrap_extensions: '", extension.name(), "' is not supported"));
      continue;
    }
    token_file_ = config.token_file();
    identity_ = std::make_unique<IdentityClient>(
        loop_, config, SpiffeOf(bootstrap_.node(), config.trust_domain()),
        [this, name = config.ca_cluster()] { return own_clusters_.Find(name); }, secrets_);
  }
  if (!dynamic.has_ads_config()) return false;
  const auto& ads = dynamic.ads_config();
  if (ads.api_type() != envoy::config::core::v3::ApiConfigSource::DELTA_GRPC ||
      ads.grpc_services_size() != 1) {
    problems.emplace_back(
        "dynamic_resources.ads_config: only one grpc_service with api_type DELTA_GRPC is "
        "supported");
    return false;
  }
  envoy::config::core::v3::Node node = bootstrap_.node();
  node.set_user_agent_name("pinnace");
  node.set_user_agent_version(pinnace::kVersion);
  ads_ = std::make_unique<AdsClient>(
      loop_,
      [this, name = ads.grpc_services(0).envoy_grpc().cluster_name()] {
        return own_clusters_.Find(name);
      },
      std::move(node), [this] { return ReadToken(token_file_); }, *this);
  return true;
}

absl::Status ProxyServer::OnResource(const std::string& url, const std::string& name,
                                     const google::protobuf::Any& any) {
  if (url == kClusterUrl) {
    envoy::config::cluster::v3::Cluster proto;
    if (!any.UnpackTo(&proto)) return absl::InvalidArgumentError("not a Cluster");
    if (proto.name() != name) return NameDiffers(name, proto.name());
    auto parsed = ParseCluster(proto, parse_);
    if (!parsed.ok()) return parsed.status();
    const auto before = clusters_.find(name);
    if (before != clusters_.end() && before->second->config->hash == (*parsed)->hash)
      return absl::OkStatus();
    AddCluster(*std::move(parsed));
    return absl::OkStatus();
  }
  if (url == kEndpointUrl) {
    envoy::config::endpoint::v3::ClusterLoadAssignment proto;
    if (!any.UnpackTo(&proto)) return absl::InvalidArgumentError("not a ClusterLoadAssignment");
    auto parsed = ParseEndpoints(proto);
    if (!parsed.ok()) return parsed.status();
    endpoints_[name] = std::make_shared<const EndpointList>(*std::move(parsed));
    return absl::OkStatus();
  }
  if (url == kRouteUrl) {
    envoy::config::route::v3::RouteConfiguration proto;
    if (!any.UnpackTo(&proto)) return absl::InvalidArgumentError("not a RouteConfiguration");
    auto parsed = ParseRoutes(proto, parse_);
    if (!parsed.ok()) return parsed.status();
    routes_[name] = *std::move(parsed);
    return absl::OkStatus();
  }
  if (url == kListenerUrl) {
    envoy::config::listener::v3::Listener proto;
    if (!any.UnpackTo(&proto)) return absl::InvalidArgumentError("not a Listener");
    auto parsed = ParseListener(proto, parse_);
    if (!parsed.ok()) return parsed.status();
    const auto before = listeners_.find(name);
    if (before != listeners_.end() && before->second->hash == (*parsed)->hash)
      return absl::OkStatus();
    listeners_[name] = *std::move(parsed);
    return absl::OkStatus();
  }
  if (url == kSecretUrl) {
    envoy::extensions::transport_sockets::tls::v3::Secret proto;
    if (!any.UnpackTo(&proto)) return absl::InvalidArgumentError("not a Secret");
    return ParseSecret(proto, parse_);
  }
  return absl::InvalidArgumentError(absl::StrCat("type ", url, " was not asked for"));
}

void ProxyServer::OnRemoved(const std::string& url, const std::string& name) {
  if (url == kClusterUrl && !static_clusters_.contains(name)) clusters_.erase(name);
  if (url == kEndpointUrl) endpoints_.erase(name);
  if (url == kRouteUrl) routes_.erase(name);
  if (url == kListenerUrl) listeners_.erase(name);
}

void ProxyServer::OnResponseApplied(const std::string&) {
  std::set<std::string> endpoints, routes, secrets;
  const auto note_tls = [&](const TlsSlot* slot) {
    if (slot != nullptr && !slot->config().ca_sds_name.empty())
      secrets.insert(slot->config().ca_sds_name);
  };
  for (auto& [name, entry] : clusters_) {
    const ClusterConfig& config = *entry->config;
    note_tls(config.tls.get());
    for (const TransportChoice& choice : config.transports) note_tls(choice.tls.get());
    if (config.kind != ClusterConfig::Kind::kEds) continue;
    endpoints.insert(config.eds_name);
    const auto known = endpoints_.find(config.eds_name);
    if (known == endpoints_.end() || known->second == entry->endpoints) continue;
    auto next = std::make_shared<ClusterEntry>(*entry);
    next->endpoints = known->second;
    entry = std::move(next);
  }
  for (const auto& [name, listener] : listeners_) {
    const auto note_chain = [&](const FilterChain& chain) {
      note_tls(chain.tls.get());
      if (chain.http != nullptr && !chain.http->rds_name.empty())
        routes.insert(chain.http->rds_name);
    };
    for (const FilterChain& chain : listener->chains) note_chain(chain);
    if (listener->default_chain) note_chain(*listener->default_chain);
  }
  ads_->SetNames(kSecretUrl, secrets);
  ads_->SetNames(kEndpointUrl, endpoints);
  ads_->SetNames(kRouteUrl, routes);
  Publish();
}

void ProxyServer::OnConnectedChange(bool connected) {
  Cell* stats = stats_.Get(kServerScope, "")->Shard(options_.concurrency);
  connected ? stats[kServerXdsConnected].Add() : stats[kServerXdsConnected].Sub();
  if (connected) pinnace::LogInfo("xds", "connected to the control plane");
}

// A listener serves once the routes and secrets that it names are known; before that connections
// wait in nobody's queue: its address is not bound.
bool ProxyServer::Warm(const ListenerConfig& listener) const {
  const auto warm = [&](const FilterChain& chain) {
    if (chain.tls != nullptr && chain.tls->Get() == nullptr) return false;
    return chain.http == nullptr || chain.http->rds_name.empty() ||
           routes_.contains(chain.http->rds_name);
  };
  return std::all_of(listener.chains.begin(), listener.chains.end(), warm) &&
         (!listener.default_chain || warm(*listener.default_chain));
}

}  // namespace proxy

// Takes resources in and says which others they need.
#include "proxy/server/configuration.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

absl::Status NotA(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("cannot be read as ", what));
}

}  // namespace

Configuration::Configuration(StatsRegistry& stats, SecretStore& secrets,
                             std::function<void(std::shared_ptr<const ClusterConfig>)> resolve)
    : stats_(stats), parse_{stats, secrets}, resolve_(std::move(resolve)) {}

absl::Status Configuration::AddStatic(const envoy::config::cluster::v3::Cluster& proto,
                                      bool of_server) {
  auto parsed = ParseCluster(proto, parse_);
  if (!parsed.ok()) return parsed.status();
  if (of_server && (*parsed)->codec.keepalive.timeout == absl::ZeroDuration()) {
    auto watched = std::make_shared<ClusterConfig>(**parsed);
    watched->codec.keepalive.interval = kServerPingEvery;
    watched->codec.keepalive.timeout = kServerPingAnswer;
    *parsed = std::move(watched);
  }
  const std::string& name = (*parsed)->name;
  if (!static_clusters_.insert(name).second) {
    return absl::InvalidArgumentError(absl::StrCat("cluster '", name, "': the name stands twice"));
  }
  StartCluster(*std::move(parsed));
  return absl::OkStatus();
}

absl::Status Configuration::AddStatic(const envoy::config::listener::v3::Listener& proto) {
  auto parsed = ParseListener(proto, parse_);
  if (!parsed.ok()) return parsed.status();
  const std::string& name = (*parsed)->name;
  if (!static_listeners_.insert(name).second) {
    return absl::InvalidArgumentError(absl::StrCat("listener '", name, "': the name stands twice"));
  }
  listeners_[name] = *std::move(parsed);
  return absl::OkStatus();
}

absl::Status Configuration::AcceptCluster(const google::protobuf::Any& any) {
  envoy::config::cluster::v3::Cluster proto;
  if (!any.UnpackTo(&proto)) return NotA("Cluster");
  if (static_clusters_.contains(proto.name()))
    return absl::InvalidArgumentError("a cluster of the bootstrap has that name");
  auto parsed = ParseCluster(proto, parse_);
  if (!parsed.ok()) return parsed.status();
  leaving_.erase(proto.name());
  const auto pending = pending_.find(proto.name());
  if (pending != pending_.end() && pending->second.config->hash == (*parsed)->hash)
    return absl::OkStatus();
  const auto active = clusters_.find(proto.name());
  if (active != clusters_.end() && active->second->config->hash == (*parsed)->hash) {
    pending_.erase(proto.name());  // Back to what is in force.
    return absl::OkStatus();
  }
  StartCluster(*std::move(parsed));
  return absl::OkStatus();
}

void Configuration::StartCluster(std::shared_ptr<const ClusterConfig> config) {
  pending_[config->name] = {.config = config, .resolved = nullptr};
  if (config->kind == ClusterConfig::Kind::kStrictDns) resolve_(std::move(config));
}

absl::Status Configuration::AcceptListener(const google::protobuf::Any& any) {
  envoy::config::listener::v3::Listener proto;
  if (!any.UnpackTo(&proto)) return NotA("Listener");
  if (static_listeners_.contains(proto.name()))
    return absl::InvalidArgumentError("a listener of the bootstrap has that name");
  auto parsed = ParseListener(proto, parse_);
  if (!parsed.ok()) return parsed.status();
  auto& accepted = listeners_[proto.name()];
  if (accepted != nullptr && accepted->hash == (*parsed)->hash) return absl::OkStatus();
  Stats(kListenerManagerScope)[accepted == nullptr ? kListenerAdded : kListenerModified].Add();
  accepted = *std::move(parsed);
  return absl::OkStatus();
}

absl::Status Configuration::Accept(const std::string& url, const std::string& name,
                                   const google::protobuf::Any& any) {
  const absl::Status taken = Take(url, name, any);
  Count(url, name, taken.ok());
  return taken;
}

absl::Status Configuration::Take(const std::string& url, const std::string& name,
                                 const google::protobuf::Any& any) {
  if (url == kClusterUrl) return AcceptCluster(any);
  if (url == kListenerUrl) return AcceptListener(any);
  if (url == kEndpointUrl) {
    envoy::config::endpoint::v3::ClusterLoadAssignment proto;
    if (!any.UnpackTo(&proto)) return NotA("ClusterLoadAssignment");
    auto parsed = ParseEndpoints(proto);
    if (!parsed.ok()) return parsed.status();
    auto& known = endpoints_[name];
    if (known == nullptr || *known != *parsed)
      known = std::make_shared<const EndpointList>(*std::move(parsed));
    return absl::OkStatus();
  }
  if (url == kRouteUrl) {
    envoy::config::route::v3::RouteConfiguration proto;
    if (!any.UnpackTo(&proto)) return NotA("RouteConfiguration");
    auto parsed = ParseRoutes(proto, parse_);
    if (!parsed.ok()) return parsed.status();
    Routes& next = next_routes_[name];  // One that was held back is not held back for longer.
    next = {
        .table = *parsed, .clusters = ClustersOf(**parsed), .hold_until_ns = next.hold_until_ns};
    return absl::OkStatus();
  }
  if (url == kSecretUrl) {
    envoy::extensions::transport_sockets::tls::v3::Secret proto;
    if (!any.UnpackTo(&proto)) return NotA("Secret");
    return ParseSecret(proto, parse_);
  }
  return absl::InvalidArgumentError(absl::StrCat("type ", url, " was not asked for"));
}

void Configuration::Remove(const std::string& url, const std::string& name, Gone gone) {
  if (url == kClusterUrl && !static_clusters_.contains(name)) {
    pending_.erase(name);
    if (clusters_.contains(name) && leaving_.emplace(name, INT64_MAX).second)
      Stats(kClusterManagerScope)[kClusterRemoved].Add();
  } else if (url == kListenerUrl && !static_listeners_.contains(name)) {
    if (listeners_.erase(name) > 0) Stats(kListenerManagerScope)[kListenerRemoved].Add();
    listener_holds_.erase(name);
  } else {
    Missing(url, name);
    if (gone == Gone::kRemoved) return;
    if (url == kEndpointUrl) endpoints_.erase(name);
    if (url == kRouteUrl) {
      routes_.erase(name);
      next_routes_.erase(name);
    }
  }
}

void Configuration::Missing(const std::string& url, const std::string& name) {
  waits_[{url, name}] = 0;
}

void Configuration::ExpectAll(const std::string& url, const pinnace::ConfigFrom& from,
                              int64_t now_ns) {
  expected_[url] = from.wait_max == absl::ZeroDuration()
                       ? INT64_MAX
                       : now_ns + absl::ToInt64Nanoseconds(from.wait_max);
}

bool Configuration::Current(const ClusterConfig& config) const {
  const auto pending = pending_.find(config.name);
  if (pending != pending_.end() && pending->second.config.get() == &config) return true;
  const auto active = clusters_.find(config.name);
  return active != clusters_.end() && active->second->config.get() == &config;
}

void Configuration::SetResolved(const ClusterConfig& config, EndpointList found) {
  const auto pending = pending_.find(config.name);
  if (pending != pending_.end() && pending->second.config.get() == &config) {
    pending->second.resolved = std::make_shared<const EndpointList>(std::move(found));
    return;
  }
  const auto active = clusters_.find(config.name);
  if (active == clusters_.end() || active->second->config.get() != &config) return;
  // The last good answer stays; an equal one changes nothing.
  if (found.empty() || *active->second->endpoints == found) return;
  auto next = std::make_shared<ClusterEntry>(*active->second);
  next->endpoints = std::make_shared<const EndpointList>(std::move(found));
  CountMembers(*next);
  active->second = std::move(next);
}

NamesBySource Configuration::Wanted(const std::string& url) const {
  NamesBySource wanted;
  const auto note = [&](const pinnace::ConfigFrom& from, const std::string& name) {
    if (!name.empty() && from.source != pinnace::ConfigFrom::kStatic)
      wanted[from.source].insert(name);
  };
  const auto note_tls = [&](const TlsSlot* slot) {
    if (slot == nullptr || url != kSecretUrl) return;
    note(slot->config().ca_sds_from, slot->config().ca_sds_name);
    for (const TlsCertificateSource& source : slot->config().certificates)
      if (source.sds_name != own_secret_) note(source.sds_from, source.sds_name);
    note(slot->config().ticket_sds_from, slot->config().ticket_sds_name);
  };
  const auto note_cluster = [&](const ClusterConfig& config) {
    if (url == kEndpointUrl && config.kind == ClusterConfig::Kind::kEds)
      note(config.eds_from, config.eds_name);
    note_tls(config.tls.get());
    for (const TransportChoice& choice : config.transports) note_tls(choice.tls.get());
  };
  const auto note_chain = [&](const FilterChain& chain) {
    note_tls(chain.tls.get());
    if (url == kRouteUrl && chain.http != nullptr) note(chain.http->rds_from, chain.http->rds_name);
  };
  for (const auto& [name, pending] : pending_) note_cluster(*pending.config);
  for (const auto& [name, entry] : clusters_) note_cluster(*entry->config);
  // The version that still serves needs its resources as much as the one that warms.
  for (const auto* listeners : {&listeners_, &serving_}) {
    for (const auto& [name, listener] : *listeners) {
      for (const FilterChain& chain : listener->chains) note_chain(chain);
      if (listener->default_chain) note_chain(*listener->default_chain);
    }
  }
  return wanted;
}

SnapshotPtr Configuration::Published() const {
  auto tables = std::make_shared<Tables>();
  auto clusters = std::make_shared<ClusterTable>();
  for (const auto& [name, entry] : clusters_) (*clusters)[name] = entry;
  tables->clusters = std::move(clusters);
  for (const auto& [name, routes] : routes_) tables->routes[name] = routes.table;
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->tables = std::move(tables);
  for (const auto& [name, listener] : serving_) snapshot->listeners.push_back(listener);
  return snapshot;
}

}  // namespace proxy

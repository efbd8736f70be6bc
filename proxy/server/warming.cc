// Decides which accepted resources come into force, and for how long the others are waited for.
#include <algorithm>

#include "proxy/server/configuration.h"

namespace proxy {
namespace {

std::vector<std::string> ClustersOf(const ListenerConfig& listener) {
  std::vector<std::string> names;
  const auto note = [&](const FilterChain& chain) {
    if (chain.tcp != nullptr) {
      for (const WeightedCluster& one : chain.tcp->clusters) names.push_back(one.cluster);
    } else if (chain.http->routes != nullptr) {
      const auto more = ClustersOf(*chain.http->routes);
      names.insert(names.end(), more.begin(), more.end());
    }
  };
  for (const FilterChain& chain : listener.chains) note(chain);
  if (listener.default_chain) note(*listener.default_chain);
  return names;
}

}  // namespace

bool Configuration::GivenUp(const std::string& url, const std::string& name,
                            const pinnace::ConfigFrom& from) {
  const std::pair<std::string, std::string> key{url, name};
  const int64_t until = from.wait_max == absl::ZeroDuration()
                            ? INT64_MAX
                            : now_ns_ + absl::ToInt64Nanoseconds(from.wait_max);
  const auto [wait, fresh] = waits_.try_emplace(key, until);
  const bool first = waited_.insert(key).second;
  if (wait->second > now_ns_) {
    next_ns_ = std::min(next_ns_, wait->second);
    return false;
  }
  if (wait->second != 0 && first) {
    ++given_up_;
    Stats(kServerScope)[kServerXdsFetchTimeout].Add();
    wait->second = 0;
  }
  return true;
}

bool Configuration::Warm(const TlsSlot* slot) {
  if (slot == nullptr || slot->Get() != nullptr) return true;
  const TlsContextConfig& config = slot->config();
  const SecretStore& secrets = parse_.secrets;
  for (const TlsCertificateSource& source : config.certificates) {
    if (!source.sds_name.empty() && secrets.FindCertificate(source.sds_name) == nullptr &&
        !GivenUp(kSecretUrl, source.sds_name, source.sds_from)) {
      return false;
    }
  }
  if (!config.ticket_sds_name.empty() &&
      secrets.FindTicketKeys(config.ticket_sds_name) == nullptr &&
      !GivenUp(kSecretUrl, config.ticket_sds_name, config.ticket_sds_from))
    return false;
  return config.ca_sds_name.empty() || secrets.FindTrust(config.ca_sds_name) != nullptr ||
         GivenUp(kSecretUrl, config.ca_sds_name, config.ca_sds_from);
}

bool Configuration::Warm(const ClusterConfig& config) {
  bool warm = Warm(config.tls.get());
  for (const TransportChoice& choice : config.transports) warm &= Warm(choice.tls.get());
  if (config.kind == ClusterConfig::Kind::kEds && !endpoints_.contains(config.eds_name))
    warm &= GivenUp(kEndpointUrl, config.eds_name, config.eds_from);
  if (config.kind == ClusterConfig::Kind::kStrictDns)
    warm &= pending_.at(config.name).resolved != nullptr;
  return warm;
}

bool Configuration::Warm(const ListenerConfig& listener) {
  bool warm = true;
  const auto note = [&](const FilterChain& chain) {
    warm &= Warm(chain.tls.get());
    if (chain.http != nullptr && !chain.http->rds_name.empty() &&
        !routes_.contains(chain.http->rds_name)) {
      warm &= GivenUp(kRouteUrl, chain.http->rds_name, chain.http->rds_from);
    }
  };
  for (const FilterChain& chain : listener.chains) note(chain);
  if (listener.default_chain) note(*listener.default_chain);
  return warm;
}

bool Configuration::ClustersKnown(const std::vector<std::string>& names, int64_t& hold_until_ns) {
  bool known = true, warming = false;
  for (const std::string& name : names) {
    known &= name.empty() || clusters_.contains(name);
    warming |= pending_.contains(name) && !clusters_.contains(name);
  }
  if (known) return true;
  if (hold_until_ns == 0) hold_until_ns = now_ns_ + absl::ToInt64Nanoseconds(kMakeBeforeBreak);
  if (warming) return false;  // Its own wait is bounded.
  if (hold_until_ns > now_ns_) next_ns_ = std::min(next_ns_, hold_until_ns);
  return hold_until_ns <= now_ns_;
}

void Configuration::ReconsiderClusters() {
  for (auto it = pending_.begin(); it != pending_.end();) {
    const PendingCluster& pending = it->second;
    // A cluster of the bootstrap may be what reaches the server of all others.
    if (!Warm(*pending.config)) {
      ++it;
      continue;
    }
    auto entry = std::make_shared<ClusterEntry>();
    const auto before = clusters_.find(it->first);
    entry->breaker =
        before == clusters_.end() ? std::make_shared<Breaker>() : before->second->breaker;
    if (before != clusters_.end()) entry->health = before->second->health;
    entry->stats = stats_.Get(kClusterScope, it->first);
    entry->config = pending.config;
    entry->endpoints = pending.resolved;
    if (pending.config->kind == ClusterConfig::Kind::kStatic)
      entry->endpoints = std::make_shared<const EndpointList>(pending.config->endpoints);
    CountMembers(*entry);
    Stats(kClusterManagerScope)[before == clusters_.end() ? kClusterAdded : kClusterModified].Add();
    clusters_[it->first] = std::move(entry);
    it = pending_.erase(it);
  }
  for (auto& [name, entry] : clusters_) {
    if (entry->config->kind != ClusterConfig::Kind::kEds) continue;
    const auto known = endpoints_.find(entry->config->eds_name);
    const auto now = known == endpoints_.end() ? nullptr : known->second;
    if (now == entry->endpoints) continue;
    auto next = std::make_shared<ClusterEntry>(*entry);
    next->endpoints = now;
    CountMembers(*next);
    entry = std::move(next);
  }
}

void Configuration::ReconsiderRoutes() {
  for (auto it = next_routes_.begin(); it != next_routes_.end();) {
    Routes& next = it->second;
    // The first version has nothing to break.
    if (routes_.contains(it->first) && !ClustersKnown(next.clusters, next.hold_until_ns)) {
      ++it;
      continue;
    }
    routes_[it->first] = std::move(next);
    it = next_routes_.erase(it);
  }
}

void Configuration::ReconsiderListeners() {
  bool all = true;
  for (const auto& [name, listener] : listeners_) {
    auto serving = serving_.find(name);
    if (serving != serving_.end() && serving->second == listener) continue;
    const bool fixed = static_listeners_.contains(name);
    bool warm = Warm(*listener) && (fixed || initialized_);
    if (warm && serving != serving_.end())
      warm = ClustersKnown(ClustersOf(*listener), listener_holds_[name]);
    if (warm) {
      serving_[name] = listener;
      listener_holds_.erase(name);
    }
    all &= warm;
  }
  std::erase_if(serving_, [this](const auto& one) { return !listeners_.contains(one.first); });
  ready_ |= all && initialized_ && !expected_.contains(kListenerUrl);
}

void Configuration::RemoveLeaving() {
  if (leaving_.empty()) return;
  std::set<std::string> named;
  for (const auto& [name, routes] : routes_)
    named.insert(routes.clusters.begin(), routes.clusters.end());
  for (const auto& [name, listener] : serving_) {
    const auto more = ClustersOf(*listener);
    named.insert(more.begin(), more.end());
  }
  for (auto it = leaving_.begin(); it != leaving_.end();) {
    auto& [name, until] = *it;
    if (until == INT64_MAX) until = now_ns_ + absl::ToInt64Nanoseconds(kMakeBeforeBreak);
    if (named.contains(name) && until > now_ns_) {
      next_ns_ = std::min(next_ns_, until);
      ++it;
      continue;
    }
    clusters_.erase(name);
    it = leaving_.erase(it);
  }
}

void Configuration::ForgetUnwanted() {
  std::erase_if(waits_, [this](const auto& one) { return !waited_.contains(one.first); });
  const auto unwanted = [this](const char* url) {
    std::set<std::string> all;
    for (const auto& [source, names] : Wanted(url)) all.insert(names.begin(), names.end());
    return [all = std::move(all)](const auto& one) { return !all.contains(one.first); };
  };
  std::erase_if(endpoints_, unwanted(kEndpointUrl));
  const auto no_route = unwanted(kRouteUrl);
  std::erase_if(routes_, no_route);
  std::erase_if(next_routes_, no_route);
}

void Configuration::Reconsider(int64_t now_ns) {
  now_ns_ = now_ns;
  next_ns_ = INT64_MAX;
  waited_.clear();
  std::erase_if(expected_, [&](const auto& one) {
    if (one.second > now_ns) return false;
    ++given_up_;
    Stats(kServerScope)[kServerXdsFetchTimeout].Add();
    return true;
  });
  for (const auto& [url, until] : expected_) next_ns_ = std::min(next_ns_, until);
  ReconsiderClusters();
  initialized_ |= !expected_.contains(kClusterUrl) && pending_.empty();
  ReconsiderRoutes();
  ReconsiderListeners();
  RemoveLeaving();
  ForgetUnwanted();
  CountTotals();
}

}  // namespace proxy

// Versions of types and the references that clients follow.
#include "control-plane/snapshot/snapshot.h"

#include <algorithm>

#include <xxhash.h>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace control {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::Listener;
using envoy::config::route::v3::RouteConfiguration;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

std::string Hash(const std::string& text) {
  return absl::StrFormat("%016x", XXH64(text.data(), text.size(), 0));
}

void NoteAction(const envoy::config::route::v3::RouteAction& action, std::vector<Reference>& out) {
  if (!action.cluster().empty()) out.push_back({kClusterType, action.cluster()});
  for (const auto& weighted : action.weighted_clusters().clusters()) {
    out.push_back({kClusterType, weighted.name()});
  }
  for (const auto& mirror : action.request_mirror_policies()) {
    out.push_back({kClusterType, mirror.cluster()});
  }
}

void NoteRoutes(const RouteConfiguration& config, std::vector<Reference>& out) {
  for (const auto& host : config.virtual_hosts()) {
    for (const auto& route : host.routes()) {
      if (route.has_route()) NoteAction(route.route(), out);
    }
  }
}

void NoteFilter(const google::protobuf::Any& any, std::vector<Reference>& out) {
  HttpConnectionManager manager;
  TcpProxy tcp;
  if (any.Is<HttpConnectionManager>() && any.UnpackTo(&manager)) {
    if (manager.has_rds()) out.push_back({kRouteType, manager.rds().route_config_name()});
    NoteRoutes(manager.route_config(), out);
  } else if (any.Is<TcpProxy>() && any.UnpackTo(&tcp)) {
    if (!tcp.cluster().empty()) out.push_back({kClusterType, tcp.cluster()});
    for (const auto& weighted : tcp.weighted_clusters().clusters()) {
      out.push_back({kClusterType, weighted.name()});
    }
  }
}

void NoteChain(const FilterChain& chain, std::vector<Reference>& out) {
  for (const auto& filter : chain.filters()) NoteFilter(filter.typed_config(), out);
}

std::vector<Reference> OfListener(const google::protobuf::Any& any) {
  std::vector<Reference> out;
  Listener listener;
  if (!any.UnpackTo(&listener)) return out;
  for (const FilterChain& chain : listener.filter_chains()) NoteChain(chain, out);
  if (listener.has_default_filter_chain()) NoteChain(listener.default_filter_chain(), out);
  if (listener.has_api_listener()) NoteFilter(listener.api_listener().api_listener(), out);
  return out;
}

std::vector<Reference> OfRoutes(const google::protobuf::Any& any) {
  std::vector<Reference> out;
  RouteConfiguration config;
  if (any.UnpackTo(&config)) NoteRoutes(config, out);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<Reference> OfCluster(const google::protobuf::Any& any) {
  Cluster cluster;
  if (!any.UnpackTo(&cluster) || cluster.type() != Cluster::EDS) return {};
  const std::string& service = cluster.eds_cluster_config().service_name();
  return {{kEndpointType, service.empty() ? cluster.name() : service}};
}

}  // namespace

const ResourceMap& Snapshot::OfType(const std::string& type_url) const {
  const auto it = resources.find(type_url);
  return it == resources.end() ? none_ : it->second;
}

std::string Snapshot::VersionOf(const std::string& type_url, const char* none) const {
  const auto it = versions.find(type_url);
  return it == versions.end() ? none : it->second;
}

const std::vector<Reference>& Snapshot::ReferencesOf(const std::string& type_url,
                                                     const std::string& name) const {
  const auto type = references.find(type_url);
  if (type == references.end()) return no_references_;
  const auto it = type->second.find(name);
  return it == type->second.end() ? no_references_ : it->second;
}

SnapshotPtr MakeSnapshot(ResourceSet resources) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->resources = std::move(resources);
  std::string all;
  for (const auto& [type_url, by_name] : snapshot->resources) {
    std::string names;
    for (const auto& [name, resource] : by_name) {
      absl::StrAppend(&names, name, "\n", resource->version, "\n");
      std::vector<Reference> references;
      if (type_url == kListenerType) references = OfListener(resource->any);
      if (type_url == kRouteType) references = OfRoutes(resource->any);
      if (type_url == kClusterType) references = OfCluster(resource->any);
      if (!references.empty()) snapshot->references[type_url][name] = std::move(references);
    }
    snapshot->versions[type_url] = Hash(names);
    absl::StrAppend(&all, type_url, "\n", snapshot->versions[type_url], "\n");
  }
  snapshot->version = Hash(all);
  return snapshot;
}

}  // namespace control

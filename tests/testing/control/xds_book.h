// Resources and client messages for tests of ADS streams.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "control-plane/ads/delta_stream.h"
#include "control-plane/ads/sotw_stream.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace control {

// What a server has: the version of each resource is told by the test, the content holds it.
class XdsBook {
 public:
  // An EDS cluster whose endpoints have its own name.
  XdsBook& Cluster(const std::string& name, const std::string& version) {
    envoy::config::cluster::v3::Cluster cluster;
    cluster.set_name(name);
    cluster.set_type(envoy::config::cluster::v3::Cluster::EDS);
    cluster.set_alt_stat_name(version);
    return Put(kClusterType, name, version, cluster.SerializeAsString());
  }
  XdsBook& Endpoints(const std::string& name, const std::string& version, size_t bytes = 0) {
    return Put(kEndpointType, name, version, std::string(bytes, ' '));
  }
  // A listener that takes its routes from `route`.
  XdsBook& Listener(const std::string& name, const std::string& version, const std::string& route) {
    namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
    hcm::HttpConnectionManager manager;
    manager.set_stat_prefix(version);
    manager.mutable_rds()->set_route_config_name(route);
    envoy::config::listener::v3::Listener listener;
    listener.set_name(name);
    listener.mutable_api_listener()->mutable_api_listener()->PackFrom(manager);
    return Put(kListenerType, name, version, listener.SerializeAsString());
  }
  // Routes that send everything to `cluster`.
  XdsBook& Route(const std::string& name, const std::string& version, const std::string& cluster) {
    envoy::config::route::v3::RouteConfiguration config;
    config.set_name(name);
    auto& route = *config.add_virtual_hosts()->add_routes();
    route.set_name(version);
    route.mutable_route()->set_cluster(cluster);
    return Put(kRouteType, name, version, config.SerializeAsString());
  }
  XdsBook& Erase(const std::string& type_url, const std::string& name) {
    set_[type_url].erase(name);
    return *this;
  }
  SnapshotPtr Snapshot() const { return MakeSnapshot(set_); }

 private:
  XdsBook& Put(const std::string& type_url, const std::string& name, const std::string& version,
               std::string value) {
    auto resource = std::make_shared<Resource>();
    resource->name = name;
    resource->version = version;
    resource->any.set_type_url(type_url);
    resource->any.set_value(std::move(value));
    set_[type_url][name] = std::move(resource);
    return *this;
  }

  ResourceSet set_;
};

using Names = std::vector<std::string>;

inline DeltaStream::Request DeltaAsk(const std::string& type_url, const Names& names = {},
                                     const Names& unsubscribe = {}) {
  DeltaStream::Request request;
  request.set_type_url(type_url);
  for (const std::string& name : names) request.add_resource_names_subscribe(name);
  for (const std::string& name : unsubscribe) request.add_resource_names_unsubscribe(name);
  return request;
}
inline DeltaStream::Request Ack(const DeltaStream::Response& response) {
  DeltaStream::Request request;
  request.set_type_url(response.type_url());
  request.set_response_nonce(response.nonce());
  return request;
}
inline SotwStream::Request SotwAsk(const std::string& type_url, const Names& names = {}) {
  SotwStream::Request request;
  request.set_type_url(type_url);
  for (const std::string& name : names) request.add_resource_names(name);
  return request;
}
// The ACK of a client that still wants `names`.
inline SotwStream::Request Ack(const SotwStream::Response& response, const Names& names = {}) {
  SotwStream::Request request = SotwAsk(response.type_url(), names);
  request.set_response_nonce(response.nonce());
  request.set_version_info(response.version_info());
  return request;
}
template <typename Request>
Request AsNack(Request request, const std::string& words) {
  request.mutable_error_detail()->set_code(3);
  request.mutable_error_detail()->set_message(words);
  return request;
}

// "name@version" of each resource, then "-name" of each removed one, in the response's order.
inline Names Told(const DeltaStream::Response& response) {
  Names told;
  for (const auto& resource : response.resources()) {
    told.push_back(resource.name() + "@" + resource.version());
  }
  for (const std::string& name : response.removed_resources()) told.push_back("-" + name);
  return told;
}
// As Told() of all responses, which must be of one type.
inline Names Told(const std::vector<DeltaStream::Response>& responses) {
  Names told;
  for (const auto& response : responses) {
    for (std::string& line : Told(response)) told.push_back(std::move(line));
  }
  return told;
}
// "name@version" of each cluster, listener or route configuration.
inline Names Told(const SotwStream::Response& response) {
  Names told;
  for (const auto& any : response.resources()) {
    envoy::config::cluster::v3::Cluster cluster;
    envoy::config::route::v3::RouteConfiguration routes;
    envoy::config::listener::v3::Listener listener;
    if (any.type_url() == kClusterType && cluster.ParseFromString(any.value())) {
      told.push_back(cluster.name() + "@" + cluster.alt_stat_name());
    } else if (any.type_url() == kListenerType && listener.ParseFromString(any.value())) {
      told.push_back(listener.name());
    } else if (any.type_url() == kRouteType && routes.ParseFromString(any.value())) {
      told.push_back(routes.name() + "@" + routes.virtual_hosts(0).routes(0).name());
    } else {
      told.push_back("?");
    }
  }
  return told;
}
template <typename Response>
Names Errors(const Response& response) {
  Names names;
  for (const auto& error : response.resource_errors())
    names.push_back(error.resource_name().name());
  return names;
}

}  // namespace control

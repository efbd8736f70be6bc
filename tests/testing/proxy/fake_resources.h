// What an XdsStream tells, noted; and resources that are as small as they can be.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "proxy/xds/xds_stream.h"

namespace proxy {

// Refuses the resources in `bad`, keeps all others.
class FakeResources final : public ResourceEvents {
 public:
  std::set<std::string> bad;
  std::map<std::string, std::string> held;  // Name -> serialized body.
  std::vector<std::string> removed, missing, errors;

  absl::Status OnResource(const std::string&, const std::string& name, const std::string&,
                          const google::protobuf::Any& any) override {
    if (bad.contains(name)) return absl::InvalidArgumentError("is bad");
    held[name] = any.value();
    return absl::OkStatus();
  }
  void OnRemoved(const std::string&, const std::string& name, Gone gone) override {
    held.erase(name);
    removed.push_back(name + (gone == Gone::kExpired ? " expired" : ""));
  }
  void OnMissing(const std::string&, const std::string& name, const std::string& why) override {
    missing.push_back(name + ": " + why);
  }
  void OnResponseApplied(const std::string&, const std::string& error) override {
    errors.push_back(error);
  }
  void OnConnectedChange(bool) override {}

  std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& [name, body] : held) all.insert(name);
    return all;
  }
};

inline google::protobuf::Any AnyOf(const google::protobuf::Message& message) {
  google::protobuf::Any any;
  any.PackFrom(message);
  return any;
}

inline google::protobuf::Any ClusterNamed(const std::string& name) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_name(name);
  return AnyOf(cluster);
}

inline google::protobuf::Any EndpointsNamed(const std::string& name) {
  envoy::config::endpoint::v3::ClusterLoadAssignment endpoints;
  endpoints.set_cluster_name(name);
  return AnyOf(endpoints);
}

}  // namespace proxy

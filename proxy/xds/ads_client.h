// The Delta ADS client: subscriptions, ACKs and NACKs, reconnects.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "proxy/xds/grpc_call.h"

namespace proxy {

// What is done with one response: good resources are applied, bad ones named in the result, which
// is sent as the NACK's text (xDS protocol, "ACK/NACK and resource type instance version").
class ResourceEvents {
 public:
  virtual ~ResourceEvents() = default;
  // Errors: InvalidArgument with the reason; the resource's last good version stays in force.
  virtual absl::Status OnResource(const std::string& type_url, const std::string& name,
                                  const google::protobuf::Any& resource) = 0;
  virtual void OnRemoved(const std::string& type_url, const std::string& name) = 0;
  // After each response, with its resources applied.
  virtual void OnResponseApplied(const std::string& type_url) = 0;
  virtual void OnConnectedChange(bool connected) = 0;
};

// Main thread only.
class AdsClient {
 public:
  // `token` is read for each connect.
  AdsClient(EventLoop& loop, std::function<std::shared_ptr<Cluster>()> cluster,
            envoy::config::core::v3::Node node, std::function<std::string()> token,
            ResourceEvents& events);

  // Listeners and clusters are asked for as wildcards.
  void Start();
  // Asks for exactly these names of that type from now on.
  void SetNames(const std::string& type_url, const std::set<std::string>& names);
  bool connected() const { return connected_; }
  const std::string& last_error() const { return last_error_; }

  // Between attempts: doubles from the first to the last, with full jitter.
  static constexpr absl::Duration kBackoffMin = absl::Milliseconds(500);
  static constexpr absl::Duration kBackoffMax = absl::Seconds(30);

 private:
  struct Type {
    bool wildcard = false;
    std::set<std::string> names;
    std::map<std::string, std::string> versions;  // Of what we hold, by name.
  };
  void Connect();
  void OnEnd(const std::string& why);
  void OnMessage(absl::string_view bytes);
  void SendFirst(const std::string& type_url, const Type& type);
  void Send(envoy::service::discovery::v3::DeltaDiscoveryRequest& request);

  EventLoop& loop_;
  std::function<std::shared_ptr<Cluster>()> cluster_;
  const envoy::config::core::v3::Node node_;
  std::function<std::string()> token_;
  ResourceEvents& events_;
  std::map<std::string, Type> types_;
  std::unique_ptr<GrpcCall> call_;
  Timer retry_;
  absl::Duration backoff_ = kBackoffMin;
  std::string last_error_;
  bool first_message_ = true;
  bool connected_ = false;
};

// Type URLs.
inline constexpr char kListenerUrl[] = "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr char kRouteUrl[] = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
inline constexpr char kClusterUrl[] = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr char kEndpointUrl[] =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
inline constexpr char kSecretUrl[] =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

}  // namespace proxy

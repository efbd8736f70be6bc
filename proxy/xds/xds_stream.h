// The client's half of one xDS stream: what to ask, what to acknowledge, what is held. No I/O.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace proxy {

// Type URLs.
inline constexpr char kListenerUrl[] = "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr char kRouteUrl[] = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
inline constexpr char kClusterUrl[] = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr char kEndpointUrl[] =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
inline constexpr char kSecretUrl[] =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

enum class XdsVariant : uint8_t { kDelta, kSotw };

// What is done with one response: good resources are applied, bad ones named in the NACK (xDS
// protocol, "ACK/NACK and resource type instance version").
class ResourceEvents {
 public:
  virtual ~ResourceEvents() = default;
  // Errors: InvalidArgument with the reason; the resource's last good version stays in force.
  virtual absl::Status OnResource(const std::string& type_url, const std::string& name,
                                  const std::string& version,
                                  const google::protobuf::Any& resource) = 0;
  // The resource is gone: removed by the server, or its time to live has run out.
  enum class Gone : uint8_t { kRemoved, kExpired };
  virtual void OnRemoved(const std::string& type_url, const std::string& name, Gone gone) = 0;
  // The server says that it has no such resource (resource_errors); what is held of it stays.
  virtual void OnMissing(const std::string& type_url, const std::string& name,
                         const std::string& why) = 0;
  // After each response, with its resources applied. `error`: the NACK's text; empty for an ACK.
  virtual void OnResponseApplied(const std::string& type_url, const std::string& error) = 0;
  virtual void OnConnectedChange(bool connected) = 0;
};

// Subscriptions and versions outlive streams: OnOpen() begins the next one with them. Tests feed it
// bytes and read requests; XdsClient joins it to a gRPC call.
class XdsStream {
 public:
  // Borrows `events`. `node` goes out with the first message of each stream alone.
  XdsStream(XdsVariant variant, envoy::config::core::v3::Node node, ResourceEvents& events);

  // Asks for every resource of that type.
  void SubscribeAll(const std::string& type_url);
  // The resource is held since before this process: the next stream says so.
  void Restore(const std::string& type_url, const std::string& name, const std::string& version);
  // Asks for exactly these names of that type from now on.
  void SetNames(const std::string& type_url, const std::set<std::string>& names);

  // A stream has been opened: the first request of each type is due, with what is held of it.
  void OnOpen();
  void OnClosed();
  // One response. InvalidArgument if it cannot be read at all; the stream is then of no more use.
  // `now_ns`: steady time, from which times to live count.
  absl::Status OnMessage(absl::string_view bytes, int64_t now_ns);
  // Serialized requests that are due, oldest first; each is handed out once.
  std::vector<std::string> TakeRequests();

  // When the next resource's time to live runs out, steady; INT64_MAX if none has one.
  int64_t NextExpiryNs() const;
  // Lets go of the resources whose time is over.
  void Expire(int64_t now_ns);

  // Resources of that type that are held, by name.
  const std::map<std::string, std::string>& Held(const std::string& type_url) const;
  // Types that were answered without having been asked for, and resources of names that were not:
  // ignored, and counted here.
  uint64_t unasked() const { return unasked_; }

 private:
  struct Type {
    bool wildcard = false;
    std::set<std::string> names;
    std::map<std::string, std::string> versions;  // Of what is held, by name; SotW: empty text.
    std::map<std::string, int64_t> expiry_ns;     // Of those with a time to live.
    std::string version, nonce;                   // SotW: the last ACKed; the last received.
    bool asked = false;                           // On this stream.
  };
  // One resource of a response, whichever the variant.
  struct Offered {
    std::string name, version;
    const google::protobuf::Any* body = nullptr;  // Null: a heartbeat, which renews the time.
    int64_t ttl_ns = 0;                           // 0: none.
    std::string problem = {};                     // It cannot even be named.
  };
  struct Response {
    std::string type_url, version, nonce;
    std::vector<Offered> offered;
    std::vector<std::string> removed;
    const google::protobuf::RepeatedPtrField<envoy::service::discovery::v3::ResourceError>* errors;
  };
  void Apply(Response& response, int64_t now_ns);
  std::string ApplyOne(Type& type, const std::string& url, const Offered& offered, int64_t now_ns);
  void ApplyRemovals(Type& type, const Response& response);
  void Ask(const std::string& url, Type& type, const std::set<std::string>& before);
  void AskFirst(const std::string& url, Type& type);
  void AnswerSotw(const std::string& url, const Type& type, const std::string& problem);
  template <typename Request>
  void Queue(Request& request);

  const XdsVariant variant_;
  const envoy::config::core::v3::Node node_;
  ResourceEvents& events_;
  std::map<std::string, Type> types_;  // By URL, which happens to be the order to ask in.
  std::vector<std::string> requests_;
  uint64_t unasked_ = 0;
  bool open_ = false;
  bool first_ = true;  // The next request is the first of its stream.
};

// The name that a resource gives itself: field 1 of all types that xDS carries. Empty if it has
// none or cannot be read.
std::string ResourceName(const google::protobuf::Any& resource);

}  // namespace proxy

// One xDS stream kept open: connects, falls back to the next server, comes back after failures.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/xds/grpc_call.h"
#include "proxy/xds/xds_stream.h"

namespace proxy {

struct XdsServer {
  std::string cluster;
  std::vector<std::pair<std::string, std::string>> metadata = {};  // Sent with each stream.
};

struct XdsClientOptions {
  XdsVariant variant = XdsVariant::kDelta;
  std::string method;              // "/package.Service/Method"
  std::vector<XdsServer> servers;  // At least one; the first that answers is used.
};

// Main thread only.
class XdsClient {
 public:
  // `cluster`: the cluster of that name as this thread uses it, null if it is not configured.
  // `token`: bearer token, read for each connect; empty for none. Borrows `loop` and `events`.
  XdsClient(EventLoop& loop, XdsClientOptions options,
            std::function<std::shared_ptr<Cluster>(const std::string& name)> cluster,
            envoy::config::core::v3::Node node, std::function<std::string()> token,
            ResourceEvents& events);

  void Start();
  void SubscribeAll(const std::string& type_url);
  void SetNames(const std::string& type_url, const std::set<std::string>& names);
  void Restore(const std::string& type_url, const std::string& name, const std::string& version) {
    stream_.Restore(type_url, name, version);
  }
  bool connected() const { return connected_; }
  const std::string& last_error() const { return last_error_; }
  const XdsStream& stream() const { return stream_; }

  // Between rounds over all servers: doubles from the first to the last, with full jitter.
  static constexpr absl::Duration kBackoffMin = absl::Milliseconds(500);
  static constexpr absl::Duration kBackoffMax = absl::Seconds(30);
  // Between looks for a cluster that is not in force yet.
  static constexpr absl::Duration kClusterLook = absl::Milliseconds(50);
  // How long another server than the first is kept before the first is tried again.
  static constexpr absl::Duration kFallbackStay = absl::Seconds(60);

 private:
  void Connect();
  void OnEnd(const std::string& why);
  void OnMessage(absl::string_view bytes);
  void SendDue();
  void ArmExpiry();

  EventLoop& loop_;
  const XdsClientOptions options_;
  std::function<std::shared_ptr<Cluster>(const std::string&)> cluster_;
  std::function<std::string()> token_;
  ResourceEvents& events_;
  XdsStream stream_;
  std::unique_ptr<GrpcCall> call_;
  Timer retry_;
  Timer expiry_;
  Timer first_again_;
  size_t server_ = 0;  // Index into the servers: the one in use or tried next.
  absl::Duration backoff_ = kBackoffMin;
  std::string last_error_;
  bool connected_ = false;
};

}  // namespace proxy

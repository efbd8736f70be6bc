// Joins an XdsStream to gRPC calls, one after the other.
#include "proxy/xds/xds_client.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/log.h"

namespace proxy {

XdsClient::XdsClient(EventLoop& loop, XdsClientOptions options,
                     std::function<std::shared_ptr<Cluster>(const std::string& name)> cluster,
                     envoy::config::core::v3::Node node, std::function<std::string()> token,
                     ResourceEvents& events)
    : loop_(loop),
      options_(std::move(options)),
      cluster_(std::move(cluster)),
      token_(std::move(token)),
      events_(events),
      stream_(options_.variant, std::move(node), events),
      retry_(loop.timers(), [this] { Connect(); }),
      expiry_(loop.timers(),
              [this] {
                stream_.Expire(loop_.NowNs());
                SendDue();
                ArmExpiry();
              }),
      first_again_(loop.timers(), [this] {
        if (server_ == 0) return;
        server_ = 0;
        stream_.OnClosed();
        Connect();
      }) {}

void XdsClient::Start() { retry_.Arm(absl::ZeroDuration()); }

void XdsClient::SubscribeAll(const std::string& type_url) {
  stream_.SubscribeAll(type_url);
  SendDue();
}

void XdsClient::SetNames(const std::string& type_url, const std::set<std::string>& names) {
  stream_.SetNames(type_url, names);
  SendDue();
}

void XdsClient::Connect() {
  call_.reset();
  const XdsServer& server = options_.servers[server_];
  std::shared_ptr<Cluster> cluster = cluster_(server.cluster);
  if (cluster == nullptr) {  // Its names are still being looked up, or it is not configured.
    last_error_ = absl::StrCat("cluster '", server.cluster, "' is not known yet");
    server_ = (server_ + 1) % options_.servers.size();
    return retry_.Arm(kClusterLook);
  }
  std::vector<std::pair<std::string, std::string>> metadata = server.metadata;
  if (const std::string token = token_(); !token.empty())
    metadata.emplace_back("authorization", absl::StrCat("Bearer ", token));
  call_ = std::make_unique<GrpcCall>(
      loop_, std::move(cluster), options_.method, std::move(metadata),
      GrpcCall::Events{.on_message = [this](absl::string_view bytes) { OnMessage(bytes); },
                       .on_end = [this](std::string why) { OnEnd(why); }});
  stream_.OnOpen();
  SendDue();
  call_->Start();
}

void XdsClient::SendDue() {
  for (const std::string& request : stream_.TakeRequests()) {
    if (call_ != nullptr) call_->Send(request, false);
  }
}

void XdsClient::OnEnd(const std::string& why) {
  last_error_ = absl::StrCat(options_.servers[server_].cluster, ": ",
                             why.empty() ? "closed by the control plane" : why);
  pinnace::LogWarning("xds", absl::StrCat("stream ended: ", last_error_));
  const bool was_connected = std::exchange(connected_, false);
  if (was_connected) events_.OnConnectedChange(false);
  stream_.OnClosed();
  call_.reset();
  first_again_.Cancel();
  // A server that answered is asked again first; one that did not lets the next have its turn.
  server_ = was_connected ? 0 : (server_ + 1) % options_.servers.size();
  if (server_ != 0) return retry_.Arm(absl::ZeroDuration());
  const auto ns = static_cast<uint64_t>(absl::ToInt64Nanoseconds(backoff_));
  retry_.Arm(absl::Nanoseconds(static_cast<int64_t>(loop_.random().Below(ns))) +
             absl::Milliseconds(20));
  backoff_ = std::min(backoff_ * 2, kBackoffMax);
}

void XdsClient::OnMessage(absl::string_view bytes) {
  if (!std::exchange(connected_, true)) {
    backoff_ = kBackoffMin;
    if (server_ != 0) first_again_.Arm(kFallbackStay);
    events_.OnConnectedChange(true);
  }
  if (absl::Status read = stream_.OnMessage(bytes, loop_.NowNs()); !read.ok()) {
    pinnace::LogError("xds", read.message());
    return call_->Abort(std::string(read.message()));
  }
  SendDue();
  ArmExpiry();
}

void XdsClient::ArmExpiry() {
  const int64_t next = stream_.NextExpiryNs();
  if (next == INT64_MAX) return expiry_.Cancel();
  expiry_.Arm(absl::Nanoseconds(next - loop_.NowNs()) + absl::Milliseconds(1));
}

}  // namespace proxy

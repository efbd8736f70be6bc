// Speaks DeltaAggregatedResources and keeps what it holds over reconnects.
#include "proxy/xds/ads_client.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/log.h"

namespace proxy {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

AdsClient::AdsClient(EventLoop& loop, std::function<std::shared_ptr<Cluster>()> cluster,
                     envoy::config::core::v3::Node node, std::function<std::string()> token,
                     ResourceEvents& events)
    : loop_(loop),
      cluster_(std::move(cluster)),
      node_(std::move(node)),
      token_(std::move(token)),
      events_(events),
      retry_(loop.timers(), [this] { Connect(); }) {
  types_[kClusterUrl].wildcard = true;
  types_[kListenerUrl].wildcard = true;
}

void AdsClient::Start() { retry_.Arm(absl::ZeroDuration()); }

void AdsClient::Connect() {
  call_.reset();
  std::shared_ptr<Cluster> cluster = cluster_();
  if (cluster == nullptr) return OnEnd("the cluster of the ADS service is not configured");
  first_message_ = true;
  call_ = std::make_unique<GrpcCall>(
      loop_, std::move(cluster),
      "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", token_(),
      GrpcCall::Events{.on_message = [this](absl::string_view bytes) { OnMessage(bytes); },
                       .on_end = [this](std::string why) { OnEnd(why); }});
  for (const auto& [url, type] : types_) {
    if (type.wildcard || !type.names.empty()) SendFirst(url, type);
  }
  call_->Start();
}

void AdsClient::OnEnd(const std::string& why) {
  last_error_ = why.empty() ? "closed by the control plane" : why;
  pinnace::LogWarning("xds", absl::StrCat("stream ended: ", last_error_));
  if (std::exchange(connected_, false)) events_.OnConnectedChange(false);
  call_.reset();
  const auto ns = static_cast<uint64_t>(absl::ToInt64Nanoseconds(backoff_));
  retry_.Arm(absl::Nanoseconds(static_cast<int64_t>(loop_.random().Below(ns))) +
             absl::Milliseconds(20));
  backoff_ = std::min(backoff_ * 2, kBackoffMax);
}

void AdsClient::SendFirst(const std::string& type_url, const Type& type) {
  DeltaDiscoveryRequest request;
  request.set_type_url(type_url);
  if (type.wildcard) request.add_resource_names_subscribe("*");
  for (const std::string& name : type.names) request.add_resource_names_subscribe(name);
  for (const auto& [name, version] : type.versions) {
    (*request.mutable_initial_resource_versions())[name] = version;
  }
  Send(request);
}

void AdsClient::Send(DeltaDiscoveryRequest& request) {
  if (std::exchange(first_message_, false)) *request.mutable_node() = node_;
  call_->Send(request.SerializeAsString(), false);
}

void AdsClient::SetNames(const std::string& type_url, const std::set<std::string>& names) {
  Type& type = types_[type_url];
  if (type.names == names) return;
  const bool first = type.names.empty() && !type.wildcard;
  DeltaDiscoveryRequest request;
  request.set_type_url(type_url);
  for (const std::string& name : names) {
    if (!type.names.contains(name)) request.add_resource_names_subscribe(name);
  }
  for (const std::string& name : type.names) {
    if (names.contains(name)) continue;
    request.add_resource_names_unsubscribe(name);
    type.versions.erase(name);
  }
  type.names = names;
  if (call_ == nullptr) return;  // The next connect sends them all.
  if (first) return SendFirst(type_url, type);
  Send(request);
}

void AdsClient::OnMessage(absl::string_view bytes) {
  DeltaDiscoveryResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    pinnace::LogError("xds", "a response that is no DeltaDiscoveryResponse");
    return;
  }
  if (!std::exchange(connected_, true)) {
    backoff_ = kBackoffMin;
    events_.OnConnectedChange(true);
  }
  const std::string url = response.type_url();
  std::vector<std::string> problems;
  for (const auto& resource : response.resources()) {
    const absl::Status applied = events_.OnResource(url, resource.name(), resource.resource());
    if (applied.ok()) {
      types_[url].versions[resource.name()] = resource.version();
    } else {
      problems.push_back(absl::StrCat(resource.name(), ": ", applied.message()));
    }
  }
  for (const std::string& name : response.removed_resources()) {
    types_[url].versions.erase(name);
    events_.OnRemoved(url, name);
  }
  DeltaDiscoveryRequest answer;
  answer.set_type_url(url);
  answer.set_response_nonce(response.nonce());
  if (!problems.empty()) {
    answer.mutable_error_detail()->set_code(3);  // INVALID_ARGUMENT
    answer.mutable_error_detail()->set_message(absl::StrJoin(problems, "; "));
    pinnace::LogError("xds", absl::StrCat("refused: ", answer.error_detail().message()));
  }
  Send(answer);
  events_.OnResponseApplied(url);
}

}  // namespace proxy

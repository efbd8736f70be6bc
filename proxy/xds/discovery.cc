// Chooses the stream or file for each source and spreads subscriptions over them.
#include "proxy/xds/discovery.h"

#include <utility>

#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

using envoy::config::core::v3::ApiConfigSource;

// The methods of a type's own service.
struct Service {
  const char* type_url;
  const char* sotw;
  const char* delta;
};
constexpr Service kServices[] = {
    {kListenerUrl, "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners",
     "/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners"},
    {kClusterUrl, "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
     "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters"},
    {kRouteUrl, "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes",
     "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes"},
    {kEndpointUrl, "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints",
     "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints"},
    {kSecretUrl, "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets",
     "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets"},
};

}  // namespace

std::unique_ptr<XdsClient> Discovery::NewClient(const ApiConfigSource& api, std::string method) {
  XdsClientOptions options{.variant = api.api_type() == ApiConfigSource::DELTA_GRPC
                                          ? XdsVariant::kDelta
                                          : XdsVariant::kSotw,
                           .method = std::move(method),
                           .servers = {}};
  for (const auto& service : api.grpc_services()) {
    XdsServer& server = options.servers.emplace_back();
    server.cluster = service.envoy_grpc().cluster_name();
    for (const auto& pair : service.initial_metadata())
      server.metadata.emplace_back(pair.key(), pair.value());
  }
  return std::make_unique<XdsClient>(context_.loop, std::move(options), context_.cluster,
                                     context_.node, context_.token, context_.events);
}

absl::Status Discovery::SetAds(const ApiConfigSource& ads) {
  if (ads.api_type() != ApiConfigSource::DELTA_GRPC && ads.api_type() != ApiConfigSource::GRPC)
    return absl::InvalidArgumentError("ads_config.api_type: only GRPC and DELTA_GRPC");
  if (ads.grpc_services().empty())
    return absl::InvalidArgumentError("ads_config.grpc_services: at least one");
  for (const auto& service : ads.grpc_services()) {
    if (service.envoy_grpc().cluster_name().empty())
      return absl::InvalidArgumentError("ads_config.grpc_services: needs envoy_grpc.cluster_name");
  }
  const bool delta = ads.api_type() == ApiConfigSource::DELTA_GRPC;
  ads_ = NewClient(ads, absl::StrCat("/envoy.service.discovery.v3.AggregatedDiscoveryService/",
                                     delta ? "Delta" : "Stream", "AggregatedResources"));
  return absl::OkStatus();
}

Discovery::Single& Discovery::SingleOf(const std::string& type_url, const std::string& source) {
  Single& single = singles_[{type_url, source}];
  if (single.client != nullptr || single.file != nullptr) return single;
  const auto& config = context_.sources.at(source);
  if (config.has_api_config_source()) {
    const bool delta = config.api_config_source().api_type() == ApiConfigSource::DELTA_GRPC;
    for (const Service& service : kServices) {
      if (type_url != service.type_url) continue;
      single.client = NewClient(config.api_config_source(), delta ? service.delta : service.sotw);
    }
    if (started_) single.client->Start();
  } else {
    single.file = std::make_unique<FileSource>(context_.loop, config, type_url, context_.events);
    if (started_) single.file->Start();
  }
  return single;
}

absl::Status Discovery::SubscribeAll(const std::string& type_url, const pinnace::ConfigFrom& from) {
  if (from.source == pinnace::ConfigFrom::kAds) {
    if (ads_ == nullptr) return absl::FailedPreconditionError("ads: no ads_config is set");
    ads_->SubscribeAll(type_url);
    return absl::OkStatus();
  }
  Single& single = SingleOf(type_url, from.source);
  single.client != nullptr ? single.client->SubscribeAll(type_url) : single.file->SubscribeAll();
  return absl::OkStatus();
}

void Discovery::SetNames(const std::string& type_url, const NamesBySource& wanted) {
  for (const auto& [source, names] : wanted) {
    if (source == pinnace::ConfigFrom::kAds || source == pinnace::ConfigFrom::kStatic) continue;
    Single& single = SingleOf(type_url, source);
    single.client != nullptr ? single.client->SetNames(type_url, names)
                             : single.file->SetNames(names);
  }
  const auto by_ads = wanted.find(pinnace::ConfigFrom::kAds);
  if (ads_ != nullptr)
    ads_->SetNames(type_url, by_ads == wanted.end() ? std::set<std::string>() : by_ads->second);
  std::erase_if(singles_, [&](const auto& one) {
    const auto& [type, source] = one.first;
    return type == type_url && type != kListenerUrl && type != kClusterUrl &&
           !wanted.contains(source);
  });
}

void Discovery::Start() {
  started_ = true;
  if (ads_ != nullptr) ads_->Start();
  for (auto& [key, single] : singles_)
    single.client != nullptr ? single.client->Start() : single.file->Start();
}

}  // namespace proxy

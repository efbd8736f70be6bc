// Opens, watches and hands over an upstream connection of a TCP chain.
#include "proxy/exchange/early_upstream.h"

#include <utility>

#include <absl/strings/match.h>

namespace proxy {

EarlyUpstream::EarlyUpstream(WorkerContext& worker, const TcpConfig& config, StreamEnds ends,
                             Address wanted, std::function<void()> on_speech)
    : worker_(worker), on_speech_(std::move(on_speech)) {
  const ForwardAction weights{.clusters = config.clusters, .total_weight = config.total_weight};
  const WeightedCluster& choice = PickCluster(weights, worker_.loop.random().Next());
  cluster_ = worker_.clusters.Find(choice.cluster);
  if (cluster_ == nullptr) return;
  Host* host = cluster_->Pick(wanted, nullptr);
  if (host == nullptr) return;
  if (!cluster_->breaker().Take(Resource::kConnections, cluster_->config().limits)) return;
  host_ = host;
  ++host_->active_requests;
  cluster_->stats()[kUpstreamCxTotal].Add();
  cluster_->stats()[kUpstreamCxActive].Add();
  absl::string_view why;
  auto transport =
      NewUpstreamTransport(cluster_->config(), host_->config, {}, cluster_->stats(), why, ends);
  if (transport == nullptr) {
    Release();
    return;
  }
  auto io = worker_.network.Connect(worker_.loop, host_->config.address);
  if (!io.ok()) {
    Release();
    return;
  }
  connection_ =
      std::make_unique<Connection>(worker_.loop, *std::move(io), std::move(transport), *this, true);
  connection_->Start(cluster_->config().connect_timeout);
}

EarlyUpstream::~EarlyUpstream() {
  if (connection_ != nullptr) {
    if (!connection_->closed()) connection_->Close();
    worker_.loop.DeleteLater(std::move(connection_));
  }
  Release();
}

void EarlyUpstream::Release() {
  if (host_ == nullptr) return;
  --host_->active_requests;
  cluster_->stats()[kUpstreamCxActive].Sub();
  cluster_->breaker().Release(Resource::kConnections);
  host_ = nullptr;
}

void EarlyUpstream::OnData(absl::string_view data) {
  // HTTP servers tell a silent client that it is late; that makes them no less HTTP.
  constexpr absl::string_view kHttp = "HTTP/";
  if (said_.empty() && absl::StartsWith(kHttp, data.substr(0, kHttp.size()))) {
    over_ = true;
    return connection_->Close();
  }
  said_.append(data.data(), data.size());
  connection_->PauseReading();
  const std::function<void()> speak = std::exchange(on_speech_, nullptr);
  if (speak) speak();  // May end this object: the last thing done.
}

EarlyUpstream::Taken EarlyUpstream::Take(ConnectionEvents& events) {
  connection_->SetEvents(events);
  if (said_.empty()) connection_->PauseReading();
  return {.connection = std::move(connection_),
          .cluster = std::move(cluster_),
          .host = std::exchange(host_, nullptr),
          .said = std::move(said_)};
}

}  // namespace proxy

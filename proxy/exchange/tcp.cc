// Joins two connections byte by byte, with back-pressure and half-close both ways.
#include "proxy/exchange/tcp.h"

#include <utility>

namespace proxy {

TcpExchange::TcpExchange(WorkerContext& worker, std::shared_ptr<const TcpConfig> config,
                         std::unique_ptr<IoHandle> io, std::unique_ptr<Transport> transport,
                         Address original_destination, DownstreamOwner& owner)
    : worker_(worker),
      config_(std::move(config)),
      owner_(owner),
      stats_(config_->stats->Shard(worker.index)),
      down_(*this, true),
      up_(*this, false),
      idle_(worker.loop.timers(),
            [this] {
              const int64_t quiet = worker_.loop.NowNs() - idle_since_ns_;
              const absl::Duration left = config_->idle_timeout - absl::Nanoseconds(quiet);
              if (left > absl::ZeroDuration()) return idle_.Arm(left);
              stats_[kTcpIdleTimeout].Add();
              SetFlag(info_, ResponseFlag::kIdleTimeout);
              End();
            }),
      wanted_(std::move(original_destination)) {
  stats_[kTcpCxTotal].Add();
  stats_[kTcpCxActive].Add();
  info_.start = worker.loop.WallNow();
  info_.start_ns = idle_since_ns_ = worker.loop.NowNs();
  info_.downstream_remote = io->Peer();
  info_.downstream_local = wanted_.empty() ? io->Local() : wanted_;
  down_.connection =
      std::make_unique<Connection>(worker.loop, std::move(io), std::move(transport), down_, false);
}

TcpExchange::~TcpExchange() {
  stats_[kTcpCxActive].Sub();
  ReleaseHost();
}

void TcpExchange::Start(absl::Duration handshake_timeout, std::unique_ptr<EarlyUpstream> early) {
  early_ = std::move(early);
  // Nothing is read from the downstream before the upstream can take it.
  down_.connection->PauseReading();
  down_.connection->Start(handshake_timeout);
}

void TcpExchange::OnConnected(Side& side) {
  if (side.downstream) {
    info_.downstream_identity = side.connection->transport().peer_identity();
    info_.requested_server_name = side.connection->transport().server_name();
    if (config_->idle_timeout > absl::ZeroDuration()) idle_.Arm(config_->idle_timeout);
    return ConnectUpstream();
  }
  upstream_open_ = true;
  info_.upstream_first_ns = worker_.loop.NowNs();
  info_.upstream_identity = side.connection->transport().peer_identity();
  cluster_->Record(*host_, Outcome::kConnected);
  down_.connection->ResumeReading();
}

void TcpExchange::TakeEarly() {
  EarlyUpstream::Taken taken = early_->Take(up_);
  early_.reset();
  info_.attempts = ++attempts_;
  cluster_ = std::move(taken.cluster);
  host_ = taken.host;
  info_.upstream_host = host_->config.address;
  up_.connection = std::move(taken.connection);
  if (up_.connection->connected()) OnConnected(up_);
  if (!taken.said.empty()) OnData(up_, taken.said);
  if (up_.connection != nullptr) up_.connection->ResumeReading();
}

void TcpExchange::ConnectUpstream() {
  if (early_ != nullptr && early_->usable()) return TakeEarly();
  early_.reset();
  const ForwardAction weights{.clusters = config_->clusters, .total_weight = config_->total_weight};
  const WeightedCluster& choice = PickCluster(weights, worker_.loop.random().Next());
  cluster_ = worker_.clusters.Find(choice.cluster);
  if (cluster_ == nullptr) {
    stats_[kTcpNoRoute].Add();
    SetFlag(info_, ResponseFlag::kNoCluster);
    return End();
  }
  ++attempts_;
  info_.attempts = attempts_;
  host_ = cluster_->Pick(wanted_, nullptr);
  if (host_ == nullptr) {
    SetFlag(info_, ResponseFlag::kNoHealthyUpstream);
    return End();
  }
  if (!cluster_->breaker().Take(Resource::kConnections, cluster_->config().limits)) {
    cluster_->stats()[kUpstreamCxOverflow].Add();
    SetFlag(info_, ResponseFlag::kUpstreamOverflow);
    host_ = nullptr;
    return End();
  }
  ++host_->active_requests;
  info_.upstream_host = host_->config.address;
  cluster_->stats()[kUpstreamCxTotal].Add();
  cluster_->stats()[kUpstreamCxActive].Add();
  absl::string_view why;
  std::unique_ptr<Transport> transport =
      NewUpstreamTransport(cluster_->config(), host_->config, {}, cluster_->stats(), why,
                           {info_.downstream_remote, info_.downstream_local});
  auto io = transport == nullptr
                ? absl::StatusOr<std::unique_ptr<IoHandle>>(absl::UnavailableError(why))
                : worker_.network.Connect(worker_.loop, host_->config.address);
  if (!io.ok()) {
    info_.upstream_failure = std::string(io.status().message());
    cluster_->stats()[kUpstreamCxConnectFail].Add();
    SetFlag(info_, ResponseFlag::kUpstreamConnectFailure);
    return End();
  }
  up_.connection =
      std::make_unique<Connection>(worker_.loop, *std::move(io), std::move(transport), up_, true);
  up_.connection->Start(cluster_->config().connect_timeout);
}

void TcpExchange::OnData(Side& side, absl::string_view data) {
  idle_since_ns_ = worker_.loop.NowNs();
  if (side.downstream) {
    info_.request_bytes += data.size();
    stats_[kTcpRxBytes].Add(data.size());
  } else {
    info_.response_bytes += data.size();
    stats_[kTcpTxBytes].Add(data.size());
  }
  Other(side).connection->WriteNow(data);
}

void TcpExchange::OnEof(Side& side) {
  side.eof = true;
  Side& other = Other(side);
  if (other.connection == nullptr) return End();
  other.connection->FinishWriting();
}

void TcpExchange::OnWater(Side& side, bool high) {
  Side& other = Other(side);
  if (other.connection == nullptr) return;
  high ? other.connection->PauseReading() : other.connection->ResumeReading();
}

void TcpExchange::OnClosed(Side& side, CloseReason reason) {
  if (ended_) return;
  if (!side.downstream && !upstream_open_) {
    cluster_->Record(*host_, Outcome::kLocalError);
    cluster_
        ->stats()[reason == CloseReason::kConnectTimeout ? kUpstreamCxConnectTimeout
                                                         : kUpstreamCxConnectFail]
        .Add();
    info_.upstream_failure = side.connection->transport().failure();
    SetFlag(info_, ResponseFlag::kUpstreamConnectFailure);
    if (attempts_ < config_->connect_attempts_max) {
      worker_.loop.DeleteLater(std::move(side.connection));
      ReleaseHost();
      return ConnectUpstream();
    }
    SetFlag(info_, ResponseFlag::kRetryLimit);
  }
  Side& other = Other(side);
  if (reason == CloseReason::kPeerClosed && other.connection != nullptr &&
      !other.connection->closed()) {
    // Both directions of this side are over; what it said last may still be on its way to the
    // other.
    return other.connection->CloseAfterFlush();
  }
  if (reason == CloseReason::kReset && other.connection != nullptr) {
    // A reset is passed on as a reset.
    ended_ = true;
    other.connection->Reset();
    ended_ = false;
  }
  End();
}

void TcpExchange::ReleaseHost() {
  if (host_ == nullptr) return;
  --host_->active_requests;
  cluster_->stats()[kUpstreamCxActive].Sub();
  cluster_->breaker().Release(Resource::kConnections);
  host_ = nullptr;
}

void TcpExchange::End() {
  if (ended_) return;
  ended_ = true;
  idle_.Cancel();
  info_.end_ns = worker_.loop.ReadNs();
  if (cluster_ != nullptr) info_.cluster = cluster_->config().name;
  for (const AccessLog& log : config_->access_logs) {
    if (!log.Write(info_)) worker_.server_stats[kServerAccessLogDropped].Add();
  }
  for (Side* side : {&up_, &down_}) {
    if (side->connection != nullptr && !side->connection->closed()) side->connection->Close();
  }
  owner_.OnDownstreamDone(*this);
}

}  // namespace proxy

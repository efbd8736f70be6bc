// The attempts of one request: host, stream, deadline, retry; then the answer back.
#include "proxy/forward/forwarder.h"

#include <algorithm>
#include <utility>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

// How often a request that no upstream has received is sent again, whatever its method.
constexpr uint32_t kResendsMax = 3;

const TlsClientOptions kNoOptions;

// The server name that a request's own host gives (auto_sni): without port, and no IP address.
TlsClientOptions TlsOptionsOf(const ClusterConfig& config, const RequestHead& head) {
  absl::string_view name = head.authority;
  if (!config.auto_sni_header.empty()) {
    const Header* named = head.headers.Find(config.auto_sni_header);
    if (named != nullptr && !named->value.empty()) name = named->value;
  }
  if (name.empty() || name[0] == '[') return {};
  name = name.substr(0, name.find(':'));
  if (name.empty() || name.size() > 255 || Address::FromIp(name, 0).ok()) return {};
  return {.sni = std::string(name), .match_sni = config.auto_san_validation, .alpn = {}};
}

}  // namespace

Forwarder::Forwarder(ForwardContext context, ForwardEvents& events)
    : context_(std::move(context)),
      events_(events),
      deadline_(context_.loop.timers(), [this] { OnTimeout(false); }),
      per_try_(context_.loop.timers(), [this] { OnTimeout(true); }),
      backoff_(context_.loop.timers(), [this] { Attempt(); }) {}

Forwarder::~Forwarder() {
  done_ = true;
  if (sender_ != nullptr) {
    context_.cluster->stats()[kUpstreamRqTxReset].Add();
    sender_->Reset(ResetReason::kLocal);
  }
  EndAttempt();
  if (retry_taken_) context_.cluster->breaker().Release(Resource::kRetries);
}

void Forwarder::Start(const RequestHead& head, bool last) {
  head_ = &head;
  request_done_ = last;
  if (last) RequestSent();
  Attempt();
}

std::string Forwarder::ResetText(absl::string_view reason) const {
  return absl::StrCat("upstream connect error or disconnect/reset before headers. ",
                      retries_ > 0 ? "retried and the latest " : "", "reset reason: ", reason);
}

void Forwarder::RequestSent() {
  // The route's timeout runs from the moment the request is complete, as Envoy's does.
  if (context_.timeout > absl::ZeroDuration()) deadline_.Arm(context_.timeout);
}

void Forwarder::Attempt() {
  Cluster& cluster = *context_.cluster;
  ++context_.info.attempts;
  host_ = cluster.Pick(context_.wanted, failed_host_);
  if (host_ == nullptr) {
    return Fail({.flag = ResponseFlag::kNoHealthyUpstream,
                 .details = "no_healthy_upstream",
                 .body = "no healthy upstream"});
  }
  if (!requests_taken_ && !cluster.breaker().Take(Resource::kRequests, cluster.config().limits)) {
    cluster.stats()[kUpstreamRqPendingOverflow].Add();
    host_ = nullptr;
    return Fail({.flag = ResponseFlag::kUpstreamOverflow,
                 .details = "upstream_reset_before_response_started{overflow}",
                 .body = ResetText("overflow"),
                 .overloaded = true});
  }
  requests_taken_ = true;
  ++host_->active_requests;
  ++host_->requests_total;
  context_.info.upstream_host = host_->config.address;
  cluster.stats()[kUpstreamRqTotal].Add();
  cluster.stats()[kUpstreamRqActive].Add();
  const bool http2 = cluster.config().match_downstream_protocol
                         ? context_.downstream_version == HttpVersion::kHttp2
                         : cluster.config().http2 || cluster.config().auto_protocol;
  pool_ = cluster.config().proxy_protocol == 0
              ? &PoolFor(cluster, http2)
              : &cluster.PoolOf(
                    *host_, http2,
                    StreamEnds{context_.info.downstream_remote, context_.info.downstream_local});
  pool_->Ask(*this);
}

Pool& Forwarder::PoolFor(Cluster& cluster, bool http2) {
  const TlsClientOptions* alpn = nullptr;
  if (context_.alpn != nullptr) {
    const HttpVersion version =
        http2 ? HttpVersion::kHttp2 : std::min(context_.downstream_version, HttpVersion::kHttp11);
    alpn = &context_.alpn->by_protocol[static_cast<size_t>(version)];
  }
  const ClusterConfig& config = cluster.config();
  if (!config.auto_sni) return cluster.PoolOf(*host_, http2, alpn == nullptr ? kNoOptions : *alpn);
  TlsClientOptions options = TlsOptionsOf(config, *head_);
  if (alpn != nullptr) options.alpn = alpn->alpn;
  return cluster.PoolOf(*host_, http2, options);
}

void Forwarder::OnStreamReady(ClientCodec& codec, const Connection& connection, bool reused) {
  pool_ = nullptr;
  reused_ = reused;
  http2_ = codec.version() == HttpVersion::kHttp2;
  context_.info.upstream_identity = connection.transport().peer_identity();
  context_.cluster->Record(*host_, Outcome::kConnected);
  RequestSender& sender = codec.NewStream(*this);
  sender_ = &sender;
  for (int i = 0; i < pauses_; ++i) sender.PauseReading();
  if (context_.retry != nullptr && context_.retry->per_try_timeout > absl::ZeroDuration()) {
    per_try_.Arm(context_.retry->per_try_timeout);
  }
  const bool bodiless = request_done_ && replay_.empty() && !has_trailers_;
  sender.SendHead(*head_, bodiless);
  if (bodiless || sender_ == nullptr) return;
  if (!replay_.empty()) sender.SendData(replay_, request_done_ && !has_trailers_);
  if (sender_ != nullptr && has_trailers_) sender.SendTrailers(trailers_);
  if (sender_ != nullptr && replay_.size() > kReplayBytesMax) {
    replayable_ = false;
    std::string().swap(replay_);
    events_.OnUpstreamWriteLow();
  }
}

void Forwarder::SendData(absl::string_view data, bool last) {
  if (done_) return;
  request_done_ = request_done_ || last;
  const bool below = replay_.size() <= kReplayBytesMax;
  if (sender_ == nullptr) {
    replay_.append(data.data(), data.size());
    if (below && replay_.size() > kReplayBytesMax) events_.OnUpstreamWriteHigh();
  } else if (replayable_ && (context_.retry != nullptr || http2_ || reused_) &&
             replay_.size() + data.size() <= kReplayBytesMax) {
    replay_.append(data.data(), data.size());
  } else {
    replayable_ = false;
    std::string().swap(replay_);
  }
  if (last) RequestSent();
  if (sender_ != nullptr) sender_->SendData(data, last);
}

void Forwarder::SendTrailers(Headers trailers) {
  if (done_) return;
  request_done_ = true;
  has_trailers_ = true;
  trailers_ = std::move(trailers);
  RequestSent();
  if (sender_ != nullptr) sender_->SendTrailers(trailers_);
}

void Forwarder::PauseResponse() {
  ++pauses_;
  if (sender_ != nullptr) sender_->PauseReading();
}

void Forwarder::ResumeResponse() {
  if (pauses_ > 0) --pauses_;
  if (sender_ != nullptr) sender_->ResumeReading();
}

void Forwarder::EndAttempt() {
  per_try_.Cancel();
  if (pool_ != nullptr) pool_->Cancel(*this);
  pool_ = nullptr;
  sender_ = nullptr;
  if (host_ != nullptr) {
    --host_->active_requests;
    context_.cluster->stats()[kUpstreamRqActive].Sub();
    host_ = nullptr;
  }
  if (requests_taken_) {
    context_.cluster->breaker().Release(Resource::kRequests);
    requests_taken_ = false;
  }
}

bool Forwarder::TakeRetry() {
  Cluster& cluster = *context_.cluster;
  if (!retry_taken_ && !cluster.breaker().Take(Resource::kRetries, cluster.config().limits)) {
    cluster.stats()[kUpstreamRqRetryOverflow].Add();
    SetFlag(context_.info, ResponseFlag::kUpstreamOverflow);
    return false;
  }
  retry_taken_ = true;
  return true;
}

bool Forwarder::RetryInstead(uint32_t cause, bool free_of_charge) {
  if (response_begun_ || !replayable_) return false;
  Cluster& cluster = *context_.cluster;
  if (free_of_charge && resent_ < kResendsMax) {
    // The upstream says, or its kernel shows, that the request was never processed.
    ++resent_;
    cluster.stats()[kUpstreamRqResent].Add();
    EndAttempt();
    backoff_.Arm(absl::ZeroDuration());
    return true;
  }
  const RetryPolicy* policy = context_.retry;
  if (policy == nullptr || (policy->on & cause) == 0) return false;
  if (retries_ >= policy->attempts_max) {
    cluster.stats()[kUpstreamRqRetryLimitExceeded].Add();
    SetFlag(context_.info, ResponseFlag::kRetryLimit);
    return false;
  }
  if (!TakeRetry()) return false;
  cluster.stats()[kUpstreamRqRetry].Add();
  ++retries_;
  failed_host_ = host_;
  if (sender_ != nullptr) std::exchange(sender_, nullptr)->Reset(ResetReason::kLocal);
  EndAttempt();
  // Full jitter over a window that doubles with each retry.
  const absl::Duration window = std::min(
      policy->backoff_max, policy->backoff_base * (int64_t{1} << std::min(retries_ - 1, 20U)));
  const auto ns = static_cast<uint64_t>(std::max<int64_t>(1, absl::ToInt64Nanoseconds(window)));
  backoff_.Arm(absl::Nanoseconds(static_cast<int64_t>(context_.loop.random().Below(ns))));
  return true;
}

uint32_t Forwarder::CausesOf(const ResponseHead& head) const {
  uint32_t causes = 0;
  if (head.status >= 500) causes |= kRetry5xx;
  if (head.status >= 502 && head.status <= 504) causes |= kRetryGatewayError;
  if (head.status == 409) causes |= kRetryRetriable4xx;
  const RetryPolicy& policy = *context_.retry;
  if (std::find(policy.status_codes.begin(), policy.status_codes.end(),
                static_cast<uint32_t>(head.status)) != policy.status_codes.end()) {
    causes |= kRetryStatusCodes;
  }
  int grpc = -1;
  if (absl::SimpleAtoi(head.headers.Value(HeaderId::kGrpcStatus), &grpc)) {
    switch (grpc) {
      case 1: causes |= kRetryGrpcCancelled; break;
      case 4: causes |= kRetryGrpcDeadline; break;
      case 8: causes |= kRetryGrpcExhausted; break;
      case 13: causes |= kRetryGrpcInternal; break;
      case 14: causes |= kRetryGrpcUnavailable; break;
      default: break;
    }
  }
  return causes;
}

void Forwarder::OnHead(ResponseHead head, bool last) {
  Cell* stats = context_.cluster->stats();
  const bool failed = head.status >= 500;
  int grpc = -1;
  if (!last || !absl::SimpleAtoi(head.headers.Value(HeaderId::kGrpcStatus), &grpc)) grpc = -1;
  context_.cluster->Record(*host_, OutcomeOf(head.status, grpc));
  if (context_.retry != nullptr && RetryInstead(CausesOf(head), false)) return;
  if (retries_ > 0 && !failed) stats[kUpstreamRqRetrySuccess].Add();
  stats[kUpstreamRqCompleted].Add();
  stats[kUpstreamRq1xx + static_cast<size_t>(head.status / 100 - 1)].Add();
  response_begun_ = true;
  replayable_ = false;
  std::string().swap(replay_);
  per_try_.Cancel();
  context_.info.upstream_first_ns = context_.loop.NowNs();
  if (last) Complete();
  events_.OnResponseHead(std::move(head), last);
}

void Forwarder::OnInformational(ResponseHead head) {
  events_.OnResponseInformational(std::move(head));
}

void Forwarder::OnData(absl::string_view data, bool last) {
  if (done_ || sender_ == nullptr) return;
  if (last) Complete();
  events_.OnResponseData(data, last);
}

void Forwarder::OnTrailers(Headers trailers) {
  Complete();
  events_.OnResponseTrailers(std::move(trailers));
}

void Forwarder::Complete() {
  // An answer that came before the request was complete gives the stream up.
  if (!request_done_ && sender_ != nullptr)
    std::exchange(sender_, nullptr)->Reset(ResetReason::kLocal);
  done_ = true;
  deadline_.Cancel();
  EndAttempt();
}

void Forwarder::OnReset(ResetReason reason) {
  sender_ = nullptr;
  Cluster& cluster = *context_.cluster;
  cluster.stats()[kUpstreamRqRxReset].Add();
  if (response_begun_) {
    const bool broke_rules = reason == ResetReason::kProtocolError;
    SetFlag(context_.info,
            broke_rules ? ResponseFlag::kUpstreamProtocolError : ResponseFlag::kUpstreamClosed);
    context_.info.details = broke_rules
                                ? "upstream_reset_after_response_started{protocol_error}"
                                : "upstream_reset_after_response_started{connection_termination}";
    done_ = true;
    deadline_.Cancel();
    EndAttempt();
    return events_.OnResponseReset();
  }
  const bool refused = reason == ResetReason::kRefused;
  if (host_ != nullptr && !refused) cluster.Record(*host_, Outcome::kLocalError);
  uint32_t causes = kRetryReset | kRetry5xx | kRetryGatewayError;
  if (refused) causes |= kRetryRefusedStream;
  if (RetryInstead(causes, refused)) return;
  switch (reason) {
    case ResetReason::kProtocolError:
      return Fail({.status = 502,
                   .flag = ResponseFlag::kUpstreamProtocolError,
                   .details = "upstream_reset_before_response_started{protocol_error}",
                   .body = ResetText("protocol error")});
    case ResetReason::kRefused:
      return Fail({.flag = ResponseFlag::kUpstreamReset,
                   .details = "upstream_reset_before_response_started{remote_refused_stream_reset}",
                   .body = ResetText("remote refused stream reset")});
    case ResetReason::kPeerReset:
      return Fail({.flag = ResponseFlag::kUpstreamReset,
                   .details = "upstream_reset_before_response_started{remote_reset}",
                   .body = ResetText("remote reset")});
    default:
      return Fail({.flag = ResponseFlag::kUpstreamClosed,
                   .details = "upstream_reset_before_response_started{connection_termination}",
                   .body = ResetText("connection termination")});
  }
}

void Forwarder::OnStreamFailed(PoolFailure failure, absl::string_view why) {
  pool_ = nullptr;
  context_.info.upstream_failure = std::string(why);
  if (failure == PoolFailure::kOverflow) {
    return Fail({.flag = ResponseFlag::kUpstreamOverflow,
                 .details = "upstream_reset_before_response_started{overflow}",
                 .body = ResetText("overflow"),
                 .overloaded = true});
  }
  context_.cluster->Record(*host_, Outcome::kLocalError);
  if (RetryInstead(kRetryConnectFailure | kRetry5xx | kRetryGatewayError | kRetryReset, false))
    return;
  const bool late = failure == PoolFailure::kConnectTimeout;
  Fail({.flag = ResponseFlag::kUpstreamConnectFailure,
        .details = late ? "upstream_reset_before_response_started{connection_timeout}"
                        : "upstream_reset_before_response_started{remote_connection_failure}",
        .body = ResetText(late ? "connection timeout" : "remote connection failure")});
}

void Forwarder::OnTimeout(bool per_try) {
  Cell* stats = context_.cluster->stats();
  stats[per_try ? kUpstreamRqPerTryTimeout : kUpstreamRqTimeout].Add();
  if (host_ != nullptr) context_.cluster->Record(*host_, Outcome::kLocalError);
  if (per_try && RetryInstead(kRetry5xx | kRetryGatewayError | kRetryReset, false)) return;
  if (sender_ != nullptr) std::exchange(sender_, nullptr)->Reset(ResetReason::kLocal);
  if (response_begun_) {
    SetFlag(context_.info, ResponseFlag::kUpstreamTimeout);
    done_ = true;
    EndAttempt();
    return events_.OnResponseReset();
  }
  Fail({.status = 504,
        .flag = ResponseFlag::kUpstreamTimeout,
        .details = per_try ? "upstream_per_try_timeout" : "response_timeout",
        .body = "upstream request timeout"});
}

void Forwarder::Fail(ForwardFailure failure) {
  done_ = true;
  deadline_.Cancel();
  backoff_.Cancel();
  EndAttempt();
  events_.OnForwardFailed(failure);
}

void Forwarder::OnWriteHigh() { events_.OnUpstreamWriteHigh(); }
void Forwarder::OnWriteLow() { events_.OnUpstreamWriteLow(); }

}  // namespace proxy

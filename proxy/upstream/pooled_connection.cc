// One upstream connection's life: opened, lent, idle, closed.
#include "proxy/upstream/pooled_connection.h"

#include <algorithm>
#include <utility>

#include "proxy/upstream/host.h"

namespace proxy {
namespace {

// Names of the mesh's own (Istio's among them) that carry a version of HTTP tell it; others do not.
bool IsHttp2(absl::string_view alpn, bool otherwise) {
  if (alpn == "h2" || alpn == "istio-h2" || alpn == "pinnace-h2") return true;
  if (alpn == "http/1.1" || alpn == "http/1.0" || alpn == "istio-http/1.1" ||
      alpn == "istio-http/1.0" || alpn == "pinnace-http/1.1")
    return false;
  return otherwise;
}

}  // namespace

PooledConnection::PooledConnection(Pool& pool, std::unique_ptr<IoHandle> io,
                                   std::unique_ptr<Transport> transport)
    : pool_(pool),
      idle_timer_(pool.context_.loop.timers(),
                  [this] {
                    pool_.context_.stats[kUpstreamCxIdleTimeout].Add();
                    Leave();
                  }),
      connection_(std::make_unique<Connection>(pool.context_.loop, std::move(io),
                                               std::move(transport), *this, true)) {}

void PooledConnection::OnConnected() {
  PoolContext& context = pool_.context_;
  // The transport may have agreed on a protocol; the configuration decides where it has not.
  const absl::string_view alpn = connection_->transport().alpn();
  const bool http2 = IsHttp2(alpn, pool_.http2_ && !context.config->auto_protocol);
  context.stats[http2 ? kUpstreamCxHttp2Total : kUpstreamCxHttp1Total].Add();
  Http2Limits limits = context.config->codec;
  limits.streams_before_settings_max =
      std::min(limits.streams_before_settings_max, pool_.peer_streams_max_);
  codec_ = http2 ? NewHttp2ClientCodec(context.loop, *connection_, *this, limits,
                                       context.stats + kClusterHttp2)
                 : NewHttp1ClientCodec(*connection_, *this, context.config->codec);
  if (context.config->connection_duration_max > absl::ZeroDuration()) {
    lifetime_.emplace(context.loop.timers(), [this] {
      pool_.context_.stats[kUpstreamCxMaxDuration].Add();
      Leave();
    });
    lifetime_->Arm(context.config->connection_duration_max);
  }
  pool_.OnConnected(*this);
}

void PooledConnection::WaitIdle(absl::Duration timeout) {
  const absl::Duration kept = codec_->kept_idle();
  // A request that crosses the peer's close on the way is lost: better to be the first to leave.
  timeout = std::min(timeout, kept - std::min(absl::Seconds(1), kept / 2));
  idle_since_ns_ = pool_.context_.loop.NowNs();
  idle_timer_.Arm(timeout);
}

absl::Duration PooledConnection::waited() const {
  if (idle_since_ns_ == 0) return absl::ZeroDuration();
  return absl::Nanoseconds(pool_.context_.loop.NowNs() - idle_since_ns_);
}

bool PooledConnection::Undelivered() const {
  return codec_ != nullptr && codec_->version() != HttpVersion::kHttp2 &&
         codec_->active_streams() > 0 && connection_->bytes_received() == received_mark_ &&
         connection_->Undelivered(sent_mark_);
}

void PooledConnection::Lend(StreamWaiter& waiter) {
  idle_timer_.Cancel();
  idle_since_ns_ = 0;
  sent_mark_ = connection_->MarkSent();
  received_mark_ = connection_->bytes_received();
  ++requests_;
  const uint32_t most = pool_.context_.config->requests_per_connection_max;
  if (most != 0 && requests_ >= most) {
    if (!leaving_) pool_.context_.stats[kUpstreamCxMaxRequests].Add();
    leaving_ = true;
  }
  waiter.OnStreamReady(*codec_, *connection_, requests_ > 1);
}

void PooledConnection::Leave() {
  leaving_ = true;
  if (idle()) connection_->CloseAfterFlush();
}

void PooledConnection::OnEof() {
  pool_.NoteIdleClose(waited());
  if (!Undelivered()) return codec_->OnEof();
  // The peer had ended the connection before the request could reach it.
  leaving_ = true;
  codec_->OnConnectionClosed(ResetReason::kRefused);
  connection_->Close();
}

void PooledConnection::OnClosed(CloseReason reason) {
  idle_timer_.Cancel();
  if (lifetime_) lifetime_->Cancel();
  leaving_ = true;
  if (codec_ != nullptr) {
    if (codec_->active_streams() > 0) pool_.context_.stats[kUpstreamCxDestroyWithActiveRq].Add();
    // kPeerReset is said of one stream that the peer has reset; here the connection is gone.
    codec_->OnConnectionClosed(Undelivered()                   ? ResetReason::kRefused
                               : reason == CloseReason::kLocal ? ResetReason::kLocal
                                                               : ResetReason::kConnectionClosed);
  }
  pool_.context_.stats[kUpstreamCxRxBytes].Add(connection_->bytes_received());
  pool_.context_.stats[kUpstreamCxTxBytes].Add(connection_->bytes_sent());
  const std::string why = connection_->transport().failure();
  pool_.OnGone(*this, reason, why);
}

void PooledConnection::OnStreamDone() {
  if (leaving_ && idle()) {
    connection_->CloseAfterFlush();
    return;
  }
  pool_.OnStreamDone(*this);
}

void PooledConnection::OnCodecClose(bool, const char*) {
  leaving_ = true;
  connection_->CloseAfterFlush();
}

void PooledConnection::OnCapacityChange() {
  if (const uint32_t most = codec_->peer_streams_max(); most > 0) pool_.peer_streams_max_ = most;
  pool_.OnStreamDone(*this);
}

}  // namespace proxy

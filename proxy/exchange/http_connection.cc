// Chooses the codec of a connection and keeps its exchanges.
#include "proxy/exchange/http_connection.h"

#include <algorithm>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_split.h>

namespace proxy {
namespace {

constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // RFC 9113 §3.4

// False for a first line of three words of which neither the target nor the version looks like
// HTTP/1: another protocol, or a broken HTTP/2 preface, to which an HTTP/1 answer means nothing.
bool MayBeHttp1(absl::string_view bytes) {
  const absl::string_view line = bytes.substr(0, bytes.find("\r\n"));
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (line.size() == bytes.size() || words.size() != 3) return true;
  return absl::StartsWith(words[2], "HTTP/") || words[1].find_first_of("/:*") != line.npos;
}

}  // namespace

HttpConnection::HttpConnection(WorkerContext& worker, std::shared_ptr<const HttpConfig> config,
                               std::unique_ptr<IoHandle> io, std::unique_ptr<Transport> transport,
                               Address original_destination, DownstreamOwner& owner)
    : config_(std::move(config)),
      connection_(std::make_unique<Connection>(worker.loop, std::move(io), std::move(transport),
                                               *this, false)),
      info_{worker, config_, config_->stats->Shard(worker.index), *connection_,
            {},     {},      std::move(original_destination)},
      owner_(owner),
      idle_(worker.loop.timers(),
            [this] {
              info_.stats[kDownstreamCxIdleTimeout].Add();
              Drain();
            }),
      head_(worker.loop.timers(), [this] { OnHeadLate(); }) {
  info_.stats[kDownstreamCxTotal].Add();
  info_.stats[kDownstreamCxActive].Add();
}

HttpConnection::~HttpConnection() { info_.stats[kDownstreamCxActive].Sub(); }

void HttpConnection::Start(absl::Duration handshake_timeout) {
  info_.remote = connection_->io().Peer();
  info_.local =
      info_.original_destination.empty() ? connection_->io().Local() : info_.original_destination;
  connection_->Start(handshake_timeout);
}

void HttpConnection::OnConnected() {
  ArmIdle();
  if (config_->connection_duration_max <= absl::ZeroDuration()) return;
  lifetime_.emplace(info_.worker.loop.timers(), [this] {
    info_.stats[kDownstreamCxMaxDuration].Add();
    Drain();
  });
  lifetime_->Arm(config_->connection_duration_max);
}

bool HttpConnection::MakeCodec(absl::string_view first_bytes) {
  bool http2 = config_->codec == HttpConfig::Codec::kHttp2;
  if (config_->codec == HttpConfig::Codec::kAuto) {
    const absl::string_view alpn = connection_->transport().alpn();
    if (alpn == "h2") {
      http2 = true;
    } else if (alpn != "http/1.1") {
      // No agreement: the first bytes decide (RFC 9113 §3.3, prior knowledge).
      preface_.append(first_bytes.data(), std::min(first_bytes.size(), kPreface.size()));
      const absl::string_view seen = absl::string_view(preface_).substr(0, kPreface.size());
      http2 = absl::StartsWith(kPreface, seen);
      if (http2 && seen.size() < kPreface.size()) return false;
      if (!http2 && !MayBeHttp1(first_bytes)) {
        info_.stats[kDownstreamCxProtocolError].Add();
        connection_->CloseAfterFlush();
        return false;
      }
    }
  }
  const bool secure = connection_->transport().secure();
  EventLoop& loop = info_.worker.loop;
  http1_ = !http2;
  codec_ = http2 ? NewHttp2ServerCodec(loop, *connection_, *this, config_->limits,
                                       info_.worker.http2_stats, secure)
                 : NewHttp1ServerCodec(loop, *connection_, *this, config_->limits, secure);
  if (draining_ || info_.worker.draining) codec_->Drain();
  return true;
}

void HttpConnection::OnData(absl::string_view data) {
  stream_begun_ = false;
  if (codec_ == nullptr) {
    const std::string before = preface_;
    if (!MakeCodec(data)) return BoundHead();
    preface_.clear();
    if (!before.empty()) codec_->OnData(before);
    if (connection_->closed()) return;
  }
  const bool drained = draining_;
  codec_->OnData(data);
  if (draining_ && !drained) codec_->Drain();
  BoundHead();
}

// Bytes that began no request are a part of the next head.
void HttpConnection::BoundHead() {
  if (config_->request_headers_timeout <= absl::ZeroDuration() || connection_->closed()) return;
  const bool http2 = codec_ != nullptr && !http1_;
  if (http2 && !codec_->mid_head()) return head_.Cancel();
  if (head_.armed() || (!http2 && (!exchanges_.empty() || stream_begun_))) return;
  head_.Arm(config_->request_headers_timeout);
}

void HttpConnection::OnHeadLate() {
  info_.stats[kDownstreamRqHeaderTimeout].Add();
  if (codec_ == nullptr) return connection_->CloseAfterFlush();
  codec_->GiveUpHead();
}

void HttpConnection::OnEof() {
  if (codec_ == nullptr) return connection_->CloseAfterFlush();
  codec_->OnEof();
}

void HttpConnection::OnClosed(CloseReason reason) {
  if (reason != CloseReason::kLocal) info_.stats[kDownstreamCxDestroyRemote].Add();
  if (codec_ != nullptr) {
    codec_->OnConnectionClosed(reason == CloseReason::kReset ? ResetReason::kPeerReset
                                                             : ResetReason::kConnectionClosed);
  }
  owner_.OnDownstreamDone(*this);
}

void HttpConnection::OnWriteHigh() {
  if (codec_ != nullptr) codec_->OnWriteHigh();
}
void HttpConnection::OnWriteLow() {
  if (codec_ != nullptr) codec_->OnWriteLow();
}

RequestEvents& HttpConnection::OnNewStream(ResponseSender& sender) {
  idle_.Cancel();
  head_.Cancel();
  stream_begun_ = true;
  if (++requests_ == config_->requests_per_connection_max) {
    info_.stats[kDownstreamCxMaxRequests].Add();
    draining_ = true;  // The codec hears of it once this stream is its own (OnData).
  }
  exchanges_.push_back(std::make_unique<Exchange>(info_, sender, *this));
  return *exchanges_.back();
}

void HttpConnection::OnCodecClose(bool protocol_error, const char* details) {
  if (absl::string_view(details) == kTooManyResets) {
    info_.stats[kDownstreamRqPrematureResets].Add();
  }
  if (protocol_error) info_.stats[kDownstreamCxProtocolError].Add();
  connection_->CloseAfterFlush();
}

// A request that no exchange ever saw is counted and logged all the same.
void HttpConnection::OnRefused(int status, const char* details) {
  EventLoop& loop = info_.worker.loop;
  StreamInfo info;
  info.start = loop.clock().Wall();
  info.start_ns = info.end_ns = loop.NowNs();
  info.status = status;
  info.details = details;
  info.downstream_remote = info_.remote;
  info.downstream_local = info_.local;
  info.downstream_identity = connection_->transport().peer_identity();
  SetFlag(info, ResponseFlag::kDownstreamProtocolError);
  info_.stats[kDownstreamRqTotal].Add();
  if (status != 0) info_.stats[status >= 500 ? kDownstreamRq5xx : kDownstreamRq4xx].Add();
  if (status == 431 || status == 414) info_.stats[kDownstreamRqTooLarge].Add();
  if (absl::string_view(details) == "http1.unexpected_underscore") {
    info_.stats[kRejectedUnderscores].Add();
  }
  for (const AccessLog& log : config_->access_logs) {
    if (!log.Write(info)) info_.worker.server_stats[kServerAccessLogDropped].Add();
  }
}

void HttpConnection::OnExchangeDone(Exchange& exchange) {
  const auto found = std::find_if(exchanges_.begin(), exchanges_.end(),
                                  [&](const auto& one) { return one.get() == &exchange; });
  if (found == exchanges_.end()) return;
  info_.worker.loop.DeleteLater(std::move(*found));
  *found = std::move(exchanges_.back());
  exchanges_.pop_back();
  if (exchanges_.empty()) ArmIdle();
}

void HttpConnection::ArmIdle() {
  if (config_->idle_timeout > absl::ZeroDuration()) idle_.Arm(config_->idle_timeout);
}

void HttpConnection::Drain() {
  draining_ = true;
  if (codec_ != nullptr) {
    codec_->Drain();
  } else {
    connection_->CloseAfterFlush();
  }
}

}  // namespace proxy

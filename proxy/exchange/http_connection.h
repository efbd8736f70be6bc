// A downstream connection that speaks HTTP: its codec and the exchanges on it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/exchange/exchange.h"

namespace proxy {

// Told when a downstream connection is over.
class DownstreamOwner {
 public:
  virtual ~DownstreamOwner() = default;
  virtual void OnDownstreamDone(Deferred& downstream) = 0;
};

// Loop thread only. Owns its connection.
class HttpConnection final : public ConnectionEvents,
                             public ServerCodecEvents,
                             public ExchangeOwner,
                             public Deferred {
 public:
  HttpConnection(WorkerContext& worker, std::shared_ptr<const HttpConfig> config,
                 std::unique_ptr<IoHandle> io, std::unique_ptr<Transport> transport,
                 Address original_destination, DownstreamOwner& owner);
  ~HttpConnection() override;

  void Start(absl::Duration handshake_timeout);
  // Finishes running requests and takes no more.
  void Drain();
  // Requests that begin from now on are served by `config`.
  void Renew(const std::shared_ptr<const HttpConfig>& config) {
    config_ = info_.config = config;
    info_.client_cert.reset();
  }

  void OnConnected() override;
  void OnData(absl::string_view data) override;
  void OnEof() override;
  void OnClosed(CloseReason reason) override;
  void OnWriteHigh() override;
  void OnWriteLow() override;
  RequestEvents& OnNewStream(ResponseSender& sender) override;
  void OnCodecClose(bool protocol_error, const char* details) override;
  void OnRefused(int status, const char* details) override;
  void OnFieldsDropped(uint32_t count) override { info_.stats[kDroppedUnderscores].Add(count); }
  void OnCodecAbort() override { connection_->Reset(); }
  void OnExchangeDone(Exchange& exchange) override;

 private:
  bool MakeCodec(absl::string_view first_bytes);
  void ArmIdle();
  void BoundHead();
  void OnHeadLate();

  std::shared_ptr<const HttpConfig> config_;
  std::unique_ptr<Connection> connection_;
  DownstreamInfo info_;
  DownstreamOwner& owner_;
  std::unique_ptr<ServerCodec> codec_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::string preface_;  // Bytes kept while the protocol is undecided; at most 24.
  Timer idle_;
  Timer head_;  // Bounds an HTTP/1 head that has begun.
  bool http1_ = false;
  bool stream_begun_ = false;      // In the read that is being handled.
  std::optional<Timer> lifetime_;  // Only where its length is bounded.
  uint32_t requests_ = 0;
  bool draining_ = false;
};

}  // namespace proxy

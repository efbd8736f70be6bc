// One upstream connection with its codec. Private to upstream/.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "proxy/codec/codec.h"
#include "proxy/upstream/pool.h"

namespace proxy {

class PooledConnection final : public ConnectionEvents, public ClientCodecEvents, public Deferred {
 public:
  PooledConnection(Pool& pool, std::unique_ptr<IoHandle> io, std::unique_ptr<Transport> transport);

  void Start(absl::Duration timeout) { connection_->Start(timeout); }
  bool ready() const { return codec_ != nullptr && !leaving_; }
  bool was_ready() const { return codec_ != nullptr; }
  bool awaits_settings() const {
    return ready() && codec_->version() == HttpVersion::kHttp2 && codec_->peer_streams_max() == 0;
  }
  bool CanOpen() const { return ready() && codec_->CanOpen(); }
  // Streams run one after the other, whatever was hoped for.
  bool one_by_one() const { return codec_->version() != HttpVersion::kHttp2; }
  bool idle() const { return codec_ == nullptr || codec_->active_streams() == 0; }
  void Lend(StreamWaiter& waiter);
  // Closes as soon as no stream is active.
  void Leave();
  // Leaves after `timeout`, or somewhat before the peer said it would.
  void WaitIdle(absl::Duration timeout);
  // How long it has been waiting; zero if it is not.
  absl::Duration waited() const;

  void OnConnected() override;
  void OnData(absl::string_view data) override { codec_->OnData(data); }
  void OnEof() override;
  void OnClosed(CloseReason reason) override;
  void OnWriteHigh() override { codec_->OnWriteHigh(); }
  void OnWriteLow() override { codec_->OnWriteLow(); }

  void OnStreamDone() override;
  void OnCodecClose(bool protocol_error, const char* details) override;
  void OnCapacityChange() override;

 private:
  // Certain that the running request never reached the peer.
  bool Undelivered() const;

  Pool& pool_;
  Timer idle_timer_;
  std::optional<Timer> lifetime_;  // Only where its length is bounded.
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<ClientCodec> codec_;
  uint64_t requests_ = 0;
  int64_t sent_mark_ = -1;      // Where the running HTTP/1 request begins.
  uint64_t received_mark_ = 0;  // What had come before it.
  int64_t idle_since_ns_ = 0;   // 0: not idle.
  bool leaving_ = false;
};

}  // namespace proxy

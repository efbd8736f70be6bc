// Opaque traffic: bytes from a downstream connection to an upstream one and back.
#pragma once

#include <memory>

#include "proxy/exchange/config.h"
#include "proxy/exchange/early_upstream.h"
#include "proxy/exchange/http_connection.h"

namespace proxy {

// Loop thread only. Owns both connections. The upstream is connected at once, so that protocols in
// which the server speaks first work.
class TcpExchange final : public Deferred {
 public:
  TcpExchange(WorkerContext& worker, std::shared_ptr<const TcpConfig> config,
              std::unique_ptr<IoHandle> io, std::unique_ptr<Transport> transport,
              Address original_destination, DownstreamOwner& owner);
  ~TcpExchange() override;
  // `early`: null, or a connection to the upstream that was opened before.
  void Start(absl::Duration handshake_timeout, std::unique_ptr<EarlyUpstream> early);
  // Ends when its peers do; nothing can be said to them.
  void Drain() {}

 private:
  // One of the two directions' ends.
  struct Side final : ConnectionEvents {
    Side(TcpExchange& whole, bool is_downstream) : exchange(whole), downstream(is_downstream) {}
    void OnConnected() override { exchange.OnConnected(*this); }
    void OnData(absl::string_view data) override { exchange.OnData(*this, data); }
    void OnEof() override { exchange.OnEof(*this); }
    void OnClosed(CloseReason reason) override { exchange.OnClosed(*this, reason); }
    void OnWriteHigh() override { exchange.OnWater(*this, true); }
    void OnWriteLow() override { exchange.OnWater(*this, false); }
    TcpExchange& exchange;
    const bool downstream;
    std::unique_ptr<Connection> connection;
    bool eof = false;
  };

  void ConnectUpstream();
  void TakeEarly();
  void OnConnected(Side& side);
  void OnData(Side& side, absl::string_view data);
  void OnEof(Side& side);
  void OnClosed(Side& side, CloseReason reason);
  void OnWater(Side& side, bool high);
  void ReleaseHost();
  void End();
  Side& Other(Side& side) { return side.downstream ? up_ : down_; }

  WorkerContext& worker_;
  std::shared_ptr<const TcpConfig> config_;
  DownstreamOwner& owner_;
  Cell* stats_;
  Side down_;
  Side up_;
  std::unique_ptr<EarlyUpstream> early_;
  Timer idle_;
  int64_t idle_since_ns_ = 0;
  Address wanted_;
  std::shared_ptr<Cluster> cluster_;
  Host* host_ = nullptr;
  StreamInfo info_;
  uint32_t attempts_ = 0;
  bool upstream_open_ = false;
  bool ended_ = false;
};

}  // namespace proxy

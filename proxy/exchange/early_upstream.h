// An upstream connection that is opened before it is known what the downstream one will speak.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/exchange/config.h"
#include "proxy/listener/listener.h"
#include "proxy/net/connection.h"

namespace proxy {

// Opened while the client is silent: a server that speaks first then decides for opaque bytes, and
// its connection is the one that is used. Loop thread only.
class EarlyUpstream final : public EarlyServer, public ConnectionEvents {
 public:
  // `on_speech` is called once if the server speaks before the connection is taken.
  EarlyUpstream(WorkerContext& worker, const TcpConfig& config, StreamEnds ends, Address wanted,
                std::function<void()> on_speech);
  ~EarlyUpstream() override;

  // Null if it was never opened or has ended meanwhile.
  bool usable() const { return connection_ != nullptr && !over_; }
  // What was opened, with all that was counted for it: the caller releases it. Its events go to
  // `events` from now on; `said` holds what the server said, after which reading is paused once.
  struct Taken {
    std::unique_ptr<Connection> connection;
    std::shared_ptr<Cluster> cluster;
    Host* host = nullptr;
    std::string said;
  };
  Taken Take(ConnectionEvents& events);

 private:
  void OnConnected() override {}
  void OnData(absl::string_view data) override;
  void OnEof() override { over_ = true; }
  void OnClosed(CloseReason) override {
    over_ = true;
    Release();
  }
  void Release();

  WorkerContext& worker_;
  std::function<void()> on_speech_;
  std::unique_ptr<Connection> connection_;
  std::shared_ptr<Cluster> cluster_;
  Host* host_ = nullptr;
  std::string said_;
  bool over_ = false;
};

}  // namespace proxy

// Connections to one host, lent to one stream (HTTP/1.1) or shared by many (HTTP/2).
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "proxy/codec/codec.h"
#include "proxy/net/connection.h"
#include "proxy/stats/names.h"
#include "proxy/upstream/breaker.h"
#include "proxy/upstream/host.h"

namespace proxy {

// What a pool needs of its cluster; outlives the pool.
struct PoolContext {
  EventLoop& loop;
  Network& network;
  Cell* stats;  // ClusterStat cells of this worker.
  Breaker& breaker;
  std::shared_ptr<const ClusterConfig> config;
};

enum class PoolFailure : uint8_t { kOverflow, kConnectFailed, kConnectTimeout };

// Someone who asked a pool for a stream.
class StreamWaiter {
 public:
  virtual ~StreamWaiter() = default;
  // Call `codec.NewStream(...)` now, before returning. `reused`: the connection has served before.
  virtual void OnStreamReady(ClientCodec& codec, const Connection& connection, bool reused) = 0;
  // No stream; `why` is text for %UPSTREAM_TRANSPORT_FAILURE_REASON%.
  virtual void OnStreamFailed(PoolFailure failure, absl::string_view why) = 0;

 private:
  friend class Pool;
  Pool* waiting_in_ = nullptr;
};

// One connection of a pool: joins a Connection to a ClientCodec.
class PooledConnection;

// The transport with which `config` wants `endpoint` spoken to; `ends` go into the PROXY header
// where one is sent. Null, with `why`, while its secrets are unknown. `stats`: ClusterStat cells,
// which outlive it.
std::unique_ptr<Transport> NewUpstreamTransport(const ClusterConfig& config,
                                                const EndpointConfig& endpoint,
                                                const TlsClientOptions& options, Cell* stats,
                                                absl::string_view& why,
                                                const StreamEnds& ends = {});

// The connections of one worker to one host in one protocol. Idle ones are used last in, first out.
// Loop thread only.
class Pool {
 public:
  // `options`: what its connections ask of TLS beyond the cluster's own settings.
  // `ends`: for whom they speak, where the cluster sends PROXY headers.
  Pool(PoolContext& context, Host& host, bool http2, TlsClientOptions options = {},
       StreamEnds ends = {});
  ~Pool();

  // Answers through `waiter`, possibly before it returns.
  void Ask(StreamWaiter& waiter);
  // Takes a waiting question back.
  void Cancel(StreamWaiter& waiter);
  // Takes no more; connections close as their streams end.
  void Drain();
  bool empty() const { return connections_.empty() && waiters_.empty(); }
  size_t connections() const { return connections_.size(); }
  bool Serves(bool http2, const TlsClientOptions& options) const {
    return http2 == http2_ && options == options_;
  }

 private:
  friend class PooledConnection;
  void Serve();
  bool Connect();
  void FailWaiters(PoolFailure failure, absl::string_view why);
  void OnConnected(PooledConnection& connection);
  void OnStreamDone(PooledConnection& connection);
  void OnGone(PooledConnection& connection, CloseReason reason, absl::string_view why);
  PooledConnection* FindOpen();
  // How many waiters will be served at once when what is being opened is ready.
  size_t OnTheirWay() const;
  // Learns from the peer's closes of idle connections how long it keeps them.
  void NoteIdleClose(absl::Duration waited);

  PoolContext& context_;
  Host& host_;
  const bool http2_;
  const TlsClientOptions options_;
  const StreamEnds ends_;
  bool draining_ = false;
  std::vector<std::unique_ptr<PooledConnection>> connections_;
  std::vector<PooledConnection*> idle_;  // HTTP/1.1: the last one is the warmest.
  std::list<StreamWaiter*> waiters_;     // Oldest first.
  size_t connecting_ = 0;
  uint32_t peer_streams_max_ = UINT32_MAX;  // HTTP/2: what the host said last.
  absl::Duration last_idle_close_ = absl::ZeroDuration();
  absl::Duration learned_idle_ = absl::InfiniteDuration();
};

}  // namespace proxy

// One worker thread: its loop, its listeners, its connections.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proxy/exchange/early_upstream.h"
#include "proxy/exchange/http_connection.h"
#include "proxy/exchange/tcp.h"
#include "proxy/forward/side_call.h"
#include "proxy/listener/listener.h"
#include "proxy/server/connection_limit.h"
#include "proxy/server/published.h"

namespace proxy {

// What a worker's loop runs on: the kernel's readiness and chance, or a simulation's.
struct LoopSource {
  std::unique_ptr<Poller> poller = NewLibeventPoller();
  uint64_t seed = pinnace::EntropySeed();
};

class Worker final : public ConnectionSink, public DownstreamOwner {
 public:
  Worker(size_t index, Network& network, pinnace::Clock& clock, StatsRegistry& stats,
         LoopSource source = {});
  ~Worker() override;

  EventLoop& loop() { return loop_; }
  // Before Start(). Borrowed; shared with other workers.
  void SetConnectionLimit(ConnectionLimit& limit) { limit_ = &limit; }
  // Runs the loop on a thread of its own until Stop().
  void Start();
  void Stop();

  // The rest on the worker's thread:
  // Opens, updates and stops listeners; routes and clusters serve from the next request on. A
  // listener that cannot be bound is reported and left out.
  void Adopt(SnapshotPtr snapshot);
  // Accepts no more and lets running requests end.
  void Drain();
  size_t connections() const { return downstreams_.size(); }
  std::vector<std::pair<std::string, Address>> Bound() const;

  void OnConnection(const FilterChain& chain, Accepted accepted) override;
  std::shared_ptr<const ListenerConfig> FindUnbound(const Address& destination) override;
  std::unique_ptr<EarlyServer> ConnectEarly(const FilterChain& chain, const IoHandle& io,
                                            const Address& original,
                                            std::function<void()> on_speech) override;
  void OnDownstreamDone(Deferred& downstream) override;

 private:
  // Open HTTP connections go on with the newest filters and routes of their chain; those whose
  // chain is gone end with their requests.
  void RenewConnections();

  EventLoop loop_;
  Network& network_;
  const size_t index_;
  ConnectionLimit* limit_ = nullptr;  // Null: none.
  Clusters clusters_;
  ClusterSideCalls side_calls_;
  WorkerContext context_;
  SnapshotPtr snapshot_ = std::make_shared<Snapshot>();
  std::map<std::string, std::unique_ptr<Listener>> listeners_;  // By name.
  std::map<Address, std::shared_ptr<const ListenerConfig>> unbound_;
  absl::flat_hash_map<Deferred*, std::unique_ptr<Deferred>> downstreams_;
  // Those of downstreams_ that speak HTTP, with their chain's identity.
  absl::flat_hash_map<Deferred*, std::pair<HttpConnection*, uint64_t>> http_;
  std::thread thread_;
};

}  // namespace proxy

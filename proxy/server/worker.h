// One worker thread: its loop, its listeners, its connections.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proxy/exchange/http_connection.h"
#include "proxy/exchange/tcp.h"
#include "proxy/forward/side_call.h"
#include "proxy/listener/listener.h"

namespace proxy {

// The newest accepted resources of each type. Never written after it was published, so every thread
// may read it without a lock.
struct Snapshot {
  std::shared_ptr<const Tables> tables = std::make_shared<Tables>();
  std::vector<std::shared_ptr<const ListenerConfig>> listeners = {};
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

class Worker final : public ConnectionSink, public DownstreamOwner {
 public:
  Worker(size_t index, Network& network, pinnace::Clock& clock, StatsRegistry& stats);
  ~Worker() override;

  EventLoop& loop() { return loop_; }
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
  void OnDownstreamDone(Deferred& downstream) override;

 private:
  EventLoop loop_;
  Network& network_;
  const size_t index_;
  Clusters clusters_;
  ClusterSideCalls side_calls_;
  WorkerContext context_;
  SnapshotPtr snapshot_ = std::make_shared<Snapshot>();
  std::map<std::string, std::unique_ptr<Listener>> listeners_;  // By name.
  std::map<Address, std::shared_ptr<const ListenerConfig>> unbound_;
  absl::flat_hash_map<Deferred*, std::unique_ptr<Deferred>> downstreams_;
  absl::flat_hash_map<Deferred*, HttpConnection*> http_;  // Those of downstreams_ that speak HTTP.
  std::thread thread_;
};

}  // namespace proxy

// The delta variant of one ADS stream.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "control-plane/ads/stream_state.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace control {

// DeltaAggregatedResources without gRPC: requests and snapshots in, responses out. Not thread-safe.
class DeltaStream {
 public:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;

  // `clock` must outlive this.
  explicit DeltaStream(pinnace::Clock& clock) : state_(StreamState::Variant::kDelta, clock) {}

  std::vector<Response> OnRequest(const Request& request);
  std::vector<Response> OnSnapshot(SnapshotPtr snapshot);
  std::vector<Response> OnTick();

  const StreamState& state() const { return state_; }

 private:
  StreamState state_;
  std::set<std::string> seen_types_;
};

}  // namespace control

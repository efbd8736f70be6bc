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

  // As of StreamState.
  explicit DeltaStream(pinnace::Clock& clock, NamePool* names = nullptr)
      : state_(StreamState::Variant::kDelta, clock, names) {}

  std::vector<Response> OnRequest(const Request& request) { return ToProtos(Handle(request)); }
  std::vector<Response> OnSnapshot(SnapshotPtr snapshot) {
    return ToProtos(state_.OnSnapshot(std::move(snapshot)));
  }
  std::vector<Response> OnTick() { return ToProtos(state_.OnTick()); }

  // OnRequest() and the others in common terms, for senders that share serialized resources.
  std::vector<StreamResponse> Handle(const Request& request);
  StreamState& state() { return state_; }
  // The response but for its resources.
  static Response Head(const StreamResponse& response);
  static Response ToProto(const StreamResponse& response);

  const StreamState& state() const { return state_; }

 private:
  static std::vector<Response> ToProtos(const std::vector<StreamResponse>& responses);

  StreamState state_;
  std::set<std::string> seen_types_;
};

}  // namespace control

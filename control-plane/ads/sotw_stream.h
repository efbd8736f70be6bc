// The state-of-the-world variant of one ADS stream.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control-plane/ads/stream_state.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace control {

// StreamAggregatedResources without gRPC: requests and snapshots in, responses out. Listeners and
// clusters always come as the full set that the client subscribed to; other types as what changed,
// where absence says nothing. Not thread-safe.
class SotwStream {
 public:
  using Request = envoy::service::discovery::v3::DiscoveryRequest;
  using Response = envoy::service::discovery::v3::DiscoveryResponse;

  // As of StreamState.
  explicit SotwStream(pinnace::Clock& clock, NamePool* names = nullptr)
      : state_(StreamState::Variant::kSotw, clock, names) {}

  // Of a request with a stale nonce only its word on that response counts: the client, once it has
  // read the newer response, repeats all its names (xds_protocol, "Resource updates").
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
  struct Type {
    bool named = false;  // The client has named something; "no names" now means nothing.
  };

  static std::vector<Response> ToProtos(const std::vector<StreamResponse>& responses);

  StreamState state_;
  std::map<std::string, Type> types_;
};

}  // namespace control

// The state-of-the-world variant of one ADS stream.
#pragma once

#include <map>
#include <set>
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

  // `clock` must outlive this.
  explicit SotwStream(pinnace::Clock& clock) : state_(StreamState::Variant::kSotw, clock) {}

  // Of a request with a stale nonce only its word on that response counts: the client, once it has
  // read the newer response, repeats all its names (xds_protocol, "Resource updates").
  std::vector<Response> OnRequest(const Request& request);
  std::vector<Response> OnSnapshot(SnapshotPtr snapshot);
  std::vector<Response> OnTick();

  const StreamState& state() const { return state_; }

 private:
  struct Type {
    std::string last_nonce;
    bool named = false;  // The client has named something; "no names" now means nothing.
    std::set<std::string> names;
  };

  std::vector<Response> ToProtos(std::vector<StreamResponse> responses);

  StreamState state_;
  std::map<std::string, Type> types_;
};

}  // namespace control

// One stream's state in the terms of the status services.
#pragma once

#include <string>

#include <absl/time/time.h>

#include "control-plane/ads/stream_state.h"
#include "envoy/service/status/v3/csds.pb.h"
#include "mesh/v1/status.pb.h"

namespace control {

// What is known of a stream beside its state.
struct SessionFacts {
  std::string address;   // As gRPC writes it: "ipv4:127.0.0.1:1234".
  std::string identity;  // SPIFFE URI; empty on the plaintext port.
  absl::Time since;
  envoy::config::core::v3::Node node;  // Empty until the first request.
};

mesh::v1::ProxyStatus StatusOf(const SessionFacts& facts, const StreamState& state);

// `contents`: with the resources that were sent last.
envoy::service::status::v3::ClientConfig ConfigOf(const SessionFacts& facts,
                                                  const StreamState& state, bool contents);

}  // namespace control

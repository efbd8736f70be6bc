// Serialized responses whose resources are shared between streams.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <grpcpp/support/byte_buffer.h>

#include "control-plane/ads/stream_state.h"

namespace control {

// Serializes responses. What many streams are told alike is serialized once and sent to all of them
// from the same bytes; only nonce and names are each stream's own. Any thread.
class ResponseBytes {
 public:
  // The same message as Delta- or SotwStream::ToProto().
  grpc::ByteBuffer Encode(StreamState::Variant variant, const StreamResponse& response);

 private:
  // Bodies larger than this are kept for others, up to this many bytes in all.
  static constexpr size_t kKeptMin = 1024;
  static constexpr size_t kKeptBytesMax = 64 * 1024 * 1024;

  struct Body {
    uint64_t key = 0;
    StreamState::Variant variant = StreamState::Variant::kDelta;
    std::vector<ResourcePtr> resources;
    grpc::Slice bytes;
  };

  grpc::Slice BodyOf(StreamState::Variant variant, const std::vector<ResourcePtr>& resources);

  std::mutex mutex_;
  std::list<Body> kept_;  // Last used first.
  size_t kept_bytes_ = 0;
  absl::flat_hash_map<uint64_t, std::list<Body>::iterator> by_key_;
};

}  // namespace control

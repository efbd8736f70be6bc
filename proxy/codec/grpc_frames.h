// gRPC's length-prefixed messages and its status in trailers (gRPC over HTTP/2, PROTOCOL-HTTP2).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

namespace proxy {

// Cuts a body into messages. Holds at most one incomplete message.
class GrpcFrameReader {
 public:
  static constexpr size_t kMessageBytesMax = 64 * 1024 * 1024;

  explicit GrpcFrameReader(size_t message_bytes_max = kMessageBytesMax)
      : message_bytes_max_(message_bytes_max) {}

  // Feeds bytes; calls `on_message` for each whole message, whose view is gone after the call.
  // `on_message` must not destroy the reader. Errors, after which the reader is of no more use:
  // ResourceExhausted if a message is longer than the bound; Unimplemented if one is compressed;
  // Internal if the flag byte is unknown.
  absl::Status Feed(absl::string_view data,
                    const std::function<void(absl::string_view)>& on_message);
  // True if a message is incomplete: an error at the body's end.
  bool mid_message() const { return !pending_.empty(); }

 private:
  const size_t message_bytes_max_;
  std::string pending_;  // Of a message whose end has not come.
};

// One uncompressed message with its prefix. `message` is shorter than 4 GiB.
std::string GrpcFrame(absl::string_view message);

// grpc-message's percent-encoding: everything but printable ASCII, and '%'.
std::string GrpcPercentEncode(absl::string_view text);
// Bad escapes stay as they are.
std::string GrpcPercentDecode(absl::string_view text);

// The gRPC status for a response without grpc-status (doc/http-grpc-status-mapping.md).
int GrpcStatusOfHttp(int http_status);

}  // namespace proxy

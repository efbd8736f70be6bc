// gRPC-Web's two encodings of a body: base64 for text, and trailers as a last message
// (gRPC PROTOCOL-WEB).
#pragma once

#include <cstdint>
#include <string>

#include <absl/strings/string_view.h>

#include "proxy/http/headers.h"

namespace proxy {

// Reads a base64 body that is padded anywhere a message may end.
class GrpcTextDecoder {
 public:
  // Appends to `out`. False if `text` is not base64.
  bool Feed(absl::string_view text, std::string& out);
  // True between two groups of four.
  bool aligned() const { return have_ == 0; }

 private:
  char group_[4];
  size_t have_ = 0;
};

// Writes base64 that is padded at each message's end, so that a reader has every message as soon as
// it came. Holds at most two bytes.
class GrpcTextEncoder {
 public:
  // Takes bytes of the framed body; appends to `out`.
  void Feed(absl::string_view data, std::string& out);
  // Pads what is held.
  void Flush(std::string& out);

 private:
  void Encode(absl::string_view data, std::string& out);

  char held_[2];
  size_t have_ = 0;
  uint32_t prefix_ = 0;      // The last four prefix bytes seen: the length.
  size_t prefix_bytes_ = 0;  // Of the five.
  uint32_t message_left_ = 0;
};

// "name: value" lines in a frame whose first byte is 0x80.
std::string GrpcTrailerFrame(const Headers& trailers);

}  // namespace proxy

// Where frames begin in a connection's bytes: nghttp2 tells nothing of those that it ignores.
#pragma once

#include <cstddef>
#include <cstdint>

#include <absl/strings/string_view.h>
#include <nghttp2/nghttp2.h>

namespace proxy {

// Walks over one connection's incoming bytes, chunk by chunk.
class Http2Scanner {
 public:
  // `preface`: bytes before the first frame.
  explicit Http2Scanner(size_t preface) : left_(preface) {}

  // The head that becomes complete next in `data`, from `at` on, which moves behind it. `start`:
  // where its frame begins, 0 if that was in an earlier chunk. False at the end of `data`.
  bool Next(absl::string_view data, size_t& at, size_t& start, nghttp2_frame_hd& head);

  // The last frame whose head was told is whole.
  bool between_frames() const { return left_ == 0; }

 private:
  static constexpr size_t kHeadBytes = 9;
  size_t left_;               // Until the next head.
  uint8_t head_[kHeadBytes];  // The part of a head that an earlier chunk ended with.
  size_t have_ = 0;
};

}  // namespace proxy

// Frame heads (RFC 9113 §4.1), whole or split between two chunks.
#include "proxy/codec/http2_scanner.h"

#include <algorithm>
#include <cstring>

namespace proxy {

bool Http2Scanner::Next(absl::string_view data, size_t& at, size_t& start, nghttp2_frame_hd& head) {
  const size_t skipped = std::min(left_, data.size() - at);
  at += skipped;
  left_ -= skipped;
  if (left_ > 0 || at == data.size()) return false;
  start = have_ > 0 ? 0 : at;
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(data.data()) + at;
  const size_t taken = std::min(kHeadBytes - have_, data.size() - at);
  at += taken;
  if (taken < kHeadBytes) {
    std::memcpy(head_ + have_, bytes, taken);
    have_ += taken;
    if (have_ < kHeadBytes) return false;
    bytes = head_;
  }
  have_ = 0;
  head.length = static_cast<size_t>(bytes[0]) << 16 | bytes[1] << 8 | bytes[2];
  head.type = bytes[3];
  head.flags = bytes[4];
  head.stream_id = (bytes[5] & 0x7f) << 24 | bytes[6] << 16 | bytes[7] << 8 | bytes[8];
  head.reserved = 0;
  left_ = head.length;
  return true;
}

}  // namespace proxy

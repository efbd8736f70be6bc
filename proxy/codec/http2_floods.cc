// Flood limits: their formulas are those of Envoy's protocol constraints, the budgets are ours.
#include "proxy/codec/http2_floods.h"

#include <algorithm>

namespace proxy {

bool EventBudget::Take(int64_t now_ns) {
  const double back = static_cast<double>(now_ns - last_ns_) * 1e-9 * rate_;
  last_ns_ = now_ns;
  used_ = std::max(0.0, used_ - back) + 1;
  return used_ <= burst_;
}

const char* FloodGuard::Reached(Http2Stat stat, const char* text) {
  stats_[stat].Add();
  return text;
}

const char* FloodGuard::NoteEmpty(bool empty) {
  empty_in_a_row_ = empty ? empty_in_a_row_ + 1 : 0;
  if (empty_in_a_row_ <= limits_.empty_frames_in_a_row_max) return nullptr;
  return Reached(kHttp2EmptyFramesFlood, "http2.inbound_empty_frames_flood");
}

const char* FloodGuard::OnFrameBegins(const nghttp2_frame_hd& head, size_t queued, int64_t now_ns) {
  switch (head.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
      if (const char* reached =
              NoteEmpty(head.length == 0 && (head.flags & NGHTTP2_FLAG_END_STREAM) == 0)) {
        return reached;
      }
      break;
    case NGHTTP2_PRIORITY:
      if (++priorities_ > limits_.priority_frames_per_stream_max * (1 + streams_)) {
        return Reached(kHttp2PriorityFramesFlood, "http2.inbound_priority_frames_flood");
      }
      break;
    case NGHTTP2_WINDOW_UPDATE: {
      const uint64_t earned = streams_ + limits_.window_updates_per_data_frame_max * data_sent_;
      if (++window_updates_ > 5 + 2 * earned) {
        return Reached(kHttp2WindowUpdateFramesFlood, "http2.inbound_window_update_frames_flood");
      }
      break;
    }
    case NGHTTP2_DATA:
    case NGHTTP2_RST_STREAM: break;
    default:
      if (!control_frames_.Take(now_ns)) {
        return Reached(kHttp2ControlFramesFlood, "http2.inbound_control_frames_flood");
      }
  }
  if (queued > limits_.outbound_frames_max) {
    return Reached(kHttp2OutboundFlood, "http2.outbound_frames_flood");
  }
  return nullptr;
}

const char* FloodGuard::OnData(size_t bytes, bool last) { return NoteEmpty(bytes == 0 && !last); }

const char* FloodGuard::OnPeerReset(int64_t now_ns) {
  stats_[kHttp2RxReset].Add();
  return !server_ || resets_.Take(now_ns) ? nullptr : Reached(kHttp2ResetFlood, kTooManyResets);
}

void FloodGuard::OnDataSent() {
  ++data_sent_;
  control_frames_.Give();
}

void RecentStreams::Opened(int32_t id) {
  streams_[next_] = static_cast<uint32_t>(id) * 2;
  next_ = (next_ + 1) % kKept;
}

void RecentStreams::Ended(int32_t id) {
  for (uint32_t& one : streams_) {
    if (one / 2 == static_cast<uint32_t>(id)) one |= 1;
  }
}

RecentStreams::Seen RecentStreams::Look(int32_t id) const {
  const auto wanted = static_cast<uint32_t>(id);
  const uint32_t oldest = streams_[next_] / 2;
  const uint32_t newest = streams_[(next_ + kKept - 1) % kKept] / 2;
  if (wanted < oldest || wanted > newest) return Seen::kUnknown;
  for (const uint32_t one : streams_) {
    if (one / 2 == wanted) return (one & 1) != 0 ? Seen::kEnded : Seen::kOpen;
  }
  return Seen::kNeverOpened;
}

}  // namespace proxy

// What a peer may send that costs it nothing: counted, and bounded by Envoy's rules.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <nghttp2/nghttp2.h>

#include "proxy/codec/codec.h"
#include "proxy/stats/names.h"

namespace proxy {

// Allows `burst` events at once and `per_second` in the long run.
class EventBudget {
 public:
  EventBudget(uint32_t burst, uint32_t per_second) : burst_(burst), rate_(per_second) {}
  // False if the budget is used up.
  bool Take(int64_t now_ns);
  // Earns one event back.
  void Give() { used_ = used_ > 1 ? used_ - 1 : 0; }

 private:
  const uint32_t burst_;
  const uint32_t rate_;
  int64_t last_ns_ = 0;
  double used_ = 0;
};

// Watches the incoming frames of one connection. A call returns null, or static text that names
// the limit which the peer has passed; its counter is up by one then.
class FloodGuard {
 public:
  // `server`: the peer is the one that opens streams, so its resets are bounded too.
  FloodGuard(const Http2Limits& limits, Cell* stats, bool server)
      : limits_(limits), stats_(stats), server_(server) {}

  // `queued`: frames that wait because the peer does not read.
  const char* OnFrameBegins(const nghttp2_frame_hd& head, size_t queued, int64_t now_ns);
  // A whole DATA frame came; `bytes` without its padding.
  const char* OnData(size_t bytes, bool last);
  const char* OnPeerReset(int64_t now_ns);
  void OnStreamOpened() { ++streams_; }
  void OnDataSent();
  // A message of ours is complete: the peer may well reset another stream.
  void OnAnswered() { resets_.Give(); }

  // PING and SETTINGS, beyond one for each DATA frame that we send: gRPC measures with them.
  static constexpr uint32_t kControlFramesBurst = 1000;
  static constexpr uint32_t kControlFramesPerSecond = 200;
  // RST_STREAM from the peer beyond one for each answer (CVE-2023-44487).
  static constexpr uint32_t kPeerResetsBurst = 500;
  static constexpr uint32_t kPeerResetsPerSecond = 100;

 private:
  const char* Reached(Http2Stat stat, const char* text);
  const char* NoteEmpty(bool empty);

  const Http2Limits& limits_;
  Cell* stats_;
  const bool server_;
  EventBudget control_frames_{kControlFramesBurst, kControlFramesPerSecond};
  EventBudget resets_{kPeerResetsBurst, kPeerResetsPerSecond};
  uint64_t streams_ = 0;  // Since the connection began; so the next three.
  uint64_t data_sent_ = 0;
  uint64_t priorities_ = 0;
  uint64_t window_updates_ = 0;
  uint32_t empty_in_a_row_ = 0;
};

// The streams that the peer opened last, and whether it has ended its side of them: what tells a
// late frame, which must be borne, from one that breaks the rules (RFC 9113 §5.1, §5.1.1).
class RecentStreams {
 public:
  enum class Seen : uint8_t { kUnknown, kNeverOpened, kOpen, kEnded };
  void Opened(int32_t id);
  // The peer sent END_STREAM or RST_STREAM.
  void Ended(int32_t id);
  // kUnknown: before the last kKept, or not yet.
  Seen Look(int32_t id) const;

 private:
  static constexpr size_t kKept = 16;
  // Twice the id, and one more once it has ended; ascending from next_ on, in a ring.
  std::array<uint32_t, kKept> streams_{};
  size_t next_ = 0;
};

}  // namespace proxy

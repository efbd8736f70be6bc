// One HTTP/2 connection on nghttp2: what both sides share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/strings/string_view.h>
#include <nghttp2/nghttp2.h>

#include "proxy/codec/codec.h"
#include "proxy/codec/http2_stream.h"
#include "proxy/event/event_loop.h"

namespace proxy {

// What the server's and the client's codec do differently.
class Http2Role {
 public:
  virtual ~Http2Role() = default;
  // The peer opens a stream; null to ignore it.
  virtual std::unique_ptr<Http2Stream> OnPeerOpened(int32_t id) = 0;
  virtual void OnStreamRetired() = 0;
  // SETTINGS or GOAWAY came.
  virtual void OnPeerLimits() = 0;
  // Once: as OnCodecClose.
  virtual void OnSessionEnd(bool protocol_error, const char* details) = 0;
};

// Allows `burst` events at once and `per_second` in the long run.
class EventBudget {
 public:
  EventBudget(uint32_t burst, uint32_t per_second) : burst_(burst), rate_(per_second) {}
  // False if the budget is used up.
  bool Take(int64_t now_ns);

 private:
  const uint32_t burst_;
  const uint32_t rate_;
  int64_t last_ns_ = 0;
  double used_ = 0;
};

// The session and its streams. nghttp2 is asked for output only in Flush(), which the loop calls
// after the current callback: a callback's frames go out in one write.
class Http2Session final : public Flushable {
 public:
  Http2Session(EventLoop& loop, ByteSink& sink, Http2Role& role, const CodecLimits& limits,
               bool server);
  ~Http2Session() override;
  Http2Session(const Http2Session&) = delete;

  void Receive(absl::string_view data);
  void OnEof();
  void Abandon(ResetReason reason);
  void Drain();
  void SetSinkHigh(bool high);
  void Flush() override;

  // Takes a stream; the reference is good until Retire().
  Http2Stream& Add(std::unique_ptr<Http2Stream> stream);
  // Lets go of a stream after the current callback.
  void Retire(Http2Stream& stream);
  void FlushSoon();
  // `stream` fell to its low mark inside nghttp2: tell its user afterwards.
  void TellLowSoon(Http2Stream& stream) { low_.push_back(&stream); }
  // True if bytes held by a paused stream may be credited to the connection all the same.
  bool MayCreditHeld(uint32_t bytes);
  void ReleaseHeld(uint32_t bytes) { held_ -= bytes; }

  nghttp2_session* raw() { return session_; }
  const CodecLimits& limits() const { return limits_; }
  bool server() const { return server_; }
  bool ended() const { return ended_; }
  bool draining() const { return draining_; }
  bool settings_seen() const { return settings_seen_; }
  bool goaway_seen() const { return goaway_seen_; }
  size_t streams() const { return streams_.size(); }

  // Frames that further no message (PING, SETTINGS, PRIORITY, empty DATA): ENHANCE_YOUR_CALM
  // beyond.
  static constexpr uint32_t kIdleFramesBurst = 1000;
  static constexpr uint32_t kIdleFramesPerSecond = 200;
  // RST_STREAM from the peer (CVE-2023-44487): ENHANCE_YOUR_CALM beyond.
  static constexpr uint32_t kPeerResetsBurst = 1000;
  static constexpr uint32_t kPeerResetsPerSecond = 100;
  static constexpr size_t kOutboundAcksMax = 1000;
  static constexpr size_t kContinuationsMax = 8;
  static constexpr size_t kSettingsMax = 32;
  // Bytes that paused streams may hold while other streams go on.
  static constexpr size_t kHeldBytesMax = 16 * 1024 * 1024;
  static constexpr size_t kGatherBytes = 64 * 1024;

 private:
  friend struct Http2Callbacks;
  void SubmitSettings();
  bool Gather();
  void TellLow();
  void CheckEnd();
  void End(bool protocol_error, const char* details);
  void ResetAll(ResetReason reason);
  void Calm() { nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM); }

  EventLoop& loop_;
  ByteSink& sink_;
  Http2Role& role_;
  const CodecLimits limits_;
  const bool server_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Http2Stream>> streams_;
  std::vector<std::unique_ptr<Http2Stream>> retired_;
  std::vector<Http2Stream*> low_;
  std::string out_;
  EventBudget idle_frames_{kIdleFramesBurst, kIdleFramesPerSecond};
  EventBudget peer_resets_{kPeerResetsBurst, kPeerResetsPerSecond};
  size_t held_ = 0;
  size_t frame_left_ = 0;             // Of the DATA frame being read; padding included.
  const char* fatal_ = nullptr;       // nghttp2 can't go on.
  const char* sent_error_ = nullptr;  // We sent a GOAWAY with an error.
  bool flooded_ = false;              // Why fatal_.
  bool sink_high_ = false;
  bool draining_ = false;
  bool last_goaway_ = false;  // Queued: no stream after it.
  bool settings_seen_ = false;
  bool goaway_seen_ = false;
  bool eof_ = false;
  bool ended_ = false;
};

}  // namespace proxy

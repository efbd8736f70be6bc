// One HTTP/2 connection on nghttp2: what both sides share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/strings/string_view.h>
#include <nghttp2/nghttp2.h>

#include "proxy/codec/codec.h"
#include "proxy/codec/http2_floods.h"
#include "proxy/codec/http2_keepalive.h"
#include "proxy/codec/http2_scanner.h"
#include "proxy/codec/http2_stream.h"
#include "proxy/event/event_loop.h"

namespace proxy {

// Envoy's response_code_details for a malformed message.
inline constexpr char kBadMessage[] = "http2.violation.of.messaging.rule";

// What the server's and the client's codec do differently.
class Http2Role {
 public:
  virtual ~Http2Role() = default;
  // The peer opens a stream; null to ignore it.
  virtual std::unique_ptr<Http2Stream> OnPeerOpened(int32_t id) = 0;
  virtual void OnStreamRetired() = 0;
  // SETTINGS or GOAWAY came.
  virtual void OnPeerLimits() = 0;
  // A stream of which no user has heard was reset because its head was malformed.
  virtual void OnUnseenRefused() {}
  // Once: as OnCodecClose.
  virtual void OnSessionEnd(bool protocol_error, const char* details) = 0;
};

// The session and its streams. nghttp2 is asked for output only in Flush(), which the loop calls
// after the current callback: a callback's frames go out in one write.
class Http2Session final : public Flushable {
 public:
  Http2Session(EventLoop& loop, ByteSink& sink, Http2Role& role, const Http2Limits& limits,
               Cell* stats, bool server);
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

  // Ends the connection with GOAWAY; the result is for nghttp2's callback to return.
  int Kill(uint32_t code, const char* why);
  // A header block has begun and not ended.
  bool mid_head() const { return in_head_ && !(head_ended_ && scanner_.between_frames()); }

  nghttp2_session* raw() { return session_; }
  EventLoop& loop() { return loop_; }
  const Http2Limits& limits() const { return limits_; }
  bool server() const { return server_; }
  bool ended() const { return ended_; }
  bool draining() const { return draining_; }
  bool settings_seen() const { return settings_seen_; }
  bool goaway_seen() const { return goaway_seen_; }
  size_t streams() const { return streams_.size(); }

  // A message is malformed (RFC 9113 §8.1.1): counts it. `unseen`: nobody has heard of its stream.
  // False if the connection ends for it.
  bool BearBadMessage(bool unseen);
  void Count(Http2Stat stat) { stats_[stat].Add(); }
  // Keeps the sum of what streams have to send; `by` may be negative.
  void NoteBuffered(ptrdiff_t by) { buffered_ += by; }
  // Above this a stream's user is told to stop: less when all streams together hold much.
  size_t StreamMark() const {
    return buffered_ > kSharedBufferBytes ? kCrowdedMark : limits_.stream_buffer_bytes_max;
  }
  // A stream's user is done, but the peer has yet to take the rest: it is given a while.
  void WatchFlush();
  // Client: before a stream is opened.
  void NoteOpening();

  static constexpr size_t kContinuationsMax = 8;
  static constexpr size_t kSettingsMax = 32;
  static constexpr size_t kSharedBufferBytes = 4 * 1024 * 1024;
  static constexpr size_t kCrowdedMark = 16 * 1024;
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
  bool NeedsLook(const nghttp2_frame_hd& head);
  void Look(const nghttp2_frame_hd& head);
  void Feed(absl::string_view data);
  void WriteLastGoaway();
  void OnPingAnswer(absl::string_view payload);
  void Ping(absl::string_view payload);
  void SendLastGoaway();
  void CutUnflushed();
  void StopTimers();

  EventLoop& loop_;
  ByteSink& sink_;
  Http2Role& role_;
  const Http2Limits limits_;
  const bool server_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Http2Stream>> streams_;
  std::vector<std::unique_ptr<Http2Stream>> retired_;
  std::vector<Http2Stream*> low_;
  std::string out_;
  Cell* stats_;
  Http2Scanner scanner_;
  FloodGuard floods_;
  RecentStreams recent_;      // Server.
  int32_t newest_ = 0;        // Server: the highest stream seen.
  bool in_head_ = false;      // The last frame that was scanned is of a header block,
  bool head_ended_ = false;   // and is the block's last.
  bool unfed_reset_ = false;  // An RST_STREAM was scanned that nghttp2 has not had yet.
  Timer flush_timer_;         // Looks for answers that the peer does not take.
  Timer drain_timer_;
  std::unique_ptr<Http2Keepalive> keepalive_;  // Null if not configured.
  size_t held_ = 0;
  size_t buffered_ = 0;          // What streams have to send.
  size_t frame_left_ = 0;        // Of the DATA frame being read; padding included.
  const char* fatal_ = nullptr;  // We or nghttp2 can't go on: why.
  uint32_t fatal_code_ = NGHTTP2_PROTOCOL_ERROR;
  const char* sent_error_ = nullptr;  // We sent a GOAWAY with an error.
  bool sink_high_ = false;
  bool draining_ = false;
  bool last_goaway_ = false;  // Queued: no stream after it.
  bool settings_seen_ = false;
  bool goaway_seen_ = false;
  bool eof_ = false;
  bool ended_ = false;
};

}  // namespace proxy

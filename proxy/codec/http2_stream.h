// One HTTP/2 stream: the part that knows nothing of heads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <absl/strings/string_view.h>
#include <nghttp2/nghttp2.h>

#include "proxy/codec/codec.h"
#include "proxy/codec/http2_fields.h"
#include "proxy/http/stream.h"

namespace proxy {

class Http2Session;

// Buffers, order of calls, pausing and ends of one stream. Owned by its session, which keeps it
// until nghttp2 has closed it; its user may be gone earlier (`listening()` false).
class Http2Stream {
 public:
  Http2Stream(Http2Session& session, int32_t id) : session_(session), id_(id) {}
  virtual ~Http2Stream() = default;
  Http2Stream(const Http2Stream&) = delete;

  // From nghttp2's callbacks, through the session.
  // Counts and keeps one field. False: far over the limits; refuse the stream.
  bool OnField(nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  // A header section is complete and well-formed by nghttp2's rules.
  virtual void OnFieldsEnd(bool last) = 0;
  void OnChunk(absl::string_view data, bool frame_ends_stream);
  void OnEnd();
  void OnPeerReset() { peer_reset_ = true; }
  // All has been said by our side, and the peer has yet to take some of it.
  bool unflushed() const { return out_state_ == Side::kEnded && buffered() > 0 && !reset_; }
  // True if not a byte has left since the last call.
  bool StalledSinceLastLook();
  void OnNotSent() { not_sent_ = true; }
  void OnHeadSent() { head_sent_ = true; }
  // nghttp2 has closed the stream. True if the session may drop it.
  bool OnClosed(uint32_t code);
  // DATA to send: nghttp2's read callback, then the bytes themselves.
  ssize_t ReadOut(size_t length_max, uint32_t& flags);
  void AppendOut(std::string& out, size_t length);
  // END_STREAM is on its way to the peer.
  virtual void OnEndSent() {}
  // The peer's SETTINGS came.
  virtual void OnSettings() {}
  // The connection is gone.
  void Abandon(ResetReason reason);
  // Resets the stream towards its user and the peer.
  void CutShort(ResetReason reason);
  // What is buffered has fallen to the low mark; called outside of nghttp2.
  void NoteLow();

  int32_t id() const { return id_; }
  void set_id(int32_t id) { id_ = id; }
  bool in_head() const { return in_ == Side::kHead; }
  bool in_ended() const { return in_ == Side::kEnded; }
  size_t slot = 0;  // The session's index.

 protected:
  enum class Side : uint8_t { kHead, kBody, kEnded };

  virtual bool listening() const = 0;
  virtual void Forget() = 0;
  virtual Headers& fields() = 0;
  virtual bool TakePseudo(absl::string_view name, absl::string_view value) = 0;
  // A named field that is not to stand among the headers. False: keep it there.
  virtual bool TakeField(HeaderId id, absl::string_view value) = 0;
  virtual void TellData(absl::string_view data, bool last) = 0;
  virtual void TellTrailers() = 0;
  virtual void TellReset(ResetReason reason) = 0;
  virtual void TellWriteHigh() = 0;
  virtual void TellWriteLow() = 0;

  void QueueData(absl::string_view data, bool last);
  void QueueTrailers(const Headers& trailers);
  void Pause() { ++paused_; }
  void Resume();
  // Gives the stream up towards the peer, with this code.
  void SendReset(uint32_t code);
  // The user is done once both messages are complete.
  void ForgetIfComplete();
  // OnReset to the user, as its last call.
  void Fail(ResetReason reason);
  // Common end of OnFieldsEnd for heads and trailers: resets the per-section counters.
  void StartSection();
  // The provider that reads this stream's buffer.
  nghttp2_data_provider Provider();
  size_t buffered() const { return out_.size() - out_sent_; }
  void DropOut();

  Http2Session& session_;
  int32_t id_;  // -1 until the request has been submitted.
  Side in_ = Side::kHead;
  Side out_state_ = Side::kHead;
  bool broken_ = false;    // A malformed field: answer with RST_STREAM at the section's end.
  bool oversize_ = false;  // Over the limits on heads.
  bool peer_reset_ = false;
  bool not_sent_ = false;  // The request never left.
  bool head_sent_ = false;
  bool closed_ = false;    // nghttp2 has closed it, or we reset it.
  bool reset_ = false;     // We gave it up: an RST_STREAM is queued.
  bool deferred_ = false;  // nghttp2 waits for data.
  bool high_ = false;
  int paused_ = 0;
  uint32_t section_bytes_ = 0;
  uint32_t section_fields_ = 0;
  uint64_t received_ = 0;
  std::optional<uint64_t> content_length_;

 private:
  void Credit(size_t bytes);

  std::string out_;
  size_t out_sent_ = 0;
  uint64_t taken_ = 0;  // Bytes that left.
  uint64_t taken_at_look_ = UINT64_MAX;
  std::unique_ptr<Headers> trailers_;
  uint32_t held_ = 0;             // Received while paused; not yet credited to the stream.
  uint32_t held_connection_ = 0;  // Of these, not yet credited to the connection.
};

// The part that knows the kinds of heads.
template <typename In, typename Out>
class Http2StreamOf : public Http2Stream, public MessageSender<Out> {
 public:
  using Http2Stream::Http2Stream;

  void SendData(absl::string_view data, bool last) override { QueueData(data, last); }
  void SendTrailers(const Headers& trailers) override { QueueTrailers(trailers); }
  void PauseReading() override { Pause(); }
  void ResumeReading() override { Resume(); }

 protected:
  bool listening() const override { return events_ != nullptr; }
  void Forget() override { events_ = nullptr; }
  Headers& fields() override { return head_.headers; }
  void TellData(absl::string_view data, bool last) override { events_->OnData(data, last); }
  void TellTrailers() override { events_->OnTrailers(std::move(head_.headers)); }
  void TellReset(ResetReason reason) override { events_->OnReset(reason); }
  void TellWriteHigh() override { events_->OnWriteHigh(); }
  void TellWriteLow() override { events_->OnWriteLow(); }

  MessageEvents<In>* events_ = nullptr;  // Null before OnNewStream and once the user is done.
  In head_;                              // The section being read.
};

}  // namespace proxy

// A connection: bytes in and out over a transport, with water marks.
#pragma once

#include <memory>
#include <string>

#include <absl/strings/string_view.h>

#include "proxy/event/event_loop.h"
#include "proxy/net/transport.h"

namespace proxy {

// Where a codec writes. Loop thread only.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // Takes all of `data`: sends it after the current callback, or at once if it is long.
  virtual void Write(absl::string_view data) = 0;
  // Bytes taken but not yet given to the kernel.
  virtual size_t buffered() const = 0;
  // While paused, no OnData comes. Nests: as many resumes as pauses.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  // Ends our side once all is sent (half-close).
  virtual void FinishWriting() {}
};

enum class CloseReason : uint8_t {
  kLocal,          // We closed it.
  kPeerClosed,     // In order.
  kReset,          // By the peer or the network.
  kConnectFailed,  // It never opened.
  kConnectTimeout,
  kTransportFailed,  // TLS: see Connection::failure().
};

// What a connection tells its owner. The last call is OnClosed; the owner then hands the connection
// to EventLoop::DeleteLater.
class ConnectionEvents {
 public:
  virtual ~ConnectionEvents() = default;
  virtual void OnConnected() = 0;  // The transport's handshake is over.
  // `data` is gone after the call: take or copy all of it.
  virtual void OnData(absl::string_view data) = 0;
  virtual void OnEof() = 0;  // The peer sends no more; writing may go on.
  virtual void OnClosed(CloseReason reason) = 0;
  // buffered() rose above the high mark / fell to or below half of it.
  virtual void OnWriteHigh() {}
  virtual void OnWriteLow() {}
};

// One stream with its transport. Owned by its user; loop thread only. An idle connection holds no
// buffer.
class Connection final : public ByteSink, public Flushable, public Deferred {
 public:
  // `connecting`: `io` is still on its way; OnConnected follows when it and the handshake are done.
  Connection(EventLoop& loop, std::unique_ptr<IoHandle> io, std::unique_ptr<Transport> transport,
             ConnectionEvents& events, bool connecting);
  ~Connection() override;

  // Starts readiness callbacks. Bounds connecting and handshake together by `timeout`.
  void Start(absl::Duration timeout);
  void SetEvents(ConnectionEvents& events) { events_ = &events; }

  void Write(absl::string_view data) override;
  // The same without waiting for the callback's end: for bytes that nothing will join.
  void WriteNow(absl::string_view data);
  size_t buffered() const override { return out_.size() - out_sent_ + transport_->pending(); }
  void PauseReading() override;
  void ResumeReading() override;
  void FinishWriting() override;
  // Sends what is buffered, then closes; the peer's data is dropped. OnClosed(kLocal) follows,
  // possibly at once. At most kLingerMax passes.
  void CloseAfterFlush();
  // Closes now; OnClosed(kLocal) is called before it returns.
  void Close();
  // Closes with RST.
  void Reset();
  bool closed() const { return state_ == State::kClosed; }
  bool connected() const { return state_ == State::kOpen; }
  // A mark in what is sent from now on, for Undelivered().
  int64_t MarkSent() const { return io_ == nullptr ? written_ : io_->Written(); }
  // True if it is certain that nothing sent since `mark` has reached a reader: none of it was given
  // to the kernel, or the peer ended its side before its kernel had acknowledged any of it. (A
  // reset proves nothing: the acknowledgement that it carries is not taken in.) To be asked at the
  // peer's end or later; a system call while the stream is open.
  bool Undelivered(int64_t mark) const;
  // Tells a dead keep-alive connection before it is used again: a look at the socket.
  bool LooksAlive();

  void SetHighWater(size_t bytes) { high_water_ = bytes; }
  bool above_high_water() const { return high_; }
  void Flush() override;

  EventLoop& loop() { return loop_; }
  const Transport& transport() const { return *transport_; }
  IoHandle& io() { return *io_; }
  const Address& peer() const { return peer_; }
  uint64_t bytes_received() const { return received_; }
  uint64_t bytes_sent() const { return sent_; }

  static constexpr size_t kHighWaterDefault = 256 * 1024;
  // Writes of this length and more go to the kernel at once instead of being copied.
  static constexpr size_t kDirectWriteMin = 8 * 1024;
  static constexpr absl::Duration kLingerMax = absl::Seconds(1);

 private:
  enum class State : uint8_t { kConnecting, kHandshaking, kOpen, kClosed };
  void OnReady(Ready ready);
  void ContinueConnecting();
  void ReadAvailable();
  void WriteParts(absl::string_view extra);
  void Keep(absl::string_view data);
  void DropBuffer();
  void NoteWater();
  void CloseWith(CloseReason reason);

  EventLoop& loop_;
  std::unique_ptr<IoHandle> io_;
  std::unique_ptr<Transport> transport_;
  ConnectionEvents* events_;
  Timer timer_;
  Address peer_;
  std::string out_;
  size_t out_sent_ = 0;
  size_t high_water_ = kHighWaterDefault;
  uint64_t received_ = 0;
  uint64_t sent_ = 0;
  int64_t written_ = -1;  // As MarkSent() says once the stream is gone.
  State state_;
  int paused_ = 0;
  bool readable_ = false;  // An edge came that no read has answered with "nothing more".
  bool hangup_ = false;    // The peer has ended its side, whether that was read or not.
  bool reading_ = false;   // Guards against re-entry.
  bool high_ = false;
  bool eof_seen_ = false;
  bool finish_ = false;  // Half-close when all is sent.
  bool finished_ = false;
  bool closing_ = false;  // Close when all is sent.
};

}  // namespace proxy

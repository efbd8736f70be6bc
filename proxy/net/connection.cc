// Reads and writes of a connection: try first, wait for an edge only when the kernel says so.
#include "proxy/net/connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace proxy {
namespace {

// Bytes read for one connection in a row before others on the loop get their turn.
constexpr size_t kReadTurnBytes = 512 * 1024;
// What an empty string holds without memory of its own.
constexpr size_t kInlineBytes = 15;

}  // namespace

Connection::Connection(EventLoop& loop, std::unique_ptr<IoHandle> io,
                       std::unique_ptr<Transport> transport, ConnectionEvents& events,
                       bool connecting)
    : loop_(loop),
      io_(std::move(io)),
      transport_(std::move(transport)),
      events_(&events),
      timer_(loop.timers(),
             [this] {
               if (closing_) return CloseWith(CloseReason::kLocal);
               if (state_ == State::kHandshaking) transport_->NoteTimeout();
               if (state_ != State::kOpen) return CloseWith(CloseReason::kConnectTimeout);
               ReadAvailable();  // Armed by ResumeReading().
             }),
      state_(connecting ? State::kConnecting : State::kHandshaking) {}

Connection::~Connection() { loop_.CancelFlush(*this); }

void Connection::Start(absl::Duration timeout) {
  peer_ = io_->Peer();
  timer_.Arm(timeout);
  io_->Arm(loop_, [this](Ready ready) { OnReady(ready); });
  // An accepted stream may hold bytes already: no need to wait for the edge.
  if (state_ == State::kHandshaking) {
    readable_ = true;
    ContinueConnecting();
  }
}

void Connection::OnReady(Ready ready) {
  if (state_ == State::kClosed) return;
  if (ready.read || ready.closed) readable_ = true;
  if (ready.closed) hangup_ = true;
  if (state_ != State::kOpen) return ContinueConnecting();
  if (ready.write && (buffered() > 0 || finish_)) Flush();
  if (readable_ && state_ == State::kOpen) ReadAvailable();
}

void Connection::ContinueConnecting() {
  if (state_ == State::kConnecting) {
    const int error = io_->ConnectError();
    if (error == EINPROGRESS) return;
    if (error != 0) return CloseWith(CloseReason::kConnectFailed);
    peer_ = io_->Peer();
    state_ = State::kHandshaking;
  }
  switch (transport_->Handshake(*io_)) {
    case Transport::Progress::kAgain: return;
    case Transport::Progress::kFailed: return CloseWith(CloseReason::kTransportFailed);
    case Transport::Progress::kDone: break;
  }
  state_ = State::kOpen;
  timer_.Cancel();
  events_->OnConnected();
  if (state_ != State::kOpen) return;
  if (buffered() > 0) Flush();
  if (state_ == State::kOpen) ReadAvailable();
}

void Connection::ReadAvailable() {
  if (reading_) return;
  reading_ = true;
  size_t turn = 0;
  while (state_ == State::kOpen && readable_ && paused_ == 0 && !eof_seen_) {
    const IoResult result = transport_->Read(*io_, loop_.scratch(), EventLoop::kScratchBytes);
    if (result.status == IoResult::kAgain) {
      readable_ = false;
    } else if (result.status == IoResult::kOk) {
      received_ += result.bytes;
      turn += result.bytes;
      // A short read on an edge-triggered stream has emptied it; a new edge tells of more. But the
      // peer's close may have come with the edge that this read answers: then it is still to be
      // read.
      if (result.drained && !hangup_) readable_ = false;
      if (!closing_) events_->OnData({loop_.scratch(), result.bytes});
      if (turn >= kReadTurnBytes && readable_ && !closing_) {
        timer_.Arm(absl::ZeroDuration());
        break;
      }
    } else if (result.status == IoResult::kEof) {
      eof_seen_ = true;
      if (closing_) {
        CloseWith(CloseReason::kLocal);
      } else if (finished_) {
        CloseWith(CloseReason::kPeerClosed);
      } else {
        events_->OnEof();
      }
    } else {
      CloseWith(transport_->failure().empty() ? CloseReason::kReset
                                              : CloseReason::kTransportFailed);
    }
  }
  reading_ = false;
}

void Connection::Write(absl::string_view data) {
  if (state_ == State::kClosed || closing_ || finish_ || data.empty()) return;
  if (state_ == State::kOpen && data.size() >= kDirectWriteMin) {
    WriteParts(data);
  } else {
    Keep(data);
    loop_.FlushSoon(*this);
  }
  NoteWater();
}

void Connection::WriteNow(absl::string_view data) {
  if (state_ != State::kOpen || closing_ || finish_ || data.empty()) return Write(data);
  WriteParts(data);
  NoteWater();
}

void Connection::Keep(absl::string_view data) {
  if (out_.empty()) out_ = loop_.TakeBuffer();
  out_.append(data.data(), data.size());
}

// An idle connection holds no buffer.
void Connection::DropBuffer() {
  out_sent_ = 0;
  if (out_.capacity() > kInlineBytes) loop_.GiveBuffer(std::exchange(out_, {}));
  out_.clear();
}

void Connection::WriteParts(absl::string_view extra) {
  while (state_ == State::kOpen) {
    iovec parts[2];
    int count = 0;
    if (out_sent_ < out_.size()) {
      parts[count++] = {.iov_base = out_.data() + out_sent_, .iov_len = out_.size() - out_sent_};
    }
    if (!extra.empty()) {
      parts[count++] = {.iov_base = const_cast<char*>(extra.data()), .iov_len = extra.size()};
    }
    if (count == 0) break;
    const IoResult result = transport_->Write(*io_, parts, count);
    if (result.status == IoResult::kFailed) {
      // Whatever the peer said before it left may still be read; reading finds the reset.
      DropBuffer();
      readable_ = true;
      timer_.Arm(absl::ZeroDuration());
      return;
    }
    if (result.status != IoResult::kOk) break;
    sent_ += result.bytes;
    const size_t of_out = std::min(result.bytes, out_.size() - out_sent_);
    out_sent_ += of_out;
    extra.remove_prefix(result.bytes - of_out);
    if (out_sent_ == out_.size()) DropBuffer();
  }
  if (!extra.empty()) Keep(extra);
}

void Connection::Flush() {
  if (state_ != State::kOpen) return;
  if (transport_->pending() > 0 && transport_->Flush(*io_) == IoResult::kFailed) {
    return CloseWith(CloseReason::kReset);
  }
  WriteParts({});
  if (state_ != State::kOpen) return;
  NoteWater();
  if (state_ != State::kOpen || buffered() > 0) return;
  if (closing_) {
    if (!finished_) {
      transport_->Farewell(*io_);
      io_->ShutdownWrite();
      finished_ = true;
    }
    if (eof_seen_) CloseWith(CloseReason::kLocal);
  } else if (finish_ && !finished_) {
    finished_ = true;
    transport_->Farewell(*io_);
    io_->ShutdownWrite();
    if (eof_seen_) CloseWith(CloseReason::kPeerClosed);
  }
}

void Connection::NoteWater() {
  if (!high_ && buffered() > high_water_) {
    high_ = true;
    events_->OnWriteHigh();
  } else if (high_ && buffered() <= high_water_ / 2) {
    high_ = false;
    events_->OnWriteLow();
  }
}

void Connection::PauseReading() { ++paused_; }

void Connection::ResumeReading() {
  if (--paused_ > 0 || state_ != State::kOpen) return;
  // Not from within the caller's callback: it may be in the middle of something.
  if (readable_ && !reading_) timer_.Arm(absl::ZeroDuration());
}

void Connection::FinishWriting() {
  if (state_ == State::kClosed || finish_) return;
  finish_ = true;
  loop_.FlushSoon(*this);
}

void Connection::CloseAfterFlush() {
  if (state_ == State::kClosed || closing_) return;
  if (state_ != State::kOpen) return Close();
  closing_ = true;
  paused_ = 0;
  readable_ = true;
  timer_.Arm(kLingerMax);
  loop_.FlushSoon(*this);
}

void Connection::Close() { CloseWith(CloseReason::kLocal); }

void Connection::Reset() {
  if (state_ == State::kClosed) return;
  io_->ResetOnClose();
  CloseWith(CloseReason::kLocal);
}

bool Connection::Undelivered(int64_t mark) const {
  if (mark < 0) return false;
  if (io_ == nullptr || !eof_seen_) return MarkSent() == mark;
  return io_->Unacknowledged() >= io_->Written() - mark;
}

bool Connection::LooksAlive() {
  if (state_ != State::kOpen || eof_seen_) return false;
  char byte = 0;
  return io_->Peek(&byte, 1).status == IoResult::kAgain;
}

void Connection::CloseWith(CloseReason reason) {
  if (state_ == State::kClosed) return;
  if (reason == CloseReason::kLocal && state_ == State::kOpen && !finished_) {
    transport_->Farewell(*io_);
  }
  written_ = io_->Written();
  state_ = State::kClosed;
  timer_.Cancel();
  loop_.CancelFlush(*this);
  io_.reset();
  events_->OnClosed(reason);
}

}  // namespace proxy

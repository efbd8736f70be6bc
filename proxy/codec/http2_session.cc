// The life of one HTTP/2 connection: start, reading, gathered writing, draining, end.
#include "proxy/codec/http2_session.h"

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "proxy/codec/http2_callbacks.h"

namespace proxy {
namespace {

// GOAWAY by hand, for when nghttp2 refuses to go on.
constexpr char kCalmFrame[] = "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";
constexpr char kProtocolErrorFrame[] = "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01";

constexpr uint8_t kDrainPing[8] = {'p', 'i', 'n', 'n', 'a', 'c', 'l', 'e'};

}  // namespace

bool EventBudget::Take(int64_t now_ns) {
  const double back = static_cast<double>(now_ns - last_ns_) * 1e-9 * rate_;
  last_ns_ = now_ns;
  used_ = std::max(0.0, used_ - back) + 1;
  return used_ <= burst_;
}

Http2Session::Http2Session(EventLoop& loop, ByteSink& sink, Http2Role& role,
                           const CodecLimits& limits, bool server)
    : loop_(loop), sink_(sink), role_(role), limits_(limits), server_(server) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  PINNACE_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0, "out of memory");
  PINNACE_CHECK(nghttp2_option_new(&option) == 0, "out of memory");
  Http2Callbacks::Set(callbacks);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_reserved_remote_streams(option, 0);
  nghttp2_option_set_max_outbound_ack(option, kOutboundAcksMax);
  nghttp2_option_set_max_settings(option, kSettingsMax);
  nghttp2_option_set_max_continuations(option, kContinuationsMax);
  nghttp2_option_set_stream_reset_rate_limit(option, 2 * kPeerResetsBurst,
                                             2 * kPeerResetsPerSecond);
  const int rv = server ? nghttp2_session_server_new2(&session_, callbacks, this, option)
                        : nghttp2_session_client_new2(&session_, callbacks, this, option);
  PINNACE_CHECK(rv == 0, "nghttp2: no session");
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  SubmitSettings();
  FlushSoon();
}

Http2Session::~Http2Session() {
  loop_.CancelFlush(*this);
  nghttp2_session_del(session_);
}

void Http2Session::SubmitSettings() {
  nghttp2_settings_entry entries[6];
  size_t count = 0;
  const auto add = [&](int32_t id, uint32_t value) { entries[count++] = {id, value}; };
  if (server_) {
    add(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.concurrent_streams_max);
    add(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
  } else {
    add(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
  }
  add(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits_.stream_window_bytes);
  add(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.head_bytes_max);
  add(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries, count);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(limits_.connection_window_bytes));
}

void Http2Session::FlushSoon() {
  if (!ended_) loop_.FlushSoon(*this);
}

Http2Stream& Http2Session::Add(std::unique_ptr<Http2Stream> stream) {
  stream->slot = streams_.size();
  streams_.push_back(std::move(stream));
  return *streams_.back();
}

void Http2Session::Retire(Http2Stream& stream) {
  const size_t slot = stream.slot;
  PINNACE_CHECK(slot < streams_.size() && streams_[slot].get() == &stream, "not a stream here");
  low_.erase(std::remove(low_.begin(), low_.end(), &stream), low_.end());
  retired_.push_back(std::move(streams_[slot]));
  if (slot + 1 != streams_.size()) {
    streams_[slot] = std::move(streams_.back());
    streams_[slot]->slot = slot;
  }
  streams_.pop_back();
  role_.OnStreamRetired();
  FlushSoon();
}

bool Http2Session::MayCreditHeld(uint32_t bytes) {
  held_ += bytes;
  return held_ <= kHeldBytesMax;
}

void Http2Session::Receive(absl::string_view data) {
  if (ended_ || fatal_ != nullptr) return;
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(data.data()), data.size());
  flooded_ = taken == NGHTTP2_ERR_FLOODED;
  if (taken < 0) fatal_ = nghttp2_strerror(static_cast<int>(taken));
  FlushSoon();
}

void Http2Session::OnEof() {
  eof_ = true;
  FlushSoon();
}

void Http2Session::Abandon(ResetReason reason) {
  ended_ = true;
  loop_.CancelFlush(*this);
  ResetAll(reason);
}

void Http2Session::ResetAll(ResetReason reason) {
  while (!streams_.empty()) {
    Http2Stream& stream = *streams_.back();
    stream.Abandon(reason);
    // The user's last words may have retired it.
    if (!streams_.empty() && streams_.back().get() == &stream) Retire(stream);
  }
}

void Http2Session::Drain() {
  if (draining_ || ended_) return;
  draining_ = true;
  if (server_) {
    // RFC 9113 §6.8: a notice first; the final GOAWAY when the peer must have seen it.
    nghttp2_submit_shutdown_notice(session_);
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kDrainPing);
  }
  FlushSoon();
}

void Http2Session::SetSinkHigh(bool high) {
  sink_high_ = high;
  if (!high) FlushSoon();
}

void Http2Session::Flush() {
  if (ended_) return;
  if (draining_ && !server_ && streams_.empty() && !last_goaway_) {
    last_goaway_ = true;
    nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
  }
  bool more = true;
  while (more && !sink_high_ && fatal_ == nullptr) {
    more = Gather();
    if (!out_.empty()) sink_.Write(out_);
    out_.clear();
  }
  if (streams_.empty()) std::string().swap(out_);  // An idle connection holds no buffer.
  TellLow();
  retired_.clear();
  CheckEnd();
}

// Takes frames until there is enough for a write. False: nghttp2 has no more.
bool Http2Session::Gather() {
  while (out_.size() < kGatherBytes) {
    const uint8_t* data = nullptr;
    const ssize_t length = nghttp2_session_mem_send(session_, &data);
    if (length < 0) fatal_ = nghttp2_strerror(static_cast<int>(length));
    if (length < 0) return false;
    if (length == 0) return out_.size() >= kGatherBytes;
    out_.append(reinterpret_cast<const char*>(data), length);
  }
  return true;
}

void Http2Session::TellLow() {
  while (!low_.empty()) {
    Http2Stream* stream = low_.back();
    low_.pop_back();
    stream->NoteLow();
  }
}

void Http2Session::CheckEnd() {
  if (ended_) return;
  if (fatal_ != nullptr) {
    sink_.Write(
        absl::string_view(flooded_ ? kCalmFrame : kProtocolErrorFrame, sizeof(kCalmFrame) - 1));
    End(true, fatal_);
  } else if (nghttp2_session_want_read(session_) == 0 &&
             nghttp2_session_want_write(session_) == 0) {
    if (streams_.empty() || sent_error_ != nullptr) End(sent_error_ != nullptr, sent_error_);
  } else if (eof_ && !server_) {
    End(false, nullptr);
  } else if (eof_) {
    // Requests that can't become whole; each goes when its RST_STREAM has been taken.
    for (size_t i = 0; i < streams_.size(); ++i) {
      if (!streams_[i]->in_ended()) streams_[i]->CutShort(ResetReason::kConnectionClosed);
    }
    if (streams_.empty()) End(false, nullptr);
  }
}

void Http2Session::End(bool protocol_error, const char* details) {
  ended_ = true;
  ResetAll(protocol_error ? ResetReason::kProtocolError : ResetReason::kConnectionClosed);
  role_.OnSessionEnd(protocol_error, details == nullptr ? "" : details);
}

}  // namespace proxy

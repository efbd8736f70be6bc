// The life of one HTTP/2 connection: start, reading, gathered writing, draining, end.
#include "proxy/codec/http2_session.h"

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "proxy/codec/http2_callbacks.h"

namespace proxy {
namespace {

// Whose answers tell that the peer has seen the notice of draining, or that it lives.
constexpr absl::string_view kDrainPing = "pinnacle";
constexpr absl::string_view kAlivePing = "pinnlive";

}  // namespace

Http2Session::Http2Session(EventLoop& loop, ByteSink& sink, Http2Role& role,
                           const Http2Limits& limits, Cell* stats, bool server)
    : loop_(loop),
      sink_(sink),
      role_(role),
      limits_(limits),
      server_(server),
      stats_(stats),
      scanner_(server ? NGHTTP2_CLIENT_MAGIC_LEN : 0),
      floods_(limits_, stats, server),
      flush_timer_(loop.timers(), [this] { CutUnflushed(); }),
      drain_timer_(loop.timers(), [this] { SendLastGoaway(); }) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  PINNACE_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0, "out of memory");
  PINNACE_CHECK(nghttp2_option_new(&option) == 0, "out of memory");
  Http2Callbacks::Set(callbacks);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_reserved_remote_streams(option, 0);
  nghttp2_option_set_max_outbound_ack(option, limits_.outbound_control_frames_max);
  nghttp2_option_set_max_deflate_dynamic_table_size(option, limits_.hpack_table_bytes);
  nghttp2_option_set_server_fallback_rfc7540_priorities(option, 1);
  nghttp2_option_set_max_settings(option, kSettingsMax);
  nghttp2_option_set_max_continuations(option, kContinuationsMax);
  // FloodGuard counts resets, and earns them back; nghttp2's own limit can't.
  nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
  const int rv = server ? nghttp2_session_server_new2(&session_, callbacks, this, option)
                        : nghttp2_session_client_new2(&session_, callbacks, this, option);
  PINNACE_CHECK(rv == 0, "nghttp2: no session");
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  SubmitSettings();
  if (limits_.keepalive.timeout > absl::ZeroDuration()) {
    keepalive_ = std::make_unique<Http2Keepalive>(
        loop, limits_.keepalive, [this] { Ping(kAlivePing); },
        [this] {
          Count(kHttp2KeepaliveTimeout);
          End(false, "http2.ping_timeout");
        });
    keepalive_->Start();
  }
  FlushSoon();
}

Http2Session::~Http2Session() {
  loop_.CancelFlush(*this);
  stats_[kHttp2StreamsActive].Sub(streams_.size());
  nghttp2_session_del(session_);
}

void Http2Session::SubmitSettings() {
  nghttp2_settings_entry entries[8];
  size_t count = 0;
  const auto add = [&](int32_t id, uint32_t value) { entries[count++] = {id, value}; };
  if (server_) {
    add(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.concurrent_streams_max);
    if (limits_.connect_protocol) add(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
  } else {
    add(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
  }
  add(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits_.stream_window_bytes);
  if (limits_.hpack_table_bytes != NGHTTP2_DEFAULT_HEADER_TABLE_SIZE) {
    add(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, limits_.hpack_table_bytes);
  }
  add(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.head_bytes_max);
  add(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries, count);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(limits_.connection_window_bytes));
}

void Http2Session::FlushSoon() {
  // One write for the frames of all that this round hears: each system call costs more than any
  // frame.
  if (!ended_) loop_.FlushAtRoundEnd(*this);
}

Http2Stream& Http2Session::Add(std::unique_ptr<Http2Stream> stream) {
  stream->slot = streams_.size();
  streams_.push_back(std::move(stream));
  stats_[kHttp2StreamsActive].Add();
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
  stats_[kHttp2StreamsActive].Sub();
  role_.OnStreamRetired();
  FlushSoon();
}

bool Http2Session::MayCreditHeld(uint32_t bytes) {
  held_ += bytes;
  return held_ <= kHeldBytesMax;
}

void Http2Session::Receive(absl::string_view data) {
  if (ended_ || fatal_ != nullptr) return;
  if (keepalive_ != nullptr) keepalive_->OnReceived();
  size_t fed = 0;
  size_t at = 0;
  size_t start = 0;
  nghttp2_frame_hd head;
  while (scanner_.Next(data, at, start, head)) {
    in_head_ = head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_CONTINUATION;
    head_ended_ = (head.flags & NGHTTP2_FLAG_END_HEADERS) != 0;
    const size_t queued = nghttp2_session_get_outbound_queue_size(session_);
    const char* flood = floods_.OnFrameBegins(head, queued, loop_.NowNs());
    if (flood == nullptr && !NeedsLook(head)) continue;
    // What came before it counts first.
    Feed(data.substr(fed, start - fed));
    fed = start;
    if (flood != nullptr) Kill(NGHTTP2_ENHANCE_YOUR_CALM, flood);
    if (fatal_ == nullptr) Look(head);
    if (fatal_ != nullptr) return;
  }
  Feed(data.substr(fed));
}

// Frames that nghttp2 would ignore although they may break the rules.
bool Http2Session::NeedsLook(const nghttp2_frame_hd& head) {
  if (head.type == NGHTTP2_PRIORITY) return head.stream_id == 0;  // RFC 9113 §6.3
  if (head.type == NGHTTP2_RST_STREAM) unfed_reset_ = true;
  if (!server_ || (head.type != NGHTTP2_HEADERS && head.type != NGHTTP2_DATA)) return false;
  if (head.type == NGHTTP2_HEADERS && head.stream_id > newest_) {
    newest_ = head.stream_id;
    return false;
  }
  // A reset before it in this chunk may have closed the stream.
  return unfed_reset_ || nghttp2_session_get_stream_user_data(session_, head.stream_id) == nullptr;
}

void Http2Session::Look(const nghttp2_frame_hd& head) {
  if (head.type == NGHTTP2_PRIORITY) {
    Kill(NGHTTP2_PROTOCOL_ERROR, "http2.priority_of_connection");
  } else if (nghttp2_session_get_stream_user_data(session_, head.stream_id) == nullptr) {
    const RecentStreams::Seen seen = recent_.Look(head.stream_id);
    if (seen == RecentStreams::Seen::kEnded) {
      Kill(NGHTTP2_STREAM_CLOSED, "http2.frame_on_closed_stream");
    } else if (seen == RecentStreams::Seen::kNeverOpened) {
      Kill(NGHTTP2_PROTOCOL_ERROR, "http2.stream_id_not_ascending");
    }
  }
}

void Http2Session::Feed(absl::string_view data) {
  unfed_reset_ = false;
  if (ended_ || fatal_ != nullptr || data.empty()) return;
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(data.data()), data.size());
  FlushSoon();
  if (taken >= 0 || fatal_ != nullptr) return;
  const char* why = nghttp2_strerror(static_cast<int>(taken));
  switch (taken) {
    case NGHTTP2_ERR_FLOODED:
      Count(kHttp2OutboundControlFlood);
      Kill(NGHTTP2_ENHANCE_YOUR_CALM, "http2.outbound_control_frames_flood");
      break;
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
      Count(kHttp2ContinuationFlood);
      Kill(NGHTTP2_ENHANCE_YOUR_CALM, "http2.continuation_flood");
      break;
    default: Kill(NGHTTP2_PROTOCOL_ERROR, why);
  }
}

int Http2Session::Kill(uint32_t code, const char* why) {
  if (fatal_ == nullptr) fatal_code_ = code;
  if (fatal_ == nullptr) fatal_ = why;
  FlushSoon();
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

bool Http2Session::BearBadMessage(bool unseen) {
  Count(kHttp2RxMessagingError);
  if (unseen) role_.OnUnseenRefused();
  if (!limits_.bad_message_ends_connection) return true;
  Kill(NGHTTP2_PROTOCOL_ERROR, kBadMessage);
  return false;
}

// By hand, for when nghttp2 can't go on.
void Http2Session::WriteLastGoaway() {
  const auto last = static_cast<uint32_t>(nghttp2_session_get_last_proc_stream_id(session_));
  std::string frame("\0\0\x08\x07\0\0\0\0\0", 9);
  for (const uint32_t word : {last, fatal_code_}) {
    for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(word >> shift));
  }
  stats_[kHttp2GoawaySent].Add();
  sink_.Write(frame);
}

void Http2Session::OnEof() {
  eof_ = true;
  FlushSoon();
}

void Http2Session::Abandon(ResetReason reason) {
  ended_ = true;
  loop_.CancelFlush(*this);
  StopTimers();
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
    Ping(kDrainPing);
    drain_timer_.Arm(limits_.drain_timeout);
  }
  FlushSoon();
}

void Http2Session::StopTimers() {
  flush_timer_.Cancel();
  drain_timer_.Cancel();
  if (keepalive_ != nullptr) keepalive_->Stop();
}

void Http2Session::Ping(absl::string_view payload) {
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE,
                      reinterpret_cast<const uint8_t*>(payload.data()));
  FlushSoon();
}

void Http2Session::OnPingAnswer(absl::string_view payload) {
  if (keepalive_ != nullptr) keepalive_->OnAnswer();
  // An answer to an older PING says nothing of the notice.
  if (draining_ && payload == kDrainPing) SendLastGoaway();
}

void Http2Session::SendLastGoaway() {
  if (last_goaway_ || ended_ || !server_) return;
  last_goaway_ = true;
  drain_timer_.Cancel();
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
  FlushSoon();
}

void Http2Session::NoteOpening() {
  if (keepalive_ != nullptr) keepalive_->OnOpening();
}

void Http2Session::WatchFlush() {
  if (limits_.flush_timeout > absl::ZeroDuration() && !flush_timer_.armed()) {
    flush_timer_.Arm(limits_.flush_timeout);
  }
}

// Streams that were seen at the last look and have not moved since are cut.
void Http2Session::CutUnflushed() {
  bool left = false;
  for (size_t i = 0; i < streams_.size(); ++i) {
    if (!streams_[i]->unflushed()) continue;
    left = true;
    if (!streams_[i]->StalledSinceLastLook()) continue;
    Count(kHttp2TxFlushTimeout);
    streams_[i]->CutShort(ResetReason::kLocal);
  }
  if (left) WatchFlush();
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
    WriteLastGoaway();
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
  StopTimers();
  ResetAll(protocol_error ? ResetReason::kProtocolError : ResetReason::kConnectionClosed);
  role_.OnSessionEnd(protocol_error, details == nullptr ? "" : details);
}

}  // namespace proxy

// A stream's order of calls, its output buffer and its flow control.
#include "proxy/codec/http2_stream.h"

#include <algorithm>
#include <utility>

#include "proxy/codec/http2_session.h"

namespace proxy {
namespace {

// Fields beyond the limits are counted up to this multiple, then the stream is refused.
constexpr uint32_t kOversizeFactor = 4;

absl::string_view Text(nghttp2_rcbuf* buffer) {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

ssize_t ReadStream(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                   nghttp2_data_source* source, void*) {
  return static_cast<Http2Stream*>(source->ptr)->ReadOut(length, *flags);
}

}  // namespace

bool Http2Stream::OnField(nghttp2_rcbuf* name, nghttp2_rcbuf* value) {
  const absl::string_view name_text = Text(name);
  const absl::string_view value_text = Text(value);
  section_bytes_ += name_text.size() + value_text.size() + 32;  // RFC 9113 §6.5.2
  ++section_fields_;
  const Http2Limits& limits = session_.limits();
  if (section_bytes_ > limits.head_bytes_max || section_fields_ > limits.header_count_max + 4) {
    if (!oversize_) session_.Count(kHttp2HeaderOverflow);
    oversize_ = true;
    return section_bytes_ <= limits.head_bytes_max * kOversizeFactor;
  }
  Headers& headers = fields();
  const absl::string_view kept = headers.arena().Copy(value_text);
  if (!name_text.empty() && name_text[0] == ':') {
    if (!TakePseudo(name_text, kept)) broken_ = true;
    return true;
  }
  const HeaderId header_id = HeaderIdOf(name_text);
  if (IsConnectionSpecific(header_id)) broken_ = true;
  if (header_id == HeaderId::kContentLength) {
    if (in_ == Side::kHead) content_length_ = ParseContentLength(kept);
    return true;
  }
  // In trailers a host would only mislead those who merge them (RFC 9110 §6.5.1).
  if (in_ != Side::kHead && header_id == HeaderId::kHost) return true;
  if (in_ == Side::kHead && TakeField(header_id, kept)) return true;
  if (header_id != HeaderId::kOther) {
    headers.AddView(HeaderName(header_id), kept, header_id);
  } else {
    const bool fixed = nghttp2_rcbuf_is_static(name) != 0;
    headers.AddView(fixed ? name_text : headers.arena().Copy(name_text), kept, header_id);
  }
  return true;
}

void Http2Stream::StartSection() {
  section_bytes_ = 0;
  section_fields_ = 0;
}

void Http2Stream::OnChunk(absl::string_view data, bool frame_ends_stream) {
  received_ += data.size();
  if (!listening() || in_ != Side::kBody) {
    nghttp2_session_consume(session_.raw(), id_, data.size());
    return;
  }
  // With a length that does not fit, nghttp2 resets the stream at the frame's end.
  const bool last = frame_ends_stream && (!content_length_ || *content_length_ == received_);
  if (last) in_ = Side::kEnded;
  TellData(data, last);
  Credit(data.size());
  if (last) ForgetIfComplete();
}

void Http2Stream::OnEnd() {
  if (in_ != Side::kBody) return;
  in_ = Side::kEnded;
  if (!listening()) return;
  TellData({}, true);
  ForgetIfComplete();
}

void Http2Stream::Credit(size_t bytes) {
  if (paused_ == 0 || !listening()) {
    nghttp2_session_consume(session_.raw(), id_, bytes);
    return;
  }
  held_ += bytes;
  if (session_.MayCreditHeld(bytes)) {
    nghttp2_session_consume_connection(session_.raw(), bytes);
  } else {
    held_connection_ += bytes;
  }
}

void Http2Stream::Resume() {
  if (paused_ > 0) --paused_;
  if (paused_ > 0 || held_ == 0) return;
  if (!closed_) nghttp2_session_consume_stream(session_.raw(), id_, held_);
  if (held_connection_ > 0) nghttp2_session_consume_connection(session_.raw(), held_connection_);
  session_.ReleaseHeld(held_);
  held_ = 0;
  held_connection_ = 0;
  session_.FlushSoon();
}

bool Http2Stream::OnClosed(uint32_t code) {
  closed_ = true;
  paused_ = 1;
  Resume();
  if (!listening()) return true;
  if (!session_.server() && in_ == Side::kEnded) {
    // A whole response: the rest of the request is dropped until its user ends it.
    DropOut();
    if (high_) session_.TellLowSoon(*this);
    return false;
  }
  if (not_sent_ || code == NGHTTP2_REFUSED_STREAM) {
    Fail(ResetReason::kRefused);
  } else if (peer_reset_) {
    Fail(ResetReason::kPeerReset);
  } else {
    Fail(code == NGHTTP2_NO_ERROR ? ResetReason::kLocal : ResetReason::kProtocolError);
  }
  return true;
}

void Http2Stream::Abandon(ResetReason reason) {
  closed_ = true;
  // What never left us can't have been processed.
  if (!session_.server() && !head_sent_ && reason == ResetReason::kConnectionClosed) {
    reason = ResetReason::kRefused;
  }
  if (listening()) Fail(reason);
}

void Http2Stream::CutShort(ResetReason reason) {
  Fail(reason);
  SendReset(NGHTTP2_CANCEL);
}

void Http2Stream::Fail(ResetReason reason) {
  in_ = Side::kEnded;
  out_state_ = Side::kEnded;
  if (!listening()) return;
  TellReset(reason);
  Forget();
}

void Http2Stream::ForgetIfComplete() {
  if (in_ != Side::kEnded || out_state_ != Side::kEnded) return;
  Forget();
  if (closed_) session_.Retire(*this);
}

void Http2Stream::SendReset(uint32_t code) {
  Forget();
  reset_ = true;
  in_ = Side::kEnded;
  out_state_ = Side::kEnded;
  paused_ = 1;
  Resume();
  if (closed_ || id_ < 0) {
    session_.Retire(*this);
  } else {
    nghttp2_submit_rst_stream(session_.raw(), NGHTTP2_FLAG_NONE, id_, code);
    DropOut();
  }
  session_.FlushSoon();
}

void Http2Stream::QueueData(absl::string_view data, bool last) {
  if (out_state_ != Side::kBody) return;
  if (last) out_state_ = Side::kEnded;
  if (!closed_) {
    out_.append(data.data(), data.size());
    session_.NoteBuffered(static_cast<ptrdiff_t>(data.size()));
    if (deferred_) {
      deferred_ = false;
      nghttp2_session_resume_data(session_.raw(), id_);
    }
    session_.FlushSoon();
    if (!high_ && !last && buffered() > session_.StreamMark()) {
      high_ = true;
      TellWriteHigh();
    }
  }
  if (last && buffered() > 0) session_.WatchFlush();
  if (last) ForgetIfComplete();
}

void Http2Stream::QueueTrailers(const Headers& trailers) {
  if (out_state_ != Side::kBody) return;
  if (!closed_ && !trailers.empty()) {
    trailers_ = std::make_unique<Headers>();
    trailers_->CopyFrom(trailers);
  }
  QueueData({}, true);
}

nghttp2_data_provider Http2Stream::Provider() {
  nghttp2_data_provider provider;
  provider.source.ptr = this;
  provider.read_callback = &ReadStream;
  return provider;
}

ssize_t Http2Stream::ReadOut(size_t length_max, uint32_t& flags) {
  const size_t length = std::min(length_max, buffered());
  const bool ended = out_state_ == Side::kEnded && !reset_;
  if (length == 0 && !ended) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (!ended || length < buffered()) return length;
  flags |= NGHTTP2_DATA_FLAG_EOF;
  if (trailers_ != nullptr) {
    flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    Http2FieldList list;
    list.AddAll(*trailers_);
    nghttp2_submit_trailer(session_.raw(), id_, list.data(), list.size());
  }
  return length;
}

void Http2Stream::AppendOut(std::string& out, size_t length) {
  out.append(out_, out_sent_, length);
  out_sent_ += length;
  taken_ += length;
  session_.NoteBuffered(-static_cast<ptrdiff_t>(length));
  if (out_sent_ == out_.size()) {
    out_.clear();
    out_sent_ = 0;
  } else if (out_sent_ > out_.size() / 2) {
    out_.erase(0, out_sent_);
    out_sent_ = 0;
  }
  if (high_ && buffered() <= session_.limits().stream_buffer_bytes_max / 2) {
    session_.TellLowSoon(*this);
  }
}

void Http2Stream::DropOut() {
  session_.NoteBuffered(-static_cast<ptrdiff_t>(buffered()));
  out_.clear();
  out_sent_ = 0;
}

bool Http2Stream::StalledSinceLastLook() { return std::exchange(taken_at_look_, taken_) == taken_; }

void Http2Stream::NoteLow() {
  if (!high_ || buffered() > session_.StreamMark() / 2) return;
  high_ = false;
  if (listening()) TellWriteLow();
}

}  // namespace proxy

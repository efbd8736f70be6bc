// From nghttp2's callbacks to streams; floods are noticed here.
#include "proxy/codec/http2_callbacks.h"

#include "proxy/codec/http2_session.h"

namespace proxy {
namespace {

Http2Session& Self(void* user) { return *static_cast<Http2Session*>(user); }

Http2Stream* Find(nghttp2_session* session, int32_t id) {
  return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
}

}  // namespace

void Http2Callbacks::Set(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, &OnBeginFrame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback2(callbacks, &OnHeader);
  nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, &OnInvalidHeader);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, &OnInvalidFrame);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &OnChunk);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &OnSent);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, &OnNotSent);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, &SendData);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnStreamClose);
}

int Http2Callbacks::OnBeginFrame(nghttp2_session*, const nghttp2_frame_hd* hd, void* user) {
  if (hd->type == NGHTTP2_DATA) Self(user).frame_left_ = hd->length;
  return 0;
}

int Http2Callbacks::OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame,
                                   void* user) {
  Http2Session& self = Self(user);
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  std::unique_ptr<Http2Stream> stream = self.role_.OnPeerOpened(frame->hd.stream_id);
  if (stream == nullptr) return 0;
  Http2Stream& kept = self.Add(std::move(stream));
  self.recent_.Opened(frame->hd.stream_id);
  self.floods_.OnStreamOpened();
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, &kept);
  return 0;
}

int Http2Callbacks::OnHeader(nghttp2_session* session, const nghttp2_frame* frame,
                             nghttp2_rcbuf* name, nghttp2_rcbuf* value, uint8_t, void*) {
  Http2Stream* stream = Find(session, frame->hd.stream_id);
  if (stream == nullptr || stream->OnField(name, value)) return 0;
  nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                            NGHTTP2_ENHANCE_YOUR_CALM);
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int Http2Callbacks::OnInvalidHeader(nghttp2_session* session, const nghttp2_frame* frame,
                                    nghttp2_rcbuf*, nghttp2_rcbuf*, uint8_t, void*) {
  // nghttp2 would only leave the field out; RFC 9113 §8.2.1 calls the message malformed.
  // OnInvalidFrame follows.
  nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                            NGHTTP2_PROTOCOL_ERROR);
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int Http2Callbacks::OnInvalidFrame(nghttp2_session* session, const nghttp2_frame* frame, int error,
                                   void* user) {
  if (error != NGHTTP2_ERR_HTTP_HEADER && error != NGHTTP2_ERR_HTTP_MESSAGING) return 0;
  const Http2Stream* stream = Find(session, frame->hd.stream_id);
  const bool unseen = stream != nullptr && stream->in_head() && Self(user).server_;
  return Self(user).BearBadMessage(unseen) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

int Http2Callbacks::OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Http2Session& self = Self(user);
  const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  const int32_t id = frame->hd.stream_id;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      if (last) self.recent_.Ended(id);
      if (Http2Stream* stream = Find(session, id)) stream->OnFieldsEnd(last);
      break;
    case NGHTTP2_DATA:
      if (last) self.recent_.Ended(id);
      if (const char* reached = self.floods_.OnData(frame->hd.length - frame->data.padlen, last)) {
        return self.Kill(NGHTTP2_ENHANCE_YOUR_CALM, reached);
      }
      if (Http2Stream* stream = Find(session, id); stream && last) stream->OnEnd();
      break;
    case NGHTTP2_RST_STREAM:
      self.recent_.Ended(id);
      if (Http2Stream* stream = Find(session, id)) stream->OnPeerReset();
      if (const char* reached = self.floods_.OnPeerReset(self.loop_.NowNs())) {
        return self.Kill(NGHTTP2_ENHANCE_YOUR_CALM, reached);
      }
      break;
    case NGHTTP2_SETTINGS:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) break;
      self.settings_seen_ = true;
      for (size_t i = self.streams_.size(); i-- > 0;) {
        if (i < self.streams_.size()) self.streams_[i]->OnSettings();
      }
      self.role_.OnPeerLimits();
      break;
    case NGHTTP2_GOAWAY:
      self.goaway_seen_ = true;
      self.role_.OnPeerLimits();
      break;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) break;
      self.OnPingAnswer({reinterpret_cast<const char*>(frame->ping.opaque_data), 8});
      break;
    default: break;
  }
  return self.fatal_ == nullptr ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

int Http2Callbacks::OnChunk(nghttp2_session* session, uint8_t flags, int32_t id,
                            const uint8_t* data, size_t length, void* user) {
  Http2Session& self = Self(user);
  self.frame_left_ -= length < self.frame_left_ ? length : self.frame_left_;
  const bool ends = (flags & NGHTTP2_FLAG_END_STREAM) != 0 && self.frame_left_ == 0;
  if (Http2Stream* stream = Find(session, id)) {
    stream->OnChunk({reinterpret_cast<const char*>(data), length}, ends);
  } else {
    nghttp2_session_consume(session, id, length);
  }
  return 0;
}

int Http2Callbacks::OnSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Http2Session& self = Self(user);
  switch (frame->hd.type) {
    case NGHTTP2_GOAWAY:
      self.stats_[kHttp2GoawaySent].Add();
      if (frame->goaway.error_code == NGHTTP2_NO_ERROR) return 0;
      self.sent_error_ = nghttp2_http2_strerror(frame->goaway.error_code);
      return 0;
    case NGHTTP2_RST_STREAM: self.stats_[kHttp2TxReset].Add(); return 0;
    case NGHTTP2_DATA: self.floods_.OnDataSent(); break;
    case NGHTTP2_HEADERS:
      if (Http2Stream* stream = Find(session, frame->hd.stream_id)) stream->OnHeadSent();
      break;
    default: return 0;
  }
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  self.floods_.OnAnswered();
  if (Http2Stream* stream = Find(session, frame->hd.stream_id)) stream->OnEndSent();
  return 0;
}

int Http2Callbacks::OnNotSent(nghttp2_session* session, const nghttp2_frame* frame, int, void*) {
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  if (Http2Stream* stream = Find(session, frame->hd.stream_id)) stream->OnNotSent();
  return 0;
}

int Http2Callbacks::SendData(nghttp2_session*, nghttp2_frame*, const uint8_t* framehd,
                             size_t length, nghttp2_data_source* source, void* user) {
  constexpr size_t kFrameHeadBytes = 9;
  Http2Session& self = Self(user);
  if (self.out_.size() >= Http2Session::kGatherBytes) return NGHTTP2_ERR_WOULDBLOCK;
  self.out_.append(reinterpret_cast<const char*>(framehd), kFrameHeadBytes);
  static_cast<Http2Stream*>(source->ptr)->AppendOut(self.out_, length);
  return 0;
}

int Http2Callbacks::OnStreamClose(nghttp2_session* session, int32_t id, uint32_t code, void* user) {
  Http2Stream* stream = Find(session, id);
  if (stream == nullptr) return 0;
  nghttp2_session_set_stream_user_data(session, id, nullptr);
  if (stream->OnClosed(code)) Self(user).Retire(*stream);
  return 0;
}

}  // namespace proxy

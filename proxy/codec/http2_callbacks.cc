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
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &OnChunk);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &OnSent);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, &OnNotSent);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, &SendData);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnStreamClose);
}

int Http2Callbacks::OnBeginFrame(nghttp2_session*, const nghttp2_frame_hd* hd, void* user) {
  Http2Session& self = Self(user);
  bool useful = false;
  switch (hd->type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_WINDOW_UPDATE:
    case NGHTTP2_RST_STREAM: useful = true; break;
    case NGHTTP2_DATA:
      self.frame_left_ = hd->length;
      useful = hd->length > 0 || (hd->flags & NGHTTP2_FLAG_END_STREAM) != 0;
      break;
    default: break;
  }
  if (!useful && !self.idle_frames_.Take(self.loop_.NowNs())) self.Calm();
  return 0;
}

int Http2Callbacks::OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame,
                                   void* user) {
  Http2Session& self = Self(user);
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  std::unique_ptr<Http2Stream> stream = self.role_.OnPeerOpened(frame->hd.stream_id);
  if (stream == nullptr) return 0;
  Http2Stream& kept = self.Add(std::move(stream));
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, &kept);
  return 0;
}

int Http2Callbacks::OnHeader(nghttp2_session* session, const nghttp2_frame* frame,
                             nghttp2_rcbuf* name, nghttp2_rcbuf* value, uint8_t, void*) {
  Http2Stream* stream = Find(session, frame->hd.stream_id);
  if (stream == nullptr || stream->OnField(name, value)) return 0;
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int Http2Callbacks::OnInvalidHeader(nghttp2_session* session, const nghttp2_frame* frame,
                                    nghttp2_rcbuf*, nghttp2_rcbuf*, uint8_t, void*) {
  // nghttp2 would only leave the field out; RFC 9113 §8.2.1 calls the message malformed.
  nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                            NGHTTP2_PROTOCOL_ERROR);
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int Http2Callbacks::OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Http2Session& self = Self(user);
  const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      if (Http2Stream* stream = Find(session, frame->hd.stream_id)) stream->OnFieldsEnd(last);
      break;
    case NGHTTP2_DATA:
      if (Http2Stream* stream = Find(session, frame->hd.stream_id); stream && last) stream->OnEnd();
      break;
    case NGHTTP2_RST_STREAM:
      if (Http2Stream* stream = Find(session, frame->hd.stream_id)) stream->OnPeerReset();
      if (!self.peer_resets_.Take(self.loop_.NowNs())) self.Calm();
      break;
    case NGHTTP2_SETTINGS:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) break;
      self.settings_seen_ = true;
      self.role_.OnPeerLimits();
      break;
    case NGHTTP2_GOAWAY:
      self.goaway_seen_ = true;
      self.role_.OnPeerLimits();
      break;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 || !self.draining_ || self.last_goaway_) break;
      self.last_goaway_ = true;
      nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                            nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR,
                            nullptr, 0);
      break;
    default: break;
  }
  return 0;
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
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
    self.sent_error_ = nghttp2_http2_strerror(frame->goaway.error_code);
  }
  if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
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

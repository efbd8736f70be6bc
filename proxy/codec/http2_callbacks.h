// nghttp2's callbacks of a session.
#pragma once

#include <nghttp2/nghttp2.h>

namespace proxy {

// Friend of Http2Session; `user_data` of the nghttp2 session is that Http2Session.
struct Http2Callbacks {
  static void Set(nghttp2_session_callbacks* callbacks);

 private:
  static int OnBeginFrame(nghttp2_session*, const nghttp2_frame_hd* hd, void* user);
  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name,
                      nghttp2_rcbuf* value, uint8_t flags, void* user);
  static int OnInvalidHeader(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name,
                             nghttp2_rcbuf* value, uint8_t flags, void* user);
  static int OnInvalidFrame(nghttp2_session*, const nghttp2_frame* frame, int error, void* user);
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int OnChunk(nghttp2_session*, uint8_t flags, int32_t id, const uint8_t* data,
                     size_t length, void* user);
  static int OnSent(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int OnNotSent(nghttp2_session*, const nghttp2_frame* frame, int error, void* user);
  static int SendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* framehd, size_t length,
                      nghttp2_data_source* source, void* user);
  static int OnStreamClose(nghttp2_session*, int32_t id, uint32_t code, void* user);
};

}  // namespace proxy

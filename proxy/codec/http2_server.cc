// The server side of HTTP/2: requests from a downstream connection.
#include "proxy/codec/codec.h"

namespace proxy {

std::unique_ptr<ServerCodec> NewHttp2ServerCodec(EventLoop&, ByteSink&, ServerCodecEvents&,
                                                 const CodecLimits&, bool) {
  return nullptr;
}

}  // namespace proxy

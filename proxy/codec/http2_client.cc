// The client side of HTTP/2: requests to an upstream connection.
#include "proxy/codec/codec.h"

namespace proxy {

std::unique_ptr<ClientCodec> NewHttp2ClientCodec(EventLoop&, ByteSink&, ClientCodecEvents&,
                                                 const CodecLimits&) {
  return nullptr;
}

}  // namespace proxy

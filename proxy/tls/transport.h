// TLS between a connection and its stream.
#pragma once

#include <memory>

#include <openssl/ssl.h>

#include "proxy/net/transport.h"

namespace proxy {

class TlsContext;

// `ssl` is set to accept or to connect; `context` is kept alive with it.
std::unique_ptr<Transport> NewTlsTransport(bssl::UniquePtr<SSL> ssl,
                                           std::shared_ptr<const TlsContext> context);

}  // namespace proxy

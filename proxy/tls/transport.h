// TLS between a connection and its stream.
#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "proxy/net/transport.h"

namespace proxy {

class TlsContext;

// What callbacks of the library leave for, or need from, the connection they are called for: the
// SSL's app data.
struct TlsNote {
  std::string session_key;     // Client: where a new session is kept.
  std::string verify_failure;  // Why the peer's certificate was refused.
};

// `ssl` is set to accept or to connect; `context` is kept alive with it.
std::unique_ptr<Transport> NewTlsTransport(bssl::UniquePtr<SSL> ssl,
                                           std::shared_ptr<const TlsContext> context,
                                           std::string session_key);

}  // namespace proxy

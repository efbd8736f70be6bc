// TLS between a connection and its stream.
#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "proxy/net/transport.h"
#include "proxy/stats/names.h"
#include "proxy/tls/verify.h"

namespace proxy {

class TlsContext;

// Where a handshake is counted: the TlsStat cells of a listener's or a cluster's shard.
struct TlsCounters {
  Cell* cells = nullptr;                   // Of kTlsConnectionError; null: counted nowhere.
  std::shared_ptr<Scope> scope = nullptr;  // Kept until the handshake is over, if set.
  void Add(TlsStat stat) const {
    if (cells != nullptr) cells[stat].Add();
  }
};

// What the library's callbacks find of the transport that they run for: SSL_get_ex_data at
// TlsHandshakeIndex().
struct TlsHandshake {
  std::string must_be_named;  // One of the peer's DNS names; empty: any will do.
  PeerVerdict verdict;        // Set by the verify callback.
};
int TlsHandshakeIndex();

// `ssl` is set to accept or to connect; `context` is kept alive with it.
std::unique_ptr<Transport> NewTlsTransport(bssl::UniquePtr<SSL> ssl,
                                           std::shared_ptr<const TlsContext> context,
                                           TlsHandshake handshake, TlsCounters counters);

}  // namespace proxy

// PROXY protocol, versions 1 and 2: who the peer's peer is, said before all else on a stream.
// Source: "The PROXY protocol, versions 1 & 2", HAProxy project, 2020.
#pragma once

#include <memory>
#include <string>

#include <absl/strings/string_view.h>

#include "proxy/net/transport.h"

namespace proxy {

// What the front of a stream says.
struct ProxyHeader {
  enum class Verdict : uint8_t {
    kNeedMore,
    kAbsent,   // These bytes begin no header.
    kInvalid,  // They begin one that breaks the rules.
    kFound,
  };
  Verdict verdict = Verdict::kNeedMore;
  int version = 0;    // 1 or 2, once it is known.
  size_t length = 0;  // Bytes of the header, to be taken off the stream.
  // Empty if the sender speaks for itself (LOCAL) or does not say (UNKNOWN, AF_UNSPEC, AF_UNIX).
  Address source;
  Address destination;
};
// Pure. A version 1 line is at most 107 bytes long; of version 2 the additional vectors are passed
// over, and more than kProxyHeaderMax bytes in all are invalid.
ProxyHeader ReadProxyHeader(absl::string_view bytes);
constexpr size_t kProxyHeaderMax = 4096;

// The header for a stream from `source` to `destination`; says that it does not know if either is
// empty or they are of two families.
std::string WriteProxyHeader(int version, const Address& source, const Address& destination);

// `io` as it is, but between `source` and `destination`.
std::unique_ptr<IoHandle> WithAddresses(std::unique_ptr<IoHandle> io, Address source,
                                        Address destination);

// `inner` on a stream that first says `header`.
std::unique_ptr<Transport> SayFirst(std::string header, std::unique_ptr<Transport> inner);

}  // namespace proxy

// What lies between a connection's bytes and its stream: nothing, or TLS.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/strings/string_view.h>

#include "proxy/net/io.h"

namespace proxy {

// What the peer has shown of itself; texts as in x-forwarded-client-cert.
struct PeerCertificate {
  std::string sha256_hex;  // Of the leaf's DER form.
  std::string subject;     // RFC 2253
  std::string pem, chain_pem;
  std::vector<std::string> uris, dns;
  std::vector<std::string> local_uris;  // Of our own certificate.
};

// Encodes one stream. Owned by its connection; loop thread only.
class Transport {
 public:
  enum class Progress { kDone, kAgain, kFailed };
  virtual ~Transport() = default;
  // Called on each readiness until it says kDone or kFailed.
  virtual Progress Handshake(IoHandle& io) = 0;
  virtual IoResult Read(IoHandle& io, char* into, size_t capacity) = 0;
  // Takes a prefix of `parts` (kOk with its length) or nothing (kAgain). What it has taken but not
  // yet sent is counted by pending().
  virtual IoResult Write(IoHandle& io, const iovec* parts, int count) = 0;
  // Sends what is pending. kOk when all is out.
  virtual IoResult::Status Flush(IoHandle& io) = 0;
  virtual size_t pending() const = 0;
  // Says goodbye in the transport's own way (close_notify), as far as that needs no waiting.
  virtual void Farewell(IoHandle& io) = 0;
  // The time for the handshake is over; the connection closes.
  virtual void NoteTimeout() {}
  // True if no buffer is held while nothing is under way; called when the connection goes idle.
  virtual void ReleaseBuffers() {}

  // After the handshake:
  virtual bool secure() const { return false; }
  virtual absl::string_view alpn() const { return {}; }           // Empty: none.
  virtual absl::string_view peer_identity() const { return {}; }  // First SPIFFE URI; may be empty.
  // All names in the peer's certificate: URI SANs, DNS SANs, last the subject (RFC 2253). Empty
  // without a certificate. Read from it with every call.
  virtual std::vector<std::string> peer_names() const { return {}; }
  virtual absl::string_view local_identity() const { return {}; }
  virtual absl::string_view server_name() const { return {}; }
  // Null if the peer has shown no certificate. Made anew with each call: tens of microseconds.
  virtual std::unique_ptr<PeerCertificate> DescribePeer() const { return nullptr; }
  // Why the handshake or a record failed, for logs and %..TRANSPORT_FAILURE_REASON%.
  virtual std::string failure() const { return {}; }
};

// Plain bytes.
std::unique_ptr<Transport> NewRawTransport();

}  // namespace proxy

// The certificates of one context, and which of them a client gets.
#pragma once

#include <string>
#include <vector>

#include <openssl/ssl.h>

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include "proxy/tls/config.h"

namespace proxy {

// InvalidArgument if the chain or the key cannot be read, they do not belong together, or the key
// is of a kind that is not served: RSA below 2048 bits, curves but P-256, P-384, P-521 and Ed25519.
absl::Status CheckCertificate(const TlsCertificate& certificate);

// A context for each certificate, since BoringSSL keeps one a context. Immutable once built.
class ServingCertificates {
 public:
  // Puts `certificate` into `ctx` and remembers for whom it is. As CheckCertificate().
  absl::Status Add(SSL_CTX* ctx, const TlsCertificate& certificate);
  bool empty() const { return all_.empty(); }
  size_t size() const { return all_.size(); }
  SSL_CTX* at(size_t index) const { return all_[index].ctx.get(); }
  // Whose DNS names hold the server name asked for: exactly, else by wildcard, else (also without a
  // name) any; among these an ECDSA one if the client can verify it, else an RSA one, else the
  // first. `full_scan`: a name that nobody has may be answered with any, not only the first kind.
  SSL_CTX* Choose(absl::string_view server_name, bool client_knows_ecdsa, bool full_scan) const;

 private:
  struct One {
    bssl::UniquePtr<SSL_CTX> ctx;
    std::vector<std::string> names;  // DNS names, lower case; the common name if there is none.
    bool ecdsa = false;
  };
  std::vector<One> all_;
};

// True if `pattern` of a certificate ("a.b" or "*.b", RFC 6125 §6.4.3: one label) is `name`.
bool DnsNameMatches(absl::string_view pattern, absl::string_view name);

}  // namespace proxy

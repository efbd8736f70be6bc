// TLS contexts as configured: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace proxy {

// Where a certificate chain and its key come from: exactly one of the three.
struct TlsCertificateSource {
  std::string chain_pem, key_pem;    // In the configuration itself.
  std::string sds_name;              // A secret of that name.
  std::string chain_file, key_file;  // Read when the context is built; see SecretStore::RefreshFiles.
};

// One way to accept a peer's subject alternative name.
struct SanMatcher {
  enum Kind : uint8_t {
    kExact,  // For kDns a certificate's leading "*." stands for one label (RFC 6125 §6.4.3).
    kPrefix,
    kSuffix,
    kContains,
    kRegex,  // RE2 syntax; all of the name must match.
  };
  enum San : uint8_t { kUri, kDns, kEmail, kIp };
  Kind kind = kExact;
  San san = kUri;
  std::string value;
};

// What makes a TLS context.
struct TlsContextConfig {
  bool server = false;
  // The first is the default; a server gives the one whose DNS names match the client's SNI.
  std::vector<TlsCertificateSource> certificates;
  bool validates = false;  // The peer's certificate must chain to a CA of one of these three:
  std::string ca_pem, ca_file, ca_sds_name;
  std::vector<SanMatcher> sans;             // One must match; empty: any. Needs `validates`.
  bool require_client_certificate = false;  // Server. Needs `validates`.
  std::vector<std::string> alpn;            // In order of preference.
  std::string sni;                          // Client; NewClient() may override it.
  uint16_t min_version = 0, max_version = 0;  // 0: TLS 1.2 and 1.3. Else 0x0303 or 0x0304.
  std::string cipher_suites;                  // Colon-separated, of TLS 1.2; empty: the library's.
  std::string ecdh_curves;                    // Colon-separated; empty: X25519:P-256.
  bool allow_session_resumption = true;
};

}  // namespace proxy

// TLS contexts as configured: values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/time/time.h>
#include <re2/re2.h>

#include "common/config_from.h"

namespace proxy {

// A chain, leaf first, with its key.
struct TlsCertificate {
  std::string chain_pem, key_pem;
  std::string password = {};  // Of an encrypted key.
  std::string ocsp_der = {};  // A response to staple; empty: none.
};

// Where a certificate comes from: the configuration itself, or a secret of that name.
struct TlsCertificateSource {
  TlsCertificate certificate = {};
  std::string sds_name = {};
  pinnace::ConfigFrom sds_from = {};
};

// One way to accept a peer's subject alternative name.
struct SanMatcher {
  enum class Kind : uint8_t { kExact, kPrefix, kSuffix, kContains, kRegex };
  enum class San : uint8_t { kUri, kDns, kEmail, kIp };
  Kind kind = Kind::kExact;
  San san = San::kUri;
  std::string value = {};
  bool ignore_case = false;
  std::shared_ptr<const RE2> regex = {};  // kRegex: must match the whole name.
};

// What a peer's certificate must be.
struct TlsValidation {
  std::string ca_pem = {};                   // Trust anchors; empty: the chain is not looked at.
  std::string crl_pem = {};                  // Revocation lists; empty: none is looked at.
  std::vector<SanMatcher> sans = {};         // One must match; empty: any name will do.
  std::vector<std::string> hashes = {};      // SHA-256 of the leaf, 32 bytes each; one of these or
  std::vector<std::string> key_hashes = {};  // of its public key must match, if there is any.
  bool leaf_crl_only = false;
  bool allow_expired = false;
  bool accept_untrusted = false;  // The other checks still hold.
  int depth_max = 100;            // Certificates above the leaf, the anchor too.
};

// What one connection asks for in place of what its context says.
struct TlsClientOptions {
  std::string sni = {};                // Empty: the context's.
  bool match_sni = false;              // As in TlsContextConfig.
  std::vector<std::string> alpn = {};  // Empty: the context's.
  bool empty() const { return sni.empty() && alpn.empty() && !match_sni; }
  bool operator==(const TlsClientOptions&) const = default;
};

struct TlsContextConfig {
  bool server = false;
  std::vector<TlsCertificateSource> certificates = {};
  // The peer's certificate is checked against `validation`, and what a secret of that name adds.
  bool validates = false;
  TlsValidation validation = {};
  std::string ca_sds_name = {};
  pinnace::ConfigFrom ca_sds_from = {};
  std::vector<std::string> alpn = {};         // In order of preference.
  uint16_t version_min = 0, version_max = 0;  // 0: TLS 1.2 and TLS 1.3. Else 0x0301..0x0304.
  std::string cipher_suites = {};             // TLS 1.2; empty: the library's.
  std::string curves = {}, signature_algorithms = {};  // Separated by ':'; empty: the library's.

  // Servers:
  bool require_client_certificate = false;
  bool require_sni = false;
  bool prefer_client_ciphers = false;
  bool full_scan =
      false;            // An unknown server name gets any certificate that the client can verify.
  bool tickets = true;  // TLS 1.3 resumption, and stateless resumption of TLS 1.2.
  bool session_ids = true;                    // Stateful resumption of TLS 1.2.
  std::vector<std::string> ticket_keys = {};  // 80 bytes each; the first one encrypts.
  std::string ticket_sds_name = {};
  pinnace::ConfigFrom ticket_sds_from = {};
  absl::Duration session_timeout = absl::ZeroDuration();  // Zero: the library's.

  // Clients:
  std::string sni = {};
  bool sni_of_endpoint = false;  // The endpoint's hostname, where it has one.
  bool match_sni = false;        // The server name asked for must be one of the peer's DNS names.
  bool allow_renegotiation = false;
  bool enforce_rsa_key_usage = false;
  size_t sessions_max = 1;  // Kept to resume.
};

}  // namespace proxy

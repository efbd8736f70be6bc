// TLS contexts as configured: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config_from.h"

namespace proxy {

// Where a certificate chain and its key come from: exactly one of the three.
struct TlsCertificateSource {
  std::string chain_pem = {}, key_pem = {};    // In the configuration itself.
  std::string chain_file = {}, key_file = {};  // Read when the context is built.
  std::string sds_name = {};                   // A secret of that name,
  pinnace::ConfigFrom sds_from = {};           // which comes from there.
};

// One way to accept a peer's subject alternative name.
struct SanMatcher {
  enum class Kind : uint8_t { kExact, kPrefix, kSuffix, kContains };
  enum class San : uint8_t { kUri, kDns };
  Kind kind = Kind::kExact;
  San san = San::kUri;
  std::string value = {};
};

struct TlsContextConfig {
  bool server = false;
  std::vector<TlsCertificateSource> certificates = {};
  bool validates = false;  // The peer's certificate must chain to one of:
  std::string ca_pem = {}, ca_file = {}, ca_sds_name = {};
  pinnace::ConfigFrom ca_sds_from = {};
  std::vector<SanMatcher> sans = {};  // One must match; empty: any.
  bool require_client_certificate = false;
  std::vector<std::string> alpn = {};  // In order of preference.
  std::string sni = {};
  uint16_t version_min = 0, version_max = 0;  // 0: TLS 1.2 and TLS 1.3. Else 0x0303 or 0x0304.
  std::string cipher_suites = {};             // TLS 1.2; empty: the library's.
};

}  // namespace proxy

// Keys, signing requests and what a certificate says of itself.
#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

namespace proxy {

struct KeyAndRequest {
  std::string key_pem;  // A new P-256 key, PKCS#8.
  std::string csr_pem;  // PKCS#10 with `spiffe_uri` as its only subject alternative name.
};
// Internal if the library fails. About 100 µs.
absl::StatusOr<KeyAndRequest> MakeKeyAndRequest(absl::string_view spiffe_uri);

struct CertificateInfo {
  absl::Time not_before, not_after;
  std::vector<std::string> uris;
  std::string serial;  // Hexadecimal.
};
// Of the first certificate in `pem`; InvalidArgument if there is none.
absl::StatusOr<CertificateInfo> InspectCertificate(const std::string& pem);

}  // namespace proxy

// What secrets hold, as the tls folder's own values.
#pragma once

#include <string>
#include <vector>

#include "proxy/snapshot/parse.h"
#include "proxy/snapshot/supported.h"

namespace proxy {

// Each answers InvalidArgument naming the field and the rule; files are read.
absl::StatusOr<TlsCertificate> ReadCertificate(
    const envoy::extensions::transport_sockets::tls::v3::TlsCertificate& proto);
absl::StatusOr<TlsValidation> ReadValidation(
    const envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext& proto);
absl::StatusOr<std::vector<std::string>> ReadTicketKeys(
    const envoy::extensions::transport_sockets::tls::v3::TlsSessionTicketKeys& proto);

// The files that a secret names: when one is replaced, the secret is to be parsed again.
std::vector<std::string> FilesOf(
    const envoy::extensions::transport_sockets::tls::v3::Secret& proto);

}  // namespace proxy

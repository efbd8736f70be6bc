// Names in a certificate.
#pragma once

#include <string>
#include <vector>

#include <openssl/x509.h>

namespace proxy {

// URI SANs, then DNS SANs, last the subject (RFC 2253), each if there is one. Empty for null.
std::vector<std::string> NamesOf(X509* certificate);
// The first URI SAN that is a SPIFFE id; empty if none.
std::string FirstSpiffeUri(X509* certificate);

}  // namespace proxy

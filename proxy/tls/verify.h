// What is asked of a peer's certificate.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <openssl/ssl.h>

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include "proxy/net/transport.h"
#include "proxy/stats/names.h"
#include "proxy/tls/config.h"

namespace proxy {

// A subject alternative name. IP addresses as text.
struct PeerName {
  SanMatcher::San san;
  std::string value;
};
std::vector<PeerName> NamesOfCertificate(X509* certificate);

bool SanMatches(const SanMatcher& matcher, const PeerName& name);

// Why a certificate was refused; `why` is empty if it was not.
struct PeerVerdict {
  std::string why;
  TlsStat counted_as = kTlsFailVerifyError;
};
// Names and hashes; the chain is the library's part. `server_name`: must be one of the DNS names,
// unless empty.
PeerVerdict CheckPeer(const TlsValidation& validation, X509* peer, absl::string_view server_name);

// Anchors, revocation lists and limits into `store`. InvalidArgument if a PEM text is wrong.
absl::Status LoadTrustStore(const TlsValidation& validation, X509_STORE* store);

// `chain` and `local` may be null.
std::unique_ptr<PeerCertificate> DescribeCertificate(X509* peer, const STACK_OF(X509) * chain,
                                                     X509* local);
// InvalidArgument as LoadTrustStore().
absl::Status CheckValidation(const TlsValidation& validation);
// Names them to clients that have several certificates (RFC 8446 §4.2.4).
void AddClientCas(const TlsValidation& validation, SSL_CTX* ctx);
// `more` over `into`: lists are joined, what is set in `more` wins.
void MergeValidation(const TlsValidation& more, TlsValidation& into);
// SHA-256, 32 bytes.
std::string DigestOf(absl::string_view bytes);

// The library's newest error as text; the queue is empty afterwards.
std::string TlsLibraryError();

}  // namespace proxy

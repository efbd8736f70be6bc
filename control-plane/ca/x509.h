// OpenSSL's X.509 objects as owned values, and the two certificates that we make.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

namespace control {

struct OpenSslFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_REQ* request) const { X509_REQ_free(request); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree>;
using CertificatePtr = std::unique_ptr<X509, OpenSslFree>;
using RequestPtr = std::unique_ptr<X509_REQ, OpenSslFree>;
using BioPtr = std::unique_ptr<BIO, OpenSslFree>;

// A fresh P-256 key. Errors: Internal with OpenSSL's words.
absl::StatusOr<KeyPtr> MakeKey();

// PEM to objects; InvalidArgument if `pem` is not one.
absl::StatusOr<KeyPtr> ParseKey(absl::string_view pem);
absl::StatusOr<CertificatePtr> ParseCertificate(absl::string_view pem);
// Also InvalidArgument if the request is not signed by the key in it, or the key is weak.
absl::StatusOr<RequestPtr> ParseRequest(absl::string_view pem);

// Objects to PEM.
absl::StatusOr<std::string> ToPem(const EVP_PKEY& key);
absl::StatusOr<std::string> ToPem(const X509& certificate);

// What a certificate says.
struct CertificateSpec {
  std::string common_name;                // Empty: no subject, and critical alternative names.
  std::vector<std::string> alternatives;  // OpenSSL's notation: "URI:…", "DNS:…", "IP:…".
  absl::Time begin;
  absl::Time end;
  bool authority = false;
};

// Signs a certificate for `subject_key`. `issuer` is null for a self-signed one.
absl::StatusOr<CertificatePtr> Sign(const CertificateSpec& spec, EVP_PKEY& subject_key,
                                    X509* issuer, EVP_PKEY& issuer_key);

// The certificate's last second. Errors: InvalidArgument if it cannot be read.
absl::StatusOr<absl::Time> EndOf(const X509& certificate);

}  // namespace control

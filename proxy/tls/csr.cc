// Makes keys and requests, reads certificates.
#include "proxy/tls/csr.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

std::string TextOf(BIO* bio) {
  const uint8_t* data = nullptr;
  size_t length = 0;
  BIO_mem_contents(bio, &data, &length);
  return {reinterpret_cast<const char*>(data), length};
}

absl::Time TimeOf(const ASN1_TIME* time) {
  int days = 0, seconds = 0;
  bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  ASN1_TIME_diff(&days, &seconds, epoch.get(), time);
  return absl::FromUnixSeconds(int64_t{days} * 86400 + seconds);
}

}  // namespace

absl::StatusOr<KeyAndRequest> MakeKeyAndRequest(absl::string_view spiffe_uri) {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (EC_KEY_generate_key(ec.get()) != 1 || EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) != 1) {
    return absl::InternalError("cannot make a P-256 key");
  }
  bssl::UniquePtr<X509_REQ> request(X509_REQ_new());
  X509_REQ_set_version(request.get(), 0);
  X509_REQ_set_pubkey(request.get(), key.get());
  const std::string san = absl::StrCat("critical,URI:", spiffe_uri);
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_nconf_nid(nullptr, nullptr, NID_subject_alt_name, san.c_str()));
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(sk_X509_EXTENSION_new_null());
  if (extension == nullptr)
    return absl::InternalError(absl::StrCat("bad SPIFFE URI: ", spiffe_uri));
  sk_X509_EXTENSION_push(extensions.get(), extension.release());
  X509_REQ_add_extensions(request.get(), extensions.get());
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0) {
    return absl::InternalError("cannot sign the request");
  }
  bssl::UniquePtr<BIO> key_bio(BIO_new(BIO_s_mem())), request_bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key_bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_bio_X509_REQ(request_bio.get(), request.get());
  return KeyAndRequest{.key_pem = TextOf(key_bio.get()), .csr_pem = TextOf(request_bio.get())};
}

absl::StatusOr<CertificateInfo> InspectCertificate(const std::string& pem) {
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bssl::UniquePtr<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return absl::InvalidArgumentError("no certificate in the PEM text");
  CertificateInfo info{.not_before = TimeOf(X509_get0_notBefore(certificate.get())),
                       .not_after = TimeOf(X509_get0_notAfter(certificate.get())),
                       .uris = {},
                       .serial = ""};
  bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (size_t i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    info.uris.emplace_back(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier)),
        static_cast<size_t>(ASN1_STRING_length(name->d.uniformResourceIdentifier)));
  }
  bssl::UniquePtr<BIGNUM> serial(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr));
  bssl::UniquePtr<char> hex(BN_bn2hex(serial.get()));
  info.serial = hex.get();
  return info;
}

}  // namespace proxy

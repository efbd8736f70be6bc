// Reads subject alternative names and the subject.
#include "proxy/tls/peer_names.h"

#include <openssl/bio.h>
#include <openssl/x509v3.h>

#include <absl/strings/match.h>

namespace proxy {
namespace {

// The SANs of one type (GEN_URI, GEN_DNS): both are IA5 strings.
void AddNames(const GENERAL_NAMES* names, int type, std::vector<std::string>& to) {
  for (size_t i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != type) continue;
    to.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.ia5)),
                    static_cast<size_t>(ASN1_STRING_length(name->d.ia5)));
  }
}

std::string SubjectOf(X509* certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  const uint8_t* bytes = nullptr;
  size_t length = 0;
  BIO_mem_contents(bio.get(), &bytes, &length);
  return {reinterpret_cast<const char*>(bytes), length};
}

bssl::UniquePtr<GENERAL_NAMES> SansOf(X509* certificate) {
  return bssl::UniquePtr<GENERAL_NAMES>(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
}

}  // namespace

std::vector<std::string> NamesOf(X509* certificate) {
  std::vector<std::string> all;
  if (certificate == nullptr) return all;
  const bssl::UniquePtr<GENERAL_NAMES> names = SansOf(certificate);
  AddNames(names.get(), GEN_URI, all);
  AddNames(names.get(), GEN_DNS, all);
  if (std::string subject = SubjectOf(certificate); !subject.empty()) {
    all.push_back(std::move(subject));
  }
  return all;
}

std::string FirstSpiffeUri(X509* certificate) {
  if (certificate == nullptr) return "";
  std::vector<std::string> uris;
  AddNames(SansOf(certificate).get(), GEN_URI, uris);
  for (std::string& uri : uris) {
    if (absl::StartsWith(uri, "spiffe://")) return std::move(uri);
  }
  return "";
}

}  // namespace proxy

// Matches names and hashes of certificates; fills trust stores.
#include "proxy/tls/verify.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "proxy/tls/serving.h"

namespace proxy {
namespace {

std::string TextOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

std::string IpText(const ASN1_OCTET_STRING* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  const int length = ASN1_STRING_length(bytes);
  if (length != 4 && length != 16) return "";
  inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof(text));
  return text;
}

std::string TextOf(BIO* bio) {
  const uint8_t* data = nullptr;
  size_t length = 0;
  BIO_mem_contents(bio, &data, &length);
  return {reinterpret_cast<const char*>(data), length};
}

std::string PemOf(X509* certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return TextOf(bio.get());
}

// Two texts of one address are one address.
bool SameIp(const std::string& one, const std::string& other) {
  uint8_t a[16], b[16];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, one.c_str(), a) == 1)
      return inet_pton(family, other.c_str(), b) == 1 &&
             std::equal(a, a + (family == AF_INET ? 4 : 16), b);
  }
  return false;
}

bool HashMatches(const TlsValidation& validation, X509* peer) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  unsigned length = 0;
  X509_digest(peer, EVP_sha256(), digest, &length);
  const absl::string_view of_leaf(reinterpret_cast<const char*>(digest), length);
  for (const std::string& hash : validation.hashes)
    if (hash == of_leaf) return true;
  uint8_t* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(peer), &der);
  if (size <= 0) return false;
  bssl::UniquePtr<uint8_t> owned(der);
  SHA256(der, static_cast<size_t>(size), digest);
  const absl::string_view of_key(reinterpret_cast<const char*>(digest), sizeof(digest));
  return std::find(validation.key_hashes.begin(), validation.key_hashes.end(), of_key) !=
         validation.key_hashes.end();
}

}  // namespace

std::string TlsLibraryError() {
  const uint32_t error = ERR_get_error();
  ERR_clear_error();
  char text[160];
  ERR_error_string_n(error, text, sizeof(text));
  return text;
}

std::vector<PeerName> NamesOfCertificate(X509* certificate) {
  std::vector<PeerName> found;
  bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (size_t i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    switch (name->type) {
      case GEN_URI: found.push_back({SanMatcher::San::kUri, TextOf(name->d.ia5)}); break;
      case GEN_DNS: found.push_back({SanMatcher::San::kDns, TextOf(name->d.ia5)}); break;
      case GEN_EMAIL: found.push_back({SanMatcher::San::kEmail, TextOf(name->d.ia5)}); break;
      case GEN_IPADD: found.push_back({SanMatcher::San::kIp, IpText(name->d.iPAddress)}); break;
      default: break;
    }
  }
  return found;
}

bool SanMatches(const SanMatcher& matcher, const PeerName& name) {
  if (matcher.san != name.san) return false;
  const absl::string_view value = name.value, wanted = matcher.value;
  switch (matcher.kind) {
    case SanMatcher::Kind::kExact:
      if (name.san == SanMatcher::San::kDns) return DnsNameMatches(value, wanted);
      if (name.san == SanMatcher::San::kIp) return SameIp(name.value, matcher.value);
      return matcher.ignore_case ? absl::EqualsIgnoreCase(value, wanted) : value == wanted;
    case SanMatcher::Kind::kPrefix:
      return matcher.ignore_case ? absl::StartsWithIgnoreCase(value, wanted)
                                 : absl::StartsWith(value, wanted);
    case SanMatcher::Kind::kSuffix:
      return matcher.ignore_case ? absl::EndsWithIgnoreCase(value, wanted)
                                 : absl::EndsWith(value, wanted);
    case SanMatcher::Kind::kContains: return absl::StrContains(value, wanted);
    case SanMatcher::Kind::kRegex: return RE2::FullMatch(name.value, *matcher.regex);
  }
  return false;
}

PeerVerdict CheckPeer(const TlsValidation& validation, X509* peer, absl::string_view server_name) {
  if (!validation.hashes.empty() || !validation.key_hashes.empty()) {
    if (!HashMatches(validation, peer)) {
      return {.why = "the peer's certificate has none of the hashes wanted",
              .counted_as = kTlsFailVerifyCertHash};
    }
  }
  if (validation.sans.empty() && server_name.empty()) return {};
  std::string seen;
  const std::vector<PeerName> names = NamesOfCertificate(peer);
  bool matched = validation.sans.empty(), named = server_name.empty();
  for (const PeerName& name : names) {
    matched |= std::any_of(validation.sans.begin(), validation.sans.end(),
                           [&](const SanMatcher& one) { return SanMatches(one, name); });
    named |= name.san == SanMatcher::San::kDns && DnsNameMatches(name.value, server_name);
    absl::StrAppend(&seen, seen.empty() ? "" : ", ", name.value);
  }
  if (matched && named) return {};
  return {.why = absl::StrCat("verify SAN list: the peer's names [", seen, "] do not match"),
          .counted_as = kTlsFailVerifySan};
}

absl::Status LoadTrustStore(const TlsValidation& validation, X509_STORE* store) {
  const auto memory = [](const std::string& text) {
    return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  };
  if (!validation.ca_pem.empty()) {
    bssl::UniquePtr<BIO> bio = memory(validation.ca_pem);
    int count = 0;
    while (bssl::UniquePtr<X509> one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
      X509_STORE_add_cert(store, one.get());
      ++count;
    }
    const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (count == 0 || !ended)
      return absl::InvalidArgumentError("trusted_ca: not PEM, or no certificate in it");
  }
  // An intermediate among the anchors is an anchor.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  if (validation.crl_pem.empty()) return absl::OkStatus();
  bssl::UniquePtr<BIO> bio = memory(validation.crl_pem);
  int count = 0;
  while (
      bssl::UniquePtr<X509_CRL> one{PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_crl(store, one.get());
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return absl::InvalidArgumentError("crl: no revocation list in the PEM text");
  X509_STORE_set_flags(
      store, X509_V_FLAG_CRL_CHECK | (validation.leaf_crl_only ? 0UL : X509_V_FLAG_CRL_CHECK_ALL));
  return absl::OkStatus();
}

absl::Status CheckValidation(const TlsValidation& validation) {
  bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  return LoadTrustStore(validation, store.get());
}

void AddClientCas(const TlsValidation& validation, SSL_CTX* ctx) {
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(validation.ca_pem.data(), static_cast<int>(validation.ca_pem.size())));
  while (bssl::UniquePtr<X509> one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)})
    SSL_CTX_add_client_CA(ctx, one.get());
  ERR_clear_error();  // The end of the list.
}

void MergeValidation(const TlsValidation& more, TlsValidation& into) {
  if (!more.ca_pem.empty()) into.ca_pem = more.ca_pem;
  if (!more.crl_pem.empty()) into.crl_pem = more.crl_pem;
  into.sans.insert(into.sans.end(), more.sans.begin(), more.sans.end());
  into.hashes.insert(into.hashes.end(), more.hashes.begin(), more.hashes.end());
  into.key_hashes.insert(into.key_hashes.end(), more.key_hashes.begin(), more.key_hashes.end());
  into.leaf_crl_only |= more.leaf_crl_only;
  into.allow_expired |= more.allow_expired;
  into.accept_untrusted |= more.accept_untrusted;
  if (more.depth_max != TlsValidation().depth_max) into.depth_max = more.depth_max;
}

std::string DigestOf(absl::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
         reinterpret_cast<uint8_t*>(digest.data()));
  return digest;
}

std::unique_ptr<PeerCertificate> DescribeCertificate(X509* peer, const STACK_OF(X509) * chain,
                                                     X509* local) {
  auto found = std::make_unique<PeerCertificate>();
  uint8_t digest[SHA256_DIGEST_LENGTH];
  unsigned length = 0;
  X509_digest(peer, EVP_sha256(), digest, &length);
  found->sha256_hex = absl::BytesToHexString({reinterpret_cast<const char*>(digest), length});
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(peer), 0, XN_FLAG_RFC2253);
  found->subject = TextOf(bio.get());
  found->pem = PemOf(peer);
  for (size_t i = 0; chain != nullptr && i < sk_X509_num(chain); ++i)
    found->chain_pem += PemOf(sk_X509_value(chain, i));
  for (PeerName& name : NamesOfCertificate(peer)) {
    if (name.san == SanMatcher::San::kUri) found->uris.push_back(std::move(name.value));
    if (name.san == SanMatcher::San::kDns) found->dns.push_back(std::move(name.value));
  }
  if (local == nullptr) return found;
  for (PeerName& name : NamesOfCertificate(local))
    if (name.san == SanMatcher::San::kUri) found->local_uris.push_back(std::move(name.value));
  return found;
}

}  // namespace proxy

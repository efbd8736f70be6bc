// Reads certificates and keys; chooses by server name and by what the client can verify.
#include "proxy/tls/serving.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include <absl/status/statusor.h>
#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "proxy/tls/verify.h"

namespace proxy {
namespace {

constexpr unsigned kRsaBitsMin = 2048;

bssl::UniquePtr<BIO> MemoryOf(const std::string& text) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

absl::Status CheckKey(EVP_PKEY* key) {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_ED25519: return absl::OkStatus();
    case EVP_PKEY_RSA:
      if (RSA_bits(EVP_PKEY_get0_RSA(key)) >= kRsaBitsMin) return absl::OkStatus();
      return absl::InvalidArgumentError("private key: RSA below 2048 bits");
    case EVP_PKEY_EC: {
      const int curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)));
      if (curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1)
        return absl::OkStatus();
      return absl::InvalidArgumentError("private key: only P-256, P-384 and P-521 are supported");
    }
    default: return absl::InvalidArgumentError("private key: only RSA, ECDSA and Ed25519");
  }
}

int GivePassword(char* into, int capacity, int, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  if (text.size() > static_cast<size_t>(capacity)) return -1;
  std::copy(text.begin(), text.end(), into);
  return static_cast<int>(text.size());
}

// The leaf and the rest of `pem`; the leaf is null if there is none.
struct Chain {
  bssl::UniquePtr<X509> leaf;
  std::vector<bssl::UniquePtr<X509>> rest;
};

absl::StatusOr<Chain> ReadChain(const std::string& pem) {
  bssl::UniquePtr<BIO> bio = MemoryOf(pem);
  Chain chain;
  chain.leaf.reset(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
  if (chain.leaf == nullptr)
    return absl::InvalidArgumentError(absl::StrCat("certificate chain: ", TlsLibraryError()));
  while (X509* more = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    chain.rest.emplace_back(more);
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    return absl::InvalidArgumentError(absl::StrCat("certificate chain: ", TlsLibraryError()));
  ERR_clear_error();  // The end of the chain.
  return chain;
}

std::vector<std::string> NamesOf(X509* leaf) {
  std::vector<std::string> names;
  for (const PeerName& name : NamesOfCertificate(leaf))
    if (name.san == SanMatcher::San::kDns) names.push_back(absl::AsciiStrToLower(name.value));
  if (!names.empty()) return names;
  char common[256];
  const int length = X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, common,
                                               sizeof(common));
  if (length > 0) names.push_back(absl::AsciiStrToLower(common));
  return names;
}

absl::Status Use(SSL_CTX* ctx, const TlsCertificate& certificate, X509*& leaf, EVP_PKEY*& key) {
  auto chain = ReadChain(certificate.chain_pem);
  if (!chain.ok()) return chain.status();
  bssl::UniquePtr<BIO> bio = MemoryOf(certificate.key_pem);
  bssl::UniquePtr<EVP_PKEY> pkey(PEM_read_bio_PrivateKey(
      bio.get(), nullptr, &GivePassword, const_cast<std::string*>(&certificate.password)));
  if (pkey == nullptr)
    return absl::InvalidArgumentError(absl::StrCat("private key: ", TlsLibraryError()));
  if (absl::Status checked = CheckKey(pkey.get()); !checked.ok()) return checked;
  if (SSL_CTX_use_certificate(ctx, chain->leaf.get()) != 1)
    return absl::InvalidArgumentError(absl::StrCat("certificate chain: ", TlsLibraryError()));
  for (auto& more : chain->rest) SSL_CTX_add0_chain_cert(ctx, more.release());
  if (SSL_CTX_use_PrivateKey(ctx, pkey.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("private key: not that of the certificate: ", TlsLibraryError()));
  }
  if (!certificate.ocsp_der.empty()) {
    SSL_CTX_set_ocsp_response(ctx, reinterpret_cast<const uint8_t*>(certificate.ocsp_der.data()),
                              certificate.ocsp_der.size());
  }
  leaf = SSL_CTX_get0_certificate(ctx);
  key = SSL_CTX_get0_privatekey(ctx);
  return absl::OkStatus();
}

}  // namespace

bool DnsNameMatches(absl::string_view pattern, absl::string_view name) {
  if (!absl::StartsWith(pattern, "*.")) return absl::EqualsIgnoreCase(pattern, name);
  const size_t dot = name.find('.');
  return dot != absl::string_view::npos && dot > 0 &&
         absl::EqualsIgnoreCase(pattern.substr(1), name.substr(dot));
}

absl::Status CheckCertificate(const TlsCertificate& certificate) {
  bssl::UniquePtr<SSL_CTX> ctx(SSL_CTX_new(TLS_method()));
  X509* leaf = nullptr;
  EVP_PKEY* key = nullptr;
  return Use(ctx.get(), certificate, leaf, key);
}

absl::Status ServingCertificates::Add(SSL_CTX* ctx, const TlsCertificate& certificate) {
  One one;
  one.ctx.reset(ctx);
  SSL_CTX_up_ref(ctx);
  X509* leaf = nullptr;
  EVP_PKEY* key = nullptr;
  if (absl::Status used = Use(ctx, certificate, leaf, key); !used.ok()) return used;
  one.names = NamesOf(leaf);
  one.ecdsa = EVP_PKEY_id(key) == EVP_PKEY_EC;
  all_.push_back(std::move(one));
  return absl::OkStatus();
}

SSL_CTX* ServingCertificates::Choose(absl::string_view server_name, bool client_knows_ecdsa,
                                     bool full_scan) const {
  const auto pick = [&](auto fits) -> SSL_CTX* {
    const One *ecdsa = nullptr, *other = nullptr;
    for (const One& one : all_) {
      if (!fits(one)) continue;
      (one.ecdsa ? ecdsa : other) =
          (one.ecdsa ? ecdsa : other) == nullptr ? &one : (one.ecdsa ? ecdsa : other);
    }
    if (ecdsa != nullptr && (client_knows_ecdsa || other == nullptr)) return ecdsa->ctx.get();
    return other == nullptr ? nullptr : other->ctx.get();
  };
  if (!server_name.empty()) {
    const auto exact = [&](const One& one) {
      return std::any_of(one.names.begin(), one.names.end(), [&](const std::string& name) {
        return absl::EqualsIgnoreCase(name, server_name);
      });
    };
    if (SSL_CTX* ctx = pick(exact)) return ctx;
    const auto wide = [&](const One& one) {
      return std::any_of(one.names.begin(), one.names.end(), [&](const std::string& name) {
        return DnsNameMatches(name, server_name);
      });
    };
    if (SSL_CTX* ctx = pick(wide)) return ctx;
    if (!full_scan && (client_knows_ecdsa || !all_.front().ecdsa)) return all_.front().ctx.get();
  }
  return pick([](const One&) { return true; });
}

}  // namespace proxy

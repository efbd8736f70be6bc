// X.509 by OpenSSL 3.
#include "control-plane/ca/x509.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

namespace control {
namespace {

constexpr int kRsaBitsMin = 2048;
constexpr int kSerialBytes = 16;

// What OpenSSL says about the last failure on this thread; clears it.
std::string OpenSslError() {
  const unsigned long code = ERR_get_error();  // NOLINT(runtime/int): OpenSSL's type.
  ERR_clear_error();
  if (code == 0) return "no reason given";
  char text[256];
  ERR_error_string_n(code, text, sizeof(text));
  return text;
}

absl::Status Failed(absl::string_view what) {
  return absl::InternalError(absl::StrCat("OpenSSL: ", what, ": ", OpenSslError()));
}

absl::Status NotA(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("not a ", what, " in PEM: ", OpenSslError()));
}

BioPtr Reader(absl::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string Text(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);  // NOLINT(runtime/int): OpenSSL's type.
  return std::string(data, static_cast<size_t>(size));
}

absl::Status CheckStrength(EVP_PKEY& key) {
  const int kind = EVP_PKEY_get_base_id(&key);
  if (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(&key) >= kRsaBitsMin) return absl::OkStatus();
  if (kind == EVP_PKEY_EC) {
    char group[64] = {};
    EVP_PKEY_get_group_name(&key, group, sizeof(group), nullptr);
    const int nid = OBJ_txt2nid(group);
    if (nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 || nid == NID_secp521r1) {
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("certificate request: weak or unknown key; want RSA of at least ", kRsaBitsMin,
                   " bits or EC on P-256, P-384 or P-521"));
}

bool AddExtension(X509& certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer == nullptr ? &certificate : issuer, &certificate, nullptr,
                 nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(&certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool AddExtensions(X509& certificate, X509* issuer, const CertificateSpec& spec) {
  const std::string names = absl::StrJoin(spec.alternatives, ",");
  const std::string critical = spec.common_name.empty() ? "critical," : "";
  bool good = AddExtension(certificate, issuer, NID_subject_key_identifier, "hash");
  if (issuer != nullptr) {
    good = good && AddExtension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
  }
  if (spec.authority) {
    good = good && AddExtension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
           AddExtension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    good = good && AddExtension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           AddExtension(certificate, issuer, NID_key_usage,
                        "critical,digitalSignature,keyEncipherment") &&
           AddExtension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  }
  if (names.empty()) return good;
  return good && AddExtension(certificate, issuer, NID_subject_alt_name, critical + names);
}

bool SetSerial(X509& certificate) {
  unsigned char bytes[kSerialBytes];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // Positive, full length.
  BIGNUM* number = BN_bin2bn(bytes, sizeof(bytes), nullptr);
  const bool set = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(&certificate)) != nullptr;
  BN_free(number);
  return set;
}

bool SetSubject(X509& certificate, const std::string& common_name) {
  X509_NAME* name = X509_get_subject_name(&certificate);
  if (common_name.empty()) return true;
  const auto add = [&](const char* field, const std::string& value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(value.data()),
                                      static_cast<int>(value.size()), -1, 0) == 1;
  };
  return add("O", "Pinnace") && add("CN", common_name);
}

}  // namespace

absl::StatusOr<KeyPtr> MakeKey() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("key");
  return key;
}

absl::StatusOr<KeyPtr> ParseKey(absl::string_view pem) {
  KeyPtr key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, nullptr, nullptr));
  if (key == nullptr) return NotA("private key");
  return key;
}

absl::StatusOr<CertificatePtr> ParseCertificate(absl::string_view pem) {
  CertificatePtr certificate(PEM_read_bio_X509(Reader(pem).get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return NotA("certificate");
  return certificate;
}

absl::StatusOr<RequestPtr> ParseRequest(absl::string_view pem) {
  RequestPtr request(PEM_read_bio_X509_REQ(Reader(pem).get(), nullptr, nullptr, nullptr));
  if (request == nullptr) return NotA("certificate request");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr) return NotA("certificate request with a key that we know");
  if (X509_REQ_verify(request.get(), key) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("certificate request: not signed by the key in it");
  }
  if (absl::Status status = CheckStrength(*key); !status.ok()) return status;
  return request;
}

absl::StatusOr<std::string> ToPem(const EVP_PKEY& key) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("write key");
  }
  return Text(*bio);
}

absl::StatusOr<std::string> ToPem(const X509& certificate) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), &certificate) != 1) return Failed("write certificate");
  return Text(*bio);
}

absl::StatusOr<CertificatePtr> Sign(const CertificateSpec& spec, EVP_PKEY& subject_key,
                                    X509* issuer, EVP_PKEY& issuer_key) {
  CertificatePtr certificate(X509_new());
  X509& out = *certificate;
  const bool filled =
      X509_set_version(&out, X509_VERSION_3) == 1 && SetSerial(out) &&
      SetSubject(out, spec.common_name) &&
      X509_set_issuer_name(&out, X509_get_subject_name(issuer == nullptr ? &out : issuer)) == 1 &&
      X509_set_pubkey(&out, &subject_key) == 1 &&
      ASN1_TIME_set(X509_getm_notBefore(&out), absl::ToTimeT(spec.begin)) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(&out), absl::ToTimeT(spec.end)) != nullptr &&
      AddExtensions(out, issuer, spec);
  if (!filled) return Failed("certificate fields");
  if (X509_sign(&out, &issuer_key, EVP_sha256()) == 0) return Failed("sign");
  return certificate;
}

absl::StatusOr<absl::Time> EndOf(const X509& certificate) {
  struct tm parts = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &parts) != 1) {
    return absl::InvalidArgumentError("certificate: no readable end");
  }
  return absl::FromTM(parts, absl::UTCTimeZone());
}

}  // namespace control

// Certificates, trust and ticket keys, wherever they stand; secrets.
#include "proxy/snapshot/parse_secret.h"

#include <fstream>
#include <sstream>

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>

#include "proxy/tls/serving.h"
#include "proxy/tls/tickets.h"
#include "proxy/tls/verify.h"

namespace proxy {
namespace {

namespace core = envoy::config::core::v3;
namespace tls = envoy::extensions::transport_sockets::tls::v3;

constexpr size_t kDigestBytes = 32;

absl::StatusOr<std::string> Contents(const core::DataSource& source) {
  if (source.has_inline_string()) return source.inline_string();
  if (source.has_inline_bytes()) return source.inline_bytes();
  std::ifstream file(source.filename(), std::ios::binary);
  if (!file)
    return absl::InvalidArgumentError(absl::StrCat("cannot read file '", source.filename(), "'"));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Nothing if the source is not set.
absl::Status ReadInto(bool has, const core::DataSource& source, std::string& to) {
  if (!has) return absl::OkStatus();
  auto contents = Contents(source);
  if (contents.ok()) to = *std::move(contents);
  return contents.status();
}

absl::Status ReadMatcher(const envoy::type::matcher::v3::StringMatcher& text, SanMatcher& matcher) {
  matcher.ignore_case = text.ignore_case();
  if (text.has_exact()) {
    matcher.value = text.exact();
  } else if (text.has_prefix()) {
    matcher.kind = SanMatcher::Kind::kPrefix;
    matcher.value = text.prefix();
  } else if (text.has_suffix()) {
    matcher.kind = SanMatcher::Kind::kSuffix;
    matcher.value = text.suffix();
  } else if (text.has_contains()) {
    matcher.kind = SanMatcher::Kind::kContains;
    matcher.value = text.contains();
  } else if (text.has_safe_regex()) {
    matcher.kind = SanMatcher::Kind::kRegex;
    matcher.value = text.safe_regex().regex();
    auto regex = CompileRegex(matcher.value);
    if (!regex.ok()) return regex.status();
    matcher.regex = *std::move(regex);
  } else {
    return absl::InvalidArgumentError("match_subject_alt_names: the matcher is empty");
  }
  return absl::OkStatus();
}

absl::StatusOr<SanMatcher::San> SanOf(tls::SubjectAltNameMatcher::SanType type) {
  switch (type) {
    case tls::SubjectAltNameMatcher::EMAIL: return SanMatcher::San::kEmail;
    case tls::SubjectAltNameMatcher::DNS: return SanMatcher::San::kDns;
    case tls::SubjectAltNameMatcher::URI: return SanMatcher::San::kUri;
    case tls::SubjectAltNameMatcher::IP_ADDRESS: return SanMatcher::San::kIp;
    default:
      return absl::InvalidArgumentError(
          "match_typed_subject_alt_names: san_type: only EMAIL, DNS, URI and IP_ADDRESS");
  }
}

absl::Status ReadMatchers(const tls::CertificateValidationContext& proto,
                          TlsValidation& validation) {
  for (const auto& typed : proto.match_typed_subject_alt_names()) {
    SanMatcher matcher;
    auto san = SanOf(typed.san_type());
    if (!san.ok()) return san.status();
    matcher.san = *san;
    if (absl::Status s = ReadMatcher(typed.matcher(), matcher); !s.ok()) return s;
    validation.sans.push_back(std::move(matcher));
  }
  // The untyped form holds for names of every kind.
  for (const auto& text : proto.match_subject_alt_names()) {
    for (const auto san : {SanMatcher::San::kUri, SanMatcher::San::kDns, SanMatcher::San::kEmail,
                           SanMatcher::San::kIp}) {
      SanMatcher matcher;
      matcher.san = san;
      if (absl::Status s = ReadMatcher(text, matcher); !s.ok()) return s;
      validation.sans.push_back(std::move(matcher));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadHashes(const tls::CertificateValidationContext& proto, TlsValidation& validation) {
  for (const std::string& text : proto.verify_certificate_hash()) {
    const std::string hex = absl::StrReplaceAll(text, {{":", ""}});
    const bool digits = hex.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
    if (hex.size() != 2 * kDigestBytes || !digits) {
      return absl::InvalidArgumentError(
          absl::StrCat("verify_certificate_hash: '", text, "' is not a SHA-256 in hexadecimal"));
    }
    validation.hashes.push_back(absl::HexStringToBytes(hex));
  }
  for (const std::string& text : proto.verify_certificate_spki()) {
    std::string digest;
    if (!absl::Base64Unescape(text, &digest) || digest.size() != kDigestBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("verify_certificate_spki: '", text, "' is not a SHA-256 in base64"));
    }
    validation.key_hashes.push_back(std::move(digest));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TlsCertificate> ReadCertificate(const tls::TlsCertificate& proto) {
  TlsCertificate certificate;
  if (absl::Status s = ReadInto(true, proto.certificate_chain(), certificate.chain_pem); !s.ok())
    return s;
  if (absl::Status s = ReadInto(true, proto.private_key(), certificate.key_pem); !s.ok()) return s;
  if (absl::Status s = ReadInto(proto.has_password(), proto.password(), certificate.password);
      !s.ok())
    return s;
  if (absl::Status s = ReadInto(proto.has_ocsp_staple(), proto.ocsp_staple(), certificate.ocsp_der);
      !s.ok())
    return s;
  return certificate;
}

absl::StatusOr<TlsValidation> ReadValidation(const tls::CertificateValidationContext& proto) {
  TlsValidation validation;
  if (absl::Status s = ReadInto(proto.has_trusted_ca(), proto.trusted_ca(), validation.ca_pem);
      !s.ok())
    return s;
  if (absl::Status s = ReadInto(proto.has_crl(), proto.crl(), validation.crl_pem); !s.ok())
    return s;
  if (absl::Status s = ReadMatchers(proto, validation); !s.ok()) return s;
  if (absl::Status s = ReadHashes(proto, validation); !s.ok()) return s;
  validation.leaf_crl_only = proto.only_verify_leaf_cert_crl();
  validation.allow_expired = proto.allow_expired_certificate();
  validation.accept_untrusted =
      proto.trust_chain_verification() == tls::CertificateValidationContext::ACCEPT_UNTRUSTED;
  if (proto.has_max_verify_depth()) {
    if (proto.max_verify_depth().value() > 100)
      return absl::InvalidArgumentError("max_verify_depth: above 100");
    validation.depth_max = static_cast<int>(proto.max_verify_depth().value());
  }
  return validation;
}

absl::StatusOr<std::vector<std::string>> ReadTicketKeys(const tls::TlsSessionTicketKeys& proto) {
  std::vector<std::string> keys;
  for (const auto& source : proto.keys()) {
    auto key = Contents(source);
    if (!key.ok()) return key.status();
    if (key->size() != kTicketKeyBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("session_ticket_keys: ", key->size(), " bytes, not ", kTicketKeyBytes));
    }
    keys.push_back(*std::move(key));
  }
  if (keys.empty()) return absl::InvalidArgumentError("session_ticket_keys: at least one key");
  return keys;
}

std::vector<std::string> FilesOf(const tls::Secret& proto) {
  std::vector<std::string> files;
  const auto note = [&](const core::DataSource& source) {
    if (!source.filename().empty()) files.push_back(source.filename());
  };
  note(proto.tls_certificate().certificate_chain());
  note(proto.tls_certificate().private_key());
  note(proto.tls_certificate().ocsp_staple());
  note(proto.validation_context().trusted_ca());
  note(proto.validation_context().crl());
  for (const auto& key : proto.session_ticket_keys().keys()) note(key);
  return files;
}

absl::Status ParseSecret(const tls::Secret& proto, ParseContext& context) {
  const auto wrong = [&](const absl::Status& status) {
    return absl::InvalidArgumentError(
        absl::StrCat("secret '", proto.name(), "': ", status.message()));
  };
  const auto unsupported = UnsupportedFields(proto);
  if (!unsupported.empty())
    return wrong(absl::InvalidArgumentError(
        absl::StrCat("not supported: ", absl::StrJoin(unsupported, ", "))));
  if (proto.has_tls_certificate()) {
    auto certificate = ReadCertificate(proto.tls_certificate());
    if (!certificate.ok()) return wrong(certificate.status());
    if (absl::Status s = CheckCertificate(*certificate); !s.ok()) return wrong(s);
    context.secrets.SetCertificate(proto.name(), *std::move(certificate));
    return absl::OkStatus();
  }
  if (proto.has_validation_context()) {
    auto validation = ReadValidation(proto.validation_context());
    if (!validation.ok()) return wrong(validation.status());
    if (absl::Status s = CheckValidation(*validation); !s.ok()) return wrong(s);
    context.secrets.SetTrust(proto.name(), *std::move(validation));
    return absl::OkStatus();
  }
  if (proto.has_session_ticket_keys()) {
    auto keys = ReadTicketKeys(proto.session_ticket_keys());
    if (!keys.ok()) return wrong(keys.status());
    context.secrets.SetTicketKeys(proto.name(), *std::move(keys));
    return absl::OkStatus();
  }
  return wrong(absl::InvalidArgumentError(
      "only tls_certificate, validation_context and session_ticket_keys are supported"));
}

}  // namespace proxy

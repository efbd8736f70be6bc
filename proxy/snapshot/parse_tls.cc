// Transport sockets.
#include <absl/strings/str_cat.h>

#include "proxy/snapshot/parse_secret.h"

namespace proxy {
namespace {

namespace core = envoy::config::core::v3;
namespace tls = envoy::extensions::transport_sockets::tls::v3;

// A secret without a source is one of the bootstrap's or the workload's own.
absl::Status ReadSds(const tls::SdsSecretConfig& proto, ParseContext& context, std::string& name,
                     pinnace::ConfigFrom& from) {
  name = proto.name();
  if (!proto.has_sds_config()) return absl::OkStatus();
  auto parsed = ParseConfigFrom(proto.sds_config(), context);
  if (parsed.ok()) from = *std::move(parsed);
  return parsed.status();
}

absl::Status ReadCertificates(const tls::CommonTlsContext& common, ParseContext& context,
                              TlsContextConfig& config) {
  for (const auto& proto : common.tls_certificates()) {
    auto certificate = ReadCertificate(proto);
    if (!certificate.ok()) return certificate.status();
    config.certificates.push_back({.certificate = *std::move(certificate)});
  }
  for (const auto& secret : common.tls_certificate_sds_secret_configs()) {
    TlsCertificateSource& source = config.certificates.emplace_back();
    if (absl::Status s = ReadSds(secret, context, source.sds_name, source.sds_from); !s.ok())
      return s;
  }
  return absl::OkStatus();
}

absl::Status ReadTrust(const tls::CommonTlsContext& common, ParseContext& context,
                       TlsContextConfig& config) {
  const auto read = [&](const tls::CertificateValidationContext& proto) {
    auto validation = ReadValidation(proto);
    if (validation.ok()) config.validation = *std::move(validation);
    return validation.status();
  };
  const auto ask = [&](const tls::SdsSecretConfig& proto) {
    config.validates = true;
    return ReadSds(proto, context, config.ca_sds_name, config.ca_sds_from);
  };
  if (common.has_validation_context()) {
    if (absl::Status s = read(common.validation_context()); !s.ok()) return s;
    const TlsValidation& found = config.validation;
    config.validates = !found.ca_pem.empty() || !found.hashes.empty() ||
                       !found.key_hashes.empty() || !found.sans.empty();
    return absl::OkStatus();
  }
  if (common.has_validation_context_sds_secret_config())
    return ask(common.validation_context_sds_secret_config());
  if (!common.has_combined_validation_context()) return absl::OkStatus();
  const auto& combined = common.combined_validation_context();
  if (absl::Status s = read(combined.default_validation_context()); !s.ok()) return s;
  return ask(combined.validation_context_sds_secret_config());
}

absl::Status ReadParameters(const tls::CommonTlsContext& common, TlsContextConfig& config) {
  for (const std::string& protocol : common.alpn_protocols()) {
    if (protocol.empty() || protocol.size() > 255) {
      return absl::InvalidArgumentError("alpn_protocols: length not in 1..255");
    }
    config.alpn.push_back(protocol);
  }
  const auto version = [](tls::TlsParameters::TlsProtocol protocol) -> uint16_t {
    // TLS 1.0 and 1.1 (RFC 8996 deprecates them) only where they are asked for by name.
    return protocol == tls::TlsParameters::TLS_AUTO
               ? uint16_t{0}
               : static_cast<uint16_t>(0x0300 + static_cast<int>(protocol));
  };
  const tls::TlsParameters& parameters = common.tls_params();
  config.version_min = version(parameters.tls_minimum_protocol_version());
  config.version_max = version(parameters.tls_maximum_protocol_version());
  const auto join = [](const auto& list, std::string& to) {
    for (const std::string& one : list) absl::StrAppend(&to, to.empty() ? "" : ":", one);
  };
  join(parameters.cipher_suites(), config.cipher_suites);
  join(parameters.ecdh_curves(), config.curves);
  join(parameters.signature_algorithms(), config.signature_algorithms);
  return absl::OkStatus();
}

absl::Status ReadCommon(const tls::CommonTlsContext& common, ParseContext& context,
                        TlsContextConfig& config) {
  if (absl::Status s = ReadCertificates(common, context, config); !s.ok()) return s;
  if (absl::Status s = ReadParameters(common, config); !s.ok()) return s;
  return ReadTrust(common, context, config);
}

absl::Status ReadDownstream(const tls::DownstreamTlsContext& proto, ParseContext& context,
                            TlsContextConfig& config) {
  if (absl::Status s = ReadCommon(proto.common_tls_context(), context, config); !s.ok()) return s;
  if (config.certificates.empty())
    return absl::InvalidArgumentError("a server needs a certificate");
  config.require_client_certificate = proto.require_client_certificate().value();
  config.require_sni = proto.require_sni().value();
  config.prefer_client_ciphers = proto.prefer_client_ciphers();
  config.full_scan = proto.full_scan_certs_on_sni_mismatch().value();
  config.tickets = !proto.disable_stateless_session_resumption();
  config.session_ids = !proto.disable_stateful_session_resumption();
  if (proto.has_session_timeout()) config.session_timeout = ToDuration(proto.session_timeout());
  if (proto.ocsp_staple_policy() != tls::DownstreamTlsContext::LENIENT_STAPLING)
    return absl::InvalidArgumentError("ocsp_staple_policy: only LENIENT_STAPLING is supported");
  if (proto.has_session_ticket_keys()) {
    auto keys = ReadTicketKeys(proto.session_ticket_keys());
    if (!keys.ok()) return keys.status();
    config.ticket_keys = *std::move(keys);
  }
  if (!proto.has_session_ticket_keys_sds_secret_config()) return absl::OkStatus();
  return ReadSds(proto.session_ticket_keys_sds_secret_config(), context, config.ticket_sds_name,
                 config.ticket_sds_from);
}

absl::Status ReadUpstream(const tls::UpstreamTlsContext& proto, ParseContext& context,
                          TlsContextConfig& config) {
  config.sni = proto.sni();
  config.sni_of_endpoint = proto.auto_host_sni();
  config.match_sni = proto.auto_sni_san_validation();
  config.allow_renegotiation = proto.allow_renegotiation();
  config.enforce_rsa_key_usage = proto.enforce_rsa_key_usage().value();
  if (proto.has_max_session_keys()) config.sessions_max = proto.max_session_keys().value();
  if (config.sni.size() > 255) return absl::InvalidArgumentError("sni: longer than 255 bytes");
  return ReadCommon(proto.common_tls_context(), context, config);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsSlot>> ParseTransportSocket(
    const core::TransportSocket& proto, bool server, ParseContext& context) {
  const std::string& url = proto.typed_config().type_url();
  if (url.empty() || url.ends_with("transport_sockets.raw_buffer.v3.RawBuffer")) {
    if (!url.empty() || proto.name().ends_with("raw_buffer") || proto.name().empty())
      return std::shared_ptr<const TlsSlot>();
  }
  TlsContextConfig config;
  config.server = server;
  absl::Status read = absl::InvalidArgumentError(absl::StrCat(
      "only ", server ? "Down" : "Up", "streamTlsContext and RawBuffer are supported"));
  if (tls::DownstreamTlsContext down; server && proto.typed_config().UnpackTo(&down))
    read = ReadDownstream(down, context, config);
  if (tls::UpstreamTlsContext up; !server && proto.typed_config().UnpackTo(&up))
    read = ReadUpstream(up, context, config);
  if (!read.ok())
    return absl::InvalidArgumentError(absl::StrCat("transport_socket: ", read.message()));
  // Equal configurations share one context, however many clusters name it.
  const std::string key = absl::StrCat(server, proto.typed_config().value());
  std::weak_ptr<const TlsSlot>& known = context.slots[key];
  if (auto slot = known.lock()) return slot;
  auto slot = std::make_shared<const TlsSlot>(std::move(config), context.secrets);
  if (slot->Get() == nullptr && !slot->waiting()) {
    return absl::InvalidArgumentError(absl::StrCat("transport_socket: ", slot->problem()));
  }
  known = slot;
  return slot;
}

}  // namespace proxy

// Transport sockets, secrets and addresses.
#include <fstream>
#include <sstream>

#include <absl/strings/str_cat.h>

#include "proxy/snapshot/parse.h"

namespace proxy {
namespace {

namespace core = envoy::config::core::v3;
namespace tls = envoy::extensions::transport_sockets::tls::v3;

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

absl::Status ReadMatchers(const tls::CertificateValidationContext& proto,
                          TlsContextConfig& config) {
  for (const auto& typed : proto.match_typed_subject_alt_names()) {
    SanMatcher matcher;
    if (typed.san_type() == tls::SubjectAltNameMatcher::DNS) {
      matcher.san = SanMatcher::San::kDns;
    } else if (typed.san_type() != tls::SubjectAltNameMatcher::URI) {
      return absl::InvalidArgumentError(
          "match_typed_subject_alt_names: only URI and DNS are supported");
    }
    const auto& text = typed.matcher();
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
    } else {
      return absl::InvalidArgumentError("match_typed_subject_alt_names: regex is not supported");
    }
    config.sans.push_back(std::move(matcher));
  }
  return absl::OkStatus();
}

absl::Status ReadValidation(const tls::CertificateValidationContext& proto,
                            TlsContextConfig& config) {
  if (proto.has_trusted_ca()) {
    auto pem = Contents(proto.trusted_ca());
    if (!pem.ok()) return pem.status();
    config.validates = true;
    config.ca_pem = *std::move(pem);
  }
  return ReadMatchers(proto, config);
}

// A secret without a source is one of the bootstrap's or the workload's own.
absl::Status ReadSds(const tls::SdsSecretConfig& proto, ParseContext& context, std::string& name,
                     pinnace::ConfigFrom& from) {
  name = proto.name();
  if (!proto.has_sds_config()) return absl::OkStatus();
  auto parsed = ParseConfigFrom(proto.sds_config(), context);
  if (parsed.ok()) from = *std::move(parsed);
  return parsed.status();
}

absl::Status ReadCommon(const tls::CommonTlsContext& common, ParseContext& context,
                        TlsContextConfig& config) {
  for (const auto& certificate : common.tls_certificates()) {
    auto chain = Contents(certificate.certificate_chain());
    auto key = Contents(certificate.private_key());
    if (!chain.ok()) return chain.status();
    if (!key.ok()) return key.status();
    config.certificates.push_back({.chain_pem = *chain, .key_pem = *key});
  }
  for (const auto& secret : common.tls_certificate_sds_secret_configs()) {
    TlsCertificateSource source;
    if (absl::Status s = ReadSds(secret, context, source.sds_name, source.sds_from); !s.ok())
      return s;
    config.certificates.push_back(std::move(source));
  }
  for (const std::string& protocol : common.alpn_protocols()) {
    if (protocol.empty() || protocol.size() > 255) {
      return absl::InvalidArgumentError("alpn_protocols: length not in 1..255");
    }
    config.alpn.push_back(protocol);
  }
  const auto version = [](tls::TlsParameters::TlsProtocol protocol) -> uint16_t {
    if (protocol == tls::TlsParameters::TLSv1_3) return 0x0304;
    return protocol == tls::TlsParameters::TLS_AUTO ? 0 : 0x0303;  // Nothing below TLS 1.2.
  };
  config.version_min = version(common.tls_params().tls_minimum_protocol_version());
  config.version_max = version(common.tls_params().tls_maximum_protocol_version());
  for (const std::string& suite : common.tls_params().cipher_suites()) {
    absl::StrAppend(&config.cipher_suites, config.cipher_suites.empty() ? "" : ":", suite);
  }
  if (common.has_validation_context()) return ReadValidation(common.validation_context(), config);
  if (common.has_validation_context_sds_secret_config()) {
    config.validates = true;
    return ReadSds(common.validation_context_sds_secret_config(), context, config.ca_sds_name,
                   config.ca_sds_from);
  }
  if (common.has_combined_validation_context()) {
    const auto& combined = common.combined_validation_context();
    config.validates = true;
    if (absl::Status s = ReadSds(combined.validation_context_sds_secret_config(), context,
                                 config.ca_sds_name, config.ca_sds_from);
        !s.ok()) {
      return s;
    }
    return ReadMatchers(combined.default_validation_context(), config);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<pinnace::ConfigFrom> ParseConfigFrom(const core::ConfigSource& proto,
                                                    ParseContext& context) {
  pinnace::ConfigFrom from;
  if (proto.has_initial_fetch_timeout()) from.wait_max = ToDuration(proto.initial_fetch_timeout());
  switch (proto.config_source_specifier_case()) {
    case core::ConfigSource::kAds:
    case core::ConfigSource::kSelf: from.source = pinnace::ConfigFrom::kAds; return from;
    case core::ConfigSource::kPath:
    case core::ConfigSource::kPathConfigSource: break;
    case core::ConfigSource::kApiConfigSource: {
      const auto& api = proto.api_config_source();
      if (api.api_type() != core::ApiConfigSource::GRPC &&
          api.api_type() != core::ApiConfigSource::DELTA_GRPC)
        return absl::InvalidArgumentError("api_type: only GRPC and DELTA_GRPC are supported");
      if (api.grpc_services().empty())
        return absl::InvalidArgumentError("grpc_services: at least one");
      for (const auto& service : api.grpc_services()) {
        if (service.envoy_grpc().cluster_name().empty())
          return absl::InvalidArgumentError("grpc_services: needs envoy_grpc.cluster_name");
      }
      break;
    }
    default:
      return absl::InvalidArgumentError("needs ads, api_config_source or path_config_source");
  }
  core::ConfigSource keyed = proto;
  keyed.clear_initial_fetch_timeout();
  from.source = keyed.SerializeAsString();
  context.sources[from.source] = std::move(keyed);
  return from;
}

absl::StatusOr<Address> ParseAddress(const core::Address& proto) {
  if (proto.has_pipe()) return Address::FromPath(proto.pipe().path());
  if (!proto.has_socket_address())
    return absl::InvalidArgumentError("address: needs socket_address or pipe");
  const auto& socket = proto.socket_address();
  if (socket.port_value() > 65535)
    return absl::InvalidArgumentError("address: port_value above 65535");
  return Address::FromIp(socket.address(), static_cast<uint16_t>(socket.port_value()));
}

absl::StatusOr<std::shared_ptr<const TlsSlot>> ParseTransportSocket(
    const core::TransportSocket& proto, bool server, ParseContext& context) {
  const std::string& url = proto.typed_config().type_url();
  if (url.empty() || url.ends_with("transport_sockets.raw_buffer.v3.RawBuffer")) {
    if (proto.name().ends_with("raw_buffer") || proto.name().empty())
      return std::shared_ptr<const TlsSlot>();
  }
  TlsContextConfig config;
  config.server = server;
  absl::Status read;
  if (server) {
    tls::DownstreamTlsContext down;
    if (!proto.typed_config().UnpackTo(&down)) {
      return absl::InvalidArgumentError(
          "transport_socket: only DownstreamTlsContext and RawBuffer are supported");
    }
    config.require_client_certificate = down.require_client_certificate().value();
    read = ReadCommon(down.common_tls_context(), context, config);
    if (read.ok() && config.certificates.empty()) {
      return absl::InvalidArgumentError("transport_socket: a server needs a certificate");
    }
  } else {
    tls::UpstreamTlsContext up;
    if (!proto.typed_config().UnpackTo(&up)) {
      return absl::InvalidArgumentError(
          "transport_socket: only UpstreamTlsContext and RawBuffer are supported");
    }
    config.sni = up.sni();
    read = ReadCommon(up.common_tls_context(), context, config);
  }
  if (!read.ok()) return read;
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

absl::Status ParseSecret(const tls::Secret& proto, ParseContext& context) {
  if (proto.has_tls_certificate()) {
    auto chain = Contents(proto.tls_certificate().certificate_chain());
    auto key = Contents(proto.tls_certificate().private_key());
    if (!chain.ok()) return chain.status();
    if (!key.ok()) return key.status();
    context.secrets.SetCertificate(proto.name(), {.chain_pem = *chain, .key_pem = *key});
    return absl::OkStatus();
  }
  if (proto.has_validation_context()) {
    auto ca = Contents(proto.validation_context().trusted_ca());
    if (!ca.ok()) return ca.status();
    context.secrets.SetTrust(proto.name(), *ca);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("secret '", proto.name(),
                                                 "': only tls_certificate and "
                                                 "validation_context are supported"));
}

}  // namespace proxy

// Builds TLS contexts and the root secret.
#include <absl/strings/str_cat.h>

#include "control-plane/translate/pack.h"
#include "control-plane/translate/tls.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace control {
namespace {

namespace tls = envoy::extensions::transport_sockets::tls::v3;

void SetCertificates(tls::CommonTlsContext& common) {
  common.add_tls_certificate_sds_secret_configs()->set_name(kIdentitySecret);
  auto& root =
      *common.mutable_combined_validation_context()->mutable_validation_context_sds_secret_config();
  root.set_name(kRootSecret);
  *root.mutable_sds_config() = AdsSource();
}

envoy::type::matcher::v3::StringMatcher& AddSan(tls::CommonTlsContext& common) {
  auto& san = *common.mutable_combined_validation_context()
                   ->mutable_default_validation_context()
                   ->add_match_typed_subject_alt_names();
  san.set_san_type(tls::SubjectAltNameMatcher::URI);
  return *san.mutable_matcher();
}

std::string TrustDomainPrefix(const Mesh& mesh) {
  return absl::StrCat("spiffe://", mesh.settings.trust_domain, "/");
}

envoy::config::core::v3::TransportSocket Socket(const char* name,
                                                const google::protobuf::Message& config) {
  envoy::config::core::v3::TransportSocket socket;
  socket.set_name(name);
  *socket.mutable_typed_config() = Pack(config);
  return socket;
}

}  // namespace

envoy::config::core::v3::TransportSocket DownstreamMtls(const Mesh& mesh, bool http) {
  tls::DownstreamTlsContext context;
  context.mutable_require_client_certificate()->set_value(true);
  tls::CommonTlsContext& common = *context.mutable_common_tls_context();
  SetCertificates(common);
  AddSan(common).set_prefix(TrustDomainPrefix(mesh));
  if (http) {
    common.add_alpn_protocols("h2");
    common.add_alpn_protocols("http/1.1");
  } else {
    common.add_alpn_protocols(kAlpnTcp);
  }
  return Socket("envoy.transport_sockets.tls", context);
}

envoy::config::core::v3::TransportSocket UpstreamMtls(const Mesh& mesh, Protocol protocol,
                                                      const std::set<std::string>& identities,
                                                      const std::string& sni) {
  tls::UpstreamTlsContext context;
  context.set_sni(sni);
  tls::CommonTlsContext& common = *context.mutable_common_tls_context();
  SetCertificates(common);
  for (const std::string& identity : identities) AddSan(common).set_exact(identity);
  if (identities.empty()) AddSan(common).set_prefix(TrustDomainPrefix(mesh));
  if (!IsHttp(protocol)) {
    common.add_alpn_protocols(kAlpnTcp);
  } else {
    common.add_alpn_protocols(IsHttp2(protocol) ? kAlpnHttp2 : kAlpnHttp1);
    common.add_alpn_protocols(IsHttp2(protocol) ? "h2" : "http/1.1");
  }
  return Socket("envoy.transport_sockets.tls", context);
}

envoy::config::core::v3::TransportSocket RawBuffer() {
  return Socket("envoy.transport_sockets.raw_buffer",
                envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer());
}

void AddSecrets(const Mesh& mesh, ResourceSet& resources) {
  if (mesh.settings.root_pem.empty()) return;
  tls::Secret secret;
  secret.set_name(kRootSecret);
  secret.mutable_validation_context()->mutable_trusted_ca()->set_inline_string(
      mesh.settings.root_pem);
  Add(resources, kSecretType, secret);
}

}  // namespace control

// Writes the bootstrap with which a proxy joins the mesh.
#include <arpa/inet.h>

#include <cstdio>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "control-plane/ca/state_files.h"
#include "control-plane/ctl/commands.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "mesh/v1/identity.pb.h"

namespace control {
namespace {

namespace core = envoy::config::core::v3;
using envoy::config::bootstrap::v3::Bootstrap;
using envoy::config::cluster::v3::Cluster;

constexpr char kControlCluster[] = "xds-grpc";

bool IsAddress(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

absl::Status SetNode(const Arguments& arguments, core::Node& node) {
  const std::string ns = arguments.Get("namespace", "default");
  const std::string pod = arguments.Get("pod");
  const std::string ip = arguments.Get("ip");
  if (pod.empty()) return absl::InvalidArgumentError("--pod is missing");
  if (!IsAddress(ip)) return absl::InvalidArgumentError("--ip: want an IP address");
  node.set_id(absl::StrCat("sidecar~", ip, "~", pod, ".", ns, "~", ns, ".svc.cluster.local"));
  auto& fields = *node.mutable_metadata()->mutable_fields();
  fields["NAMESPACE"].set_string_value(ns);
  fields["SERVICE_ACCOUNT"].set_string_value(arguments.Get("service-account", "default"));
  fields["INSTANCE_IPS"].set_string_value(ip);
  auto& labels = *fields["LABELS"].mutable_struct_value()->mutable_fields();
  std::string app = pod;
  const auto given = arguments.flags.find("label");
  if (given != arguments.flags.end()) {
    for (const std::string& label : given->second) {
      const size_t equals = label.find('=');
      if (equals == std::string::npos || equals == 0) {
        return absl::InvalidArgumentError(absl::StrCat("--label ", label, ": want KEY=VALUE"));
      }
      labels[label.substr(0, equals)].set_string_value(label.substr(equals + 1));
      if (label.substr(0, equals) == "app") app = label.substr(equals + 1);
    }
  }
  node.set_cluster(absl::StrCat(app, ".", ns));
  return absl::OkStatus();
}

void SetSocket(core::Address& address, const std::string& host, uint32_t port) {
  address.mutable_socket_address()->set_address(host);
  address.mutable_socket_address()->set_port_value(port);
}

void SetDynamic(Bootstrap::DynamicResources& dynamic) {
  auto& ads = *dynamic.mutable_ads_config();
  ads.set_api_type(core::ApiConfigSource::DELTA_GRPC);
  ads.set_transport_api_version(core::V3);
  ads.set_set_node_on_first_message_only(true);
  ads.add_grpc_services()->mutable_envoy_grpc()->set_cluster_name(kControlCluster);
  for (core::ConfigSource* source : {dynamic.mutable_lds_config(), dynamic.mutable_cds_config()}) {
    source->mutable_ads();
    source->set_resource_api_version(core::V3);
    source->mutable_initial_fetch_timeout();
  }
}

// `root` empty: plaintext.
void SetControlCluster(Cluster& cluster, const std::string& host, uint32_t port,
                       const std::string& root) {
  cluster.set_name(kControlCluster);
  cluster.set_type(IsAddress(host) ? Cluster::STATIC : Cluster::STRICT_DNS);
  cluster.mutable_connect_timeout()->set_seconds(5);
  auto& assignment = *cluster.mutable_load_assignment();
  assignment.set_cluster_name(kControlCluster);
  SetSocket(*assignment.add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address(),
            host, port);
  envoy::extensions::upstreams::http::v3::HttpProtocolOptions options;
  options.mutable_explicit_http_config()->mutable_http2_protocol_options();
  (*cluster.mutable_typed_extension_protocol_options())
      ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
          .PackFrom(options);
  if (root.empty()) return;
  envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext tls;
  tls.set_sni("pinnace-control");
  auto& validation = *tls.mutable_common_tls_context()->mutable_validation_context();
  validation.mutable_trusted_ca()->set_filename(root);
  tls.mutable_common_tls_context()->add_alpn_protocols("h2");
  cluster.mutable_transport_socket()->set_name("envoy.transport_sockets.tls");
  cluster.mutable_transport_socket()->mutable_typed_config()->PackFrom(tls);
}

}  // namespace

absl::StatusOr<Bootstrap> MakeBootstrap(const Arguments& arguments) {
  Bootstrap bootstrap;
  if (absl::Status status = SetNode(arguments, *bootstrap.mutable_node()); !status.ok()) {
    return status;
  }
  uint32_t admin_port = 0;
  if (!absl::SimpleAtoi(arguments.Get("admin-port", "15000"), &admin_port) || admin_port > 65535) {
    return absl::InvalidArgumentError("--admin-port: want a port");
  }
  SetSocket(*bootstrap.mutable_admin()->mutable_address(), "127.0.0.1", admin_port);
  SetDynamic(*bootstrap.mutable_dynamic_resources());
  const std::string control = arguments.Get("control", "127.0.0.1:15012");
  const size_t colon = control.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(control.substr(colon + 1), &port)) {
    return absl::InvalidArgumentError("--control: want HOST:PORT");
  }
  std::string host = control.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  const std::string root = arguments.Get("root");
  SetControlCluster(*bootstrap.mutable_static_resources()->add_clusters(), host, port, root);
  const std::string token_file = arguments.Get("token-file");
  if (token_file.empty()) return bootstrap;
  mesh::v1::WorkloadIdentity identity;
  identity.set_ca_cluster(kControlCluster);
  identity.set_token_file(token_file);
  identity.set_trust_domain(arguments.Get("trust-domain", "cluster.local"));
  auto* extension = bootstrap.add_bootstrap_extensions();
  extension->set_name("pinnace.identity");
  extension->mutable_typed_config()->PackFrom(identity);
  return bootstrap;
}

int RunInject(const Arguments& arguments) {
  const auto bootstrap = MakeBootstrap(arguments);
  if (!bootstrap.ok()) return Complain(bootstrap.status().message(), 2);
  const std::string text = ToJson(*bootstrap);
  const std::string path = arguments.Get("out");
  if (path.empty()) {
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  const absl::Status written = WriteStateFile(path, text, 0644);
  return written.ok() ? 0 : Complain(written.message());
}

}  // namespace control

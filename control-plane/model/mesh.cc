// Look-ups in the mesh, and the names that follow from it.
#include "control-plane/model/mesh.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

namespace control {
namespace {

struct ProtocolName {
  absl::string_view name;
  Protocol protocol;
};
constexpr ProtocolName kProtocolNames[] = {
    {"http", Protocol::kHttp},
    {"http2", Protocol::kHttp2},
    {"h2c", Protocol::kHttp2},
    {"kubernetes.io/h2c", Protocol::kHttp2},
    {"kubernetes.io/ws", Protocol::kHttp},
    {"grpc", Protocol::kGrpc},
    {"grpc-web", Protocol::kHttp},
    {"https", Protocol::kTls},
    {"tls", Protocol::kTls},
    {"kubernetes.io/wss", Protocol::kTls},
};

}  // namespace

const ServicePort* Service::FindPort(uint16_t port) const {
  const auto it = std::find_if(ports.begin(), ports.end(),
                               [port](const ServicePort& p) { return p.port == port; });
  return it == ports.end() ? nullptr : &*it;
}

const Service* Mesh::FindService(const NamespacedName& key) const {
  const auto it = services.find(key);
  return it == services.end() ? nullptr : &it->second;
}

const Workload* Mesh::FindWorkload(const NamespacedName& key) const {
  const auto it = workloads.find(key);
  return it == workloads.end() ? nullptr : &it->second;
}

std::string Fqdn(const Mesh& mesh, const NamespacedName& service) {
  return absl::StrCat(service.name, ".", service.ns, ".svc.", mesh.settings.cluster_domain);
}

std::string SpiffeId(const Mesh& mesh, absl::string_view ns, absl::string_view account) {
  return absl::StrCat("spiffe://", mesh.settings.trust_domain, "/ns/", ns, "/sa/",
                      account.empty() ? "default" : account);
}

TlsMode EffectiveTlsMode(const Mesh& mesh, absl::string_view ns, const Labels& labels) {
  for (const TlsRule& rule : mesh.tls_rules) {
    if (rule.scope != TlsRule::Scope::kMesh && ns != rule.ns) continue;
    if (rule.scope == TlsRule::Scope::kPods && !Selects(rule.selector, labels)) continue;
    return rule.mode;
  }
  return TlsMode::kPermissive;
}

Protocol DeclaredProtocol(absl::string_view app_protocol, absl::string_view port_name) {
  const std::string declared = absl::AsciiStrToLower(app_protocol);
  const std::string name = absl::AsciiStrToLower(port_name);
  absl::string_view prefix(name);
  prefix = prefix.substr(0, prefix.find('-'));
  for (const absl::string_view text : {absl::string_view(declared), prefix}) {
    if (text.empty()) continue;
    for (const ProtocolName& known : kProtocolNames) {
      if (known.name == text) return known.protocol;
    }
    if (text == declared) return Protocol::kTcp;
  }
  return Protocol::kTcp;
}

}  // namespace control

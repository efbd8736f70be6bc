// Reads addresses and keeps endpoints and inbound ports in order.
#include "control-plane/policy/address.h"

#include <algorithm>

#include <absl/strings/str_cat.h>
#include <arpa/inet.h>

namespace control {

std::string ReadAddress(const Reader& reader, const std::string& text) {
  unsigned char bytes[16];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), bytes) != 1) continue;
    char out[INET6_ADDRSTRLEN];
    return inet_ntop(family, bytes, out, sizeof out);
  }
  reader.Report("OutOfRange", absl::StrCat("is no IP address: \"", text, "\""));
  return "";
}

void AddEndpoint(ServicePort& port, Endpoint endpoint) {
  auto& all = port.endpoints;
  const auto it =
      std::lower_bound(all.begin(), all.end(), endpoint, [](const Endpoint& a, const Endpoint& b) {
        return std::tie(a.address, a.port) < std::tie(b.address, b.port);
      });
  if (it != all.end() && it->address == endpoint.address && it->port == endpoint.port) return;
  all.insert(it, std::move(endpoint));
}

Endpoint MakeEndpoint(const Mesh& mesh, const std::string& address, uint16_t port) {
  Endpoint endpoint;
  endpoint.address = address;
  endpoint.port = port;
  const auto it = mesh.workload_by_ip.find(address);
  const Workload* workload =
      it == mesh.workload_by_ip.end() ? nullptr : mesh.FindWorkload(it->second);
  if (workload == nullptr) return endpoint;
  endpoint.draining = workload->draining;
  endpoint.zone = workload->zone;
  endpoint.identity = SpiffeId(mesh, workload->key.ns, workload->service_account);
  endpoint.mutual_tls = workload->sidecar && workload->tls_mode != TlsMode::kDisable;
  return endpoint;
}

void DeclareInbound(Mesh& mesh, const std::string& address, uint16_t port, Protocol protocol,
                    const NamespacedName& service) {
  auto& ports = mesh.inbound[address];
  const auto it = std::lower_bound(ports.begin(), ports.end(), port,
                                   [](const InboundPort& p, uint16_t n) { return p.port < n; });
  if (it == ports.end() || it->port != port) {
    ports.insert(it, {.port = port, .protocol = protocol, .service = service});
  } else if (it->service.name.empty()) {
    it->protocol = protocol;
    it->service = service;
  }
}

}  // namespace control

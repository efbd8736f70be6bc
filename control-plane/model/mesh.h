// The mesh as translation sees it: services with their endpoints and policies, and workloads.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <absl/strings/string_view.h>

#include "control-plane/model/object.h"
#include "control-plane/model/security.h"
#include "control-plane/model/traffic.h"

namespace control {

// Labels and annotations that mark a pod as having a sidecar.
inline constexpr char kInjectLabel[] = "pinnace.mesh/inject";     // "true"
inline constexpr char kTlsModeLabel[] = "pinnace.mesh/tls-mode";  // "mutual"

enum class Protocol { kTcp, kTls, kHttp, kHttp2, kGrpc };

// True for the protocols whose requests are routed one by one.
inline bool IsHttp(Protocol protocol) { return protocol >= Protocol::kHttp; }

// True for the protocols that are spoken as HTTP/2 to the endpoints.
inline bool IsHttp2(Protocol protocol) { return protocol >= Protocol::kHttp2; }

enum class TlsMode {
  kDisable,     // Plaintext only, in and out.
  kPermissive,  // Mutual TLS from the mesh, plaintext from others. The default.
  kStrict,      // Mutual TLS only: a plaintext connection is closed.
};

// One address that serves one port of a service.
struct Endpoint {
  std::string address;
  uint16_t port = 0;
  bool draining = false;  // Still serves what it has; takes nothing new.
  std::string zone;
  std::string identity;     // SPIFFE id; empty where the pod is unknown.
  bool mutual_tls = false;  // Its sidecar takes mutual TLS.

  auto operator<=>(const Endpoint&) const = default;
};

struct ServicePort {
  std::string name;
  uint16_t port = 0;
  uint16_t target_port = 0;  // 0 where `target_name` names a container port.
  std::string target_name;
  Protocol protocol = Protocol::kTcp;
  std::vector<Endpoint> endpoints;  // Sorted by address; no address twice.
};

// A v1 Service with everything that concerns it.
struct Service {
  NamespacedName key;
  std::vector<std::string> cluster_ips;  // Empty for a headless service.
  bool headless = false;
  std::vector<ServicePort> ports;
  Labels selector;
  TrafficSettings traffic;            // Merged: Service over Namespace over Mesh, by field.
  std::vector<AttachedRoute> routes;  // Oldest first.
  ObjectMeta meta;

  // The port with this number; null if there is none.
  const ServicePort* FindPort(uint16_t port) const;
};

struct ContainerPort {
  std::string name;
  uint16_t port = 0;
};

// A v1 Pod.
struct Workload {
  NamespacedName key;
  std::string ip;  // Empty while the pod has no address.
  Labels labels;
  std::string service_account = "default";
  std::string zone;
  std::vector<ContainerPort> ports;
  bool sidecar = false;  // A proxy stands before it.
  bool ready = true;
  bool draining = false;
  TlsMode tls_mode = TlsMode::kPermissive;  // Effective.
  ObjectMeta meta;
};

// A port on which something of a workload listens, as services and containers declare it.
struct InboundPort {
  uint16_t port = 0;
  Protocol protocol = Protocol::kTcp;
  NamespacedName service;  // The first service that declares it; empty: only the container does.
};

// One MeshTLS: what it concerns and the mode.
struct TlsRule {
  enum class Scope { kMesh, kNamespace, kPods };  // The later, the more specific.
  Scope scope = Scope::kMesh;
  std::string ns;   // Empty for kMesh.
  Labels selector;  // Only for kPods.
  TlsMode mode = TlsMode::kPermissive;
  ObjectMeta meta;
};

// What concerns the whole mesh and does not come from documents; the server sets it.
struct MeshSettings {
  std::string trust_domain = "cluster.local";
  std::string cluster_domain = "cluster.local";  // Suffix of service names.
  std::string root_namespace = "mesh-system";    // Policies there concern the whole mesh.
  std::string root_pem;         // The CA certificates by which peers are verified; PEM.
  std::string access_log_path;  // Where proxies write JSON access logs; empty: nowhere.
};

// Everything, at one revision. Immutable once built; any thread reads it without a lock.
struct Mesh {
  uint64_t revision = 0;  // Of the store; does not enter any resource.
  MeshSettings settings;
  std::set<std::string> namespaces;
  std::map<NamespacedName, Service> services;
  std::map<NamespacedName, Workload> workloads;
  std::vector<TlsRule> tls_rules;                 // Most specific first, then oldest first.
  std::vector<AccessPolicySpec> access_policies;  // Oldest first.
  std::vector<RequestAuthenticationSpec> request_authentications;  // Oldest first.
  std::vector<RateLimitPolicySpec> rate_limit_policies;            // Oldest first.
  std::map<std::string, std::vector<InboundPort>> inbound;         // By address; sorted by port.
  std::map<std::string, NamespacedName> workload_by_ip;

  const Service* FindService(const NamespacedName& key) const;
  const Workload* FindWorkload(const NamespacedName& key) const;
};

// "NAME.NS.svc.DOMAIN".
std::string Fqdn(const Mesh& mesh, const NamespacedName& service);

// "spiffe://TRUST_DOMAIN/ns/NS/sa/ACCOUNT"; an empty account is "default".
std::string SpiffeId(const Mesh& mesh, absl::string_view ns, absl::string_view account);

// The mode for a workload with these labels: the first rule that concerns it.
TlsMode EffectiveTlsMode(const Mesh& mesh, absl::string_view ns, const Labels& labels);

// The protocol that a port's appProtocol, or else its name's prefix ("http-api"), declares; kTcp
// if neither says.
Protocol DeclaredProtocol(absl::string_view app_protocol, absl::string_view port_name);

}  // namespace control

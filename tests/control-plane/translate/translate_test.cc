// What holds for every translation, beside the golden files.
#include "control-plane/translate/translate.h"

#include <catch2/catch.hpp>

#include "control-plane/translate/consistent.h"
#include "control-plane/translate/pack.h"
#include "control-plane/translate/shared.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "tests/control-plane/translate/golden.h"

namespace control {
namespace {

constexpr char kShop[] = R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.10
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, pinnace.mesh/inject: "true"}}
spec: {serviceAccountName: web}
status: {podIP: 10.77.1.11}
)";

ProxyNode Sidecar(const std::string& pod, const std::string& ip) {
  ProxyNode node;
  node.pod = pod;
  node.pod_namespace = "shop";
  node.ip = ip;
  return node;
}

std::map<std::string, std::string> Versions(const ResourceSet& resources) {
  std::map<std::string, std::string> out;
  for (const auto& [type, by_name] : resources) {
    for (const auto& [name, resource] : by_name) out[type + "/" + name] = resource->version;
  }
  return out;
}

size_t Chains(const std::string& mode) {
  const std::string tls =
      "\n---\napiVersion: pinnace.mesh/v1alpha1\nkind: MeshTLS\n"
      "metadata: {name: default, namespace: shop}\n"
      "spec: {mode: " +
      mode + "}\n";
  const Loaded loaded = LoadGood(kShop + tls);
  const ResourceSet resources = Translate(*loaded.mesh, Sidecar("web-1", "10.77.1.11"));
  const auto inbound =
      Get<envoy::config::listener::v3::Listener>(resources, kListenerType, "virtualInbound");
  return static_cast<size_t>(inbound.filter_chains_size());
}

}  // namespace

TEST_CASE("translate: the same documents yield the same versions, wherever they stand") {
  const Loaded first = LoadGood(kShop);
  const Loaded moved = LoadGood(std::string("# A comment.\n\n\n") + kShop);
  const ProxyNode node = Sidecar("web-1", "10.77.1.11");
  CHECK(Versions(Translate(*first.mesh, node)) == Versions(Translate(*moved.mesh, node)));
}

TEST_CASE("translate: the two parts together are the whole") {
  const Loaded loaded = LoadGood(kShop);
  const ProxyNode node = Sidecar("web-1", "10.77.1.11");
  ResourceSet parts = TranslateShared(*loaded.mesh, Sidecar("other", "10.77.1.99"));
  TranslateOwn(*loaded.mesh, node, parts);
  CHECK(Versions(parts) == Versions(Translate(*loaded.mesh, node)));
}

TEST_CASE("translate: a strict workload has no plaintext chain, a permissive one has") {
  // Two black holes; then per port and for the rest: mutual, its own TLS, plaintext.
  CHECK(Chains("Strict") == 2 + 1 + 1);
  CHECK(Chains("Permissive") == 2 + 3 + 3);
  CHECK(Chains("Disable") == 2 + 1 + 1);
}

TEST_CASE("translate: a pod that no document names gets the mode of its namespace") {
  const Loaded loaded = LoadGood(std::string(kShop) + R"(
---
apiVersion: pinnace.mesh/v1alpha1
kind: MeshTLS
metadata: {name: default, namespace: shop}
spec: {mode: Strict}
)");
  const ResourceSet resources = Translate(*loaded.mesh, Sidecar("unknown", "10.77.1.50"));
  const auto inbound =
      Get<envoy::config::listener::v3::Listener>(resources, kListenerType, "virtualInbound");
  REQUIRE(inbound.filter_chains_size() == 3);
  CHECK(inbound.filter_chains(2).filter_chain_match().transport_protocol() == "tls");
  CHECK(inbound.filter_chains(2).has_transport_socket());
  CHECK(Inconsistencies(resources).empty());
}

TEST_CASE("translate: an endpoint that comes changes its assignment and nothing else") {
  const Loaded one = LoadGood(kShop);
  const Loaded two = LoadGood(std::string(kShop) + R"(
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: web, pinnace.mesh/inject: "true"}}
spec: {serviceAccountName: web}
status: {podIP: 10.77.1.12}
)");
  const ProxyNode client = Sidecar("client", "10.77.1.50");
  const auto before = Versions(Translate(*one.mesh, client));
  auto after = Versions(Translate(*two.mesh, client));
  const std::string changed =
      std::string(kEndpointType) + "/outbound|80||web.shop.svc.cluster.local";
  CHECK(before.at(changed) != after.at(changed));
  after[changed] = before.at(changed);
  CHECK(before == after);
}

TEST_CASE("translate: gateways have no resources yet") {
  const Loaded loaded = LoadGood(kShop);
  ProxyNode node = Sidecar("edge", "10.77.1.60");
  node.kind = ProxyNode::Kind::kGateway;
  CHECK(Translate(*loaded.mesh, node).empty());
}

TEST_CASE("consistent: what is referred to and lacks is named, once") {
  const Loaded loaded = LoadGood(kShop);
  ResourceSet resources = Translate(*loaded.mesh, Sidecar("web-1", "10.77.1.11"));
  CHECK(Inconsistencies(resources).empty());
  resources[kRouteType].clear();
  resources[kClusterType].erase("inbound|8080||");
  resources[kSecretType].clear();
  resources[kEndpointType].clear();
  const std::vector<std::string> lines = Inconsistencies(resources);
  const auto says = [&lines](const std::string& part) {
    return std::count_if(lines.begin(), lines.end(), [&part](const std::string& line) {
      return line.find(part) != std::string::npos;
    });
  };
  CHECK(says("RouteConfiguration \"web.shop.svc.cluster.local:80\"") == 1);
  CHECK(says("no " + std::string(kClusterType) + " \"inbound|8080||\"") == 1);
  CHECK(says("ClusterLoadAssignment \"outbound|80||web.shop.svc.cluster.local\"") == 1);
  CHECK(says("ROOTCA") == 2);  // The cluster and the inbound listener.
}

TEST_CASE("consistent: bytes that are no message are named") {
  auto resource = std::make_shared<Resource>();
  resource->name = "x";
  resource->any.set_type_url(kClusterType);
  resource->any.set_value("\xff\xff");
  ResourceSet resources;
  resources[kClusterType]["x"] = resource;
  CHECK(Inconsistencies(resources).size() == 1);
}

}  // namespace control

#include <catch2/catch.hpp>

#include "tests/control-plane/policy/loading.h"

namespace control {
namespace {

TEST_CASE("service: its pods become endpoints with identity, zone and mutual TLS") {
  const Loaded loaded = LoadYaml(kWeb);
  CHECK(loaded.problems.empty());
  const Service* web = loaded.mesh->FindService({"shop", "web"});
  REQUIRE(web != nullptr);
  REQUIRE(web->ports.at(0).endpoints.size() == 1);
  const Endpoint& endpoint = web->ports[0].endpoints[0];
  CHECK(endpoint.address == "10.77.1.11");
  CHECK(endpoint.port == 8080);
  CHECK(endpoint.zone == "z1");
  CHECK(endpoint.identity == "spiffe://cluster.local/ns/shop/sa/web");
  CHECK(endpoint.mutual_tls);
}

TEST_CASE("service: a pod that is not ready, has no address or other labels is no endpoint") {
  std::string text(kWeb);
  SECTION("not ready") {
    text.replace(text.find("{podIP: 10.77.1.11}"), 19,
                 "{podIP: 10.77.1.11, conditions: [{type: Ready, status: \"False\"}]}");
  }
  SECTION("no address") { text.replace(text.find("{podIP: 10.77.1.11}"), 19, "{}"); }
  SECTION("other labels") { text.replace(text.find("{app: web, "), 11, "{app: api, "); }
  const Loaded loaded = LoadYaml(text);
  CHECK(loaded.problems.empty());
  CHECK(loaded.mesh->FindService({"shop", "web"})->ports[0].endpoints.empty());
}

TEST_CASE("service: what it declares for a pod's port is how the pod's proxy reads it") {
  const Loaded loaded = LoadYaml(kWeb);
  const std::vector<InboundPort>& inbound = loaded.mesh->inbound.at("10.77.1.11");
  REQUIRE(inbound.size() == 1);
  CHECK(inbound[0].port == 8080);
  CHECK(inbound[0].protocol == Protocol::kHttp);
  CHECK(inbound[0].service.name == "web");
}

TEST_CASE("service: appProtocol, else the port's name, says the protocol") {
  CHECK(DeclaredProtocol("", "http-api") == Protocol::kHttp);
  CHECK(DeclaredProtocol("", "grpc") == Protocol::kGrpc);
  CHECK(DeclaredProtocol("kubernetes.io/h2c", "http") == Protocol::kHttp2);
  CHECK(DeclaredProtocol("redis", "http") == Protocol::kTcp);
  CHECK(DeclaredProtocol("", "httpx") == Protocol::kTcp);
  CHECK(DeclaredProtocol("", "") == Protocol::kTcp);
}

TEST_CASE("service: wrong values are named one by one") {
  CHECK(Problems("apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
                 "spec: {clusterIP: 10.96.0, ports: [{port: 0}, {prot: 80}, {port: 80}, "
                 "{port: 80}, {port: \"81\"}, {port: 82, targetPort: 70000}]}\n") ==
        std::vector<std::string>{"spec.clusterIP OutOfRange", "spec.ports[0].port OutOfRange",
                                 "spec.ports[1].port Missing", "spec.ports[1].prot UnknownField",
                                 "spec.ports[3] Duplicate", "spec.ports[4].port WrongType",
                                 "spec.ports[5].targetPort OutOfRange"});
}

TEST_CASE("service: two services with one address: the older keeps it") {
  const std::string other =
      "apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: shop, "
      "creationTimestamp: 2026-01-31T12:00:00Z}\n"
      "spec: {clusterIP: 10.96.0.10, ports: [{port: 80}]}\n";
  const Loaded loaded = LoadYaml(std::string(kWeb) + other);
  REQUIRE(!loaded.problems.empty());
  CHECK(loaded.problems[0].rule == "Conflicted");
  CHECK(loaded.problems[0].name == "web");
  CHECK(loaded.mesh->FindService({"shop", "other"})->cluster_ips.size() == 1);
}

TEST_CASE("endpoint slice: addresses of a service without a selector") {
  const Loaded loaded = LoadYaml(R"(
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.96.0.20, ports: [{name: tcp, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: tcp, port: 5432}]
endpoints:
- {addresses: [10.0.0.2], conditions: {ready: true}, zone: z2}
- {addresses: [10.0.0.1], conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.0.0.3], conditions: {ready: false}}
)");
  CHECK(loaded.problems.empty());
  const auto& endpoints = loaded.mesh->FindService({"shop", "db"})->ports[0].endpoints;
  REQUIRE(endpoints.size() == 2);
  CHECK(endpoints[0].address == "10.0.0.1");
  CHECK(endpoints[0].draining);
  CHECK(endpoints[1].zone == "z2");
  CHECK_FALSE(endpoints[1].mutual_tls);
}

}  // namespace
}  // namespace control

#include <catch2/catch.hpp>

#include <absl/strings/match.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "proxy/snapshot/supported.h"
#include "proxy/snapshot/yaml_proto.h"

namespace proxy {

TEST_CASE("yaml: fields, lists, durations, wrappers and extensions are read") {
  envoy::config::bootstrap::v3::Bootstrap bootstrap;
  REQUIRE(ParseYaml(R"(
node: {id: a, metadata: {NAMESPACE: shop, N: 1}}
static_resources:
  clusters:
  - name: up
    type: STRICT_DNS
    connectTimeout: 0.25s
    circuit_breakers: {thresholds: [{max_requests: 7}]}
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: x
)",
                    bootstrap)
              .ok());
  const auto& cluster = bootstrap.static_resources().clusters(0);
  CHECK(cluster.connect_timeout().nanos() == 250000000);
  CHECK(cluster.circuit_breakers().thresholds(0).max_requests().value() == 7);
  CHECK(bootstrap.node().metadata().fields().at("N").number_value() == 1);
  CHECK(UnsupportedFields(bootstrap).empty());
}

TEST_CASE("yaml: an error names line, field and rule") {
  const auto error = [](const char* text) {
    envoy::config::bootstrap::v3::Bootstrap bootstrap;
    return std::string(ParseYaml(text, bootstrap).message());
  };
  CHECK(absl::StrContains(error("node:\n  idd: a\n"), "line 2: node.idd: no such field"));
  CHECK(
      absl::StrContains(error("static_resources: {clusters: [{type: ODD}]}"), "clusters[0].type"));
  CHECK(absl::StrContains(error("node: ["), "line "));
  CHECK(
      absl::StrContains(error("static_resources: {clusters: [{connect_timeout: 5}]}"), "duration"));
}

TEST_CASE("supported: a set field that the proxy does not obey is named by its path") {
  envoy::config::bootstrap::v3::Bootstrap bootstrap;
  bootstrap.mutable_static_resources()->add_clusters()->mutable_health_checks()->Add();
  const auto found = UnsupportedFields(bootstrap);
  REQUIRE(found.size() == 1);
  CHECK(found[0] == "static_resources.clusters[0].health_checks");
}

}  // namespace proxy

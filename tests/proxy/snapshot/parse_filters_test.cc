#include <catch2/catch.hpp>

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "proxy/snapshot/parse.h"
#include "proxy/snapshot/yaml_proto.h"

namespace proxy {
namespace {

namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;

// A listener with one connection manager whose first filter is `filter`.
absl::StatusOr<std::shared_ptr<const ListenerConfig>> Parse(
    const hcm::HttpFilter& filter, const std::string& route_config = "{}") {
  hcm::HttpConnectionManager manager;
  REQUIRE(ParseYaml(R"(
stat_prefix: in
route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [
  {match: {prefix: /}, route: {cluster: c}}]}]}
http_filters:
- name: router
  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
)",
                    manager)
              .ok());
  auto* route = manager.mutable_route_config()->mutable_virtual_hosts(0)->mutable_routes(0);
  envoy::config::route::v3::Route extra;
  REQUIRE(ParseYaml(route_config, extra).ok());
  route->MergeFrom(extra);
  hcm::HttpFilter router = manager.http_filters(0);
  *manager.mutable_http_filters(0) = filter;
  *manager.add_http_filters() = router;
  envoy::config::listener::v3::Listener listener;
  listener.set_name("l");
  listener.mutable_address()->mutable_socket_address()->set_address("127.0.0.1");
  auto* chain = listener.add_filter_chains();
  chain->add_filters()->mutable_typed_config()->PackFrom(manager);
  StatsRegistry stats(1);
  SecretStore secrets;
  ParseContext context{stats, secrets};
  return ParseListener(listener, context);
}

hcm::HttpFilter Unknown() {
  hcm::HttpFilter filter;
  filter.set_name("odd");
  filter.mutable_typed_config()->set_type_url("type.googleapis.com/acme.Odd");
  return filter;
}

hcm::HttpFilter Fault() {
  hcm::HttpFilter filter;
  REQUIRE(ParseYaml(R"(
name: fault
typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}
)",
                    filter)
              .ok());
  return filter;
}

}  // namespace

TEST_CASE("parse filters: an unknown filter is refused by name, an optional one left out") {
  const auto refused = Parse(Unknown());
  REQUIRE_FALSE(refused.ok());
  CHECK(std::string(refused.status().message()).find("extension acme.Odd") != std::string::npos);
  hcm::HttpFilter optional = Unknown();
  optional.set_is_optional(true);
  const auto taken = Parse(optional);
  REQUIRE(taken.ok());
  CHECK((*taken)->chains[0].http->filters.empty());
}

TEST_CASE("parse filters: a filter's place in the chain keeps its name and default") {
  hcm::HttpFilter filter = Fault();
  filter.set_disabled(true);
  const auto taken = Parse(filter);
  REQUIRE(taken.ok());
  REQUIRE((*taken)->chains[0].http->filters.size() == 1);
  CHECK((*taken)->chains[0].http->filters[0].name == "fault");
  CHECK((*taken)->chains[0].http->filters[0].disabled);
}

TEST_CASE(
    "parse filters: a route's settings of the wrong kind, or wrong in themselves, are named") {
  const auto wrong = Parse(Fault(), R"(
typed_per_filter_config:
  fault: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
)");
  REQUIRE_FALSE(wrong.ok());
  CHECK(std::string(wrong.status().message()).find("typed_per_filter_config['fault']") !=
        std::string::npos);
  const auto senseless = Parse(Fault(), R"(
typed_per_filter_config:
  fault:
    "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
    abort: {http_status: 1}
)");
  REQUIRE_FALSE(senseless.ok());
  CHECK(std::string(senseless.status().message()).find("abort.http_status") != std::string::npos);
}

}  // namespace proxy

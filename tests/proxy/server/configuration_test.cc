#include <catch2/catch.hpp>

#include <absl/strings/str_cat.h>

#include "proxy/server/configuration.h"
#include "proxy/snapshot/yaml_proto.h"
#include "tests/testing/proxy/fake_resources.h"

namespace proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

template <typename Proto>
google::protobuf::Any FromYaml(const std::string& yaml) {
  Proto proto;
  const absl::Status read = ParseYaml(yaml, proto);
  INFO(read.message());
  REQUIRE(read.ok());
  return AnyOf(proto);
}

// A configuration that is fed by hand.
struct Proxy {
  StatsRegistry stats{2};
  SecretStore secrets;
  std::vector<std::shared_ptr<const ClusterConfig>> resolving;
  Configuration config{stats, secrets, [this](std::shared_ptr<const ClusterConfig> one) {
                         resolving.push_back(std::move(one));
                       }};
  int64_t now = kSecond;

  void Accept(const char* url, const google::protobuf::Any& any) {
    const absl::Status accepted = config.Accept(url, ResourceName(any), any);
    INFO(accepted.message());
    REQUIRE(accepted.ok());
  }
  void Cluster(const std::string& name, const std::string& timeout = "15s") {
    Accept(kClusterUrl,
           FromYaml<envoy::config::cluster::v3::Cluster>(absl::StrCat(
               "{name: ", name, ", type: EDS, eds_cluster_config: {eds_config: {ads: {}, ",
               "initial_fetch_timeout: ", timeout, "}}}")));
  }
  void Endpoints(const std::string& name, int port = 80) {
    Accept(kEndpointUrl,
           FromYaml<envoy::config::endpoint::v3::ClusterLoadAssignment>(absl::StrCat(
               "{cluster_name: ", name,
               ", endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: ",
               "10.0.0.1, port_value: ", port, "}}}}]}]}")));
  }
  void Routes(const std::string& name, const std::string& cluster) {
    Accept(kRouteUrl, FromYaml<envoy::config::route::v3::RouteConfiguration>(absl::StrCat(
                          "{name: ", name, ", virtual_hosts: [{name: v, domains: ['*'], routes: ",
                          "[{match: {prefix: /}, route: {cluster: ", cluster, "}}]}]}")));
  }
  void Listener(const std::string& name, const std::string& route, int port = 8080) {
    Accept(kListenerUrl,
           FromYaml<envoy::config::listener::v3::Listener>(absl::StrCat(
               "{name: ", name, ", address: {socket_address: {address: 127.0.0.1, port_value: ",
               port, "}}, filter_chains: [{filters: [{name: http, typed_config: {'@type': ",
               "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.",
               "HttpConnectionManager, stat_prefix: x, rds: {config_source: {ads: {}}, ",
               "route_config_name: ", route, "}, http_filters: [{name: router, typed_config: {",
               "'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]",
               "}}]}]}")));
  }
  void Pass(absl::Duration time = absl::ZeroDuration()) {
    now += absl::ToInt64Nanoseconds(time);
    config.Reconsider(now);
  }
  bool Serves(const std::string& listener) { return config.serving().contains(listener); }
  bool Has(const std::string& cluster) { return config.clusters().contains(cluster); }
  // The cluster that a table's only route names in force; empty if the table is not.
  std::string RouteTarget(const std::string& table) {
    const auto snapshot = config.Published();
    const auto found = snapshot->tables->routes.find(table);
    if (found == snapshot->tables->routes.end()) return "";
    return found->second->hosts()[0].routes[0].forward->clusters[0].cluster;
  }
};

}  // namespace

TEST_CASE("warming: a cluster is in force when its endpoints are known, not before") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.Pass();
  CHECK_FALSE(proxy.Has("a"));
  CHECK(proxy.config.Wanted(kEndpointUrl).at("ads") == std::set<std::string>{"a"});
  proxy.Endpoints("a");
  proxy.Pass();
  REQUIRE(proxy.Has("a"));
  CHECK(proxy.config.clusters().at("a")->endpoints->size() == 1);
}

TEST_CASE("warming: initial_fetch_timeout ends the wait, and is counted") {
  Proxy proxy;
  proxy.Cluster("a", "3s");
  proxy.Pass();
  CHECK(proxy.config.next_ns() == proxy.now + 3 * kSecond);
  proxy.Pass(absl::Milliseconds(2999));
  CHECK_FALSE(proxy.Has("a"));
  proxy.Pass(absl::Milliseconds(1));
  CHECK(proxy.Has("a"));
  CHECK(proxy.config.waits_given_up() == 1);
}

TEST_CASE("warming: an initial_fetch_timeout of zero waits for as long as it takes") {
  Proxy proxy;
  proxy.Cluster("a", "0s");
  proxy.Pass();
  proxy.Pass(absl::Hours(24));
  CHECK_FALSE(proxy.Has("a"));
}

TEST_CASE("warming: a server that says 'does not exist' ends the wait at once") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.config.Missing(kEndpointUrl, "a");
  proxy.Pass();
  CHECK(proxy.Has("a"));
}

TEST_CASE("warming: the old version of a cluster serves until the new one's endpoints are known") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.Endpoints("a");
  proxy.Pass();
  const auto before = proxy.config.clusters().at("a")->config;
  proxy.Accept(kClusterUrl, FromYaml<envoy::config::cluster::v3::Cluster>(
                                "{name: a, type: EDS, eds_cluster_config: {service_name: b, "
                                "eds_config: {ads: {}}}}"));
  proxy.Pass();
  CHECK(proxy.config.clusters().at("a")->config == before);
  CHECK(proxy.config.Wanted(kEndpointUrl).at("ads") == std::set<std::string>{"a", "b"});
  proxy.Endpoints("b");
  proxy.Pass();
  CHECK(proxy.config.clusters().at("a")->config != before);
  CHECK(proxy.config.Wanted(kEndpointUrl).at("ads") == std::set<std::string>{"b"});
}

TEST_CASE("warming: a cluster pushed again needs no second answer for its endpoints") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.Endpoints("a");
  proxy.Pass();
  proxy.Cluster("a", "16s");  // Changed, but with the same endpoints.
  proxy.Pass();
  CHECK(proxy.config.clusters().at("a")->config->eds_from.wait_max == absl::Seconds(16));
}

TEST_CASE("warming: a STRICT_DNS cluster waits for its names, found or not") {
  Proxy proxy;
  proxy.Accept(kClusterUrl, FromYaml<envoy::config::cluster::v3::Cluster>(
                                "{name: d, type: STRICT_DNS, load_assignment: {cluster_name: d, "
                                "endpoints: [{lb_endpoints: [{endpoint: {address: {"
                                "socket_address: {address: a.b, port_value: 1}}}}]}]}}"));
  proxy.Pass();
  REQUIRE(proxy.resolving.size() == 1);
  CHECK_FALSE(proxy.Has("d"));
  proxy.config.SetResolved(*proxy.resolving[0], {});
  proxy.Pass();
  CHECK(proxy.Has("d"));
}

TEST_CASE("warming: a listener serves when its routes are known, and its old version until then") {
  Proxy proxy;
  proxy.Listener("in", "r1");
  proxy.Pass();
  CHECK_FALSE(proxy.Serves("in"));
  CHECK_FALSE(proxy.config.ready());
  proxy.Routes("r1", "a");
  proxy.Pass();
  CHECK(proxy.Serves("in"));
  CHECK(proxy.config.ready());
  const auto before = proxy.config.serving().at("in");
  proxy.Listener("in", "r2");
  proxy.Pass();
  CHECK(proxy.config.serving().at("in") == before);
  CHECK(proxy.RouteTarget("r1") == "a");
  proxy.Routes("r2", "a");
  proxy.Pass();
  CHECK(proxy.config.serving().at("in") != before);
}

TEST_CASE("warming: a listener of a server opens after the first clusters are in force") {
  Proxy proxy;
  proxy.config.ExpectAll(kClusterUrl, {}, proxy.now);
  proxy.Listener("in", "r");
  proxy.Routes("r", "a");
  proxy.Pass();
  CHECK_FALSE(proxy.Serves("in"));
  proxy.Cluster("a");
  proxy.config.NoteAnswered(kClusterUrl);
  proxy.Pass();
  CHECK_FALSE(proxy.Serves("in"));
  proxy.Endpoints("a");
  proxy.Pass();
  CHECK(proxy.Serves("in"));
}

TEST_CASE("warming: clusters that never come hold listeners back for initial_fetch_timeout alone") {
  Proxy proxy;
  proxy.config.ExpectAll(kClusterUrl, {.source = "ads", .wait_max = absl::Seconds(5)}, proxy.now);
  proxy.Listener("in", "r");
  proxy.Routes("r", "a");
  proxy.Pass();
  CHECK_FALSE(proxy.Serves("in"));
  proxy.Pass(absl::Seconds(5));
  CHECK(proxy.Serves("in"));
}

TEST_CASE("make before break: new routes wait for the cluster that they name, and not for ever") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.Endpoints("a");
  proxy.Routes("r", "a");
  proxy.Listener("in", "r");
  proxy.Pass();
  proxy.Routes("r", "b");
  proxy.Pass();
  CHECK(proxy.RouteTarget("r") == "a");
  proxy.Cluster("b");
  proxy.Pass(absl::Seconds(1));  // It warms: its own wait bounds this one.
  CHECK(proxy.RouteTarget("r") == "a");
  proxy.Endpoints("b");
  proxy.Pass();
  CHECK(proxy.RouteTarget("r") == "b");
  proxy.Routes("r", "nowhere");
  proxy.Pass();
  CHECK(proxy.RouteTarget("r") == "b");
  CHECK(proxy.config.next_ns() != INT64_MAX);
  proxy.Pass(Configuration::kMakeBeforeBreak);
  CHECK(proxy.RouteTarget("r") == "nowhere");
}

TEST_CASE("make before break: routes that come again and again are not held back for longer") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.Endpoints("a");
  proxy.Routes("r", "a");
  proxy.Listener("in", "r");
  proxy.Pass();
  for (int i = 0; i < 3; ++i) {
    proxy.Routes("r", "nowhere");
    proxy.Pass(Configuration::kMakeBeforeBreak / 2);
  }
  CHECK(proxy.RouteTarget("r") == "nowhere");
}

TEST_CASE("make before break: a removed cluster stays while routes name it, and not for ever") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.Endpoints("a");
  proxy.Cluster("b");
  proxy.Endpoints("b");
  proxy.Routes("r", "a");
  proxy.Listener("in", "r");
  proxy.Pass();
  proxy.config.Remove(kClusterUrl, "a", Configuration::Gone::kRemoved);
  proxy.config.Remove(kClusterUrl, "b", Configuration::Gone::kRemoved);
  proxy.Pass();
  CHECK(proxy.Has("a"));
  CHECK_FALSE(proxy.Has("b"));
  proxy.Pass(Configuration::kMakeBeforeBreak);
  CHECK_FALSE(proxy.Has("a"));
  CHECK(proxy.config.Wanted(kEndpointUrl).empty());
}

TEST_CASE("make before break: a cluster that comes back is not removed after all") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.Endpoints("a");
  proxy.Routes("r", "a");
  proxy.Listener("in", "r");
  proxy.Pass();
  proxy.config.Remove(kClusterUrl, "a", Configuration::Gone::kRemoved);
  proxy.Pass();
  proxy.Cluster("a");
  proxy.Pass(absl::Seconds(10));
  CHECK(proxy.Has("a"));
}

TEST_CASE(
    "removal: endpoints and routes that are in use survive it, but not the end of their time") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.Endpoints("a");
  proxy.Routes("r", "a");
  proxy.Listener("in", "r");
  proxy.Pass();
  proxy.config.Remove(kEndpointUrl, "a", Configuration::Gone::kRemoved);
  proxy.config.Remove(kRouteUrl, "r", Configuration::Gone::kRemoved);
  proxy.Pass();
  CHECK(proxy.config.clusters().at("a")->endpoints->size() == 1);
  CHECK(proxy.RouteTarget("r") == "a");
  proxy.config.Remove(kEndpointUrl, "a", Configuration::Gone::kExpired);
  proxy.config.Remove(kRouteUrl, "r", Configuration::Gone::kExpired);
  proxy.Pass();
  CHECK(proxy.config.clusters().at("a")->endpoints == nullptr);
  CHECK(proxy.RouteTarget("r").empty());
}

TEST_CASE("removal: what nobody refers to any more is forgotten and asked for no more") {
  Proxy proxy;
  proxy.Routes("r", "a");
  proxy.Listener("in", "r");
  proxy.Pass();
  proxy.config.Remove(kListenerUrl, "in", Configuration::Gone::kRemoved);
  proxy.Pass();
  CHECK_FALSE(proxy.Serves("in"));
  CHECK(proxy.config.Wanted(kRouteUrl).empty());
  CHECK(proxy.RouteTarget("r").empty());
}

TEST_CASE("accept: a bad version leaves the good one in force and says why") {
  Proxy proxy;
  proxy.Cluster("a");
  proxy.Endpoints("a");
  proxy.Pass();
  const auto before = proxy.config.clusters().at("a")->config;
  const auto bad = FromYaml<envoy::config::cluster::v3::Cluster>(
      "{name: a, lb_policy: LEAST_REQUEST, "
      "least_request_lb_config: {choice_count: 1}}");
  const absl::Status refused = proxy.config.Accept(kClusterUrl, "a", bad);
  CHECK_THAT(std::string(refused.message()), Catch::Contains("choice_count"));
  proxy.Pass();
  CHECK(proxy.config.clusters().at("a")->config == before);
}

TEST_CASE("accept: a cluster of the bootstrap is neither replaced nor removed by a server") {
  Proxy proxy;
  envoy::config::cluster::v3::Cluster fixed;
  fixed.set_name("xds");
  REQUIRE(proxy.config.AddStatic(fixed).ok());
  CHECK_FALSE(proxy.config.AddStatic(fixed).ok());
  CHECK_FALSE(proxy.config.Accept(kClusterUrl, "xds", AnyOf(fixed)).ok());
  proxy.config.Remove(kClusterUrl, "xds", Configuration::Gone::kRemoved);
  proxy.Pass();
  CHECK(proxy.Has("xds"));
}

TEST_CASE("static: the cluster of a server asks it for signs of life unless it says how itself") {
  Proxy proxy;
  envoy::config::cluster::v3::Cluster fixed;
  fixed.set_name("xds");
  REQUIRE(proxy.config.AddStatic(fixed, true).ok());
  fixed.set_name("own");
  fixed.mutable_http2_protocol_options()
      ->mutable_connection_keepalive()
      ->mutable_timeout()
      ->set_seconds(3);
  REQUIRE(proxy.config.AddStatic(fixed, true).ok());
  fixed.clear_http2_protocol_options();
  fixed.set_name("other");
  REQUIRE(proxy.config.AddStatic(fixed).ok());
  proxy.Pass();
  const auto timeout = [&](const char* name) {
    return proxy.config.clusters().at(name)->config->codec.keepalive.timeout;
  };
  CHECK(timeout("xds") == Configuration::kServerPingAnswer);
  CHECK(timeout("own") == absl::Seconds(3));
  CHECK(timeout("other") == absl::ZeroDuration());
}

TEST_CASE("sources: each resource is asked of the source that its user names") {
  Proxy proxy;
  proxy.Accept(kClusterUrl,
               FromYaml<envoy::config::cluster::v3::Cluster>(
                   "{name: f, type: EDS, eds_cluster_config: {eds_config: {path_config_source: "
                   "{path: /x}}}}"));
  proxy.Cluster("a");
  const NamesBySource wanted = proxy.config.Wanted(kEndpointUrl);
  CHECK(wanted.size() == 2);
  CHECK(wanted.at("ads") == std::set<std::string>{"a"});
  for (const auto& [source, names] : wanted) {
    if (source == "ads") continue;
    CHECK(names == std::set<std::string>{"f"});
    CHECK(proxy.config.parse().sources.at(source).path_config_source().path() == "/x");
  }
}

}  // namespace proxy

#include <catch2/catch.hpp>

#include "proxy/xds/xds_stream.h"
#include "tests/testing/proxy/fake_resources.h"

namespace proxy {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using Names = std::set<std::string>;

envoy::config::core::v3::Node TestNode() {
  envoy::config::core::v3::Node node;
  node.set_id("node-1");
  return node;
}

// A stream of one variant with what it tells and the requests that it makes.
template <XdsVariant kVariant, typename Request>
struct Client {
  FakeResources resources;
  XdsStream stream{kVariant, TestNode(), resources};

  std::vector<Request> Requests() {
    std::vector<Request> all;
    for (const std::string& bytes : stream.TakeRequests()) {
      REQUIRE(all.emplace_back().ParseFromString(bytes));
    }
    return all;
  }
  Request OneRequest() {
    auto all = Requests();
    REQUIRE(all.size() == 1);
    return all[0];
  }
  template <typename Response>
  void Feed(const Response& response, int64_t now_ns = 0) {
    REQUIRE(stream.OnMessage(response.SerializeAsString(), now_ns).ok());
  }
};
using Delta = Client<XdsVariant::kDelta, DeltaDiscoveryRequest>;
using Sotw = Client<XdsVariant::kSotw, DiscoveryRequest>;

DeltaDiscoveryResponse DeltaOf(const std::string& url, const std::string& nonce,
                               const std::vector<google::protobuf::Any>& resources) {
  DeltaDiscoveryResponse response;
  response.set_type_url(url);
  response.set_nonce(nonce);
  for (const auto& any : resources) {
    auto& one = *response.add_resources();
    one.set_name(ResourceName(any));
    one.set_version("v-" + nonce);
    *one.mutable_resource() = any;
  }
  return response;
}

DiscoveryResponse SotwOf(const std::string& url, const std::string& version,
                         const std::vector<google::protobuf::Any>& resources) {
  DiscoveryResponse response;
  response.set_type_url(url);
  response.set_version_info(version);
  response.set_nonce("n" + version);
  for (const auto& any : resources) *response.add_resources() = any;
  return response;
}

Names NamesOf(const google::protobuf::RepeatedPtrField<std::string>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

TEST_CASE("delta: each type is asked for once, the node goes with the first message alone") {
  Delta client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.SubscribeAll(kListenerUrl);
  CHECK(client.Requests().empty());
  client.stream.OnOpen();
  const auto requests = client.Requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].type_url() == kClusterUrl);
  CHECK(requests[0].node().id() == "node-1");
  CHECK(NamesOf(requests[0].resource_names_subscribe()) == Names{"*"});
  CHECK(requests[1].type_url() == kListenerUrl);
  CHECK_FALSE(requests[1].has_node());
}

TEST_CASE("delta: a good response is acknowledged with its nonce and without an error") {
  Delta client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  client.Requests();
  client.Feed(DeltaOf(kClusterUrl, "1", {ClusterNamed("a"), ClusterNamed("b")}));
  const auto ack = client.OneRequest();
  CHECK(ack.response_nonce() == "1");
  CHECK_FALSE(ack.has_error_detail());
  CHECK(ack.resource_names_subscribe().empty());
  CHECK(client.resources.names() == Names{"a", "b"});
}

TEST_CASE("delta: a NACK names every bad resource, and the good ones are applied") {
  Delta client;
  client.resources.bad = {"b", "d"};
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  client.Requests();
  client.Feed(
      DeltaOf(kClusterUrl, "1",
              {ClusterNamed("a"), ClusterNamed("b"), ClusterNamed("c"), ClusterNamed("d")}));
  const auto nack = client.OneRequest();
  CHECK(nack.response_nonce() == "1");
  CHECK(nack.error_detail().message() == "b: is bad; d: is bad");
  CHECK(client.resources.names() == Names{"a", "c"});
}

TEST_CASE("delta: a reconnect tells the versions that are held, good ones of a NACKed answer too") {
  Delta client;
  client.resources.bad = {"b"};
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.SetNames(kEndpointUrl, {"x"});
  client.stream.OnOpen();
  client.Feed(DeltaOf(kClusterUrl, "1", {ClusterNamed("a"), ClusterNamed("b")}));
  client.Feed(DeltaOf(kEndpointUrl, "2", {EndpointsNamed("x")}));
  client.stream.OnClosed();
  CHECK(client.Requests().empty());
  client.stream.OnOpen();
  const auto requests = client.Requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].has_node());
  CHECK(requests[0].response_nonce().empty());
  CHECK(requests[0].initial_resource_versions().size() == 1);
  CHECK(requests[0].initial_resource_versions().at("a") == "v-1");
  CHECK(NamesOf(requests[1].resource_names_subscribe()) == Names{"x"});
  CHECK(requests[1].initial_resource_versions().at("x") == "v-2");
}

TEST_CASE("delta: only the difference of names is sent, and what is taken back is forgotten") {
  Delta client;
  client.stream.SetNames(kEndpointUrl, {"a", "b"});
  client.stream.OnOpen();
  client.Requests();
  client.Feed(DeltaOf(kEndpointUrl, "1", {EndpointsNamed("a"), EndpointsNamed("b")}));
  client.Requests();
  client.stream.SetNames(kEndpointUrl, {"b", "c"});
  const auto change = client.OneRequest();
  CHECK(NamesOf(change.resource_names_subscribe()) == Names{"c"});
  CHECK(NamesOf(change.resource_names_unsubscribe()) == Names{"a"});
  CHECK(change.response_nonce().empty());
  CHECK(client.stream.Held(kEndpointUrl).size() == 1);
  client.stream.SetNames(kEndpointUrl, {"b", "c"});
  CHECK(client.Requests().empty());
}

TEST_CASE("delta: removed resources are let go and acknowledged") {
  Delta client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  client.Feed(DeltaOf(kClusterUrl, "1", {ClusterNamed("a"), ClusterNamed("b")}));
  client.Requests();
  DeltaDiscoveryResponse removal = DeltaOf(kClusterUrl, "2", {});
  removal.add_removed_resources("a");
  client.Feed(removal);
  CHECK(client.OneRequest().response_nonce() == "2");
  CHECK(client.resources.removed == std::vector<std::string>{"a"});
  CHECK(client.stream.Held(kClusterUrl).size() == 1);
}

TEST_CASE("delta: resource_errors say at once that a name does not exist") {
  Delta client;
  client.stream.SetNames(kEndpointUrl, {"gone"});
  client.stream.OnOpen();
  DeltaDiscoveryResponse response = DeltaOf(kEndpointUrl, "1", {});
  auto& error = *response.add_resource_errors();
  error.mutable_resource_name()->set_name("gone");
  error.mutable_error_detail()->set_message("no such service");
  client.Feed(response);
  CHECK(client.resources.missing == std::vector<std::string>{"gone: no such service"});
}

TEST_CASE("delta: a resource of another type or another name than announced is refused") {
  Delta client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  client.Requests();
  DeltaDiscoveryResponse response =
      DeltaOf(kClusterUrl, "1", {EndpointsNamed("a"), ClusterNamed("b")});
  response.mutable_resources(1)->set_name("c");
  client.Feed(response);
  const std::string error = client.OneRequest().error_detail().message();
  CHECK_THAT(error, Catch::Contains("a: is a type.googleapis.com/envoy.config.endpoint"));
  CHECK_THAT(error, Catch::Contains("c: the resource calls itself 'b', not 'c'"));
  CHECK(client.resources.held.empty());
}

TEST_CASE("delta: a name that stands twice in a response is refused as a whole") {
  Delta client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  client.Requests();
  client.Feed(DeltaOf(kClusterUrl, "1", {ClusterNamed("a"), ClusterNamed("b"), ClusterNamed("a")}));
  CHECK(client.OneRequest().error_detail().message() == "a: stands 2 times in the response");
  CHECK(client.resources.names() == Names{"b"});
}

TEST_CASE("delta: what was never asked for is neither applied nor acknowledged") {
  Delta client;
  client.stream.SetNames(kEndpointUrl, {"a"});
  client.stream.OnOpen();
  client.Requests();
  client.Feed(DeltaOf("type.googleapis.com/some.Thing", "1", {ClusterNamed("x")}));
  CHECK(client.Requests().empty());
  client.Feed(DeltaOf(kEndpointUrl, "2", {EndpointsNamed("other")}));
  CHECK(client.OneRequest().response_nonce() == "2");
  CHECK(client.resources.held.empty());
  CHECK(client.stream.unasked() == 2);
}

TEST_CASE("delta: a time to live ends a resource unless a heartbeat renews it") {
  Delta client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  DeltaDiscoveryResponse response = DeltaOf(kClusterUrl, "1", {ClusterNamed("a")});
  response.mutable_resources(0)->mutable_ttl()->set_seconds(2);
  client.Feed(response, 0);
  CHECK(client.stream.NextExpiryNs() == 2'000'000'000);
  response.mutable_resources(0)->clear_resource();
  client.Feed(response, 1'500'000'000);
  client.stream.Expire(2'000'000'000);
  CHECK(client.resources.removed.empty());
  client.stream.Expire(3'500'000'000);
  CHECK(client.resources.removed == std::vector<std::string>{"a expired"});
  CHECK(client.stream.NextExpiryNs() == INT64_MAX);
}

TEST_CASE("delta: a resource that comes again without a time to live stays") {
  Delta client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  DeltaDiscoveryResponse response = DeltaOf(kClusterUrl, "1", {ClusterNamed("a")});
  response.mutable_resources(0)->mutable_ttl()->set_seconds(2);
  client.Feed(response, 0);
  client.Feed(DeltaOf(kClusterUrl, "2", {ClusterNamed("a")}), 1'000'000'000);
  CHECK(client.stream.NextExpiryNs() == INT64_MAX);
}

TEST_CASE("sotw: a request carries the version in force, all names and the last nonce") {
  Sotw client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.SetNames(kEndpointUrl, {"a", "b"});
  client.stream.OnOpen();
  auto requests = client.Requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].has_node());
  CHECK(requests[0].resource_names().empty());
  CHECK(NamesOf(requests[1].resource_names()) == Names{"a", "b"});
  CHECK_FALSE(requests[1].has_node());
  client.Feed(SotwOf(kEndpointUrl, "7", {EndpointsNamed("a")}));
  const auto ack = client.OneRequest();
  CHECK(ack.version_info() == "7");
  CHECK(ack.response_nonce() == "n7");
  CHECK(NamesOf(ack.resource_names()) == Names{"a", "b"});
  client.stream.SetNames(kEndpointUrl, {"b"});
  const auto change = client.OneRequest();
  CHECK(change.version_info() == "7");
  CHECK(change.response_nonce() == "n7");
  CHECK(NamesOf(change.resource_names()) == Names{"b"});
}

TEST_CASE("sotw: a NACK keeps the version before and names every bad resource") {
  Sotw client;
  client.resources.bad = {"b", "c"};
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  client.Feed(SotwOf(kClusterUrl, "1", {ClusterNamed("a")}));
  client.Requests();
  client.Feed(SotwOf(kClusterUrl, "2", {ClusterNamed("b"), ClusterNamed("d"), ClusterNamed("c")}));
  const auto nack = client.OneRequest();
  CHECK(nack.version_info() == "1");
  CHECK(nack.response_nonce() == "n2");
  CHECK(nack.error_detail().message() == "b: is bad; c: is bad");
  CHECK(client.resources.names() == Names{"d"});
}

TEST_CASE("sotw: what a list of all clusters lacks is gone; what one of endpoints lacks is not") {
  Sotw client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.SetNames(kEndpointUrl, {"x", "y"});
  client.stream.OnOpen();
  client.Feed(SotwOf(kClusterUrl, "1", {ClusterNamed("a"), ClusterNamed("b")}));
  client.Feed(SotwOf(kEndpointUrl, "1", {EndpointsNamed("x"), EndpointsNamed("y")}));
  client.Feed(SotwOf(kClusterUrl, "2", {ClusterNamed("b")}));
  client.Feed(SotwOf(kEndpointUrl, "2", {EndpointsNamed("y")}));
  CHECK(client.resources.names() == Names{"b", "x", "y"});
  CHECK(client.resources.removed == std::vector<std::string>{"a"});
}

TEST_CASE("sotw: a refused resource is present: its last good version is not removed") {
  Sotw client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  client.Feed(SotwOf(kClusterUrl, "1", {ClusterNamed("a"), ClusterNamed("b")}));
  client.resources.bad = {"a"};
  client.Feed(SotwOf(kClusterUrl, "2", {ClusterNamed("a")}));
  CHECK(client.resources.names() == Names{"a"});
}

TEST_CASE("sotw: a resource without a name is refused, and then nothing counts as absent") {
  Sotw client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  client.Feed(SotwOf(kClusterUrl, "1", {ClusterNamed("a")}));
  client.Requests();
  client.Feed(SotwOf(kClusterUrl, "2", {ClusterNamed("b"), ClusterNamed("")}));
  CHECK(client.OneRequest().error_detail().message() == "resources[1]: has no name");
  CHECK(client.resources.names() == Names{"a", "b"});
}

TEST_CASE("sotw: a reconnect begins with the last version and no nonce") {
  Sotw client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  client.Feed(SotwOf(kClusterUrl, "5", {ClusterNamed("a")}));
  client.stream.OnClosed();
  client.stream.OnOpen();
  const auto first = client.OneRequest();
  CHECK(first.version_info() == "5");
  CHECK(first.response_nonce().empty());
  CHECK(first.has_node());
}

TEST_CASE("sotw: a wrapped resource has a time to live, and a wrapper alone is a heartbeat") {
  Sotw client;
  client.stream.SubscribeAll(kClusterUrl);
  client.stream.OnOpen();
  envoy::service::discovery::v3::Resource wrapper;
  wrapper.set_name("a");
  wrapper.mutable_ttl()->set_seconds(1);
  *wrapper.mutable_resource() = ClusterNamed("a");
  client.Feed(SotwOf(kClusterUrl, "1", {AnyOf(wrapper)}), 0);
  CHECK(client.resources.names() == Names{"a"});
  wrapper.clear_resource();
  client.Feed(SotwOf(kClusterUrl, "1", {AnyOf(wrapper)}), 500'000'000);
  CHECK(client.stream.NextExpiryNs() == 1'500'000'000);
  CHECK(client.resources.names() == Names{"a"});
}

TEST_CASE("xds: bytes that are no response end the stream and change nothing") {
  Sotw sotw;
  Delta delta;
  CHECK_FALSE(sotw.stream.OnMessage("\x0a\xff", 0).ok());
  CHECK_FALSE(delta.stream.OnMessage("\x0a\xff", 0).ok());
}

TEST_CASE("xds: the name of a resource is its first field, whatever stands around it") {
  CHECK(ResourceName(ClusterNamed("abc")) == "abc");
  google::protobuf::Any broken;
  broken.set_value(
      "\x0a\x7f"
      "short");
  CHECK(ResourceName(broken).empty());
  CHECK(ResourceName({}).empty());
}

}  // namespace proxy

// The delta rules of the xDS protocol, each by name.
#include <catch2/catch.hpp>

#include "control-plane/ads/delta_stream.h"
#include "envoy/config/cluster/v3/cluster.pb.h"

using control::DeltaStream;
using control::kClusterType;
using control::kEndpointType;
using control::kListenerType;

namespace {

control::ResourcePtr Make(const std::string& type_url, const std::string& name,
                          const std::string& version) {
  auto resource = std::make_shared<control::Resource>();
  resource->name = name;
  resource->version = version;
  resource->any.set_type_url(type_url);
  if (type_url == kClusterType) {
    envoy::config::cluster::v3::Cluster cluster;
    cluster.set_name(name);
    cluster.set_type(envoy::config::cluster::v3::Cluster::EDS);
    cluster.set_alt_stat_name(version);
    resource->any.set_value(cluster.SerializeAsString());
  }
  return resource;
}

void Put(control::ResourceSet& set, const std::string& type_url, const std::string& name,
         const std::string& version) {
  set[type_url][name] = Make(type_url, name, version);
}

DeltaStream::Request Ask(const std::string& type_url, std::vector<std::string> names = {}) {
  DeltaStream::Request request;
  request.set_type_url(type_url);
  for (const std::string& name : names) request.add_resource_names_subscribe(name);
  return request;
}

DeltaStream::Request Ack(const DeltaStream::Response& response) {
  DeltaStream::Request request;
  request.set_type_url(response.type_url());
  request.set_response_nonce(response.nonce());
  return request;
}

// A stream whose client holds clusters a and b, both acknowledged.
struct Settled {
  pinnace::FakeClock clock;
  DeltaStream stream{clock};
  control::ResourceSet set;

  Settled() {
    Put(set, kClusterType, "a", "a1");
    Put(set, kClusterType, "b", "b1");
    stream.OnSnapshot(control::MakeSnapshot(set));
    const auto first = stream.OnRequest(Ask(kClusterType));
    REQUIRE(first.size() == 1);
    REQUIRE(first[0].resources_size() == 2);
    CHECK(stream.OnRequest(Ack(first[0])).empty());
    clock.Advance(absl::Seconds(2));  // The client never asks for endpoints here.
    stream.OnTick();
  }
};

}  // namespace

TEST_CASE("delta: a first request without names means everything") { Settled settled; }

TEST_CASE("delta: only what changed is sent, and nothing twice") {
  Settled s;
  Put(s.set, kClusterType, "a", "a2");
  const auto pushed = s.stream.OnSnapshot(control::MakeSnapshot(s.set));
  REQUIRE(pushed.size() == 1);
  REQUIRE(pushed[0].resources_size() == 1);
  CHECK(pushed[0].resources(0).name() == "a");
  CHECK(s.stream.OnRequest(Ack(pushed[0])).empty());
  s.clock.Advance(absl::Seconds(2));
  CHECK(s.stream.OnTick().empty());
  CHECK(s.stream.OnSnapshot(control::MakeSnapshot(s.set)).empty());
}

TEST_CASE("delta: a stale nonce still changes subscriptions") {
  Settled s;
  auto request = Ask(kEndpointType, {"gone"});
  request.set_response_nonce("no such nonce");
  const auto answers = s.stream.OnRequest(request);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].removed_resources(0) == "gone");
  CHECK(answers[0].resource_errors(0).error_detail().code() == 5);
}

TEST_CASE("delta: a name that is subscribed again is answered again") {
  Settled s;
  const auto answers = s.stream.OnRequest(Ask(kClusterType, {"a"}));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].resources(0).name() == "a");
}

TEST_CASE("delta: unsubscribing from a name that the wildcard holds is answered") {
  Settled s;
  DeltaStream::Request request;
  request.set_type_url(kClusterType);
  request.add_resource_names_unsubscribe("a");
  const auto answers = s.stream.OnRequest(request);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].resources(0).name() == "a");
}

TEST_CASE("delta: rejected content is not offered again, changed content is") {
  Settled s;
  Put(s.set, kClusterType, "a", "a2");
  const auto pushed = s.stream.OnSnapshot(control::MakeSnapshot(s.set));
  auto nack = Ack(pushed.at(0));
  nack.mutable_error_detail()->set_message("bad a");
  CHECK(s.stream.OnRequest(nack).empty());
  const auto status = s.stream.state().Statuses().at(kClusterType);
  CHECK(status.error == "bad a");
  CHECK(status.state == control::Subscription::State::kRejected);
  s.clock.Advance(absl::Seconds(20));
  CHECK(s.stream.OnTick().empty());
  Put(s.set, kClusterType, "a", "a3");
  CHECK(s.stream.OnSnapshot(control::MakeSnapshot(s.set)).size() == 1);
}

TEST_CASE("delta: versions of an earlier stream are honoured, vanished names are removed") {
  pinnace::FakeClock clock;
  DeltaStream stream(clock);
  control::ResourceSet set;
  Put(set, kClusterType, "a", "a1");
  Put(set, kClusterType, "b", "b2");
  stream.OnSnapshot(control::MakeSnapshot(set));
  auto request = Ask(kClusterType, {"*"});
  (*request.mutable_initial_resource_versions())["a"] = "a1";
  (*request.mutable_initial_resource_versions())["b"] = "b1";
  (*request.mutable_initial_resource_versions())["c"] = "c1";
  const auto answers = stream.OnRequest(request);
  REQUIRE(answers.size() == 1);
  REQUIRE(answers[0].resources_size() == 1);
  CHECK(answers[0].resources(0).name() == "b");
  REQUIRE(answers[0].removed_resources_size() == 1);
  CHECK(answers[0].removed_resources(0) == "c");
}

TEST_CASE("delta: listeners wait for the clusters' ACK; removals come last") {
  Settled s;
  Put(s.set, kListenerType, "l", "l1");
  s.stream.OnSnapshot(control::MakeSnapshot(s.set));
  const auto listeners = s.stream.OnRequest(Ask(kListenerType));
  REQUIRE(listeners.size() == 1);
  s.stream.OnRequest(Ack(listeners[0]));
  Put(s.set, kClusterType, "c", "c1");
  Put(s.set, kListenerType, "l", "l2");
  s.set[kClusterType].erase("a");
  const auto clusters = s.stream.OnSnapshot(control::MakeSnapshot(s.set));
  REQUIRE(clusters.size() == 1);
  CHECK(clusters[0].removed_resources_size() == 0);
  s.stream.OnRequest(Ack(clusters[0]));
  s.clock.Advance(absl::Seconds(2));
  const auto next = s.stream.OnTick();
  REQUIRE(next.size() == 1);
  CHECK(next[0].type_url() == kListenerType);
  const auto removals = s.stream.OnRequest(Ack(next[0]));
  REQUIRE(removals.size() == 1);
  CHECK(removals[0].removed_resources(0) == "a");
}

TEST_CASE("delta: a silent client holds up a push for the ACK wait and no longer") {
  Settled s;
  Put(s.set, kClusterType, "a", "a2");
  s.set[kClusterType].erase("b");
  CHECK(s.stream.OnSnapshot(control::MakeSnapshot(s.set)).size() == 1);
  s.clock.Advance(absl::Seconds(14));
  CHECK(s.stream.OnTick().empty());
  s.clock.Advance(absl::Seconds(2));
  CHECK(s.stream.OnTick().size() == 1);
}

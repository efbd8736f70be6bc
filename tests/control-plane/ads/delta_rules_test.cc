// The rules of the delta variant that servers are known to break, each by name.
#include <catch2/catch.hpp>

#include "tests/testing/control/xds_book.h"

using namespace control;

namespace {

// A stream whose client has everything of `book` that it asked for, acknowledged.
struct Client {
  pinnace::FakeClock clock;
  DeltaStream stream{clock};
  XdsBook book;

  std::vector<DeltaStream::Response> Ask(const std::string& type_url, const Names& names = {},
                                         const Names& unsubscribe = {}) {
    return stream.OnRequest(DeltaAsk(type_url, names, unsubscribe));
  }
  std::vector<DeltaStream::Response> Push() { return stream.OnSnapshot(book.Snapshot()); }
  // Pushes, acknowledges everything at once and lets all waits pass; what came, in order.
  std::vector<DeltaStream::Response> Settle(std::vector<DeltaStream::Response> responses) {
    std::vector<DeltaStream::Response> all;
    for (int rounds = 0; rounds < 40; ++rounds) {
      std::vector<DeltaStream::Response> next;
      for (const auto& response : responses) {
        all.push_back(response);
        for (auto& more : stream.OnRequest(Ack(response))) next.push_back(std::move(more));
      }
      clock.Advance(absl::Seconds(2));
      for (auto& more : stream.OnTick()) next.push_back(std::move(more));
      responses = std::move(next);
    }
    CHECK(responses.empty());
    CHECK_FALSE(stream.state().Waiting());
    return all;
  }
};

struct Wildcard : Client {
  Wildcard() {
    book.Cluster("a", "1").Cluster("b", "1");
    Push();
    Settle(Ask(kClusterType));
  }
};

}  // namespace

TEST_CASE("delta: a stale or unknown nonce still subscribes and unsubscribes") {
  Wildcard client;
  client.book.Endpoints("a", "1").Endpoints("b", "1");
  client.Settle(client.Push());
  auto request = DeltaAsk(kEndpointType, {"a", "b"});
  request.set_response_nonce("77");
  CHECK(Told(client.stream.OnRequest(request)) == Names{"a@1", "b@1"});
  request = DeltaAsk(kEndpointType, {}, {"a"});
  request.set_response_nonce("78");
  client.stream.OnRequest(request);
  client.book.Endpoints("a", "2").Endpoints("b", "2");
  CHECK(Told(client.Settle(client.Push())) == Names{"b@2"});
}

TEST_CASE("delta: a stale nonce acknowledges nothing") {
  Wildcard client;
  client.book.Cluster("a", "2");
  const auto second = client.Push();
  REQUIRE(second.size() == 1);
  auto stale = DeltaAsk(kClusterType);
  stale.set_response_nonce("0");
  client.stream.OnRequest(stale);
  CHECK_FALSE(client.stream.state().Find(kClusterType)->Has("a", "2"));
  client.stream.OnRequest(Ack(second[0]));
  CHECK(client.stream.state().Find(kClusterType)->Has("a", "2"));
}

TEST_CASE("delta: a name subscribed again is answered again, also under the wildcard") {
  Wildcard client;
  CHECK(Told(client.Settle(client.Ask(kClusterType, {"a"}))) == Names{"a@1"});
  CHECK(Told(client.Settle(client.Ask(kClusterType, {"a"}))) == Names{"a@1"});
  CHECK(Told(client.Settle(client.Ask(kClusterType, {"gone"}))) == Names{"-gone"});
  CHECK(Told(client.Settle(client.Ask(kClusterType, {"gone"}))) == Names{"-gone"});
}

TEST_CASE("delta: subscribing to * again adds nothing that the client has") {
  Wildcard client;
  const auto again = client.Ask(kClusterType, {"*"});
  CHECK(Told(again).empty());
}

TEST_CASE("delta: a legacy wildcard stays when names are added, until * is unsubscribed") {
  Wildcard client;
  client.Settle(client.Ask(kClusterType, {"a"}));
  client.book.Cluster("c", "1");
  CHECK(Told(client.Settle(client.Push())) == Names{"c@1"});
  client.Settle(client.Ask(kClusterType, {}, {"*"}));
  client.book.Cluster("a", "2").Cluster("b", "2").Cluster("c", "2");
  CHECK(Told(client.Settle(client.Push())) == Names{"a@2"});
}

TEST_CASE("delta: once a name was subscribed first, an empty request means nothing") {
  Client client;
  client.book.Cluster("a", "1").Cluster("b", "1");
  client.Push();
  CHECK(Told(client.Settle(client.Ask(kClusterType, {"a"}))) == Names{"a@1"});
  CHECK(client.Ask(kClusterType).empty());
  client.Settle(client.Ask(kClusterType, {}, {"a"}));
  CHECK(client.Ask(kClusterType).empty());
  client.book.Cluster("b", "2");
  CHECK(client.Push().empty());
}

TEST_CASE("delta: the explicit wildcard is served for every type and may be named beside others") {
  Client client;
  client.book.Cluster("a", "1").Endpoints("a", "1").Endpoints("b", "1");
  client.Push();
  CHECK(Told(client.Settle(client.Ask(kEndpointType, {"*", "a"}))) == Names{"a@1", "b@1"});
  client.Settle(client.Ask(kEndpointType, {}, {"*"}));
  client.book.Endpoints("a", "2").Endpoints("b", "2");
  CHECK(Told(client.Settle(client.Push())) == Names{"a@2"});
}

TEST_CASE("delta: only listeners and clusters know the legacy wildcard") {
  Client client;
  client.book.Endpoints("a", "1").Route("r", "1", "a");
  client.Push();
  CHECK(client.Ask(kEndpointType).empty());
  CHECK(client.Ask(kRouteType).empty());
}

TEST_CASE("delta: unsubscribing X while * holds X is answered with X or its absence") {
  Wildcard client;
  client.Settle(client.Ask(kClusterType, {"a", "gone"}));
  CHECK(Told(client.Settle(client.Ask(kClusterType, {}, {"a"}))) == Names{"a@1"});
  CHECK(Told(client.Settle(client.Ask(kClusterType, {}, {"gone"}))) == Names{"-gone"});
  client.book.Cluster("a", "2");
  CHECK(Told(client.Settle(client.Push())) == Names{"a@2"});
}

TEST_CASE("delta: unsubscribing from a name without the wildcard is silent and ends its updates") {
  Client client;
  client.book.Cluster("a", "1").Cluster("b", "1");
  client.Push();
  client.Settle(client.Ask(kClusterType, {"a", "b"}));
  CHECK(client.Ask(kClusterType, {}, {"b"}).empty());
  client.book.Cluster("a", "2").Cluster("b", "2");
  CHECK(Told(client.Settle(client.Push())) == Names{"a@2"});
}

TEST_CASE("delta: a name that does not exist is removed with an error, and sent once it exists") {
  Client client;
  client.book.Cluster("a", "1");
  client.Push();
  const auto answers = client.Ask(kClusterType, {"a", "later"});
  REQUIRE(answers.size() == 1);
  CHECK(Told(answers) == Names{"a@1", "-later"});
  REQUIRE(Errors(answers[0]) == Names{"later"});
  CHECK(answers[0].resource_errors(0).error_detail().code() == 5);
  CHECK_FALSE(answers[0].resource_errors(0).error_detail().message().empty());
  client.Settle(answers);
  client.book.Cluster("later", "1");
  CHECK(Told(client.Settle(client.Push())) == Names{"later@1"});
  client.book.Erase(kClusterType, "later");
  CHECK(Told(client.Settle(client.Push())) == Names{"-later"});
}

TEST_CASE("delta: a reconnecting client is told only differences, and nothing if there are none") {
  Wildcard before;
  Client client;
  client.book = before.book;
  client.Push();
  auto request = DeltaAsk(kClusterType);
  (*request.mutable_initial_resource_versions())["a"] = "1";
  (*request.mutable_initial_resource_versions())["b"] = "1";
  CHECK(client.stream.OnRequest(request).empty());
  client.book.Cluster("a", "2").Erase(kClusterType, "b");
  CHECK(Told(client.Settle(client.Push())) == Names{"a@2", "-b"});
}

TEST_CASE("delta: versions brought for names are honoured, and vanished names are removed") {
  Client client;
  client.book.Cluster("a", "1").Endpoints("a", "1").Endpoints("b", "2");
  client.Push();
  auto request = DeltaAsk(kEndpointType, {"a", "b", "c"});
  for (const char* name : {"a", "b", "c"}) {
    (*request.mutable_initial_resource_versions())[name] = "1";
  }
  CHECK(Told(client.Settle(client.stream.OnRequest(request))) == Names{"b@2", "-c"});
}

TEST_CASE("delta: versions count in a stream's first request of the type only") {
  Wildcard client;
  auto request = DeltaAsk(kClusterType, {"a"});
  (*request.mutable_initial_resource_versions())["a"] = "1";
  CHECK(Told(client.stream.OnRequest(request)) == Names{"a@1"});
}

TEST_CASE(
    "delta: a reconnecting client whose cluster changed gets its endpoints even if unchanged") {
  Client client;
  client.book.Cluster("a", "2").Cluster("b", "1").Endpoints("a", "1").Endpoints("b", "1");
  client.Push();
  auto clusters = DeltaAsk(kClusterType);
  (*clusters.mutable_initial_resource_versions())["a"] = "1";
  (*clusters.mutable_initial_resource_versions())["b"] = "1";
  auto endpoints = DeltaAsk(kEndpointType, {"a", "b"});
  (*endpoints.mutable_initial_resource_versions())["a"] = "1";
  (*endpoints.mutable_initial_resource_versions())["b"] = "1";
  SECTION("asked for before the cluster's ACK") {
    CHECK(Told(client.stream.OnRequest(clusters)) == Names{"a@2"});
    CHECK(Told(client.stream.OnRequest(endpoints)) == Names{"a@1"});
  }
  SECTION("asked for first") {
    CHECK(client.stream.OnRequest(endpoints).empty());
    const auto told = client.stream.OnRequest(clusters);
    REQUIRE(told.size() == 2);
    CHECK(Told(told[0]) == Names{"a@2"});
    CHECK(told[1].type_url() == kEndpointType);
    CHECK(Told(told[1]) == Names{"a@1"});
  }
}

TEST_CASE("delta: endpoints follow a changed cluster even if they are unchanged, others do not") {
  Client client;
  client.book.Cluster("a", "1").Cluster("b", "1").Endpoints("a", "1").Endpoints("b", "1");
  client.Push();
  client.Settle(client.Ask(kClusterType));
  client.Settle(client.Ask(kEndpointType, {"a", "b"}));
  client.book.Cluster("a", "2");
  const auto pushed = client.Settle(client.Push());
  REQUIRE(pushed.size() == 2);
  CHECK(Told(pushed[0]) == Names{"a@2"});
  CHECK(pushed[1].type_url() == kEndpointType);
  CHECK(Told(pushed[1]) == Names{"a@1"});
}

TEST_CASE("delta: the client has a version only at its ACK") {
  Wildcard client;
  client.book.Cluster("a", "2");
  const auto pushed = client.Push();
  CHECK_FALSE(client.stream.state().Find(kClusterType)->Has("a", "2"));
  CHECK(client.stream.state().Statuses().at(kClusterType).state == Subscription::State::kStale);
  client.Settle(pushed);
  CHECK(client.stream.state().Find(kClusterType)->Has("a", "2"));
  CHECK(client.stream.state().Statuses().at(kClusterType).state == Subscription::State::kSynced);
}

TEST_CASE("delta: no hot loop after a NACK; what changes is offered, what goes back is not") {
  Wildcard client;
  client.book.Cluster("a", "2");
  const auto bad = client.Push();
  CHECK(client.stream.OnRequest(AsNack(Ack(bad.at(0)), "no a2")).empty());
  for (int i = 0; i < 100; ++i) {
    client.clock.Advance(absl::Seconds(1));
    CHECK(client.stream.OnTick().empty());
    CHECK(client.stream.OnRequest(AsNack(Ack(bad.at(0)), "no a2")).empty());
  }
  CHECK(client.Push().empty());
  client.book.Cluster("b", "2");
  CHECK(Told(client.Settle(client.Push())) == Names{"b@2"});
  CHECK(client.stream.state().Statuses().at(kClusterType).error == "no a2");
  SECTION("back to what the client has") {
    client.book.Cluster("a", "1");
    CHECK(client.Settle(client.Push()).empty());
    CHECK(client.stream.state().Statuses().at(kClusterType).state == Subscription::State::kSynced);
  }
  SECTION("repaired") {
    client.book.Cluster("a", "3");
    CHECK(Told(client.Settle(client.Push())) == Names{"a@3"});
    CHECK(client.stream.state().Statuses().at(kClusterType).error.empty());
  }
}

TEST_CASE("delta: nothing unchanged is sent twice over many pushes") {
  Client client;
  client.book.Cluster("a", "1").Endpoints("a", "1").Listener("l", "1", "r").Route("r", "1", "a");
  client.Push();
  client.Settle(client.Ask(kClusterType));
  client.Settle(client.Ask(kEndpointType, {"a"}));
  client.Settle(client.Ask(kListenerType));
  client.Settle(client.Ask(kRouteType, {"r"}));
  for (int i = 2; i < 6; ++i) {
    client.book.Endpoints("a", std::to_string(i));
    CHECK(Told(client.Settle(client.Push())) == Names{"a@" + std::to_string(i)});
    CHECK(client.Settle(client.Push()).empty());
  }
}

TEST_CASE("delta: a push goes clusters, endpoints, listeners, routes, then removals backwards") {
  Client client;
  client.book.Cluster("a", "1").Endpoints("a", "1").Listener("l", "1", "r").Route("r", "1", "a");
  client.Push();
  client.Settle(client.Ask(kClusterType));
  client.Settle(client.Ask(kEndpointType, {"a", "b"}));
  client.Settle(client.Ask(kListenerType));
  client.Settle(client.Ask(kRouteType, {"r", "s"}));
  client.book.Cluster("b", "1").Endpoints("b", "1").Listener("m", "1", "s").Route("s", "1", "b");
  client.book.Erase(kClusterType, "a").Erase(kEndpointType, "a").Erase(kListenerType, "l");
  client.book.Erase(kRouteType, "r");
  std::vector<std::string> steps;
  for (const auto& response : client.Settle(client.Push())) {
    const std::string& type = response.type_url();
    for (const std::string& told : Told(response)) {
      steps.push_back(type.substr(type.rfind('.') + 1) + " " + told);
    }
  }
  CHECK(steps == Names{"Cluster b@1", "ClusterLoadAssignment b@1", "Listener m@1",
                       "RouteConfiguration s@1", "Listener -l", "RouteConfiguration -r",
                       "Cluster -a", "ClusterLoadAssignment -a"});
}

TEST_CASE("delta: a stage waits for the ACK of the one before") {
  Client client;
  client.book.Cluster("a", "1").Listener("l", "1", "r");
  client.Push();
  client.Settle(client.Ask(kClusterType));
  client.Settle(client.Ask(kListenerType));
  client.book.Cluster("a", "2").Listener("l", "2", "r");
  const auto first = client.Push();
  REQUIRE(first.size() == 1);
  CHECK(first[0].type_url() == kClusterType);
  client.clock.Advance(absl::Seconds(10));
  CHECK(client.stream.OnTick().empty());
}

TEST_CASE("delta: a route to a cluster that the client refused is held back until it is repaired") {
  Client client;
  client.book.Cluster("a", "1").Route("r", "1", "a");
  client.Push();
  client.Settle(client.Ask(kClusterType));
  client.Settle(client.Ask(kRouteType, {"r"}));
  client.book.Cluster("b", "1").Route("r", "2", "b");
  const auto pushed = client.Push();
  REQUIRE(Told(pushed) == Names{"b@1"});
  CHECK(client.Settle(client.stream.OnRequest(AsNack(Ack(pushed[0]), "no b"))).empty());
  client.book.Cluster("b", "2");
  CHECK(Told(client.Settle(client.Push())) == Names{"b@2", "r@2"});
}

TEST_CASE("delta: a cluster is not removed while the client refuses the routes that leave it") {
  Client client;
  client.book.Cluster("a", "1").Cluster("b", "1").Route("r", "1", "a");
  client.Push();
  client.Settle(client.Ask(kClusterType));
  client.Settle(client.Ask(kRouteType, {"r"}));
  client.book.Erase(kClusterType, "a").Route("r", "2", "b");
  const auto pushed = client.Push();
  REQUIRE(Told(pushed) == Names{"r@2"});
  CHECK(client.Settle(client.stream.OnRequest(AsNack(Ack(pushed[0]), "no r2"))).empty());
  client.book.Route("r", "3", "b");
  CHECK(Told(client.Settle(client.Push())) == Names{"r@3", "-a"});
}

TEST_CASE("delta: no response names a resource twice") {
  Client client;
  client.book.Cluster("a", "1").Cluster("b", "1");
  client.Push();
  CHECK(Told(client.Ask(kClusterType, {"*", "a", "a", "gone", "gone"}, {"b", "b"})) ==
        Names{"a@1", "b@1", "-gone"});
}

TEST_CASE("delta: pushes that come while one is under way are merged into one") {
  Wildcard client;
  client.book.Cluster("a", "2");
  const auto pushed = client.Push();
  for (int i = 3; i < 50; ++i) {
    client.book.Cluster("a", std::to_string(i));
    CHECK(client.Push().empty());
  }
  CHECK(Told(client.Settle(pushed)) == Names{"a@2", "a@49"});
}

TEST_CASE("delta: an unknown type is answered as absent and the stream goes on") {
  Wildcard client;
  const auto answers = client.Ask("type.googleapis.com/no.such.Type", {"x"});
  REQUIRE(answers.size() == 1);
  CHECK(Told(answers) == Names{"-x"});
  CHECK(client.Ask("", {}).empty());
  CHECK(Told(client.Ask(kClusterType, {"a"})) == Names{"a@1"});
}

TEST_CASE("delta: types, names and unanswered responses of one stream are bounded") {
  Wildcard client;
  client.Ask(kEndpointType, {"a"});
  for (size_t i = 0; i < 2 * kTypesMax; ++i) client.Ask("type/" + std::to_string(i), {"x"});
  CHECK(client.stream.state().Statuses().size() == kTypesMax);
  for (size_t i = 0; i < 10 * kInFlightMax; ++i) client.Ask(kClusterType, {"a"});
  CHECK(client.stream.state().Find(kClusterType)->in_flight_count() <= kInFlightMax);
  DeltaStream::Request huge = DeltaAsk(kEndpointType);
  for (size_t i = 0; i < kSubscribedNamesMax + 10; ++i) {
    huge.add_resource_names_subscribe(std::to_string(i));
  }
  client.stream.OnRequest(huge);
  const Subscription* endpoints = client.stream.state().Find(kEndpointType);
  REQUIRE(endpoints != nullptr);
  CHECK(endpoints->Names().size() == kSubscribedNamesMax);
  CHECK(endpoints->refused() == 11);  // "a" is one of those taken.
}

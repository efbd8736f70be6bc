// The rules of the state-of-the-world variant that servers are known to break, each by name.
#include <catch2/catch.hpp>

#include "tests/testing/control/xds_book.h"

using namespace control;

namespace {

// A stream and a client that remembers which names of each type it wants.
struct Client {
  pinnace::FakeClock clock;
  SotwStream stream{clock};
  XdsBook book;
  std::map<std::string, Names> wants;

  std::vector<SotwStream::Response> Ask(const std::string& type_url, const Names& names = {}) {
    wants[type_url] = names;
    SotwStream::Request request = SotwAsk(type_url, names);
    request.set_response_nonce(nonces[type_url]);
    request.set_version_info(versions[type_url]);
    return stream.OnRequest(request);
  }
  std::vector<SotwStream::Response> Push() { return stream.OnSnapshot(book.Snapshot()); }
  std::vector<SotwStream::Response> AckOne(const SotwStream::Response& response) {
    nonces[response.type_url()] = response.nonce();
    versions[response.type_url()] = response.version_info();
    return stream.OnRequest(Ack(response, wants[response.type_url()]));
  }
  std::vector<SotwStream::Response> Settle(std::vector<SotwStream::Response> responses) {
    std::vector<SotwStream::Response> all;
    for (int rounds = 0; rounds < 40; ++rounds) {
      std::vector<SotwStream::Response> next;
      for (const auto& response : responses) {
        all.push_back(response);
        for (auto& more : AckOne(response)) next.push_back(std::move(more));
      }
      clock.Advance(absl::Seconds(2));
      for (auto& more : stream.OnTick()) next.push_back(std::move(more));
      responses = std::move(next);
    }
    CHECK(responses.empty());
    return all;
  }

  std::map<std::string, std::string> nonces;
  std::map<std::string, std::string> versions;
};

struct Wildcard : Client {
  Wildcard() {
    book.Cluster("a", "1").Cluster("b", "1");
    Push();
    Settle(Ask(kClusterType));
  }
};

Names ToldAll(const std::vector<SotwStream::Response>& responses) {
  Names told;
  for (const auto& response : responses) {
    for (std::string& line : Told(response)) told.push_back(std::move(line));
  }
  return told;
}

}  // namespace

TEST_CASE("sotw: clusters and listeners always come as the full set that the client wants") {
  Wildcard client;
  client.book.Cluster("a", "2");
  CHECK(ToldAll(client.Settle(client.Push())) == Names{"a@2", "b@1"});
  Client named;
  named.book = client.book;
  named.Push();
  CHECK(ToldAll(named.Settle(named.Ask(kClusterType, {"a"}))) == Names{"a@2"});
  CHECK(ToldAll(named.Settle(named.Ask(kClusterType, {"a", "b"}))) == Names{"a@2", "b@1"});
}

TEST_CASE("sotw: a named client is told nothing of other names") {
  Client client;
  client.book.Cluster("a", "1").Cluster("b", "1").Listener("l", "1", "r").Listener("m", "1", "r");
  client.Push();
  CHECK(ToldAll(client.Settle(client.Ask(kListenerType, {"l"}))) == Names{"l"});
  client.Settle(client.Ask(kClusterType, {"a"}));
  client.book.Cluster("b", "2").Listener("m", "2", "r");
  CHECK(client.Settle(client.Push()).empty());
}

TEST_CASE("sotw: endpoints and routes may come in parts, and every part's ACK counts") {
  Client client;
  client.book.Cluster("a", "1");
  Names names;
  for (int i = 0; i < 5; ++i) {
    names.push_back(std::to_string(i));
    client.book.Endpoints(names.back(), "1", kResponseBytesMax / 2);
  }
  client.Push();
  const auto parts = client.Ask(kEndpointType, names);
  REQUIRE(parts.size() > 1);
  for (const auto& part : parts) CHECK(client.AckOne(part).empty());
  CHECK_FALSE(client.stream.state().Find(kEndpointType)->InFlight());
  CHECK(client.stream.state().Find(kEndpointType)->HeldCount() == names.size());
}

TEST_CASE("sotw: a changed endpoint alone is sent, not the others") {
  Client client;
  client.book.Cluster("a", "1").Route("r", "1", "a").Route("s", "1", "a");
  client.Push();
  client.Settle(client.Ask(kRouteType, {"r", "s"}));
  client.book.Route("s", "2", "a");
  CHECK(ToldAll(client.Settle(client.Push())) == Names{"s@2"});
}

TEST_CASE("sotw: a request with a stale nonce is not answered; the next one is") {
  Wildcard client;
  client.book.Cluster("a", "2").Endpoints("x", "1");
  const auto pushed = client.Push();
  REQUIRE(pushed.size() == 1);
  CHECK(client.Ask(kClusterType, {"a"}).empty());
  CHECK(ToldAll(client.AckOne(pushed[0])) == Names{"a@2"});
}

TEST_CASE("sotw: a nonce of an earlier stream does not silence the first request") {
  Client client;
  client.book.Cluster("a", "1");
  client.Push();
  client.nonces[kClusterType] = "41";
  CHECK(ToldAll(client.Ask(kClusterType, {"a"})) == Names{"a@1"});
}

TEST_CASE("sotw: a name left out and named again is answered again") {
  Client client;
  client.book.Route("r", "1", "a").Route("s", "1", "a");
  client.Push();
  client.Settle(client.Ask(kRouteType, {"r", "s"}));
  CHECK(client.Ask(kRouteType, {"s"}).empty());
  CHECK(ToldAll(client.Settle(client.Ask(kRouteType, {"r", "s"}))) == Names{"r@1"});
}

TEST_CASE("sotw: no names at first is everything; named once, no names is nothing") {
  Wildcard client;
  client.Settle(client.Ask(kClusterType, {"a"}));
  client.Settle(client.Ask(kClusterType, {}));
  client.book.Cluster("a", "2").Cluster("b", "2");
  CHECK(client.Settle(client.Push()).empty());
  CHECK(ToldAll(client.Settle(client.Ask(kClusterType, {"*"}))) == Names{"a@2", "b@2"});
}

TEST_CASE("sotw: the explicit wildcard may stand beside names, and leaves with its name") {
  Client client;
  client.book.Cluster("a", "1").Cluster("b", "1");
  client.Push();
  CHECK(ToldAll(client.Settle(client.Ask(kClusterType, {"*", "a"}))) == Names{"a@1", "b@1"});
  client.Settle(client.Ask(kClusterType, {"a"}));
  client.book.Cluster("b", "2");
  CHECK(client.Settle(client.Push()).empty());
}

TEST_CASE("sotw: names that do not exist stand in resource_errors") {
  Client client;
  client.book.Cluster("a", "1");
  client.Push();
  for (const char* type_url : {kListenerType, kClusterType, kRouteType, kEndpointType}) {
    const auto answers = client.Ask(type_url, {"none"});
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].resources_size() == 0);
    CHECK_FALSE(answers[0].version_info().empty());
    REQUIRE(Errors(answers[0]) == Names{"none"});
    CHECK(answers[0].resource_errors(0).error_detail().code() == 5);
  }
}

TEST_CASE("sotw: a named cluster that goes is left out of the set with an error") {
  Client client;
  client.book.Cluster("a", "1").Cluster("b", "1");
  client.Push();
  client.Settle(client.Ask(kClusterType, {"a", "b"}));
  client.book.Erase(kClusterType, "b");
  const auto pushed = client.Settle(client.Push());
  REQUIRE(pushed.size() == 1);
  CHECK(Told(pushed[0]) == Names{"a@1"});
  CHECK(Errors(pushed[0]) == Names{"b"});
}

TEST_CASE("sotw: a wildcard without resources is answered, empty") {
  Client client;
  client.book.Endpoints("x", "1");
  client.Push();
  const auto answers = client.Ask(kListenerType);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].resources_size() == 0);
  CHECK_FALSE(answers[0].version_info().empty());
}

TEST_CASE("sotw: a reconnecting wildcard client with the current version is sent nothing") {
  Wildcard before;
  Client client;
  client.book = before.book;
  client.Push();
  client.versions[kClusterType] = before.versions[kClusterType];
  CHECK(client.Ask(kClusterType).empty());
  client.book.Cluster("a", "2");
  CHECK(ToldAll(client.Settle(client.Push())) == Names{"a@2", "b@1"});
}

TEST_CASE("sotw: a set that still holds what goes has a version of its own") {
  Wildcard client;
  client.book.Cluster("a", "2").Erase(kClusterType, "b");
  const auto pushed = client.Settle(client.Push());
  REQUIRE(pushed.size() == 2);
  CHECK(Told(pushed[0]) == Names{"a@2", "b@1"});
  CHECK(Told(pushed[1]) == Names{"a@2"});
  CHECK(pushed[0].version_info() != pushed[1].version_info());
  Client again;
  again.book = client.book;
  again.Push();
  again.versions[kClusterType] = pushed[0].version_info();
  CHECK(ToldAll(again.Ask(kClusterType)) == Names{"a@2"});
}

TEST_CASE("sotw: equal content has equal versions on every server") {
  Wildcard one;
  Wildcard two;
  CHECK(one.versions == two.versions);
}

TEST_CASE("sotw: no hot loop after a NACK, and the repair is sent") {
  Wildcard client;
  client.book.Cluster("a", "2");
  const auto bad = client.Push();
  REQUIRE(bad.size() == 1);
  auto nack = AsNack(Ack(bad[0]), "no a2");
  nack.set_version_info(client.versions[kClusterType]);
  for (int i = 0; i < 100; ++i) {
    CHECK(client.stream.OnRequest(nack).empty());
    client.clock.Advance(absl::Seconds(1));
    CHECK(client.stream.OnTick().empty());
  }
  CHECK(client.Push().empty());
  const auto status = client.stream.state().Statuses().at(kClusterType);
  CHECK(status.state == Subscription::State::kRejected);
  CHECK(status.error == "no a2");
  CHECK(client.stream.state().nacks() == 1);
  client.book.Cluster("a", "3");
  CHECK(ToldAll(client.Settle(client.Push())) == Names{"a@3", "b@1"});
  CHECK(client.stream.state().Statuses().at(kClusterType).state == Subscription::State::kSynced);
}

TEST_CASE(
    "sotw: a full set sent for another change offers refused content too, and its ACK counts") {
  Wildcard client;
  client.book.Cluster("a", "2");
  const auto bad = client.Push();
  client.nonces[kClusterType] = bad.at(0).nonce();
  client.stream.OnRequest(AsNack(Ack(bad.at(0)), "no a2"));
  client.book.Cluster("b", "2");
  CHECK(ToldAll(client.Settle(client.Push())) == Names{"a@2", "b@2"});
  CHECK(client.stream.state().Statuses().at(kClusterType).state == Subscription::State::kSynced);
}

TEST_CASE("sotw: the client has a version only at its ACK") {
  Wildcard client;
  client.book.Cluster("a", "2");
  const auto pushed = client.Push();
  CHECK_FALSE(client.stream.state().Find(kClusterType)->Has("a", "2"));
  client.Settle(pushed);
  CHECK(client.stream.state().Find(kClusterType)->Has("a", "2"));
}

TEST_CASE("sotw: endpoints follow a changed cluster even if they are unchanged") {
  Client client;
  client.book.Cluster("a", "1").Cluster("b", "1").Endpoints("a", "1").Endpoints("b", "1");
  client.Push();
  client.Settle(client.Ask(kClusterType));
  client.Settle(client.Ask(kEndpointType, {"a", "b"}));
  client.book.Cluster("a", "2");
  const auto pushed = client.Settle(client.Push());
  REQUIRE(pushed.size() == 2);
  CHECK(Told(pushed[0]) == Names{"a@2", "b@1"});
  CHECK(pushed[1].type_url() == kEndpointType);
  CHECK(pushed[1].resources_size() == 1);
}

TEST_CASE("sotw: removals come last, in sets without what went") {
  Client client;
  client.book.Cluster("a", "1").Listener("l", "1", "r").Route("r", "1", "a");
  client.Push();
  client.Settle(client.Ask(kClusterType));
  client.Settle(client.Ask(kListenerType));
  client.Settle(client.Ask(kRouteType, {"r"}));
  client.book.Cluster("b", "1").Erase(kClusterType, "a").Route("r", "2", "b");
  client.book.Listener("m", "1", "r").Erase(kListenerType, "l");
  std::vector<Names> steps;
  for (const auto& response : client.Settle(client.Push())) steps.push_back(Told(response));
  CHECK(steps == std::vector<Names>{{"b@1", "a@1"}, {"m", "l"}, {"r@2"}, {"m"}, {"b@1"}});
}

TEST_CASE("sotw: no response holds a resource twice") {
  Client client;
  client.book.Cluster("a", "1").Route("r", "1", "a");
  client.Push();
  CHECK(ToldAll(client.Ask(kClusterType, {"a", "a", "*"})) == Names{"a@1"});
  CHECK(ToldAll(client.Ask(kRouteType, {"r", "r"})) == Names{"r@1"});
}

TEST_CASE("sotw: an unknown type is answered as absent and the stream goes on") {
  Wildcard client;
  const auto answers = client.Ask("type.googleapis.com/no.such.Type", {"x"});
  REQUIRE(answers.size() == 1);
  CHECK(Errors(answers[0]) == Names{"x"});
  client.Ask("", {});
  CHECK(ToldAll(client.Settle(client.Ask(kClusterType, {"a"}))) == Names{"a@1"});
}

TEST_CASE("sotw: types and names of one stream are bounded") {
  Wildcard client;
  client.Ask(kEndpointType, {"a"});
  for (size_t i = 0; i < 2 * kTypesMax; ++i) client.Ask("type/" + std::to_string(i), {"x"});
  CHECK(client.stream.state().Statuses().size() == kTypesMax);
  Names names;
  for (size_t i = 0; i < kSubscribedNamesMax + 10; ++i) names.push_back(std::to_string(i));
  client.Ask(kEndpointType, names);
  CHECK(client.stream.state().Find(kEndpointType)->Names().size() == kSubscribedNamesMax);
}

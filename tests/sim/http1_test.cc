#include <catch2/catch.hpp>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "proxy/server/worker.h"
#include "proxy/snapshot/parse.h"
#include "proxy/snapshot/yaml_proto.h"
#include "tests/testing/proxy/sim_network.h"

namespace proxy {
namespace {

constexpr char kBootstrap[] = R"(
static_resources:
  listeners:
  - name: in
    address: {socket_address: {address: 10.0.0.2, port_value: 80}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                route: {cluster: up, timeout: 5s, retry_policy: {retry_on: "5xx,connect-failure", num_retries: 2}}
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: up
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: up
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.0.0.3, port_value: 80}}}}]}]
)";
constexpr int kRequestsEach = 5;

// Heads and bodies by content-length, which is all that both peers of this simulation speak.
class Messages {
 public:
  // The next whole message (head, body) of `data`, taken off it; false if it is not complete.
  static bool Take(std::string& data, std::string& head, std::string& body) {
    const size_t end = data.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    head = data.substr(0, end + 2);
    size_t length = 0;
    if (const size_t at = head.find("content-length: "); at != std::string::npos) {
      const size_t from = at + 16;
      REQUIRE(absl::SimpleAtoi(head.substr(from, head.find('\r', from) - from), &length));
    }
    if (data.size() < end + 4 + length) return false;
    body = data.substr(end + 4, length);
    data.erase(0, end + 4 + length);
    return true;
  }
};

// One side of a connection that collects what it hears.
class Peer : public ConnectionEvents {
 public:
  Peer(EventLoop& loop, std::unique_ptr<IoHandle> io, bool connecting)
      : loop_(loop),
        connection_(std::make_unique<Connection>(loop, std::move(io), NewRawTransport(), *this,
                                                 connecting)) {
    connection_->Start(absl::Seconds(2));
  }
  ~Peer() override = default;
  void OnData(absl::string_view data) override {
    heard_.append(data.data(), data.size());
    std::string head, body;
    while (!closed_ && Messages::Take(heard_, head, body)) OnMessage(head, body);
  }
  void OnConnected() override {}
  void OnEof() override { connection_->Close(); }
  void OnClosed(CloseReason) override {
    closed_ = true;
    loop_.DeleteLater(std::move(connection_));
  }
  bool closed() const { return closed_; }

 protected:
  virtual void OnMessage(const std::string& head, const std::string& body) = 0;
  EventLoop& loop_;
  std::unique_ptr<Connection> connection_;
  std::string heard_;
  bool closed_ = false;
};

// Answers with the path and the body that it got, so that a mix-up of requests shows.
class OriginPeer final : public Peer {
 public:
  using Peer::Peer;
  void OnMessage(const std::string& head, const std::string& body) override {
    const std::string path =
        head.substr(head.find(' ') + 1, head.find(" HTTP") - head.find(' ') - 1);
    const std::string answer = absl::StrCat(path, "|", body);
    connection_->Write(
        absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: ", answer.size(), "\r\n\r\n", answer));
  }
};

// Sends requests one after another and checks that each answer is its own.
class ClientPeer final : public Peer {
 public:
  ClientPeer(SimWorld& world, EventLoop& loop, std::unique_ptr<IoHandle> io, int number)
      : Peer(loop, std::move(io), true), world_(world), number_(number) {}
  void OnConnected() override { Send(); }
  void OnMessage(const std::string& head, const std::string& body) override {
    if (absl::StartsWith(head, "HTTP/1.1 200 ")) {
      CHECK(body == wanted_);
      ++served;
    } else {
      CHECK(absl::StartsWith(head, "HTTP/1.1 50"));
      ++failed;
    }
    world_.Note(served * 1000 + failed);
    if (absl::StrContains(head, "connection: close") || served + failed == kRequestsEach) {
      return connection_->Close();
    }
    Send();
  }

  int served = 0;
  int failed = 0;

 private:
  void Send() {
    const std::string path = absl::StrCat("/", number_, "/", served + failed);
    const std::string body(world_.random().Below(40'000), static_cast<char>('a' + number_ % 26));
    wanted_ = absl::StrCat(path, "|", body);
    connection_->Write(absl::StrCat(
        "POST ", path, " HTTP/1.1\r\nhost: a\r\ncontent-length: ", body.size(), "\r\n\r\n", body));
  }
  SimWorld& world_;
  const int number_;
  std::string wanted_;
};

struct RunOutcome {
  uint64_t trace = 0;
  int served = 0;
  int failed = 0;
};

// One worker between ten clients and an origin, until all is quiet.
class Simulation {
 public:
  Simulation(uint64_t seed, SimFaults faults)
      : world_(seed),
        network_(world_, faults),
        worker_(0, network_, world_.clock(), stats_, {NewSimPoller(world_), seed}) {
    envoy::config::bootstrap::v3::Bootstrap bootstrap;
    const absl::Status read = ParseYaml(kBootstrap, bootstrap);
    REQUIRE(read.ToString() == "OK");
    auto cluster = ParseCluster(bootstrap.static_resources().clusters(0), parse_);
    auto listener = ParseListener(bootstrap.static_resources().listeners(0), parse_);
    REQUIRE(cluster.status().ToString() == "OK");
    REQUIRE(listener.status().ToString() == "OK");
    up_ = stats_.Get(kClusterScope, "up");
    auto clusters = std::make_shared<ClusterTable>();
    (*clusters)["up"] = std::make_shared<const ClusterEntry>(
        ClusterEntry{*cluster, std::make_shared<const EndpointList>((*cluster)->endpoints),
                     std::make_shared<Breaker>(), up_});
    auto tables = std::make_shared<Tables>();
    tables->clusters = clusters;
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->tables = tables;
    snapshot->listeners = {*listener};
    worker_.Adopt(snapshot);
  }

  RunOutcome Run() {
    auto origin = network_.Listen(worker_.loop(), *Address::Parse("10.0.0.3:80"), {}, [&](auto io) {
      origins_.push_back(std::make_unique<OriginPeer>(worker_.loop(), std::move(io), false));
    });
    for (int i = 0; i < 10; ++i) {
      auto io = network_.Connect(worker_.loop(), *Address::Parse("10.0.0.2:80"));
      clients_.push_back(std::make_unique<ClientPeer>(world_, worker_.loop(), *std::move(io), i));
    }
    // Nothing hangs: an hour of simulated time is far above every timeout there is.
    const absl::Duration start = world_.clock().Steady();
    while (!Quiet() && world_.clock().Steady() - start < absl::Hours(1)) {
      worker_.loop().RunOnce(absl::Seconds(1));
    }
    CHECK(Quiet());
    RunOutcome outcome{.trace = world_.trace()};
    for (const auto& client : clients_) {
      outcome.served += client->served;
      outcome.failed += client->failed;
    }
    CHECK(up_->Sum(kUpstreamRqActive) == 0);
    return outcome;
  }

 private:
  bool Quiet() const {
    for (const auto& client : clients_) {
      if (!client->closed()) return false;
    }
    return worker_.connections() == 0;
  }

  SimWorld world_;
  SimNetwork network_;
  StatsRegistry stats_{1};
  SecretStore secrets_;
  ParseContext parse_{stats_, secrets_};
  std::shared_ptr<Scope> up_;
  Worker worker_;
  std::vector<std::unique_ptr<OriginPeer>> origins_;
  std::vector<std::unique_ptr<ClientPeer>> clients_;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  uint64_t value = 0;
  const char* text = std::getenv(name);
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

}  // namespace

TEST_CASE("sim: without faults every request gets its own answer, however its bytes were cut") {
  const RunOutcome outcome = Simulation(1, {}).Run();
  CHECK(outcome.served == 10 * kRequestsEach);
  CHECK(outcome.failed == 0);
}

TEST_CASE("sim: links break and connects are refused; no answer is another's, nothing hangs") {
  const uint64_t only = FromEnvironment("PINNACE_SIM_SEED", 0);
  const uint64_t count = only != 0 ? 1 : FromEnvironment("PINNACE_SIM_SEEDS", 100);
  int served = 0;
  int failed = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t seed = only != 0 ? only : i + 1;
    INFO("replay with PINNACE_SIM_SEED=" << seed);
    const RunOutcome outcome =
        Simulation(seed, {.reset_per_mille = 20, .refuse_per_mille = 100}).Run();
    served += outcome.served;
    failed += outcome.failed;
  }
  INFO(served << " served, " << failed << " answered 50x");
  CHECK(served > 0);
  if (only == 0) CHECK(failed > 0);  // Otherwise the faults did not bite.
}

TEST_CASE("sim: a seed replays exactly, another is another run") {
  const SimFaults faults{.reset_per_mille = 20, .refuse_per_mille = 100};
  const uint64_t first = Simulation(7, faults).Run().trace;
  CHECK(Simulation(7, faults).Run().trace == first);
  CHECK(Simulation(8, faults).Run().trace != first);
}

}  // namespace proxy

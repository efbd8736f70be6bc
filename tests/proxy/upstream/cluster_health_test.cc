#include <catch2/catch.hpp>

#include <string>
#include <thread>
#include <vector>

#include <absl/strings/str_cat.h>

#include "proxy/upstream/cluster_health.h"

namespace proxy {
namespace {

// A cluster of `count` hosts under one outlier policy, with time that is moved by hand.
class Hosts {
 public:
  explicit Hosts(size_t count, OutlierConfig config = {}) : config(config) {
    for (size_t i = 0; i < count; ++i) {
      list.emplace_back().address = *Address::Parse(absl::StrCat("10.0.0.", i + 1, ":80"));
    }
    records = health.Adopt(list, true, cells.data());
  }
  void Answer(size_t host, Outcome outcome, int times = 1) {
    for (int i = 0; i < times; ++i) health.Record(*records[host], outcome, config, Context());
  }
  void Pass(absl::Duration time) {
    const int64_t end = now_ns + absl::ToInt64Nanoseconds(time);
    while (now_ns < end) {
      now_ns += absl::ToInt64Nanoseconds(config.interval);
      health.Tick(config, Context());
    }
  }
  bool Ejected(size_t host) const { return records[host]->ejected; }
  uint64_t Stat(size_t stat) const { return cells[kClusterOutlier + stat].Read(); }
  HealthContext Context() { return {now_ns, random, cells.data()}; }

  OutlierConfig config;
  EndpointList list;
  std::vector<Cell> cells = std::vector<Cell>(kClusterStatCount);
  ClusterHealth health;
  std::vector<std::shared_ptr<HostHealth>> records;
  pinnace::SeededRandom random{1};
  int64_t now_ns = 0;
};

OutlierConfig Roomy() {
  OutlierConfig config;
  config.ejection_percent_max = 50;
  return config;
}

}  // namespace

TEST_CASE("outlier: five 5xx in a row eject, one good answer between them does not") {
  Hosts hosts(4, Roomy());
  hosts.Answer(0, Outcome::kServerError, 4);
  hosts.Answer(0, Outcome::kOk);
  hosts.Answer(0, Outcome::kServerError, 4);
  CHECK_FALSE(hosts.Ejected(0));
  const uint64_t before = hosts.health.generation();
  hosts.Answer(0, Outcome::kServerError);
  CHECK(hosts.Ejected(0));
  CHECK(hosts.health.generation() != before);
  CHECK(hosts.Stat(kDetected5xx) == 1);
  CHECK(hosts.Stat(kEnforced5xx) == 1);
  CHECK(hosts.Stat(kEjectionsEnforcedTotal) == 1);
  CHECK(hosts.Stat(kEjectionsActive) == 1);
}

TEST_CASE("outlier: gateway failures are detected, and enforced only if asked for") {
  Hosts hosts(4, Roomy());
  hosts.config.consecutive_5xx = 100;
  hosts.Answer(0, Outcome::kGatewayError, 4);
  hosts.Answer(0, Outcome::kServerError);
  hosts.Answer(0, Outcome::kGatewayError, 5);
  CHECK(hosts.Stat(kDetectedGateway) == 1);
  CHECK_FALSE(hosts.Ejected(0));
  hosts.config.enforcing_gateway = 100;
  hosts.Answer(0, Outcome::kGatewayError, 5);
  CHECK(hosts.Ejected(0));
  CHECK(hosts.Stat(kEnforcedGateway) == 1);
}

TEST_CASE("outlier: without the split a missing answer is a 5xx, with it a kind of its own") {
  Hosts joined(4, Roomy());
  joined.Answer(0, Outcome::kLocalError, 2);
  joined.Answer(0, Outcome::kServerError, 3);
  CHECK(joined.Stat(kEnforced5xx) == 1);

  Hosts split(4, Roomy());
  split.config.split_local = true;
  split.Answer(0, Outcome::kLocalError, 2);
  split.Answer(0, Outcome::kServerError, 3);
  CHECK_FALSE(split.Ejected(0));
  split.Answer(0, Outcome::kConnected);
  split.Answer(0, Outcome::kLocalError, 4);
  CHECK_FALSE(split.Ejected(0));
  split.Answer(0, Outcome::kLocalError);
  CHECK(split.Ejected(0));
  CHECK(split.Stat(kEnforcedLocal) == 1);
}

TEST_CASE("outlier: the share of ejected hosts is bounded, but one may go where that is said") {
  Hosts hosts(5);  // A fifth is more than 10 %.
  hosts.Answer(0, Outcome::kServerError, 5);
  CHECK_FALSE(hosts.Ejected(0));
  CHECK(hosts.Stat(kEjectionsOverflow) == 1);
  hosts.config.always_eject_one = true;
  hosts.Answer(0, Outcome::kServerError, 5);
  CHECK(hosts.Ejected(0));
  hosts.Answer(1, Outcome::kServerError, 5);
  CHECK_FALSE(hosts.Ejected(1));
  CHECK(hosts.Stat(kEjectionsOverflow) == 2);
}

TEST_CASE("outlier: each ejection is longer up to the longest, and quiet intervals forgive") {
  Hosts hosts(4, Roomy());
  hosts.config.ejection_max = absl::Seconds(70);
  for (const int seconds : {30, 60, 70, 70}) {
    hosts.Answer(0, Outcome::kServerError, 5);
    REQUIRE(hosts.Ejected(0));
    hosts.Pass(absl::Seconds(seconds - 10));
    CHECK(hosts.Ejected(0));
    hosts.Pass(absl::Seconds(10));
    CHECK_FALSE(hosts.Ejected(0));
  }
  CHECK(hosts.Stat(kEjectionsActive) == 0);
  hosts.Pass(absl::Seconds(40));
  hosts.Answer(0, Outcome::kServerError, 5);
  hosts.Pass(absl::Seconds(30));
  CHECK_FALSE(hosts.Ejected(0));
}

TEST_CASE("outlier: a host is readmitted with clean counts") {
  Hosts hosts(4, Roomy());
  hosts.Answer(0, Outcome::kServerError, 5);
  hosts.Answer(0, Outcome::kServerError, 4);  // Of requests that were on their way.
  hosts.Pass(absl::Seconds(30));
  hosts.Answer(0, Outcome::kServerError, 4);
  CHECK_FALSE(hosts.Ejected(0));
}

TEST_CASE("outlier: a success rate far below the others' ejects, if there are enough of them") {
  const auto run = [](size_t count, int requests) {
    Hosts hosts(count, Roomy());
    for (size_t host = 0; host < count; ++host) {
      for (int i = 0; i < requests; ++i) {
        hosts.Answer(host, host == 0 && i % 2 == 0 ? Outcome::kServerError : Outcome::kOk);
      }
    }
    hosts.Pass(hosts.config.interval);
    CHECK(hosts.Stat(kEnforcedSuccessRate) == (hosts.Ejected(0) ? 1 : 0));
    for (size_t host = 1; host < count; ++host) CHECK_FALSE(hosts.Ejected(host));
    return hosts.Ejected(0);
  };
  CHECK(run(6, 100));
  CHECK_FALSE(run(6, 99));   // Too few requests.
  CHECK_FALSE(run(4, 100));  // Too few hosts.
}

TEST_CASE("outlier: a failure percentage ejects whatever the others do") {
  Hosts hosts(5, Roomy());
  hosts.config.enforcing_failure_percentage = 100;
  hosts.config.failure_percentage_threshold = 40;
  for (size_t host = 0; host < 5; ++host) {
    for (int i = 0; i < 50; ++i) {
      const int failed = host == 0 ? 20 : 19;
      hosts.Answer(host, i % 2 == 0 && i / 2 < failed ? Outcome::kServerError : Outcome::kOk);
    }
  }
  hosts.Pass(hosts.config.interval);
  CHECK(hosts.Ejected(0));
  CHECK(hosts.Stat(kEnforcedFailurePercentage) == 1);
  CHECK(hosts.Stat(kEjectionsActive) == 1);
}

TEST_CASE("outlier: two workers' ticks are one look") {
  Hosts hosts(4, Roomy());
  hosts.Answer(0, Outcome::kServerError, 5);
  hosts.now_ns = absl::ToInt64Nanoseconds(absl::Seconds(30));
  hosts.health.Tick(hosts.config, hosts.Context());
  REQUIRE_FALSE(hosts.Ejected(0));
  hosts.health.Tick(hosts.config, hosts.Context());
  CHECK(hosts.records[0]->ejections == 1);  // A second look would have forgiven it.
}

TEST_CASE("outlier: a host that leaves frees its place, one that stays keeps its ejection") {
  Hosts hosts(4, Roomy());
  hosts.Answer(0, Outcome::kServerError, 5);
  hosts.Answer(1, Outcome::kServerError, 5);
  hosts.list.erase(hosts.list.begin());
  const auto now = hosts.health.Adopt(hosts.list, true, hosts.cells.data());
  CHECK(hosts.Stat(kEjectionsActive) == 1);
  CHECK(now[0].get() == hosts.records[1].get());
  CHECK(now[0]->ejected);
  hosts.health.Adopt(hosts.list, false, hosts.cells.data());
  CHECK_FALSE(now[0]->ejected);
}

TEST_CASE("outlier: many workers that fail together eject once and never too many") {
  Hosts hosts(10, Roomy());
  std::vector<std::vector<Cell>> cells(4);
  std::vector<std::thread> workers;
  for (size_t w = 0; w < 4; ++w) {
    cells[w] = std::vector<Cell>(kClusterStatCount);
    workers.emplace_back([&, w] {
      pinnace::SeededRandom random(w);
      for (int i = 0; i < 1000; ++i) {
        for (const auto& record : hosts.records) {
          hosts.health.Record(*record, Outcome::kServerError, hosts.config,
                              {0, random, cells[w].data()});
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  uint64_t enforced = 0, ejected = 0;
  for (const auto& one : cells) enforced += one[kClusterOutlier + size_t{kEnforced5xx}].Read();
  for (size_t i = 0; i < 10; ++i) ejected += hosts.Ejected(i);
  CHECK(ejected == 5);
  CHECK(enforced == 5);
}

TEST_CASE("outlier: gRPC answers without a body are judged by their status") {
  CHECK(OutcomeOf(200, -1) == Outcome::kOk);
  CHECK(OutcomeOf(200, 0) == Outcome::kOk);
  CHECK(OutcomeOf(200, 5) == Outcome::kOk);
  CHECK(OutcomeOf(200, 14) == Outcome::kGatewayError);
  CHECK(OutcomeOf(200, 13) == Outcome::kServerError);
  CHECK(OutcomeOf(501, -1) == Outcome::kServerError);
  CHECK(OutcomeOf(504, -1) == Outcome::kGatewayError);
  CHECK(OutcomeOf(505, -1) == Outcome::kServerError);
}

}  // namespace proxy

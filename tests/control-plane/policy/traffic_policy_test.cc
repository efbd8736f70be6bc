#include <catch2/catch.hpp>

#include "tests/control-plane/policy/loading.h"

namespace control {
namespace {

std::string Policy(const std::string& name, const std::string& ns, const std::string& target,
                   const std::string& rest) {
  return "apiVersion: pinnace.mesh/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec:\n  targetRefs: [" + target + "]\n" + rest + "---\n";
}

constexpr char kToWeb[] = "{kind: Service, name: web}";

TEST_CASE("TrafficPolicy: every field is read") {
  const Loaded loaded = LoadYaml(kWeb + Policy("a", "shop", kToWeb, R"(
  loadBalancing: {policy: Random}
  circuitBreaker: {maxConnections: 1, maxPending: 2, maxRequests: 3, maxRetries: 4}
  outlier: {consecutive5xx: 5, baseEjection: 30s, interval: 10s, maxEjectionPercent: 50}
  retries: {attempts: 3, "on": [5xx, reset], perTryTimeout: 250ms}
  timeouts: {request: 2s, idle: 1m, connect: 1s}
)"));
  CHECK(loaded.problems.empty());
  const TrafficSettings& traffic = loaded.mesh->FindService({"shop", "web"})->traffic;
  CHECK(traffic.load_balancing == LoadBalancing::kRandom);
  CHECK(traffic.max_connections == 1u);
  CHECK(traffic.max_pending == 2u);
  CHECK(traffic.max_requests == 3u);
  CHECK(traffic.max_retries == 4u);
  CHECK(traffic.consecutive_5xx == 5u);
  CHECK(traffic.base_ejection == absl::Seconds(30));
  CHECK(traffic.ejection_interval == absl::Seconds(10));
  CHECK(traffic.max_ejection_percent == 50u);
  CHECK(traffic.retry_attempts == 3u);
  CHECK(traffic.retry_on == std::vector<std::string>{"5xx", "reset"});
  CHECK(traffic.per_try_timeout == absl::Milliseconds(250));
  CHECK(traffic.request_timeout == absl::Seconds(2));
  CHECK(traffic.idle_timeout == absl::Minutes(1));
  CHECK(traffic.connect_timeout == absl::Seconds(1));
}

TEST_CASE("TrafficPolicy: the more specific target wins field by field, and origins are kept") {
  const Loaded loaded =
      LoadYaml(kWeb +
               Policy("mesh", "mesh-system", "{kind: Namespace, name: mesh-system}",
                      "  circuitBreaker: {maxRequests: 1, maxPending: 1, maxRetries: 1}\n") +
               Policy("ns", "shop", "{kind: Namespace, name: shop}",
                      "  circuitBreaker: {maxRequests: 2, maxPending: 2}\n") +
               Policy("svc", "shop", kToWeb, "  circuitBreaker: {maxRequests: 3}\n"));
  CHECK(loaded.problems.empty());
  const TrafficSettings& traffic = loaded.mesh->FindService({"shop", "web"})->traffic;
  CHECK(traffic.max_requests == 3u);
  CHECK(traffic.max_pending == 2u);
  CHECK(traffic.max_retries == 1u);
  CHECK(traffic.from.at("circuitBreaker.maxRequests").document == 5);
  CHECK(traffic.from.at("circuitBreaker.maxPending").document == 4);
  CHECK(traffic.from.at("circuitBreaker.maxRetries").document == 3);
}

TEST_CASE("TrafficPolicy: of two on one target the older wins whole, the other is Conflicted") {
  const Loaded loaded =
      LoadYaml(kWeb + Policy("b", "shop", kToWeb, "  circuitBreaker: {maxRequests: 3}\n") +
               Policy("a", "shop", kToWeb, "  circuitBreaker: {maxPending: 9}\n"));
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].rule == "Conflicted");
  CHECK(loaded.problems[0].name == "a");
  CHECK(loaded.problems[0].field == "spec.targetRefs[0]");
  CHECK_FALSE(loaded.mesh->FindService({"shop", "web"})->traffic.max_pending.has_value());
}

TEST_CASE("TrafficPolicy: a target that is not there is a warning") {
  const Loaded loaded = LoadYaml(Policy("a", "shop", kToWeb, ""));
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].rule == "MissingTarget");
  CHECK(loaded.problems[0].severity == Severity::kWarning);
}

TEST_CASE("TrafficPolicy: wrong values are refused") {
  CHECK(Problems(Policy("a", "shop", kToWeb, R"(
  loadBalancing: {policy: Roundrobin}
  circuitBreaker: {maxRequests: -1, maxPending: "5", maxRetries: 1.5}
  outlier: {maxEjectionPercent: 101, interval: 5}
  retries: {attempts: 11, "on": [4xx]}
  timeouts: {request: 25h, connect: 0s}
  fault: {}
)")) == std::vector<std::string>{
            "spec.loadBalancing.policy UnknownValue",
            "spec.circuitBreaker.maxPending WrongType",
            "spec.circuitBreaker.maxRequests OutOfRange",
            "spec.circuitBreaker.maxRetries WrongType",
            "spec.outlier.interval WrongType",
            "spec.outlier.maxEjectionPercent OutOfRange",
            "spec.retries.attempts OutOfRange",
            "spec.retries.on OutOfRange",
            "spec.retries.on[0] UnknownValue",
            "spec.timeouts.connect OutOfRange",
            "spec.timeouts.request OutOfRange",
            "spec.fault UnknownField",
        });
}

}  // namespace
}  // namespace control

#include <catch2/catch.hpp>

#include <thread>
#include <vector>

#include "proxy/upstream/breaker.h"

namespace proxy {

TEST_CASE("breaker: a limit is reached and never exceeded, whoever asks") {
  Breaker breaker;
  const CircuitLimits limits{.requests = 100};
  std::atomic<int> taken{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) {
        if (breaker.Take(Resource::kRequests, limits)) ++taken;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(taken == 100);
  breaker.Release(Resource::kRequests);
  CHECK(breaker.Take(Resource::kRequests, limits));
  CHECK_FALSE(breaker.Take(Resource::kRequests, limits));
  CHECK(breaker.InUse(Resource::kRequests) == 100);
}

TEST_CASE("breaker: a retry budget grows and falls with the requests, but not below its least") {
  Breaker breaker;
  const CircuitLimits limits{.retry_budget_percent = 20, .retries_min = 3};
  const auto takeable = [&] {
    uint32_t taken = 0;
    while (breaker.Take(Resource::kRetries, limits)) ++taken;
    for (uint32_t i = 0; i < taken; ++i) breaker.Release(Resource::kRetries);
    return taken;
  };
  CHECK(takeable() == 3);
  for (int i = 0; i < 30; ++i) REQUIRE(breaker.Take(Resource::kRequests, limits));
  for (int i = 0; i < 20; ++i) REQUIRE(breaker.Take(Resource::kPending, limits));
  CHECK(takeable() == 10);
  for (int i = 0; i < 30; ++i) breaker.Release(Resource::kRequests);
  CHECK(takeable() == 4);
  const CircuitLimits none{.retry_budget_percent = 0, .retries_min = 0};
  CHECK_FALSE(breaker.Take(Resource::kRetries, none));
}

}  // namespace proxy

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

}  // namespace proxy

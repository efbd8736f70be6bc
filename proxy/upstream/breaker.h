// The circuit breaker of one cluster: exact counts over all workers.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "proxy/upstream/config.h"

namespace proxy {

// What is limited (envoy.config.cluster.v3.CircuitBreakers.Thresholds).
enum class Resource : uint8_t { kConnections, kPending, kRequests, kRetries };

// Counts shared by all workers. A limit of N is never exceeded and N is reachable: taking is one
// atomic increment, undone if it went too far. A retry budget is a limit that moves with the load.
class Breaker {
 public:
  // True if one more fits under `limits`; then Release() gives it back. Any thread.
  bool Take(Resource resource, const CircuitLimits& limits) {
    auto& count = counts_[static_cast<size_t>(resource)];
    if (count.fetch_add(1, std::memory_order_relaxed) < Limit(resource, limits)) return true;
    count.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void Release(Resource resource) {
    counts_[static_cast<size_t>(resource)].fetch_sub(1, std::memory_order_relaxed);
  }
  uint32_t InUse(Resource resource) const {
    return counts_[static_cast<size_t>(resource)].load(std::memory_order_relaxed);
  }

 private:
  uint32_t Limit(Resource resource, const CircuitLimits& limits) const {
    switch (resource) {
      case Resource::kConnections: return limits.connections;
      case Resource::kPending: return limits.pending;
      case Resource::kRequests: return limits.requests;
      case Resource::kRetries: return RetryLimit(limits);
    }
    return 0;
  }
  uint32_t RetryLimit(const CircuitLimits& limits) const {
    if (limits.retry_budget_percent < 0) return limits.retries;
    const double load = InUse(Resource::kRequests) + double{1} * InUse(Resource::kPending);
    return std::max(limits.retries_min,
                    static_cast<uint32_t>(load * limits.retry_budget_percent / 100));
  }
  std::array<std::atomic<uint32_t>, 4> counts_{};
};

}  // namespace proxy

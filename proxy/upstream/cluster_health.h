// What all workers together know of a cluster's hosts: outlier detection.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "common/random.h"
#include "proxy/stats/names.h"
#include "proxy/upstream/config.h"

namespace proxy {

// How one exchange with a host went, as outlier detection sees it.
enum class Outcome : uint8_t {
  kOk,            // Any answer below 500.
  kServerError,   // 5xx but not 502, 503 or 504.
  kGatewayError,  // 502, 503 or 504.
  kConnected,     // A stream could be opened; says nothing of the answer.
  kLocalError,    // No answer: no connection, a reset, a timeout.
};
// The outcome that an answer with this status is. A gRPC answer without a body is judged by its
// grpc-status (-1: it has none).
Outcome OutcomeOf(int status, int grpc_status);

// One host. Counts may be written by any thread; the rest only under ClusterHealth's mutex.
struct HostHealth {
  struct Tally {
    std::atomic<uint32_t> total{0};
    std::atomic<uint32_t> good{0};
  };
  std::atomic<bool> ejected{false};
  std::atomic<uint32_t> row_5xx{0};  // Consecutive, so far.
  std::atomic<uint32_t> row_gateway{0};
  std::atomic<uint32_t> row_local{0};
  Tally external, local;  // Of this interval. `local`: only with split errors.

  Address address;
  int64_t ejected_at_ns = 0;
  int64_t jitter_ns = 0;
  uint32_t ejections = 0;  // Multiplies the base time; falls again in quiet intervals.
};

// Who acts on a cluster's health: one worker's means.
struct HealthContext {
  int64_t now_ns;  // Steady.
  pinnace::Random& random;
  Cell* stats;  // ClusterStat cells of the calling thread.
};

// One cluster's hosts, shared by all workers and kept across updates of the same name. Any thread.
// Record() takes no lock unless it ejects.
class ClusterHealth {
 public:
  // The hosts are now these, in their order; those known before keep their record.
  std::vector<std::shared_ptr<HostHealth>> Adopt(const EndpointList& endpoints, bool outliers,
                                                 Cell* stats);
  // Counts and, where `config` says so, ejects.
  void Record(HostHealth& host, Outcome outcome, const OutlierConfig& config,
              const HealthContext& context);
  // The look at all hosts that is due every `config.interval`: readmits, judges success rates. Does
  // nothing if another thread has just done it.
  void Tick(const OutlierConfig& config, const HealthContext& context);
  // Changes whenever a host was ejected or readmitted.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // For reports.
  std::shared_ptr<const HostHealth> Find(const Address& address) const;

 private:
  enum class Cause : uint8_t {
    k5xx,
    kGateway,
    kSuccessRate,
    kLocal,
    kLocalSuccessRate,
    kFailurePercentage,
    kLocalFailurePercentage,
  };
  void Answered(HostHealth& host, Outcome outcome, const OutlierConfig& config,
                const HealthContext& context);
  void Detected(HostHealth& host, Cause cause, const OutlierConfig& config,
                const HealthContext& context);
  void Eject(HostHealth& host, Cause cause, const OutlierConfig& config,
             const HealthContext& context);
  void Readmit(HostHealth& host, Cell* stats);
  void LookAt(HostHealth& host, const OutlierConfig& config, const HealthContext& context);
  void JudgeRates(bool local, const OutlierConfig& config, const HealthContext& context);
  static uint32_t Enforcing(Cause cause, const OutlierConfig& config);

  mutable std::mutex mutex_;  // Guards what follows.
  std::map<Address, std::shared_ptr<HostHealth>> hosts_;
  uint32_t ejected_ = 0;
  int64_t next_tick_ns_ = 0;
  std::atomic<uint64_t> generation_{0};
};

}  // namespace proxy

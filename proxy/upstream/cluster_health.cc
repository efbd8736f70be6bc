// Outlier detection as Envoy defines it ("Outlier detection" in its architecture overview).
#include "proxy/upstream/cluster_health.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/log.h"

namespace proxy {
namespace {

constexpr absl::string_view kCauseNames[] = {
    "consecutive_5xx",
    "consecutive_gateway_failure",
    "success_rate",
    "consecutive_local_origin_failure",
    "local_origin_success_rate",
    "failure_percentage",
    "local_origin_failure_percentage",
};

void Reset(std::atomic<uint32_t>& count) {
  // Most of the time it is 0 already: then the cache line stays shared.
  if (count.load(std::memory_order_relaxed) != 0) count.store(0, std::memory_order_relaxed);
}

bool Reaches(std::atomic<uint32_t>& count, uint32_t threshold) {
  return count.fetch_add(1, std::memory_order_relaxed) + 1 == threshold;
}

void Count(HostHealth::Tally& tally, bool good) {
  tally.total.fetch_add(1, std::memory_order_relaxed);
  if (good) tally.good.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Outcome OutcomeOf(int status, int grpc_status) {
  switch (grpc_status) {
    case 4:
    case 14: return Outcome::kGatewayError;
    case 2:
    case 12:
    case 13:
    case 15: return Outcome::kServerError;
    default: break;
  }
  if (status < 500) return Outcome::kOk;
  return status >= 502 && status <= 504 ? Outcome::kGatewayError : Outcome::kServerError;
}

std::vector<std::shared_ptr<HostHealth>> ClusterHealth::Adopt(const EndpointList& endpoints,
                                                              bool outliers, Cell* stats) {
  std::vector<std::shared_ptr<HostHealth>> records;
  const std::lock_guard lock(mutex_);
  std::map<Address, std::shared_ptr<HostHealth>> now;
  for (const EndpointConfig& endpoint : endpoints) {
    auto& record = now[endpoint.address];
    if (const auto before = hosts_.find(endpoint.address); before != hosts_.end()) {
      record = before->second;
    } else if (record == nullptr) {
      record = std::make_shared<HostHealth>();
      record->address = endpoint.address;
    }
    records.push_back(record);
  }
  hosts_.swap(now);
  for (const auto& [address, record] : now) {
    if (record->ejected && (!outliers || !hosts_.contains(address))) Readmit(*record, stats);
  }
  return records;
}

void ClusterHealth::Record(HostHealth& host, Outcome outcome, const OutlierConfig& config,
                           const HealthContext& context) {
  if (!config.split_local) {
    if (outcome == Outcome::kConnected) return;
    // Without the split no answer counts as 503, or 504, does.
    if (outcome == Outcome::kLocalError) outcome = Outcome::kGatewayError;
    return Answered(host, outcome, config, context);
  }
  if (outcome == Outcome::kConnected) {
    Reset(host.row_local);
    return Count(host.local, true);
  }
  if (outcome != Outcome::kLocalError) return Answered(host, outcome, config, context);
  Count(host.local, false);
  if (Reaches(host.row_local, config.local_failures)) {
    Detected(host, Cause::kLocal, config, context);
  }
}

void ClusterHealth::Answered(HostHealth& host, Outcome outcome, const OutlierConfig& config,
                             const HealthContext& context) {
  Count(host.external, outcome == Outcome::kOk);
  if (outcome == Outcome::kOk) {
    Reset(host.row_5xx);
    Reset(host.row_gateway);
    return;
  }
  if (outcome != Outcome::kGatewayError) {
    Reset(host.row_gateway);
  } else if (Reaches(host.row_gateway, config.gateway_failures)) {
    Detected(host, Cause::kGateway, config, context);
  }
  if (Reaches(host.row_5xx, config.consecutive_5xx)) Detected(host, Cause::k5xx, config, context);
}

void ClusterHealth::Detected(HostHealth& host, Cause cause, const OutlierConfig& config,
                             const HealthContext& context) {
  const std::lock_guard lock(mutex_);
  switch (cause) {
    case Cause::k5xx: Reset(host.row_5xx); break;
    case Cause::kGateway: Reset(host.row_gateway); break;
    default: Reset(host.row_local); break;
  }
  Eject(host, cause, config, context);
}

uint32_t ClusterHealth::Enforcing(Cause cause, const OutlierConfig& config) {
  switch (cause) {
    case Cause::k5xx: return config.enforcing_5xx;
    case Cause::kGateway: return config.enforcing_gateway;
    case Cause::kSuccessRate: return config.enforcing_success_rate;
    case Cause::kLocal: return config.enforcing_local;
    case Cause::kLocalSuccessRate: return config.enforcing_local_success_rate;
    case Cause::kFailurePercentage: return config.enforcing_failure_percentage;
    case Cause::kLocalFailurePercentage: return config.enforcing_local_failure_percentage;
  }
  return 0;
}

void ClusterHealth::Eject(HostHealth& host, Cause cause, const OutlierConfig& config,
                          const HealthContext& context) {
  const auto found = hosts_.find(host.address);
  // A host that has left needs no ejection, an ejected one no second.
  if (host.ejected || found == hosts_.end() || found->second.get() != &host) return;
  Cell* stats = context.stats + kClusterOutlier;
  stats[kDetected5xx + static_cast<size_t>(cause)].Add();
  const bool fits = (ejected_ + 1) * uint64_t{100} <= hosts_.size() * config.ejection_percent_max;
  if (!fits && !(config.always_eject_one && ejected_ == 0)) {
    stats[kEjectionsOverflow].Add();
    return;
  }
  if (context.random.Below(100) >= Enforcing(cause, config)) return;
  stats[kEnforced5xx + static_cast<size_t>(cause)].Add();
  stats[kEjectionsEnforcedTotal].Add();
  stats[kEjectionsActive].Add();
  ++ejected_;
  const absl::Duration most = std::max(config.ejection_max, config.base_ejection);
  if (config.base_ejection * host.ejections < most + config.base_ejection) ++host.ejections;
  host.ejected_at_ns = context.now_ns;
  const int64_t jitter_ns = absl::ToInt64Nanoseconds(config.ejection_jitter_max);
  host.jitter_ns = static_cast<int64_t>(context.random.Below(static_cast<uint64_t>(jitter_ns) + 1));
  host.ejected = true;
  generation_.fetch_add(1, std::memory_order_release);
  pinnace::LogInfo("outlier", absl::StrCat("ejected ", host.address.ToString(), ": ",
                                           kCauseNames[static_cast<size_t>(cause)]));
}

void ClusterHealth::Readmit(HostHealth& host, Cell* stats) {
  host.ejected = false;
  // Else a count that was close to its threshold would eject again after few errors.
  for (auto* count : {&host.row_5xx, &host.row_gateway, &host.row_local}) Reset(*count);
  --ejected_;
  stats[kClusterOutlier + size_t{kEjectionsActive}].Sub();
  generation_.fetch_add(1, std::memory_order_release);
}

void ClusterHealth::LookAt(HostHealth& host, const OutlierConfig& config,
                           const HealthContext& context) {
  if (!host.ejected) {
    if (host.ejections > 0) --host.ejections;
    return;
  }
  const absl::Duration most = std::max(config.ejection_max, config.base_ejection);
  const absl::Duration lasts = std::min(config.base_ejection * host.ejections, most);
  if (absl::ToInt64Nanoseconds(lasts) + host.jitter_ns > context.now_ns - host.ejected_at_ns) {
    return;
  }
  Readmit(host, context.stats);
  pinnace::LogInfo("outlier", absl::StrCat("readmitted ", host.address.ToString()));
}

void ClusterHealth::JudgeRates(bool local, const OutlierConfig& config,
                               const HealthContext& context) {
  struct Rate {
    HostHealth* host;
    double percent;
  };
  std::vector<Rate> rates, failures;  // Of hosts with enough requests for each of the two rules.
  for (const auto& [address, host] : hosts_) {
    HostHealth::Tally& tally = local ? host->local : host->external;
    const uint32_t total = tally.total.exchange(0, std::memory_order_relaxed);
    const uint32_t good = tally.good.exchange(0, std::memory_order_relaxed);
    if (host->ejected || total == 0) continue;
    const Rate rate{host.get(), 100.0 * std::min(good, total) / total};
    if (total >= config.success_rate_volume) rates.push_back(rate);
    if (total >= config.failure_percentage_volume) failures.push_back(rate);
  }
  if (!rates.empty() && rates.size() >= config.success_rate_hosts_min) {
    double sum = 0, squares = 0;
    for (const Rate& rate : rates) sum += rate.percent;
    const double mean = sum / static_cast<double>(rates.size());
    for (const Rate& rate : rates) squares += (rate.percent - mean) * (rate.percent - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(rates.size()));
    const double least = mean - deviation * config.success_rate_stdev_factor / 1000.0;
    const Cause cause = local ? Cause::kLocalSuccessRate : Cause::kSuccessRate;
    for (const Rate& rate : rates) {
      if (rate.percent < least) Eject(*rate.host, cause, config, context);
    }
  }
  if (failures.empty() || failures.size() < config.failure_percentage_hosts_min) return;
  const Cause cause = local ? Cause::kLocalFailurePercentage : Cause::kFailurePercentage;
  for (const Rate& rate : failures) {
    if (100.0 - rate.percent >= config.failure_percentage_threshold) {
      Eject(*rate.host, cause, config, context);
    }
  }
}

void ClusterHealth::Tick(const OutlierConfig& config, const HealthContext& context) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || context.now_ns < next_tick_ns_) return;
  // Workers' timers are not exactly in step; half an interval tells their ticks from the next.
  next_tick_ns_ = context.now_ns + absl::ToInt64Nanoseconds(config.interval) / 2;
  for (const auto& [address, host] : hosts_) LookAt(*host, config, context);
  JudgeRates(false, config, context);
  if (config.split_local) JudgeRates(true, config, context);
}

std::shared_ptr<const HostHealth> ClusterHealth::Find(const Address& address) const {
  const std::lock_guard lock(mutex_);
  const auto found = hosts_.find(address);
  return found == hosts_.end() ? nullptr : found->second;
}

}  // namespace proxy

// Counters and gauges: dense cells, one shard a worker, named and summed only when read.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <absl/strings/string_view.h>

namespace proxy {

// One number with one writing thread; any thread may read it. No lock, no locked instruction.
class Cell {
 public:
  void Add(uint64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  void Sub(uint64_t by = 1) { Add(-by); }
  // Gauges with one writer alone.
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t Read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct StatName {
  const char* name;  // "upstream_rq_total"
  bool gauge = false;
};

// What kind of thing a scope counts for: decides its names and how they are printed.
struct ScopeKind {
  const char* prefix;  // "cluster": names begin "cluster.NAME."; empty: "NAME.".
  const char* label;   // "envoy_cluster_name": the Prometheus label that carries NAME.
  std::span<const StatName> names;
};

// All cells of one cluster, listener, HTTP connection manager, ...
class Scope {
 public:
  Scope(const ScopeKind& kind, std::string name, size_t workers)
      : kind_(kind), name_(std::move(name)), shards_(workers) {}
  // The cells that worker `index` alone writes; made on first use. That worker's thread.
  Cell* Shard(size_t index);
  uint64_t Sum(size_t stat) const;
  // "cluster.NAME.": what its stats' names begin with.
  std::string start() const;
  const ScopeKind& kind() const { return kind_; }
  const std::string& name() const { return name_; }

 private:
  const ScopeKind& kind_;
  const std::string name_;
  std::vector<std::atomic<Cell*>> shards_;

 public:
  ~Scope();
};

// All scopes of a process. Any thread; its mutex is taken when a scope is made or read, never by a
// request.
class StatsRegistry {
 public:
  // `workers`: number of shards, the main thread's included.
  explicit StatsRegistry(size_t workers) : workers_(workers) {}
  size_t workers() const { return workers_; }
  // The scope of that kind and name, made if there is none. A scope whose last holder is gone keeps
  // its numbers until Prune().
  std::shared_ptr<Scope> Get(const ScopeKind& kind, absl::string_view name);
  // Calls `visit` for every scope, in order of kind and name.
  void ForEach(const std::function<void(const Scope&)>& visit) const;
  // Lets go of scopes that nobody holds.
  void Prune();
  // The sum of one stat by its whole name ("cluster.up.upstream_rq_total"); 0 if there is none.
  uint64_t Value(absl::string_view full_name) const;

 private:
  const size_t workers_;
  mutable std::mutex mutex_;  // Guards scopes_.
  std::map<std::tuple<std::string, std::string, const ScopeKind*>, std::shared_ptr<Scope>> scopes_;
};

}  // namespace proxy

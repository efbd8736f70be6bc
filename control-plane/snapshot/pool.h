// One copy of each resource, however many proxies are served it.
#pragma once

#include <cstddef>
#include <string>

#include <absl/container/flat_hash_map.h>

#include "control-plane/model/resource.h"

namespace control {

// Memory then grows with the distinct resources, not with the proxies. Not thread-safe.
class ResourcePool {
 public:
  // Replaces each resource by an equal one that is in use already. Cost: one look-up a resource;
  // now and then a sweep over the pool.
  void Share(ResourceSet& resources);

  // Resources the pool remembers, among them such as nobody uses any more.
  size_t size() const { return pool_.size(); }

 private:
  static constexpr size_t kSweepMin = 1024;

  void Sweep();

  absl::flat_hash_map<std::string, std::weak_ptr<const Resource>> pool_;
  size_t sweep_at_ = kSweepMin;  // Pool size at which the next sweep is due.
};

}  // namespace control

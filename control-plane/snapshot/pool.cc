// Shares equal resources.
#include "control-plane/snapshot/pool.h"

#include <algorithm>

#include <absl/strings/str_cat.h>

namespace control {

void ResourcePool::Share(ResourceSet& resources) {
  for (auto& [type_url, by_name] : resources) {
    for (auto& [name, resource] : by_name) {
      std::weak_ptr<const Resource>& slot =
          pool_[absl::StrCat(resource->version, "\n", name, "\n", type_url)];
      if (ResourcePtr shared = slot.lock()) {
        resource = std::move(shared);
      } else {
        slot = resource;
      }
    }
  }
  if (pool_.size() >= sweep_at_) Sweep();
}

void ResourcePool::Sweep() {
  for (auto it = pool_.begin(); it != pool_.end();) {
    const auto here = it++;
    if (here->second.expired()) pool_.erase(here);
  }
  // Doubling keeps the sweeps' cost a constant share of the look-ups'.
  sweep_at_ = std::max(kSweepMin, 2 * pool_.size());
}

}  // namespace control

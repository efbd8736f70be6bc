// Which workloads a policy concerns.
#include "control-plane/model/security.h"

#include <algorithm>

namespace control {

bool WorkloadScope::Concerns(const std::string& workload_ns, const Labels& labels) const {
  if (mesh) return true;
  if (ns != workload_ns) return false;
  return selectors.empty() ||
         std::any_of(selectors.begin(), selectors.end(),
                     [&](const Labels& selector) { return Selects(selector, labels); });
}

}  // namespace control

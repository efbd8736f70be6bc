// Which of a route's levels speak to a filter.
#include "proxy/route/route.h"

namespace proxy {

bool FindRouteFilters(absl::string_view name, bool disabled, const WeightedCluster* cluster,
                      const Route* route, const VirtualHost* host, const RouteTable* table,
                      std::vector<const RouteFilterConfig*>& found) {
  const std::vector<RouteFilter>* const levels[] = {
      cluster != nullptr ? &cluster->filters : nullptr,
      route != nullptr ? &route->filters : nullptr, host != nullptr ? &host->filters : nullptr,
      table != nullptr ? &table->filters() : nullptr};
  bool decided = false;
  for (const std::vector<RouteFilter>* level : levels) {
    if (level == nullptr) continue;
    for (const RouteFilter& one : *level) {
      if (one.name != name) continue;
      if (!decided) disabled = one.disabled;
      decided = true;
      if (one.config != nullptr) found.push_back(one.config.get());
    }
  }
  return !disabled;
}

}  // namespace proxy

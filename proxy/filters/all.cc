// The list of filters: a new one is a line here.
#include "proxy/filters/filters.h"

namespace proxy {

std::span<const FilterType* const> AllFilters() {
  static const FilterType* const kAll[] = {
      &BufferFilter(),   &CorsFilter(),           &CsrfFilter(),
      &FaultFilter(),    &GrpcWebFilter(),        &HeaderMutationFilter(),
      &JwtAuthnFilter(), &LocalRateLimitFilter(), &RbacFilter(),
  };
  return kAll;
}

const FilterType* FindFilter(absl::string_view message) {
  for (const FilterType* one : AllFilters()) {
    if (one->config->GetDescriptor()->full_name() == message) return one;
    if (one->route_config != nullptr &&
        one->route_config->GetDescriptor()->full_name() == message) {
      return one;
    }
  }
  return nullptr;
}

}  // namespace proxy

// The HTTP filters that the proxy has. A new one is a file here and a line in all.cc.
#pragma once

#include <memory>
#include <span>
#include <string>

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include "proxy/http/filter.h"
#include "proxy/stats/stats.h"

namespace proxy {

// What a filter's settings may use while they are read. Main thread; borrowed for the call.
struct FilterContext {
  StatsRegistry& stats;
  std::string stat_prefix = {};  // The connection manager's; empty when a route is read.
};

// One kind of filter.
struct FilterType {
  const char* name;  // Envoy's, for error texts: "envoy.filters.http.fault".
  // Prototypes of the messages in typed_config and typed_per_filter_config; the latter may be the
  // same, and is null if routes cannot configure this filter.
  const google::protobuf::Message* config;
  const google::protobuf::Message* route_config;
  // Errors: InvalidArgument "field: rule".
  absl::StatusOr<FilterFactory> (*parse)(const google::protobuf::Message& config,
                                         FilterContext& context);
  absl::StatusOr<std::shared_ptr<const RouteFilterConfig>> (*parse_route)(
      const google::protobuf::Message& config, FilterContext& context);
};

std::span<const FilterType* const> AllFilters();
// By the full name of either message; null if there is none.
const FilterType* FindFilter(absl::string_view message);

// One function a file.
const FilterType& BufferFilter();
const FilterType& CorsFilter();
const FilterType& CsrfFilter();
const FilterType& FaultFilter();
const FilterType& GrpcWebFilter();
const FilterType& HeaderMutationFilter();
const FilterType& JwtAuthnFilter();
const FilterType& LocalRateLimitFilter();
const FilterType& RbacFilter();

}  // namespace proxy

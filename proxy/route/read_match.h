// Matchers and header edits of the API, as routes and filters read them.
#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "common/random.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/type/matcher/v3/string.pb.h"
#include "envoy/type/v3/percent.pb.h"
#include "proxy/route/route.h"

namespace proxy {

// A share of requests: `numerator` of `denominator`; more than all is all.
struct Fraction {
  uint32_t numerator = 100;
  uint32_t denominator = 100;  // 100, 10,000 or 1,000,000
  bool Draw(pinnace::Random& random) const {
    return numerator >= denominator || (numerator != 0 && random.Below(denominator) < numerator);
  }
};

// Each answers InvalidArgument naming the field and the rule.
absl::StatusOr<std::shared_ptr<const RE2>> CompileRegex(const std::string& pattern);
absl::Status ReadText(const envoy::type::matcher::v3::StringMatcher& proto, TextMatch& text);
absl::Status ReadHeader(const envoy::config::route::v3::HeaderMatcher& proto, HeaderMatch& match);
absl::Status ReadQuery(const envoy::config::route::v3::QueryParameterMatcher& proto,
                       QueryMatch& match);
absl::Status ReadRouteMatch(const envoy::config::route::v3::RouteMatch& proto, RouteMatch& match);
absl::StatusOr<HeaderEdits::Edit> ReadEdit(
    const envoy::config::core::v3::HeaderValueOption& option);
Fraction ReadFraction(const envoy::type::v3::FractionalPercent& proto);
absl::Duration ToDuration(const google::protobuf::Duration& proto);

}  // namespace proxy

#include <absl/strings/match.h>
#include <catch2/catch.hpp>

#include "proxy/snapshot/parse.h"

namespace proxy {
namespace {

using envoy::config::cluster::v3::OutlierDetection;

TEST_CASE("outlier detection: what is set is taken, the rest has Envoy's defaults") {
  OutlierDetection proto;
  proto.mutable_consecutive_gateway_failure()->set_value(3);
  proto.mutable_enforcing_consecutive_gateway_failure()->set_value(70);
  proto.mutable_max_ejection_time()->set_seconds(90);
  proto.set_split_external_local_origin_errors(true);
  proto.mutable_always_eject_one_host()->set_value(true);
  OutlierConfig config;
  REQUIRE(ReadOutlier(proto, config).ok());
  CHECK(config.gateway_failures == 3);
  CHECK(config.enforcing_gateway == 70);
  CHECK(config.ejection_max == absl::Seconds(90));
  CHECK(config.split_local);
  CHECK(config.always_eject_one);
  CHECK(config.consecutive_5xx == 5);
  CHECK(config.ejection_percent_max == 10);
}

TEST_CASE("outlier detection: a percentage above 100 and a time of zero are refused by name") {
  OutlierDetection proto;
  OutlierConfig config;
  proto.mutable_enforcing_success_rate()->set_value(101);
  CHECK(
      absl::StrContains(ReadOutlier(proto, config).ToString(), "enforcing_success_rate: must be"));
  proto.Clear();
  proto.mutable_interval();
  CHECK(absl::StrContains(ReadOutlier(proto, config).ToString(), "interval: must be above zero"));
  proto.Clear();
  proto.mutable_max_ejection_time_jitter();
  CHECK(ReadOutlier(proto, config).ok());
}

}  // namespace
}  // namespace proxy

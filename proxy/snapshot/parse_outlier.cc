// Outlier detection.
#include <google/protobuf/wrappers.pb.h>

#include <absl/strings/str_cat.h>

#include "proxy/snapshot/parse.h"

namespace proxy {
namespace {

struct Number {
  const char* field;
  uint32_t OutlierConfig::*into;
  bool percent = false;
};
constexpr Number kNumbers[] = {
    {"consecutive_5xx", &OutlierConfig::consecutive_5xx},
    {"consecutive_gateway_failure", &OutlierConfig::gateway_failures},
    {"consecutive_local_origin_failure", &OutlierConfig::local_failures},
    {"enforcing_consecutive_5xx", &OutlierConfig::enforcing_5xx, true},
    {"enforcing_consecutive_gateway_failure", &OutlierConfig::enforcing_gateway, true},
    {"enforcing_consecutive_local_origin_failure", &OutlierConfig::enforcing_local, true},
    {"max_ejection_percent", &OutlierConfig::ejection_percent_max, true},
    {"success_rate_minimum_hosts", &OutlierConfig::success_rate_hosts_min},
    {"success_rate_request_volume", &OutlierConfig::success_rate_volume},
    {"success_rate_stdev_factor", &OutlierConfig::success_rate_stdev_factor},
    {"enforcing_success_rate", &OutlierConfig::enforcing_success_rate, true},
    {"enforcing_local_origin_success_rate", &OutlierConfig::enforcing_local_success_rate, true},
    {"failure_percentage_threshold", &OutlierConfig::failure_percentage_threshold, true},
    {"failure_percentage_minimum_hosts", &OutlierConfig::failure_percentage_hosts_min},
    {"failure_percentage_request_volume", &OutlierConfig::failure_percentage_volume},
    {"enforcing_failure_percentage", &OutlierConfig::enforcing_failure_percentage, true},
    {"enforcing_failure_percentage_local_origin",
     &OutlierConfig::enforcing_local_failure_percentage, true},
};

struct Time {
  const char* field;
  absl::Duration OutlierConfig::*into;
  bool zero_allowed = false;
};
constexpr Time kTimes[] = {
    {"interval", &OutlierConfig::interval},
    {"base_ejection_time", &OutlierConfig::base_ejection},
    {"max_ejection_time", &OutlierConfig::ejection_max},
    {"max_ejection_time_jitter", &OutlierConfig::ejection_jitter_max, true},
};

}  // namespace

absl::Status ReadOutlier(const envoy::config::cluster::v3::OutlierDetection& proto,
                         OutlierConfig& to) {
  const auto& fields = *proto.GetDescriptor();
  const auto& reflection = *proto.GetReflection();
  const auto given = [&](const char* name) {
    const auto* field = fields.FindFieldByName(name);
    return reflection.HasField(proto, field) ? &reflection.GetMessage(proto, field) : nullptr;
  };
  for (const Number& number : kNumbers) {
    const auto* value = given(number.field);
    if (value == nullptr) continue;
    to.*number.into = static_cast<const google::protobuf::UInt32Value*>(value)->value();
    if (number.percent && to.*number.into > 100) {
      return absl::InvalidArgumentError(absl::StrCat(number.field, ": must be at most 100"));
    }
  }
  for (const Time& time : kTimes) {
    const auto* value = given(time.field);
    if (value == nullptr) continue;
    to.*time.into = ToDuration(*static_cast<const google::protobuf::Duration*>(value));
    if (to.*time.into < absl::ZeroDuration() ||
        (to.*time.into == absl::ZeroDuration() && !time.zero_allowed)) {
      return absl::InvalidArgumentError(absl::StrCat(time.field, ": must be above zero"));
    }
  }
  to.split_local = proto.split_external_local_origin_errors();
  to.always_eject_one = proto.always_eject_one_host().value();
  return absl::OkStatus();
}

}  // namespace proxy

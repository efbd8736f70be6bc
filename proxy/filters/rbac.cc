// Refuses requests that the rules do not allow; counts those that shadow rules would refuse.
#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "proxy/filters/filters.h"
#include "proxy/filters/rbac_rules.h"
#include "proxy/http/metadata.h"

namespace proxy {
namespace {

namespace api = envoy::extensions::filters::http::rbac::v3;

enum RbacStat : size_t { kAllowed, kDenied, kShadowAllowed, kShadowDenied, kRbacStatCount };
constexpr StatName kNames[] = {{"allowed"}, {"denied"}, {"shadow_allowed"}, {"shadow_denied"}};
static_assert(std::size(kNames) == kRbacStatCount);
constexpr ScopeKind kRbacScope = {"http", "envoy_http_conn_manager_prefix", kNames};

constexpr char kMetadataName[] = "envoy.filters.http.rbac";

struct Settings final : RouteFilterConfig {
  std::shared_ptr<const RbacRules> rules;   // Null: everything is allowed.
  std::shared_ptr<const RbacRules> shadow;  // Null: none.
};

class Rbac final : public Filter {
 public:
  Rbac(FilterHost& host, Cell* stats, const Settings& settings)
      : host_(host), stats_(stats), settings_(settings) {}

  Next OnRequestHead(RequestHead&, bool) override {
    if (settings_.shadow != nullptr) {
      const RbacVerdict verdict = settings_.shadow->Decide(host_);
      stats_[verdict.allowed ? kShadowAllowed : kShadowDenied].Add();
      Note("shadow_effective_policy_id", "shadow_engine_result", verdict);
    }
    if (settings_.rules == nullptr) return Next::kContinue;
    const RbacVerdict verdict = settings_.rules->Decide(host_);
    if (settings_.rules->action == RbacRules::Action::kLog) {
      auto& fields = *Metadata("envoy.common").mutable_fields();
      fields["access_log_hint"].set_bool_value(verdict.policy != nullptr);
      stats_[kAllowed].Add();
      return Next::kContinue;
    }
    if (verdict.policy != nullptr) {
      Note("enforced_effective_policy_id", "enforced_engine_result", verdict);
    }
    stats_[verdict.allowed ? kAllowed : kDenied].Add();
    if (verdict.allowed) return Next::kContinue;
    std::string name = verdict.policy == nullptr ? "none" : verdict.policy->name;
    std::replace_if(name.begin(), name.end(), absl::ascii_isspace, '_');
    const std::string details = absl::StrCat("rbac_access_denied_matched_policy[", name, "]");
    host_.Reply({.status = 403, .details = details, .body = "RBAC: access denied"});
    return Next::kPause;
  }

 private:
  google::protobuf::Struct& Metadata(const char* name) {
    std::shared_ptr<DynamicMetadata>& metadata = host_.info().metadata;
    if (metadata == nullptr) metadata = std::make_shared<DynamicMetadata>();
    return metadata->filters[name];
  }
  void Note(const char* policy_key, const char* result_key, const RbacVerdict& verdict) {
    auto& fields = *Metadata(kMetadataName).mutable_fields();
    if (verdict.policy != nullptr) fields[policy_key].set_string_value(verdict.policy->name);
    fields[result_key].set_string_value(verdict.allowed ? "allowed" : "denied");
  }

  FilterHost& host_;
  Cell* const stats_;
  const Settings& settings_;
};

absl::StatusOr<std::shared_ptr<const Settings>> ReadSettings(const api::RBAC& proto) {
  auto settings = std::make_shared<Settings>();
  if (proto.has_rules()) {
    auto rules = ReadRbac(proto.rules());
    if (!rules.ok())
      return absl::InvalidArgumentError(absl::StrCat("rules.", rules.status().message()));
    settings->rules = *std::move(rules);
  }
  if (proto.has_shadow_rules()) {
    auto rules = ReadRbac(proto.shadow_rules());
    if (!rules.ok())
      return absl::InvalidArgumentError(absl::StrCat("shadow_rules.", rules.status().message()));
    settings->shadow = *std::move(rules);
  }
  return std::shared_ptr<const Settings>(std::move(settings));
}

absl::StatusOr<FilterFactory> Parse(const google::protobuf::Message& message,
                                    FilterContext& context) {
  const auto& proto = static_cast<const api::RBAC&>(message);
  auto own = ReadSettings(proto);
  if (!own.ok()) return own.status();
  // Two filters in one chain (rules to deny, rules to allow) share the counters of one prefix.
  const std::string name = absl::StrCat(
      context.stat_prefix, ".rbac",
      proto.rules_stat_prefix().empty() ? "" : absl::StrCat(".", proto.rules_stat_prefix()));
  auto stats = context.stats.Get(kRbacScope, name);
  return FilterFactory(
      [own = *own, stats](FilterHost& host, RouteFilterConfigs routes) -> std::unique_ptr<Filter> {
        const Settings& settings = routes.empty() ? *own : static_cast<const Settings&>(*routes[0]);
        if (settings.rules == nullptr && settings.shadow == nullptr) return nullptr;
        return std::make_unique<Rbac>(host, stats->Shard(host.worker()), settings);
      });
}

absl::StatusOr<std::shared_ptr<const RouteFilterConfig>> ParseRoute(
    const google::protobuf::Message& message, FilterContext&) {
  return ReadSettings(static_cast<const api::RBACPerRoute&>(message).rbac());
}

}  // namespace

const FilterType& RbacFilter() {
  static const FilterType kType = {"envoy.filters.http.rbac", &api::RBAC::default_instance(),
                                   &api::RBACPerRoute::default_instance(), &Parse, &ParseRoute};
  return kType;
}

}  // namespace proxy

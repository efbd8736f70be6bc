// pinnace.mesh RateLimitPolicy: how many requests a workload takes, in all or of each caller.
#include <absl/strings/str_cat.h>

#include "control-plane/policy/kind.h"
#include "control-plane/policy/route_parts.h"
#include "control-plane/policy/workload_scope.h"

namespace control {
namespace {

constexpr size_t kLimitsMax = 64;
constexpr size_t kKeysMax = 4;

struct RateLimitPolicy final : Object {
  RateLimitPolicySpec spec;
};

RateKey ReadKey(const Reader& reader) {
  static constexpr absl::string_view kFrom[] = {"Header", "ClientIP", "Claim", "Path", "Method"};
  Fields fields(reader);
  RateKey key;
  const auto from = fields.Require("from").OneOf(kFrom);
  if (from) key.kind = static_cast<RateKey::Kind>(*from);
  const bool named = key.kind == RateKey::Kind::kHeader || key.kind == RateKey::Kind::kClaim;
  if (named) {
    const Reader name = fields.Require("name");
    key.name = key.kind == RateKey::Kind::kHeader ? ReadHeaderName(name) : name.Text().value_or("");
  }
  fields.Finish();
  return key;
}

RateLimitSpec ReadLimit(const Reader& reader, size_t index) {
  Fields fields(reader);
  RateLimitSpec limit;
  limit.name = fields.Get("name").Text().value_or(absl::StrCat(index));
  limit.requests =
      static_cast<uint32_t>(fields.Require("requests").Integer(1, kCountMax).value_or(1));
  limit.per =
      fields.Get("per").Duration(absl::Milliseconds(50), absl::Hours(24 * 31)).value_or(limit.per);
  limit.burst =
      static_cast<uint32_t>(fields.Get("burst").Integer(1, kCountMax).value_or(limit.requests));
  for (const Reader& item : fields.Get("keys").Items(kKeysMax)) {
    limit.keys.push_back(ReadKey(item));
  }
  fields.Finish();
  return limit;
}

ObjectPtr Parse(Fields& document, const ObjectMeta& meta) {
  static constexpr absl::string_view kModes[] = {"Enforce", "DryRun"};
  auto policy = std::make_shared<RateLimitPolicy>();
  policy->meta = policy->spec.meta = meta;
  Fields spec(document.Require("spec"));
  policy->spec.scope = ReadWorkloadScope(spec, meta);
  policy->spec.dry_run = spec.Get("mode").OneOf(kModes).value_or(0) == 1;
  policy->spec.keys_max = static_cast<uint32_t>(
      spec.Get("maxKeys").Integer(1, 1'000'000).value_or(policy->spec.keys_max));
  const Reader limits = spec.Require("limits");
  for (const Reader& item : limits.Items(kLimitsMax)) {
    policy->spec.limits.push_back(ReadLimit(item, policy->spec.limits.size()));
  }
  if (limits.present() && policy->spec.limits.empty()) {
    limits.Report("OutOfRange", "must not be empty");
  }
  spec.Finish();
  return policy;
}

void Apply(std::span<const ObjectPtr> objects, Building& building) {
  for (const ObjectPtr& object : objects) {
    RateLimitPolicySpec spec = static_cast<const RateLimitPolicy&>(*object).spec;
    WidenRootScope(building.mesh, spec.scope);
    WarnOfOpaquePorts(spec.meta, spec.scope, building);
    building.mesh.rate_limit_policies.push_back(std::move(spec));
  }
}

}  // namespace

const Kind kRateLimitPolicyKind = {
    "RateLimitPolicy", {"pinnace.mesh/v1alpha1"}, true, &Parse, &Apply};

}  // namespace control

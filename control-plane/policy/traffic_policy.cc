// pinnace.mesh TrafficPolicy: balancing, limits, retries and timeouts towards a service.
#include <algorithm>

#include <absl/strings/str_cat.h>

#include "control-plane/policy/kind.h"

namespace control {
namespace {

constexpr absl::Duration kTimeoutMax = absl::Hours(24);

struct TrafficTarget {
  bool is_namespace = false;  // Else a service.
  std::string name;
};

struct TrafficPolicy final : Object {
  std::vector<TrafficTarget> targets;
  TrafficSettings settings;
};

// Reads fields of one group of settings and notes where each came from.
class Group {
 public:
  Group(Fields& spec, absl::string_view name, TrafficSettings& settings, const Origin& origin)
      : name_(name), fields_(spec.Get(name)), settings_(settings), origin_(origin) {}

  void Count(absl::string_view field, int64_t least, int64_t most, std::optional<uint32_t>& out) {
    const Reader reader = fields_.Get(field);
    if (const auto value = reader.Integer(least, most)) {
      out = static_cast<uint32_t>(*value);
      Note(field, reader);
    }
  }
  void Time(absl::string_view field, absl::Duration least, std::optional<absl::Duration>& out) {
    const Reader reader = fields_.Get(field);
    if (const auto value = reader.Duration(least, kTimeoutMax)) {
      out = *value;
      Note(field, reader);
    }
  }
  void Note(absl::string_view field, const Reader& reader) {
    Origin origin = origin_;
    origin.line = reader.line();
    settings_.from[absl::StrCat(name_, ".", field)] = origin;
  }
  Fields& fields() { return fields_; }

 private:
  const std::string name_;
  Fields fields_;
  TrafficSettings& settings_;
  const Origin origin_;
};

void ReadRetries(Group group, TrafficSettings& out) {
  static constexpr absl::string_view kWords[] = {"5xx",
                                                 "gateway-error",
                                                 "reset",
                                                 "connect-failure",
                                                 "refused-stream",
                                                 "retriable-4xx",
                                                 "cancelled",
                                                 "deadline-exceeded",
                                                 "internal",
                                                 "resource-exhausted",
                                                 "unavailable",
                                                 "reset-before-request"};
  group.Count("attempts", 0, 10, out.retry_attempts);
  group.Time("perTryTimeout", absl::Milliseconds(1), out.per_try_timeout);
  const Reader on = group.fields().Get("on");
  if (on.present()) {
    std::vector<std::string> words;
    for (const Reader& item : on.Items(std::size(kWords))) {
      if (const auto index = item.OneOf(kWords)) words.emplace_back(kWords[*index]);
    }
    if (words.empty()) {
      on.Report("OutOfRange", "must not be empty", "attempts: 0 turns retries off");
    }
    out.retry_on = std::move(words);
    group.Note("on", on);
  }
  group.fields().Finish();
}

void ReadSettings(Fields& spec, const Origin& origin, TrafficSettings& out) {
  static constexpr absl::string_view kPolicies[] = {"RoundRobin", "LeastRequest", "Random"};
  Group balancing(spec, "loadBalancing", out, origin);
  const Reader policy = balancing.fields().Get("policy");
  if (const auto index = policy.OneOf(kPolicies)) {
    out.load_balancing = static_cast<LoadBalancing>(*index);
    balancing.Note("policy", policy);
  }
  balancing.fields().Finish();

  Group breaker(spec, "circuitBreaker", out, origin);
  breaker.Count("maxConnections", 0, kCountMax, out.max_connections);
  breaker.Count("maxPending", 0, kCountMax, out.max_pending);
  breaker.Count("maxRequests", 0, kCountMax, out.max_requests);
  breaker.Count("maxRetries", 0, kCountMax, out.max_retries);
  breaker.fields().Finish();

  Group outlier(spec, "outlier", out, origin);
  outlier.Count("consecutive5xx", 0, kCountMax, out.consecutive_5xx);
  outlier.Time("baseEjection", absl::Milliseconds(1), out.base_ejection);
  outlier.Time("interval", absl::Milliseconds(1), out.ejection_interval);
  outlier.Count("maxEjectionPercent", 0, 100, out.max_ejection_percent);
  outlier.fields().Finish();

  ReadRetries(Group(spec, "retries", out, origin), out);

  Group timeouts(spec, "timeouts", out, origin);
  timeouts.Time("request", absl::ZeroDuration(), out.request_timeout);
  timeouts.Time("idle", absl::ZeroDuration(), out.idle_timeout);
  timeouts.Time("connect", absl::Milliseconds(1), out.connect_timeout);
  timeouts.fields().Finish();
}

ObjectPtr Parse(Fields& document, const ObjectMeta& meta) {
  static constexpr absl::string_view kKinds[] = {"Service", "Namespace"};
  auto policy = std::make_shared<TrafficPolicy>();
  policy->meta = meta;
  Fields spec(document.Require("spec"));
  const Reader targets = spec.Require("targetRefs");
  for (const Reader& item : targets.Items(kItemsMax)) {
    Fields fields(item);
    fields.Ignore({"group"});
    const auto kind = fields.Require("kind").OneOf(kKinds);
    const Reader name = fields.Require("name");
    const auto text = name.Text();
    fields.Finish();
    if (!kind || !text) continue;
    if (*kind == 1 && *text != meta.key.ns) {
      name.Report("OutOfRange", "must be the policy's own namespace",
                  absl::StrCat("write ", meta.key.ns, " or move the policy to ", *text));
    }
    policy->targets.push_back({*kind == 1, *text});
  }
  ReadSettings(spec, meta.origin, policy->settings);
  spec.Finish();
  return policy;
}

template <typename T>
void Take(std::optional<T>& into, const std::optional<T>& from) {
  if (!into) into = from;
}

// Fills what `into` leaves unset from the less specific `from`.
void Inherit(TrafficSettings& into, const TrafficSettings& from) {
  Take(into.load_balancing, from.load_balancing);
  Take(into.max_connections, from.max_connections);
  Take(into.max_pending, from.max_pending);
  Take(into.max_requests, from.max_requests);
  Take(into.max_retries, from.max_retries);
  Take(into.consecutive_5xx, from.consecutive_5xx);
  Take(into.base_ejection, from.base_ejection);
  Take(into.ejection_interval, from.ejection_interval);
  Take(into.max_ejection_percent, from.max_ejection_percent);
  Take(into.retry_attempts, from.retry_attempts);
  Take(into.retry_on, from.retry_on);
  Take(into.per_try_timeout, from.per_try_timeout);
  Take(into.request_timeout, from.request_timeout);
  Take(into.idle_timeout, from.idle_timeout);
  Take(into.connect_timeout, from.connect_timeout);
  into.from.insert(from.from.begin(), from.from.end());  // Keeps what is there.
}

using ByTarget = std::map<NamespacedName, const TrafficPolicy*>;  // Name "": the namespace.

void Claim(const TrafficPolicy& policy, size_t index, ByTarget& claims, Building& building) {
  const TrafficTarget& target = policy.targets[index];
  const NamespacedName key{policy.meta.key.ns, target.is_namespace ? "" : target.name};
  const std::string field = absl::StrCat("spec.targetRefs[", index, "]");
  if (!target.is_namespace && building.mesh.FindService(key) == nullptr) {
    building.problems.push_back(
        ProblemAt(policy.meta, field, "MissingTarget",
                  absl::StrCat("there is no service ", key.ns, "/", key.name)));
  }
  const auto [it, fresh] = claims.emplace(key, &policy);
  if (fresh || it->second == &policy) return;
  building.problems.push_back(
      ProblemAt(policy.meta, field, "Conflicted",
                absl::StrCat("TrafficPolicy ", it->second->meta.key.name,
                             " has the same target and is older; this one has no effect on it"),
                "keep one TrafficPolicy a target"));
}

void Apply(std::span<const ObjectPtr> objects, Building& building) {
  ByTarget claims;
  for (const ObjectPtr& object : objects) {
    const auto& policy = static_cast<const TrafficPolicy&>(*object);
    for (size_t i = 0; i < policy.targets.size(); ++i) Claim(policy, i, claims, building);
  }
  for (auto& [key, service] : building.mesh.services) {
    const NamespacedName levels[] = {
        key, {key.ns, ""}, {building.mesh.settings.root_namespace, ""}};
    for (const NamespacedName& level : levels) {
      const auto it = claims.find(level);
      if (it != claims.end()) Inherit(service.traffic, it->second->settings);
    }
  }
}

}  // namespace

const Kind kTrafficPolicyKind = {"TrafficPolicy", {"pinnace.mesh/v1alpha1"}, true, &Parse, &Apply};

}  // namespace control

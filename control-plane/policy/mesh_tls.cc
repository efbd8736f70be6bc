// pinnace.mesh MeshTLS: whether workloads take plaintext, mutual TLS or both.
#include <algorithm>
#include <tuple>

#include <absl/strings/str_cat.h>

#include "control-plane/policy/kind.h"

namespace control {
namespace {

struct MeshTls final : Object {
  bool whole_namespace = true;
  std::vector<Labels> selectors;  // One a targetRef of kind Pod.
  TlsMode mode = TlsMode::kPermissive;
};

void ReadTarget(const Reader& reader, const ObjectMeta& meta, MeshTls& policy) {
  static constexpr absl::string_view kKinds[] = {"Pod", "Namespace"};
  Fields fields(reader);
  fields.Ignore({"group"});
  const auto kind = fields.Require("kind").OneOf(kKinds);
  if (kind && *kind == 0) {
    Fields selector(fields.Require("selector"));
    const Reader labels = selector.Require("matchLabels");
    Labels wanted = labels.Texts();
    if (labels.present() && wanted.empty()) {
      labels.Report("OutOfRange", "must not be empty", "leave targetRefs out for all pods");
    }
    selector.Finish();
    policy.selectors.push_back(std::move(wanted));
  } else if (kind) {
    policy.whole_namespace = true;
    const Reader name = fields.Require("name");
    const auto text = name.Text();
    if (text && *text != meta.key.ns) {
      name.Report("OutOfRange", "must be the policy's own namespace",
                  absl::StrCat("write ", meta.key.ns, " or move the policy to ", *text));
    }
  }
  fields.Finish();
}

ObjectPtr Parse(Fields& document, const ObjectMeta& meta) {
  static constexpr absl::string_view kModes[] = {"Disable", "Permissive", "Strict"};
  auto policy = std::make_shared<MeshTls>();
  policy->meta = meta;
  Fields spec(document.Require("spec"));
  if (const auto mode = spec.Require("mode").OneOf(kModes)) {
    policy->mode = static_cast<TlsMode>(*mode);
  }
  const Reader targets = spec.Get("targetRefs");
  if (targets.present()) {
    policy->whole_namespace = false;
    for (const Reader& item : targets.Items(kItemsMax)) ReadTarget(item, meta, *policy);
  }
  spec.Finish();
  return policy;
}

void AddRule(TlsRule rule, Building& building) {
  for (const TlsRule& other : building.mesh.tls_rules) {
    if (std::tie(other.scope, other.ns, other.selector) !=
        std::tie(rule.scope, rule.ns, rule.selector)) {
      continue;
    }
    building.problems.push_back(
        ProblemAt(rule.meta, "spec.targetRefs", "Conflicted",
                  absl::StrCat("MeshTLS ", other.meta.key.ns, "/", other.meta.key.name,
                               " has the same target and is older; this one has no effect"),
                  "keep one MeshTLS a target"));
    return;
  }
  building.mesh.tls_rules.push_back(std::move(rule));
}

void Apply(std::span<const ObjectPtr> objects, Building& building) {
  for (const ObjectPtr& object : objects) {
    const auto& policy = static_cast<const MeshTls&>(*object);
    const std::string& ns = policy.meta.key.ns;
    TlsRule rule;
    rule.mode = policy.mode;
    rule.meta = policy.meta;
    if (policy.whole_namespace) {
      const bool root = ns == building.mesh.settings.root_namespace;
      rule.scope = root ? TlsRule::Scope::kMesh : TlsRule::Scope::kNamespace;
      rule.ns = root ? "" : ns;
      AddRule(rule, building);
    }
    rule.scope = TlsRule::Scope::kPods;
    rule.ns = ns;
    for (const Labels& selector : policy.selectors) {
      rule.selector = selector;
      AddRule(rule, building);
    }
  }
  std::stable_sort(building.mesh.tls_rules.begin(), building.mesh.tls_rules.end(),
                   [](const TlsRule& a, const TlsRule& b) { return a.scope > b.scope; });
}

}  // namespace

const Kind kMeshTlsKind = {"MeshTLS", {"pinnace.mesh/v1alpha1"}, true, &Parse, &Apply};

}  // namespace control

// Which workloads a policy concerns.
#include "control-plane/policy/workload_scope.h"

#include <absl/strings/str_cat.h>

namespace control {
namespace {

void ReadTarget(const Reader& reader, const ObjectMeta& meta, WorkloadScope& scope, bool& whole) {
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
    scope.selectors.push_back(std::move(wanted));
  } else if (kind) {
    whole = true;
    const Reader name = fields.Require("name");
    const auto text = name.Text();
    if (text && *text != meta.key.ns) {
      name.Report("OutOfRange", "must be the policy's own namespace",
                  absl::StrCat("write ", meta.key.ns, " or move the policy to ", *text));
    }
  }
  fields.Finish();
}

}  // namespace

WorkloadScope ReadWorkloadScope(Fields& spec, const ObjectMeta& meta) {
  WorkloadScope scope;
  scope.ns = meta.key.ns;
  const Reader targets = spec.Get("targetRefs");
  bool whole = false;
  for (const Reader& item : targets.Items(kItemsMax)) ReadTarget(item, meta, scope, whole);
  if (whole) scope.selectors.clear();
  return scope;
}

void WidenRootScope(const Mesh& mesh, WorkloadScope& scope) {
  scope.mesh = scope.ns == mesh.settings.root_namespace && scope.selectors.empty();
}

void WarnOfOpaquePorts(const ObjectMeta& meta, const WorkloadScope& scope, Building& building) {
  for (const auto& [key, workload] : building.mesh.workloads) {
    if (!workload.sidecar || !scope.Concerns(key.ns, workload.labels)) continue;
    const auto inbound = building.mesh.inbound.find(workload.ip);
    if (inbound == building.mesh.inbound.end()) continue;
    for (const InboundPort& port : inbound->second) {
      if (IsHttp(port.protocol)) continue;
      building.problems.push_back(ProblemAt(
          meta, "spec.targetRefs", "NotEnforced",
          absl::StrCat("port ", port.port, " of pod ", key.ns, "/", key.name,
                       " is not declared as HTTP or gRPC: the policy has no effect there"),
          "name the service's port http-..., or give it an appProtocol"));
    }
  }
}

}  // namespace control

// targetRefs of policies that concern workloads.
#pragma once

#include "control-plane/model/security.h"
#include "control-plane/policy/kind.h"

namespace control {

// Reads spec.targetRefs: items {kind: Namespace, name} or {kind: Pod, selector: {matchLabels}};
// absent: the policy's namespace. The root namespace stands for the mesh when the policy is put to
// work.
WorkloadScope ReadWorkloadScope(Fields& spec, const ObjectMeta& meta);

// Makes a scope of the whole root namespace one of the mesh.
void WidenRootScope(const Mesh& mesh, WorkloadScope& scope);

// Warns of each port of the workloads concerned on which requests cannot be told from each other,
// so that the policy is not enforced there.
void WarnOfOpaquePorts(const ObjectMeta& meta, const WorkloadScope& scope, Building& building);

}  // namespace control

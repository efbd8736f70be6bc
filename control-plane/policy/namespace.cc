// v1 Namespace and ServiceAccount: accepted, so that a whole application's folder loads.
#include "control-plane/policy/kind.h"

namespace control {
namespace {

ObjectPtr ParseNamespace(Fields& document, const ObjectMeta& meta) {
  document.Ignore({"spec"});
  auto object = std::make_shared<Object>();
  object->meta = meta;
  return object;
}

ObjectPtr ParseServiceAccount(Fields& document, const ObjectMeta& meta) {
  document.Ignore({"secrets", "imagePullSecrets", "automountServiceAccountToken"});
  auto object = std::make_shared<Object>();
  object->meta = meta;
  return object;
}

void ApplyNamespaces(std::span<const ObjectPtr> objects, Building& building) {
  for (const ObjectPtr& object : objects) building.mesh.namespaces.insert(object->meta.key.name);
}

void ApplyNothing(std::span<const ObjectPtr> /*objects*/, Building& /*building*/) {}

}  // namespace

const Kind kNamespaceKind = {"Namespace", {"v1"}, false, &ParseNamespace, &ApplyNamespaces};
const Kind kServiceAccountKind = {
    "ServiceAccount", {"v1"}, true, &ParseServiceAccount, &ApplyNothing};

}  // namespace control

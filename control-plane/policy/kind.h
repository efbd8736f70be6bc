// What each configuration kind brings: how it is parsed and what it does to the mesh.
#pragma once

#include <span>
#include <vector>

#include "control-plane/model/mesh.h"
#include "control-plane/model/object.h"
#include "control-plane/model/problem.h"
#include "control-plane/policy/reader.h"

namespace control {

// Limits of all kinds.
inline constexpr size_t kItemsMax = 1024;  // Of any list of references or ports.
inline constexpr size_t kRulesMax = 256;   // Of a route.
inline constexpr size_t kMatchesMax = 64;  // Of a rule.
inline constexpr size_t kRegexBytesMax = 1024;
inline constexpr int64_t kCountMax = 4294967295;

// Where the objects of a kind are put to work.
struct Building {
  Mesh& mesh;
  std::vector<ConfigProblem>& problems;  // Warnings: the documents are valid by themselves.
};

// One kind. Its file defines exactly one of these, listed in all.cc.
struct Kind {
  const char* kind;
  std::vector<const char*> api_versions;  // All that are accepted; the first is the preferred.
  bool namespaced = true;
  // Reads the fields beside apiVersion, kind and metadata (those are in `meta`). Reports every
  // problem to the reader's context; then the result is not used and may be null.
  ObjectPtr (*parse)(Fields& document, const ObjectMeta& meta);
  // Puts all objects of the kind into the mesh, oldest first. Kinds before it in all.cc have been
  // applied.
  void (*apply)(std::span<const ObjectPtr> objects, Building& building);
};

extern const Kind kNamespaceKind;
extern const Kind kServiceAccountKind;
extern const Kind kPodKind;
extern const Kind kServiceKind;
extern const Kind kEndpointSliceKind;
extern const Kind kTrafficPolicyKind;
extern const Kind kMeshTlsKind;
extern const Kind kHttpRouteKind;
extern const Kind kGrpcRouteKind;
extern const Kind kAccessPolicyKind;
extern const Kind kRequestAuthenticationKind;
extern const Kind kRateLimitPolicyKind;

// Every kind, in the order of application.
std::span<const Kind* const> AllKinds();

// The effect of all `objects` (any order; each key once) under `settings`. Warnings, such as a
// route to a service that does not exist, are added to `problems`.
std::shared_ptr<Mesh> BuildMesh(std::span<const ObjectPtr> objects, const MeshSettings& settings,
                                std::vector<ConfigProblem>& problems);

// Reads one document: apiVersion, kind, metadata, then the kind's own fields. `context` holds the
// origin. Null if there was an error, which is in context.problems.
ObjectPtr ParseObject(DocumentContext& context, const YAML::Node& root);

}  // namespace control

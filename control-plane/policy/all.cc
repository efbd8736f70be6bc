// Lists every kind, parses documents by kind and applies all objects in order.
#include <algorithm>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "control-plane/policy/kind.h"

namespace control {
namespace {

constexpr size_t kNameBytesMax = 253;  // RFC 1123, as Kubernetes has it.

// Services need the pods; slices need the services; policies and routes need both.
const Kind* const kAll[] = {
    &kNamespaceKind, &kServiceAccountKind,        &kMeshTlsKind,       &kPodKind,
    &kServiceKind,   &kEndpointSliceKind,         &kTrafficPolicyKind, &kHttpRouteKind,
    &kGrpcRouteKind, &kRequestAuthenticationKind, &kAccessPolicyKind,  &kRateLimitPolicyKind,
};

bool IsDnsName(absl::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) return false;
  if (!std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
      })) {
    return false;
  }
  return name.front() != '-' && name.front() != '.' && name.back() != '-' && name.back() != '.';
}

std::string ReadName(const Reader& reader) {
  const std::optional<std::string> name = reader.String();
  if (!name) return "";
  if (IsDnsName(*name)) return *name;
  reader.Report("OutOfRange", absl::StrCat("is no name: \"", *name, "\""),
                "lower-case letters, digits, '-' and '.'; at most 253 bytes");
  return "";
}

void ReadMetadata(const Reader& reader, bool namespaced, ObjectMeta& meta) {
  Fields fields(reader);
  meta.key.name = ReadName(fields.Require("name"));
  const Reader ns = fields.Get("namespace");
  if (namespaced) {
    meta.key.ns = ns.present() ? ReadName(ns) : "default";
  } else if (ns.present()) {
    ns.Report("UnknownField", absl::StrCat(meta.key.kind, " has no namespace"), "remove it");
  }
  meta.labels = fields.Get("labels").Texts();
  meta.annotations = fields.Get("annotations").Texts();
  const Reader created = fields.Get("creationTimestamp");
  if (const auto time = created.Timestamp()) meta.created = *time;
  fields.Ignore({"uid", "resourceVersion", "generation", "ownerReferences", "managedFields",
                 "generateName", "finalizers", "selfLink", "deletionTimestamp",
                 "deletionGracePeriodSeconds"});
  fields.Finish();
}

// The kind that apiVersion and kind name; null and a report if there is none.
const Kind* FindKind(const Reader& version_at, const Reader& kind_at) {
  const std::optional<std::string> version = version_at.Text();
  const std::optional<std::string> kind = kind_at.Text();
  if (!version || !kind) return nullptr;
  std::set<std::string> names;
  for (const Kind* candidate : AllKinds()) {
    names.insert(candidate->kind);
    if (*kind != candidate->kind) continue;
    const auto& versions = candidate->api_versions;
    if (std::find(versions.begin(), versions.end(), *version) != versions.end()) return candidate;
    version_at.Report("UnknownValue", absl::StrCat("is \"", *version, "\", which has no ", *kind),
                      absl::StrCat("write ", versions.front()));
    return nullptr;
  }
  const std::string nearest = Nearest(*kind, names);
  kind_at.Report("UnknownKind", absl::StrCat("\"", *kind, "\" is not supported"),
                 nearest.empty() ? absl::StrCat("kinds: ", absl::StrJoin(names, ", "))
                                 : absl::StrCat("did you mean \"", nearest, "\"?"));
  return nullptr;
}

}  // namespace

std::span<const Kind* const> AllKinds() { return kAll; }

ObjectPtr ParseObject(DocumentContext& context, const YAML::Node& root) {
  const size_t problems_before = context.problems->size();
  const Reader reader(context, root, "", context.meta.origin.line);
  Fields document(reader);
  const Reader version = document.Require("apiVersion");
  const Reader kind_at = document.Require("kind");
  const Reader metadata = document.Require("metadata");
  if (const auto kind = kind_at.present() ? kind_at.String() : std::nullopt) {
    context.meta.key.kind = *kind;
  }
  const Kind* kind = FindKind(version, kind_at);
  if (kind == nullptr) return nullptr;
  context.meta.api_version = *version.String();
  ReadMetadata(metadata, kind->namespaced, context.meta);
  ObjectPtr object = kind->parse(document, context.meta);
  document.Ignore({"status"});
  document.Finish();
  const std::span<const ConfigProblem> fresh =
      std::span(*context.problems).subspan(problems_before);
  return HasErrors(fresh) ? nullptr : object;
}

std::shared_ptr<Mesh> BuildMesh(std::span<const ObjectPtr> objects, const MeshSettings& settings,
                                std::vector<ConfigProblem>& problems) {
  auto mesh = std::make_shared<Mesh>();
  mesh->settings = settings;
  Building building{*mesh, problems};
  for (const Kind* kind : AllKinds()) {
    std::vector<ObjectPtr> chosen;
    for (const ObjectPtr& object : objects) {
      if (object->meta.key.kind == kind->kind) chosen.push_back(object);
    }
    std::sort(chosen.begin(), chosen.end(),
              [](const ObjectPtr& a, const ObjectPtr& b) { return IsOlder(a->meta, b->meta); });
    kind->apply(chosen, building);
  }
  return mesh;
}

}  // namespace control

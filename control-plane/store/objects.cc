// Finds the objects in force among all that are stored.
#include "control-plane/store/objects.h"

#include <absl/strings/str_cat.h>

namespace control {

ObjectPtr StoredObjects::Find(const ObjectKey& key) const {
  ObjectPtr found;
  for (const auto& [name, file] : files) {
    for (const ObjectPtr& object : file.objects) {
      if (object->meta.key != key) continue;
      if (found == nullptr || IsOlder(object->meta, found->meta)) found = object;
    }
  }
  return found;
}

std::vector<ObjectPtr> InForce(const StoredObjects& stored, std::vector<ConfigProblem>& problems) {
  std::map<ObjectKey, ObjectPtr> by_key;
  for (const auto& [name, file] : stored.files) {
    for (const ObjectPtr& object : file.objects) {
      const auto [it, fresh] = by_key.emplace(object->meta.key, object);
      if (fresh) continue;
      ObjectPtr loser = object;
      if (IsOlder(object->meta, it->second->meta)) std::swap(loser, it->second);
      const ObjectMeta& meta = loser->meta;
      const Origin& winner = it->second->meta.origin;
      problems.push_back({.severity = Severity::kWarning,
                          .file = meta.origin.file,
                          .document = meta.origin.document,
                          .line = meta.origin.line,
                          .kind = meta.key.kind,
                          .ns = meta.key.ns,
                          .name = meta.key.name,
                          .field = "metadata.name",
                          .rule = "Conflicted",
                          .message = absl::StrCat("is also in ", winner.file, ", document ",
                                                  winner.document, ", which is in force"),
                          .hint = "remove one of them"});
    }
  }
  std::vector<ObjectPtr> objects;
  for (auto& [key, object] : by_key) objects.push_back(std::move(object));
  return objects;
}

}  // namespace control

// Puts layers together.
#include "control-plane/snapshot/snapshot.h"

#include <set>

#include <xxhash.h>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

namespace control {

const TypeTable& Snapshot::OfType(const std::string& type_url) const {
  static const TypeTable kNone;
  const auto it = tables.find(type_url);
  return it == tables.end() ? kNone : it->second;
}

std::string Snapshot::VersionOf(const std::string& type_url, const char* none) const {
  const auto it = versions.find(type_url);
  return it == versions.end() ? none : it->second;
}

LayerSet MakeLayers(ResourceSet resources, const LayerSet& before) {
  LayerSet layers;
  for (auto& [type_url, by_name] : resources) {
    const auto it = before.find(type_url);
    layers[type_url] = MakeLayer(std::move(by_name), it == before.end() ? nullptr : it->second);
  }
  return layers;
}

SnapshotPtr MakeSnapshot(const LayerSet& shared, const LayerSet& own) {
  auto snapshot = std::make_shared<Snapshot>();
  std::set<std::string> types;
  for (const auto& [type_url, layer] : shared) types.insert(type_url);
  for (const auto& [type_url, layer] : own) types.insert(type_url);
  const auto find = [](const LayerSet& layers, const std::string& type_url) {
    const auto it = layers.find(type_url);
    return it == layers.end() ? nullptr : it->second;
  };
  std::string all;
  for (const std::string& type_url : types) {
    TypeTable table(find(shared, type_url), find(own, type_url));
    const std::string version = table.Version();
    absl::StrAppend(&all, type_url, "\n", version, "\n");
    if (!version.empty()) snapshot->versions[type_url] = version;
    snapshot->tables[type_url] = std::move(table);
  }
  snapshot->version = absl::StrFormat("%016x", XXH64(all.data(), all.size(), 0));
  return snapshot;
}

SnapshotPtr MakeSnapshot(ResourceSet resources) {
  return MakeSnapshot(MakeLayers(std::move(resources), {}), {});
}

std::vector<std::string> Dangling(const Snapshot& snapshot, bool own_only) {
  std::vector<std::string> out;
  const auto look = [&](const std::string& type_url, const LayerPtr& layer) {
    if (layer == nullptr) return;
    for (const auto& [name, references] : layer->references) {
      for (const Reference& need : references) {
        if (snapshot.OfType(need.type_url).Contains(need.name)) continue;
        out.push_back(absl::StrCat(type_url, " \"", name, "\": there is no ", need.type_url, " \"",
                                   need.name, "\""));
      }
    }
  };
  for (const auto& [type_url, table] : snapshot.tables) {
    look(type_url, table.own());
    if (!own_only) look(type_url, table.shared());
  }
  return out;
}

}  // namespace control

// The resources of one proxy group at one moment.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control-plane/model/resource.h"
#include "control-plane/snapshot/layer.h"

namespace control {

// Layers by type URL.
using LayerSet = std::map<std::string, LayerPtr>;

// Never written after MakeSnapshot(), so any thread reads it without a lock.
class Snapshot {
 public:
  std::map<std::string, TypeTable> tables;      // By type URL.
  std::map<std::string, std::string> versions;  // By type URL, where there are resources.
  std::string version;                          // Of everything; equal content, equal version.

  // The resources of one type; an empty table if there are none.
  const TypeTable& OfType(const std::string& type_url) const;
  // The version of one type; `none` if there are no resources of it.
  std::string VersionOf(const std::string& type_url, const char* none) const;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// One layer a type; those of `before` are taken where they are equal.
LayerSet MakeLayers(ResourceSet resources, const LayerSet& before);

// Cost: that of the number of types.
SnapshotPtr MakeSnapshot(const LayerSet& shared, const LayerSet& own);
// All of `resources` in one layer.
SnapshotPtr MakeSnapshot(ResourceSet resources);

// One line for each reference to a resource that `snapshot` lacks: see Inconsistencies(). With
// `own_only`, of the proxy's own resources alone. Cost: one look-up a reference.
std::vector<std::string> Dangling(const Snapshot& snapshot, bool own_only);

}  // namespace control

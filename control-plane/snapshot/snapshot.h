// The resources of one proxy group at one moment, with the references between them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control-plane/model/resource.h"

namespace control {

// A resource that another one names and that the client will ask for next.
struct Reference {
  std::string type_url;
  std::string name;

  auto operator<=>(const Reference&) const = default;
};

// Never written after MakeSnapshot(), so any thread reads it without a lock.
class Snapshot {
 public:
  ResourceSet resources;
  std::string version;                          // Of everything; equal content, equal version.
  std::map<std::string, std::string> versions;  // By type URL, a hash over names and versions.
  // What each cluster and listener makes the client subscribe to: by type URL, then by name.
  std::map<std::string, std::map<std::string, std::vector<Reference>>> references;

  // The resources of one type; an empty map if there are none.
  const ResourceMap& OfType(const std::string& type_url) const;

 private:
  ResourceMap none_;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// Computes versions and references. Cost: one parse of each listener and cluster.
SnapshotPtr MakeSnapshot(ResourceSet resources);

}  // namespace control

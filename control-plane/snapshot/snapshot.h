// The resources of one proxy group at one moment, with the references between them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control-plane/model/resource.h"

namespace control {

// A resource that another one names.
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
  // What clusters, listeners and routes refer to: by type URL, then by name.
  std::map<std::string, std::map<std::string, std::vector<Reference>>> references;

  // The resources of one type; an empty map if there are none.
  const ResourceMap& OfType(const std::string& type_url) const;
  // The version of one type; `none` if there are no resources of it.
  std::string VersionOf(const std::string& type_url, const char* none) const;
  // What one resource refers to; empty if nothing.
  const std::vector<Reference>& ReferencesOf(const std::string& type_url,
                                             const std::string& name) const;

 private:
  ResourceMap none_;
  std::vector<Reference> no_references_;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// Computes versions and references. Cost: one parse of each listener, cluster and
// route configuration.
SnapshotPtr MakeSnapshot(ResourceSet resources);

}  // namespace control

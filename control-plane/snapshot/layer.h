// The resources of one type in two layers: one that many proxies share, and a proxy's own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control-plane/model/resource.h"
#include "control-plane/translate/consistent.h"

namespace control {

// Resources of one type with what they refer to. Immutable, so any thread reads it without a lock.
struct Layer {
  ResourceMap resources;
  std::string version;  // Hash over names and versions.
  // By name; resources without references are left out.
  std::map<std::string, std::vector<Reference>> references;
  uint64_t id = 0;                   // No two layers of this process have the same.
  uint64_t before = 0;               // The layer that this one follows; 0: none.
  std::vector<std::string> changed;  // Names that differ from `before`: new, changed or gone.
};
using LayerPtr = std::shared_ptr<const Layer>;

// The layer of `resources`; `before` itself if that is equal. References of unchanged resources are
// taken over from `before`, which may be null. Cost: linear; one parse of each changed resource.
LayerPtr MakeLayer(ResourceMap resources, const LayerPtr& before);

// What one proxy is served of one type. A name of its own hides a shared one.
class TypeTable {
 public:
  TypeTable() = default;
  TypeTable(LayerPtr shared, LayerPtr own) : shared_(std::move(shared)), own_(std::move(own)) {}

  // Null if there is none.
  const ResourcePtr* Find(const std::string& name) const;
  bool Contains(const std::string& name) const { return Find(name) != nullptr; }
  size_t size() const;
  // Empty if there are no resources.
  std::string Version() const;
  const std::vector<Reference>& ReferencesOf(const std::string& name) const;
  bool Same(const TypeTable& other) const { return shared_ == other.shared_ && own_ == other.own_; }
  // Names that differ from `older`, and perhaps some that do not. Cost: that of the difference if
  // each layer follows the older one, else linear.
  std::vector<std::string> ChangedSince(const TypeTable& older) const;
  const LayerPtr& shared() const { return shared_; }
  const LayerPtr& own() const { return own_; }

  // Calls `visit(name, resource)` in the order of names.
  template <typename Visit>
  void ForEach(Visit visit) const {
    static const ResourceMap kNone;
    const ResourceMap& mine = own_ == nullptr ? kNone : own_->resources;
    const ResourceMap& theirs = shared_ == nullptr ? kNone : shared_->resources;
    auto it = mine.begin();
    for (const auto& [name, resource] : theirs) {
      for (; it != mine.end() && it->first < name; ++it) visit(it->first, it->second);
      if (it != mine.end() && it->first == name) {
        visit(name, (it++)->second);
      } else {
        visit(name, resource);
      }
    }
    for (; it != mine.end(); ++it) visit(it->first, it->second);
  }

 private:
  LayerPtr shared_;  // Either may be null: none.
  LayerPtr own_;
};

}  // namespace control

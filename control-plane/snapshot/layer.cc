// Versions, references and differences of layers.
#include "control-plane/snapshot/layer.h"

#include <atomic>

#include <xxhash.h>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

namespace control {
namespace {

std::string Hash(const std::string& text) {
  return absl::StrFormat("%016x", XXH64(text.data(), text.size(), 0));
}

uint64_t NextId() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

// Calls `differs(name)` for each name that one of the maps lacks or has in another version.
template <typename Differs>
void Compare(const ResourceMap& one, const ResourceMap& two, Differs differs) {
  auto a = one.begin();
  auto b = two.begin();
  while (a != one.end() || b != two.end()) {
    if (b == two.end() || (a != one.end() && a->first < b->first)) {
      differs((a++)->first);
    } else if (a == one.end() || b->first < a->first) {
      differs((b++)->first);
    } else {
      if (a->second != b->second && a->second->version != b->second->version) differs(a->first);
      ++a;
      ++b;
    }
  }
}

void AddChanges(const LayerPtr& older, const LayerPtr& newer, std::vector<std::string>& out) {
  if (older == newer) return;
  static const ResourceMap kNone;
  if (older != nullptr && newer != nullptr && newer->before == older->id) {
    out.insert(out.end(), newer->changed.begin(), newer->changed.end());
    return;
  }
  Compare(older == nullptr ? kNone : older->resources, newer == nullptr ? kNone : newer->resources,
          [&](const std::string& name) { out.push_back(name); });
}

}  // namespace

LayerPtr MakeLayer(ResourceMap resources, const LayerPtr& before) {
  auto layer = std::make_shared<Layer>();
  std::string names;
  for (const auto& [name, resource] : resources) {
    absl::StrAppend(&names, name, "\n", resource->version, "\n");
  }
  layer->version = Hash(names);
  if (before != nullptr && before->version == layer->version) return before;
  layer->id = NextId();
  if (before != nullptr) {
    layer->before = before->id;
    layer->references = before->references;
  }
  static const ResourceMap kNone;
  Compare(before == nullptr ? kNone : before->resources, resources, [&](const std::string& name) {
    if (before != nullptr) layer->changed.push_back(name);
    layer->references.erase(name);
    const auto it = resources.find(name);
    if (it == resources.end()) return;
    std::vector<Reference> references = ReferencesOf(it->second->any);
    if (!references.empty()) layer->references[name] = std::move(references);
  });
  layer->resources = std::move(resources);
  return layer;
}

const ResourcePtr* TypeTable::Find(const std::string& name) const {
  for (const Layer* layer : {own_.get(), shared_.get()}) {
    if (layer == nullptr) continue;
    const auto it = layer->resources.find(name);
    if (it != layer->resources.end()) return &it->second;
  }
  return nullptr;
}

size_t TypeTable::size() const {
  size_t hidden = 0;
  if (own_ == nullptr) return shared_ == nullptr ? 0 : shared_->resources.size();
  if (shared_ == nullptr) return own_->resources.size();
  for (const auto& [name, resource] : own_->resources) hidden += shared_->resources.count(name);
  return own_->resources.size() + shared_->resources.size() - hidden;
}

std::string TypeTable::Version() const {
  if (size() == 0) return "";
  if (own_ == nullptr || own_->resources.empty()) return shared_->version;
  if (shared_ == nullptr || shared_->resources.empty()) return own_->version;
  return Hash(absl::StrCat(shared_->version, own_->version));
}

const std::vector<Reference>& TypeTable::ReferencesOf(const std::string& name) const {
  static const std::vector<Reference> kNone;
  for (const Layer* layer : {own_.get(), shared_.get()}) {
    if (layer == nullptr || layer->resources.find(name) == layer->resources.end()) continue;
    const auto it = layer->references.find(name);
    return it == layer->references.end() ? kNone : it->second;
  }
  return kNone;
}

std::vector<std::string> TypeTable::ChangedSince(const TypeTable& older) const {
  std::vector<std::string> names;
  AddChanges(older.shared_, shared_, names);
  AddChanges(older.own_, own_, names);
  return names;
}

}  // namespace control

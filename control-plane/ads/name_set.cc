// Keeps one copy of equal lists of names.
#include "control-plane/ads/name_set.h"

#include <algorithm>

#include <xxhash.h>

namespace control {
namespace {

constexpr size_t kSharedMin = 8;  // Names; fewer are not worth a look-up.

}  // namespace

SharedNames NamePool::Intern(std::vector<std::string> names) {
  uint64_t hash = names.size();
  for (const std::string& name : names) hash = XXH64(name.data(), name.size(), hash);
  const std::lock_guard lock(mutex_);
  auto& slot = by_hash_[hash];
  SharedNames there = slot.lock();
  if (there != nullptr && *there == names) return there;
  auto made = std::make_shared<const std::vector<std::string>>(std::move(names));
  if (there == nullptr) slot = made;
  for (auto it = by_hash_.begin(); by_hash_.size() > 1024 && it != by_hash_.end();) {
    const auto here = it++;
    if (here->second.expired()) by_hash_.erase(here);
  }
  return made;
}

bool NameSet::InShared(absl::string_view name) const {
  return shared_ != nullptr &&
         std::binary_search(shared_->begin(), shared_->end(), name, std::less<absl::string_view>());
}

bool NameSet::Contains(absl::string_view name) const {
  if (added_.find(name) != added_.end()) return true;
  return InShared(name) && erased_.find(name) == erased_.end();
}

bool NameSet::Insert(absl::string_view name) {
  if (InShared(name)) {
    const auto it = erased_.find(name);
    if (it == erased_.end()) return false;
    erased_.erase(it);
    return true;
  }
  return added_.emplace(name).second;
}

bool NameSet::Erase(absl::string_view name) {
  if (InShared(name)) return erased_.emplace(name).second;
  const auto it = added_.find(name);
  if (it == added_.end()) return false;
  added_.erase(it);
  return true;
}

size_t NameSet::size() const {
  return (shared_ == nullptr ? 0 : shared_->size()) + added_.size() - erased_.size();
}

std::vector<std::string> NameSet::Sorted() const {
  std::vector<std::string> names;
  names.reserve(size());
  if (shared_ != nullptr) {
    for (const std::string& name : *shared_) {
      if (erased_.find(name) == erased_.end()) names.push_back(name);
    }
  }
  const size_t middle = names.size();
  names.insert(names.end(), added_.begin(), added_.end());
  std::inplace_merge(names.begin(), names.begin() + static_cast<ptrdiff_t>(middle), names.end());
  return names;
}

void NameSet::Compact(NamePool& pool) {
  if (added_.size() + erased_.size() < kSharedMin) return;
  std::vector<std::string> names = Sorted();
  added_.clear();
  erased_.clear();
  shared_ = names.empty() ? nullptr : pool.Intern(std::move(names));
}

}  // namespace control

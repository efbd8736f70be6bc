// Names that a stream subscribed to one by one; large sets that are equal are one in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>

namespace control {

// Sorted names. Immutable once shared.
using SharedNames = std::shared_ptr<const std::vector<std::string>>;

// One copy of each equal list, however many streams hold it. Any thread.
class NamePool {
 public:
  // `names` must be sorted.
  SharedNames Intern(std::vector<std::string> names);

 private:
  std::mutex mutex_;
  absl::flat_hash_map<uint64_t, std::weak_ptr<const std::vector<std::string>>> by_hash_;
};

// A set as a shared list and the few names by which it differs. One thread at a time.
class NameSet {
 public:
  bool Contains(absl::string_view name) const;
  // False: nothing changed.
  bool Insert(absl::string_view name);
  bool Erase(absl::string_view name);
  size_t size() const;
  std::vector<std::string> Sorted() const;
  // Gives a large set up to `pool` and takes the shared copy. Cost: linear, if it changed much.
  void Compact(NamePool& pool);

 private:
  bool InShared(absl::string_view name) const;

  SharedNames shared_;                         // May be null.
  std::set<std::string, std::less<>> added_;   // Not in `shared_`.
  std::set<std::string, std::less<>> erased_;  // In `shared_`.
};

}  // namespace control

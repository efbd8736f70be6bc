// The objects in force: the last good version of every document, by file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "control-plane/model/object.h"
#include "control-plane/model/problem.h"

namespace control {

// One file's last good documents.
struct StoredFile {
  uint64_t text_hash = 0;          // xxHash64 of the text that was read last.
  bool clean = false;              // That text gave no problem, so `objects` is all of it.
  std::vector<ObjectPtr> objects;  // In document order.
};

// A value: a new one is made for each revision.
struct StoredObjects {
  uint64_t revision = 0;  // Counts loads.
  std::map<std::string, StoredFile> files;

  // The object in force with this key; null if there is none.
  ObjectPtr Find(const ObjectKey& key) const;
};

// Every object once, by key. Where a key is there twice, the older one (IsOlder) is taken and a
// warning about the other is added to `problems`.
std::vector<ObjectPtr> InForce(const StoredObjects& stored, std::vector<ConfigProblem>& problems);

}  // namespace control

// What every configuration object has, whatever its kind: identity, age and place of origin.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <absl/time/time.h>

namespace control {

// Where an object was read. Kept for errors and for `pinnacectl effective`.
struct Origin {
  std::string file;
  int document = 0;  // 1-based.
  int line = 0;      // 1-based, of the document's first key.

  bool operator==(const Origin&) const = default;
};

// Identifies an object: at most one of a key is in force.
struct ObjectKey {
  std::string kind;
  std::string ns;  // Empty for kinds that have no namespace.
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
};

// Identifies a service or another namespaced thing whose kind is known.
struct NamespacedName {
  std::string ns;
  std::string name;

  auto operator<=>(const NamespacedName&) const = default;
};

using Labels = std::map<std::string, std::string>;

// The document's `metadata`, with its kind and origin.
struct ObjectMeta {
  ObjectKey key;
  std::string api_version;
  Labels labels;
  Labels annotations;
  absl::Time created = absl::InfiniteFuture();  // metadata.creationTimestamp; absent: newest.
  Origin origin;
};

// A parsed object of any kind; policy/<kind>.cc derives its own type from it. Immutable once
// parsed, shared by every thread.
struct Object {
  virtual ~Object() = default;
  ObjectMeta meta;
  uint64_t fingerprint = 0;  // xxHash64 of the document's text: equal text, equal object.
};
using ObjectPtr = std::shared_ptr<const Object>;

// The order in which of two objects with the same claim the first wins: creation time, then file
// name, then position in the file.
bool IsOlder(const ObjectMeta& a, const ObjectMeta& b);

// True if `labels` holds every pair of `selector`. An empty selector selects nothing here, as in a
// v1 Service.
bool Selects(const Labels& selector, const Labels& labels);

}  // namespace control

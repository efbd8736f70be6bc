// Age order of objects, and label selection.
#include "control-plane/model/object.h"

#include <algorithm>
#include <tuple>

namespace control {

bool IsOlder(const ObjectMeta& a, const ObjectMeta& b) {
  return std::tie(a.created, a.origin.file, a.origin.document, a.key) <
         std::tie(b.created, b.origin.file, b.origin.document, b.key);
}

bool Selects(const Labels& selector, const Labels& labels) {
  if (selector.empty()) return false;
  return std::all_of(selector.begin(), selector.end(), [&labels](const auto& wanted) {
    const auto it = labels.find(wanted.first);
    return it != labels.end() && it->second == wanted.second;
  });
}

}  // namespace control

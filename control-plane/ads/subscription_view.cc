// What status services ask of a subscription.
#include <algorithm>

#include "control-plane/ads/subscription.h"

namespace control {

Subscription::State Subscription::StateAgainst(const TypeTable& wanted) const {
  if (HoldsRejected() || !last_error_.empty()) return State::kRejected;
  bool stale = !pending_.empty() || answer_wildcard_;
  for (const auto& [name, entry] : entries_) {
    const ResourcePtr* resource = wanted.Find(name);
    if (Wants(name) && resource != nullptr && !entry.acked.Is(resource)) stale = true;
    if (resource == nullptr && entry.acked.kind == Holding::Kind::kPresent) stale = true;
  }
  if (has_base_) {
    const std::vector<std::string> changed = wanted.ChangedSince(base_);
    stale = stale || std::any_of(changed.begin(), changed.end(),
                                 [this](const std::string& name) { return Wants(name); });
  } else {
    stale = stale || (wildcard_ && wanted.size() > 0);
  }
  if (!stale) return State::kSynced;
  return sent_anything_ ? State::kStale : State::kUnsent;
}

size_t Subscription::HeldCount() const {
  size_t held = 0;
  for (const auto& [name, entry] : entries_) {
    if (entry.acked.kind == Holding::Kind::kPresent) ++held;
  }
  if (!has_base_) return held;
  base_.ForEach([&](const std::string& name, const ResourcePtr&) {
    if (Covers(name) && entries_.find(name) == entries_.end()) ++held;
  });
  return held;
}

bool Subscription::Has(const std::string& name, absl::string_view version) const {
  const auto it = entries_.find(name);
  const Holding holding = it == entries_.end() ? InBase(name) : it->second.acked;
  return holding.kind == Holding::Kind::kPresent && holding.version() == version;
}

std::map<std::string, Subscription::Sight> Subscription::Sights() const {
  std::map<std::string, Sight> sights;
  if (has_base_) {
    base_.ForEach([&](const std::string& name, const ResourcePtr& resource) {
      if (Covers(name)) sights[name] = {resource, resource->version, true, false};
    });
  }
  for (const auto& [name, entry] : entries_) {
    const Holding& holding = entry.effective();
    if (holding.kind != Holding::Kind::kPresent && entry.rejected_group == 0) {
      sights.erase(name);
      continue;
    }
    sights[name] = {holding.resource, std::string(holding.version()), !entry.sent.has_value(),
                    entry.rejected_group != 0};
  }
  return sights;
}

}  // namespace control

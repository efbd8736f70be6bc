// Subscription bookkeeping: who asked for what, what is in flight, what was refused.
#include "control-plane/ads/subscription.h"

#include <algorithm>
#include <utility>

namespace control {
namespace {

constexpr char kAbsentMark[] = "-";  // Never a version: versions are hex digits.

const Resource* Find(const ResourceMap& wanted, absl::string_view name) {
  const auto it = wanted.find(std::string(name));
  return it == wanted.end() ? nullptr : it->second.get();
}

}  // namespace

bool Subscription::Holding::Is(const Resource* wanted) const {
  if (wanted == nullptr) return kind == Kind::kAbsent;
  return kind == Kind::kPresent && version == wanted->version;
}

bool Subscription::Wants(absl::string_view name) const {
  if (wildcard_) return true;
  const auto it = entries_.find(std::string(name));
  return it != entries_.end() && it->second.named;
}

std::set<std::string> Subscription::Names() const {
  std::set<std::string> names;
  for (const auto& [name, entry] : entries_) {
    if (entry.named) names.insert(name);
  }
  return names;
}

bool Subscription::Subscribe(absl::string_view name) {
  if (name == "*") {
    wildcard_ = true;
    answer_wildcard_ = true;
    return true;
  }
  Entry& entry = entries_[std::string(name)];
  if (!entry.named) {
    if (named_count_ >= kSubscribedNamesMax) {
      ++refused_;
      if (entry.effective().kind == Holding::Kind::kUnknown) entries_.erase(std::string(name));
      return false;
    }
    entry.named = true;
    ++named_count_;
  }
  entry.answer = Answer::kAlways;
  return true;
}

void Subscription::Unsubscribe(absl::string_view name) {
  if (name == "*") {
    wildcard_ = false;
    answer_wildcard_ = false;
    std::erase_if(entries_, [](const auto& item) { return !item.second.named; });
    return;
  }
  const auto it = entries_.find(std::string(name));
  if (it != entries_.end() && it->second.named) {
    it->second.named = false;
    --named_count_;
  }
  if (wildcard_) {
    entries_[std::string(name)].answer = Answer::kAlways;
  } else if (it != entries_.end()) {
    entries_.erase(it);
  }
}

void Subscription::SetKnown(absl::string_view name, absl::string_view version) {
  brought_versions_ = true;
  if (!Wants(name)) return;
  Entry& entry = entries_[std::string(name)];
  entry.acked = {Holding::Kind::kPresent, std::string(version), nullptr};
  entry.answer = Answer::kIfDifferent;
}

void Subscription::SetAllKnown(const ResourceMap& resources) {
  for (const auto& [name, resource] : resources) SetKnown(name, resource->version);
  brought_versions_ = true;
}

Change Subscription::TakeAnswers(const ResourceMap& wanted) {
  Change change;
  if (answer_wildcard_) {
    answer_wildcard_ = false;
    // A client that brought nothing waits for a first answer, even an empty one.
    change.answer = !brought_versions_;
    for (const auto& [name, resource] : wanted) {
      Entry& entry = entries_[name];
      if (entry.answer == Answer::kNo) entry.answer = Answer::kIfDifferent;
    }
  }
  for (auto& [name, entry] : entries_) {
    if (entry.answer == Answer::kNo || entry.answer == Answer::kAtStage) continue;
    const bool always = entry.answer == Answer::kAlways;
    entry.answer = Answer::kNo;
    const auto it = wanted.find(name);
    const Resource* resource = it == wanted.end() ? nullptr : it->second.get();
    if (!always && entry.effective().Is(resource)) continue;
    if (resource != nullptr) {
      change.upserts.push_back(it->second);
    } else if (always || entry.effective().kind == Holding::Kind::kPresent) {
      change.removed.push_back(name);
      if (entry.named) change.not_found.push_back(name);
    }
  }
  return change;
}

void Subscription::ReleaseChangedGroups(const ResourceMap& wanted) {
  std::set<uint64_t> changed;
  for (const auto& [name, entry] : entries_) {
    if (entry.rejected_group == 0) continue;
    const Resource* resource = Find(wanted, name);
    const absl::string_view now = resource == nullptr ? kAbsentMark : resource->version;
    if (now != entry.rejected_version) changed.insert(entry.rejected_group);
  }
  if (changed.empty()) return;
  for (auto& [name, entry] : entries_) {
    if (changed.contains(entry.rejected_group)) entry.rejected_group = 0;
  }
  if (!HoldsRejected()) last_error_.clear();
}

Change Subscription::TakeUpserts(const ResourceMap& wanted) {
  ReleaseChangedGroups(wanted);
  ReleaseForced();
  const auto offer = [](Entry& entry, const Resource& resource) {
    if (entry.answer == Answer::kNo && entry.rejected_group == 0 &&
        !entry.effective().Is(&resource)) {
      entry.answer = Answer::kIfDifferent;
    }
  };
  if (wildcard_) {
    for (const auto& [name, resource] : wanted) offer(entries_[name], *resource);
  } else {
    for (auto& [name, entry] : entries_) {
      const Resource* resource = entry.named ? Find(wanted, name) : nullptr;
      if (resource != nullptr) offer(entry, *resource);
    }
  }
  return TakeAnswers(wanted);
}

Change Subscription::Removals(const ResourceMap& wanted) const {
  Change change;
  for (const auto& [name, entry] : entries_) {
    if (!Wants(entry) || entry.rejected_group != 0) continue;
    if (entry.effective().kind != Holding::Kind::kPresent || wanted.contains(name)) continue;
    change.removed.push_back(name);
    if (entry.named) change.not_found.push_back(name);
  }
  return change;
}

std::vector<ResourcePtr> Subscription::FullSet(const ResourceMap& wanted, bool keep_gone) const {
  std::vector<ResourcePtr> all;
  for (const auto& [name, resource] : wanted) {
    if (Wants(name)) all.push_back(resource);
  }
  if (!keep_gone) return all;
  for (const auto& [name, entry] : entries_) {
    const Holding& holding = entry.effective();
    if (Wants(entry) && holding.resource != nullptr && !wanted.contains(name)) {
      all.push_back(holding.resource);
    }
  }
  return all;
}

void Subscription::ForceIfHeld(absl::string_view name) {
  const auto it = entries_.find(std::string(name));
  if (it == entries_.end() || it->second.answer != Answer::kNo) return;
  if (it->second.effective().kind == Holding::Kind::kPresent) it->second.answer = Answer::kAtStage;
}

void Subscription::ReleaseForced() {
  for (auto& [name, entry] : entries_) {
    if (entry.answer == Answer::kAtStage) entry.answer = Answer::kAlways;
  }
}

void Subscription::AddRefused(const ResourceMap& wanted, Change& change) const {
  for (const auto& [name, entry] : entries_) {
    if (entry.rejected_group == 0 || !Wants(entry)) continue;
    const auto it = wanted.find(name);
    if (it != wanted.end()) change.upserts.push_back(it->second);
  }
}

void Subscription::Sent(absl::string_view nonce, const Change& change) {
  sent_anything_ = true;
  // A client that never answers keeps no more than this of the server's memory.
  if (pending_.size() >= kInFlightMax) pending_.erase(pending_.begin());
  Pending& pending = pending_.emplace_back();
  pending.nonce = std::string(nonce);
  const auto note = [&](const std::string& name, Holding holding) {
    Entry& entry = entries_[name];
    entry.sent = holding;
    entry.sent_nonce = std::string(nonce);
    entry.rejected_group = 0;
    pending.holdings.emplace_back(name, std::move(holding));
  };
  for (const ResourcePtr& resource : change.upserts) {
    note(resource->name, {Holding::Kind::kPresent, resource->version, resource});
  }
  for (const std::string& name : change.removed) note(name, {Holding::Kind::kAbsent, "", nullptr});
}

std::vector<Subscription::Pending>::iterator Subscription::FindPending(absl::string_view nonce) {
  return std::find_if(pending_.begin(), pending_.end(),
                      [&](const Pending& pending) { return pending.nonce == nonce; });
}

bool Subscription::Ack(absl::string_view nonce) {
  const auto it = FindPending(nonce);
  if (it == pending_.end()) return false;
  for (auto& [name, holding] : it->holdings) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) continue;  // Unsubscribed meanwhile.
    Entry& entry = found->second;
    entry.acked = std::move(holding);
    if (entry.sent_nonce == nonce) entry.sent.reset();
    // Nothing is left to say about a name that only "*" covered and that is gone.
    if (!entry.named && !entry.sent && entry.acked.kind == Holding::Kind::kAbsent) {
      entries_.erase(found);
    }
  }
  pending_.erase(it);
  if (!last_error_.empty() && !HoldsRejected()) last_error_.clear();
  return true;
}

bool Subscription::Nack(absl::string_view nonce, absl::string_view reason) {
  const auto it = FindPending(nonce);
  if (it == pending_.end()) return false;
  const uint64_t group = next_group_++;
  for (const auto& [name, holding] : it->holdings) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.sent_nonce != nonce) continue;
    Entry& entry = found->second;
    entry.sent.reset();
    entry.rejected_group = group;
    entry.rejected_version = holding.kind == Holding::Kind::kAbsent ? kAbsentMark : holding.version;
  }
  pending_.erase(it);
  last_error_ = std::string(reason);
  return true;
}

bool Subscription::HoldsRejected() const {
  for (const auto& [name, entry] : entries_) {
    if (entry.rejected_group != 0) return true;
  }
  return false;
}

bool Subscription::Lacks(absl::string_view name) const {
  const auto it = entries_.find(std::string(name));
  return it != entries_.end() && it->second.rejected_group != 0 &&
         it->second.effective().kind != Holding::Kind::kPresent;
}

bool Subscription::InFlight() const {
  for (const Pending& pending : pending_) {
    if (!pending.expired) return true;
  }
  return false;
}

void Subscription::Expire() {
  for (Pending& pending : pending_) pending.expired = true;
}

Subscription::State Subscription::StateAgainst(const ResourceMap& wanted) const {
  bool stale = !pending_.empty();
  for (const auto& [name, entry] : entries_) {
    if (entry.rejected_group != 0) return State::kRejected;
    const Resource* resource = Find(wanted, name);
    if (Wants(entry) && resource != nullptr && !entry.acked.Is(resource)) stale = true;
    if (resource == nullptr && entry.acked.kind == Holding::Kind::kPresent) stale = true;
  }
  if (wildcard_) {
    for (const auto& [name, resource] : wanted) stale = stale || !entries_.contains(name);
  }
  if (!last_error_.empty()) return State::kRejected;
  if (!stale) return State::kSynced;
  return sent_anything_ ? State::kStale : State::kUnsent;
}

size_t Subscription::HeldCount() const {
  size_t held = 0;
  for (const auto& [name, entry] : entries_) {
    if (entry.acked.kind == Holding::Kind::kPresent) ++held;
  }
  return held;
}

bool Subscription::Has(absl::string_view name, absl::string_view version) const {
  const auto it = entries_.find(std::string(name));
  return it != entries_.end() && it->second.acked.kind == Holding::Kind::kPresent &&
         it->second.acked.version == version;
}

std::map<std::string, Subscription::Sight> Subscription::Sights() const {
  std::map<std::string, Sight> sights;
  for (const auto& [name, entry] : entries_) {
    const Holding& holding = entry.effective();
    if (holding.kind != Holding::Kind::kPresent && entry.rejected_group == 0) continue;
    sights[name] = {holding.resource, holding.version, !entry.sent.has_value(),
                    entry.rejected_group != 0};
  }
  return sights;
}

}  // namespace control

// Subscription bookkeeping: who asked for what, what is in flight, what was refused.
#include "control-plane/ads/subscription.h"

#include <algorithm>
#include <set>
#include <utility>

namespace control {
namespace {

constexpr char kAbsentMark[] = "-";  // Never a version: versions are hex digits.

}  // namespace

bool Subscription::Holding::Is(const ResourcePtr* wanted) const {
  if (wanted == nullptr) return kind == Kind::kAbsent;
  return kind == Kind::kPresent && (resource == *wanted || version() == (*wanted)->version);
}

Subscription::Holding Subscription::InBase(const std::string& name) const {
  if (!has_base_ || !Covers(name)) return {};
  const ResourcePtr* resource = base_.Find(name);
  if (resource == nullptr) return {Holding::Kind::kAbsent, nullptr, ""};
  return {Holding::Kind::kPresent, *resource, ""};
}

Subscription::Entry& Subscription::Touch(absl::string_view name) {
  const auto it = entries_.lower_bound(name);
  if (it != entries_.end() && it->first == name) return it->second;
  const std::string key(name);
  Entry entry;
  entry.acked = InBase(key);
  return entries_.emplace_hint(it, key, std::move(entry))->second;
}

Subscription::Entries::iterator Subscription::Settle(Entries::iterator it) {
  const Entry& entry = it->second;
  const bool plain = entry.answer == Answer::kNo && !entry.sent && entry.rejected_group == 0;
  if (!plain || !has_base_) return std::next(it);
  if (Covers(it->first) && !entry.acked.Is(base_.Find(it->first))) return std::next(it);
  return entries_.erase(it);
}

void Subscription::Adopt(const TypeTable& wanted) {
  if (has_base_ && base_.Same(wanted)) return;
  if (has_base_) {
    for (const std::string& name : wanted.ChangedSince(base_)) {
      if (Covers(name)) Touch(name);
    }
  }
  base_ = wanted;
  if (std::exchange(has_base_, true)) return;
  // Nothing was known before: that must not look like holding the base.
  const auto unknown = [this](const std::string& name) {
    if (Covers(name)) entries_.try_emplace(name);
  };
  wanted.ForEach([&](const std::string& name, const ResourcePtr&) { unknown(name); });
  for (const std::string& name : named_.Sorted()) unknown(name);
}

bool Subscription::Subscribe(absl::string_view name) {
  if (name == "*") {
    if (wildcard_) return true;
    wildcard_ = true;
    answer_wildcard_ = true;
    return true;
  }
  if (!named_.Contains(name) && named_.size() >= kSubscribedNamesMax) {
    ++refused_;
    return false;
  }
  Touch(name).answer = Answer::kAlways;
  named_.Insert(name);
  return true;
}

void Subscription::Unsubscribe(absl::string_view name) {
  if (name == "*") {
    wildcard_ = false;
    answer_wildcard_ = false;
    for (auto it = entries_.begin(); it != entries_.end();) {
      if (named_.Contains(it->first)) {
        ++it;
      } else {
        SetRejected(it->second, 0);
        it = entries_.erase(it);
      }
    }
    return;
  }
  if (wildcard_) {
    Touch(name).answer = Answer::kAlways;
    named_.Erase(name);
    return;
  }
  named_.Erase(name);
  const auto it = entries_.find(name);
  if (it == entries_.end()) return;
  SetRejected(it->second, 0);
  entries_.erase(it);
}

void Subscription::SetKnown(absl::string_view name, absl::string_view version) {
  brought_versions_ = true;
  if (!Wants(name)) return;
  Entry& entry = Touch(name);
  entry.acked = {Holding::Kind::kPresent, nullptr, std::string(version)};
  entry.answer = Answer::kIfDifferent;
}

void Subscription::SetAllKnown(const TypeTable& table) {
  table.ForEach([this](const std::string& name, const ResourcePtr& resource) {
    SetKnown(name, resource->version);
  });
  brought_versions_ = true;
}

Change Subscription::TakeAnswers(const TypeTable& wanted) {
  Change change;
  Adopt(wanted);
  if (answer_wildcard_) {
    // A client that brought nothing waits for a first answer, even an empty one.
    change.answer = !brought_versions_;
    wanted.ForEach([this](const std::string& name, const ResourcePtr&) {
      if (Covers(name)) return;
      Entry& entry = entries_[name];
      if (entry.answer == Answer::kNo) entry.answer = Answer::kIfDifferent;
    });
    answer_wildcard_ = false;
  }
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    if (entry.answer == Answer::kNo || entry.answer == Answer::kAtStage) {
      ++it;
      continue;
    }
    const bool always = entry.answer == Answer::kAlways;
    entry.answer = Answer::kNo;
    const ResourcePtr* resource = wanted.Find(it->first);
    if (!always && entry.effective().Is(resource)) {
      it = Settle(it);
      continue;
    }
    if (resource != nullptr) {
      change.upserts.push_back(*resource);
    } else if (always || entry.effective().kind == Holding::Kind::kPresent) {
      change.removed.push_back(it->first);
      if (named_.Contains(it->first)) change.not_found.push_back(it->first);
    } else if (entry.effective().kind == Holding::Kind::kUnknown) {
      it = entries_.erase(it);  // Came and went before the client heard of it.
      continue;
    }
    ++it;
  }
  return change;
}

void Subscription::SetRejected(Entry& entry, uint64_t group) {
  if (entry.rejected_group != 0) --rejected_count_;
  entry.rejected_group = group;
  if (group != 0) ++rejected_count_;
}

void Subscription::ReleaseChangedGroups(const TypeTable& wanted) {
  if (rejected_count_ == 0) return;
  std::set<uint64_t> changed;
  for (const auto& [name, entry] : entries_) {
    if (entry.rejected_group == 0) continue;
    const ResourcePtr* resource = wanted.Find(name);
    // Not `?:`, whose common type could be a string that is gone by the next line.
    absl::string_view now = kAbsentMark;
    if (resource != nullptr) now = (*resource)->version;
    if (now != entry.rejected_version) changed.insert(entry.rejected_group);
  }
  if (changed.empty()) return;
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (!changed.contains(it->second.rejected_group)) {
      ++it;
      continue;
    }
    SetRejected(it->second, 0);
    it = Settle(it);
  }
  if (!HoldsRejected()) last_error_.clear();
}

Change Subscription::TakeUpserts(const TypeTable& wanted) {
  Adopt(wanted);
  ReleaseChangedGroups(wanted);
  ReleaseForced();
  for (auto& [name, entry] : entries_) {
    if (entry.answer != Answer::kNo || entry.rejected_group != 0 || !Covers(name)) continue;
    const ResourcePtr* resource = wanted.Find(name);
    if (resource != nullptr && !entry.effective().Is(resource)) {
      entry.answer = Answer::kIfDifferent;
    }
  }
  return TakeAnswers(wanted);
}

Change Subscription::Removals(const TypeTable& wanted) {
  Change change;
  Adopt(wanted);
  for (const auto& [name, entry] : entries_) {
    if (!Wants(name) || entry.rejected_group != 0) continue;
    if (entry.effective().kind != Holding::Kind::kPresent || wanted.Contains(name)) continue;
    change.removed.push_back(name);
    if (named_.Contains(name)) change.not_found.push_back(name);
  }
  return change;
}

std::vector<ResourcePtr> Subscription::FullSet(const TypeTable& wanted, bool keep_gone) const {
  std::vector<ResourcePtr> all;
  wanted.ForEach([&](const std::string& name, const ResourcePtr& resource) {
    if (Wants(name)) all.push_back(resource);
  });
  if (!keep_gone) return all;
  for (const auto& [name, entry] : entries_) {
    const Holding& holding = entry.effective();
    if (Wants(name) && holding.resource != nullptr && !wanted.Contains(name)) {
      all.push_back(holding.resource);
    }
  }
  return all;
}

void Subscription::ForceIfHeld(const std::string& name) {
  if (!Wants(name)) return;
  const auto it = entries_.find(name);
  if (it == entries_.end()) {
    if (InBase(name).kind == Holding::Kind::kPresent) Touch(name).answer = Answer::kAtStage;
    return;
  }
  if (it->second.answer != Answer::kNo) return;
  if (it->second.effective().kind == Holding::Kind::kPresent) {
    it->second.answer = Answer::kAtStage;
  }
}

void Subscription::ReleaseForced() {
  for (auto& [name, entry] : entries_) {
    if (entry.answer == Answer::kAtStage) entry.answer = Answer::kAlways;
  }
}

void Subscription::AddRefused(const TypeTable& wanted, Change& change) const {
  if (rejected_count_ == 0) return;
  for (const auto& [name, entry] : entries_) {
    if (entry.rejected_group == 0 || !Wants(name)) continue;
    if (const ResourcePtr* resource = wanted.Find(name)) change.upserts.push_back(*resource);
  }
}

void Subscription::Sent(absl::string_view nonce, const Change& change) {
  sent_anything_ = true;
  // A client that never answers keeps no more than this of the server's memory.
  if (pending_.size() >= kInFlightMax) pending_.erase(pending_.begin());
  Pending& pending = pending_.emplace_back();
  pending.nonce = std::string(nonce);
  pending.present = change.upserts;
  pending.absent = change.removed;
  const auto note = [&](const std::string& name, Holding holding) {
    Entry& entry = Touch(name);
    entry.sent = std::move(holding);
    entry.sent_nonce = std::string(nonce);
    SetRejected(entry, 0);
  };
  for (const ResourcePtr& resource : change.upserts) {
    note(resource->name, {Holding::Kind::kPresent, resource, ""});
  }
  for (const std::string& name : change.removed) note(name, {Holding::Kind::kAbsent, nullptr, ""});
}

std::vector<Subscription::Pending>::iterator Subscription::FindPending(absl::string_view nonce) {
  return std::find_if(pending_.begin(), pending_.end(),
                      [&](const Pending& pending) { return pending.nonce == nonce; });
}

bool Subscription::Ack(absl::string_view nonce) {
  const auto it = FindPending(nonce);
  if (it == pending_.end()) return false;
  const auto note = [&](const std::string& name, Holding holding) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return;  // Unsubscribed meanwhile.
    Entry& entry = found->second;
    entry.acked = std::move(holding);
    if (entry.sent_nonce == nonce) entry.sent.reset();
    Settle(found);
  };
  for (const ResourcePtr& resource : it->present) {
    note(resource->name, {Holding::Kind::kPresent, resource, ""});
  }
  for (const std::string& name : it->absent) note(name, {Holding::Kind::kAbsent, nullptr, ""});
  pending_.erase(it);
  if (pending_.empty()) pending_.shrink_to_fit();
  if (!HoldsRejected()) last_error_.clear();
  return true;
}

bool Subscription::Nack(absl::string_view nonce, absl::string_view reason) {
  const auto it = FindPending(nonce);
  if (it == pending_.end()) return false;
  const uint64_t group = next_group_++;
  const auto note = [&](const std::string& name, absl::string_view version) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.sent_nonce != nonce) return;
    found->second.sent.reset();
    SetRejected(found->second, group);
    found->second.rejected_version = std::string(version);
  };
  for (const ResourcePtr& resource : it->present) note(resource->name, resource->version);
  for (const std::string& name : it->absent) note(name, kAbsentMark);
  pending_.erase(it);
  last_error_ = std::string(reason);
  return true;
}

bool Subscription::Lacks(absl::string_view name) const {
  const auto it = entries_.find(name);
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

}  // namespace control

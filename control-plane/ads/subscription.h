// What one stream wants of one resource type, and what its client is known to hold.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/string_view.h>

#include "control-plane/ads/name_set.h"
#include "control-plane/model/resource.h"
#include "control-plane/snapshot/layer.h"

namespace control {

// Names one stream may subscribe to, of one type. More are not taken (counted in refused()).
inline constexpr size_t kSubscribedNamesMax = 100'000;
// Responses of one type that await an answer. Beyond, the oldest's answer is no longer heeded.
inline constexpr size_t kInFlightMax = 64;

// What one response tells the client. No name stands in it twice.
struct Change {
  std::vector<ResourcePtr> upserts;
  std::vector<std::string> removed;    // Gone, or never there.
  std::vector<std::string> not_found;  // Those of `removed` that were asked for by name.
  bool answer = false;                 // To be sent even if it holds nothing.

  bool Worth() const { return answer || !upserts.empty() || !removed.empty(); }
};

// Subscription state of one type on one stream: a value machine without I/O. A client "has" a
// version only once it has acknowledged it; until then the version is in flight, and after a
// rejection the same content is not offered again. One thread at a time.
//
// Memory: a client in step with a table costs a pointer to it; only names in which it differs (in
// flight, rejected, older) have an entry of their own.
class Subscription {
 public:
  // The peer's wildcard: "*", or the legacy form (a first request without names).
  bool wildcard() const { return wildcard_; }
  bool Wants(absl::string_view name) const { return wildcard_ || named_.Contains(name); }
  // Names subscribed one by one, without "*"; sorted.
  std::vector<std::string> Names() const { return named_.Sorted(); }
  bool Named(absl::string_view name) const { return named_.Contains(name); }

  // Subscribes to `name` ("*": everything). The next TakeAnswers() answers it, whether or not the
  // client was subscribed before: it may have forgotten (xds_protocol, "Unsubscribing from
  // resources"). False: kSubscribedNamesMax reached.
  bool Subscribe(absl::string_view name);
  // Ends a subscription. While "*" still holds `name`, the next TakeAnswers() tells its state.
  void Unsubscribe(absl::string_view name);
  // The client brought `version` of `name` from an earlier stream (initial_resource_versions):
  // then only a difference is answered. Call after Subscribe(). Ignored for names not wanted.
  void SetKnown(absl::string_view name, absl::string_view version);
  // The client brought everything in `table`.
  void SetAllKnown(const TypeTable& table);
  // To be called after a request's subscriptions: shares large sets of names.
  void Compact(NamePool& pool) { named_.Compact(pool); }

  // What requests since the last call must be told, given the resources in force.
  Change TakeAnswers(const TypeTable& wanted);
  // As TakeAnswers(), and every wanted resource that differs from what the client holds or has in
  // flight, except content that it rejected.
  Change TakeUpserts(const TypeTable& wanted);
  // What the client holds though it is no longer wanted.
  Change Removals(const TypeTable& wanted);
  // The names in `wanted`, and those the client still holds that are not: a state-of-the-world
  // set. `keep_gone`: with the latter.
  std::vector<ResourcePtr> FullSet(const TypeTable& wanted, bool keep_gone) const;
  // `name` must be sent by the next TakeUpserts(), or TakeAnswers() after ReleaseForced(), even if
  // unchanged, if the client holds it.
  void ForceIfHeld(const std::string& name);
  void ReleaseForced();
  // Adds to `change` the content in `wanted` that the client has refused.
  void AddRefused(const TypeTable& wanted, Change& change) const;

  // Notes that `change` is on its way under `nonce`.
  void Sent(absl::string_view nonce, const Change& change);
  // The client's word on `nonce`. Unknown nonces are ignored. True if it was in flight.
  bool Ack(absl::string_view nonce);
  bool Nack(absl::string_view nonce, absl::string_view reason);
  // True while a response waits for its ACK, except those that Expire() has given up.
  bool InFlight() const;
  void Expire();
  size_t in_flight_count() const { return pending_.size(); }
  // True while the client refuses some content that is still wanted.
  bool HoldsRejected() const { return rejected_count_ > 0; }
  // True if the client refuses `name` and has no version of it.
  bool Lacks(absl::string_view name) const;

  // For status. `kUnsent`: nothing was ever sent.
  enum class State { kUnsent, kSynced, kStale, kRejected };
  State StateAgainst(const TypeTable& wanted) const;
  const std::string& last_error() const { return last_error_; }
  size_t HeldCount() const;
  // True if the client has acknowledged exactly this version.
  bool Has(const std::string& name, absl::string_view version) const;
  // What was last sent under `name`, acknowledged or not; null if nothing.
  struct Sight {
    ResourcePtr resource;  // May be null where only the version is known.
    std::string version;
    bool acked = false;
    bool rejected = false;
  };
  std::map<std::string, Sight> Sights() const;
  size_t refused() const { return refused_; }

 private:
  enum class Answer { kNo, kAtStage, kIfDifferent, kAlways };
  struct Holding {
    enum class Kind { kUnknown, kAbsent, kPresent } kind = Kind::kUnknown;
    ResourcePtr resource;  // May be null if present: then `brought` is the version.
    std::string brought;

    absl::string_view version() const { return resource ? resource->version : brought; }
    bool Is(const ResourcePtr* wanted) const;
  };
  struct Entry {
    Answer answer = Answer::kNo;
    Holding acked;
    std::optional<Holding> sent;
    std::string sent_nonce;
    uint64_t rejected_group = 0;   // 0: not rejected. Names rejected together share a group.
    std::string rejected_version;  // kAbsentMark for a removal.

    const Holding& effective() const { return sent.has_value() ? *sent : acked; }
  };
  using Entries = std::map<std::string, Entry, std::less<>>;
  struct Pending {
    std::string nonce;
    std::vector<ResourcePtr> present;
    std::vector<std::string> absent;
    bool expired = false;
  };

  // True if the client's holding of `name` is known from its entry or, without one, from `base_`.
  bool Covers(absl::string_view name) const {
    return named_.Contains(name) || (wildcard_ && !answer_wildcard_);
  }
  // The entry of `name`; a new one says what `base_` says.
  Entry& Touch(absl::string_view name);
  Holding InBase(const std::string& name) const;
  // Makes `wanted` the base: names in which the client differs from it get entries.
  void Adopt(const TypeTable& wanted);
  // Drops an entry that says no more than the base. Returns the next.
  Entries::iterator Settle(Entries::iterator it);
  void SetRejected(Entry& entry, uint64_t group);
  // Frees whole groups of rejected names of which one has changed since.
  void ReleaseChangedGroups(const TypeTable& wanted);
  std::vector<Pending>::iterator FindPending(absl::string_view nonce);

  bool wildcard_ = false;
  bool answer_wildcard_ = false;  // "*" is new: what only it covers is not known to the client.
  bool sent_anything_ = false;
  bool brought_versions_ = false;
  bool has_base_ = false;
  size_t refused_ = 0;
  size_t rejected_count_ = 0;
  uint64_t next_group_ = 1;
  NameSet named_;
  TypeTable base_;  // Names without an entry: the client has acknowledged just this.
  Entries entries_;
  std::vector<Pending> pending_;  // Oldest first.
  std::string last_error_;
};

}  // namespace control

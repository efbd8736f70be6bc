// What one stream wants of one resource type, and what its client is known to hold.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/string_view.h>

#include "control-plane/model/resource.h"

namespace control {

// Names one stream may subscribe to, of one type. More are not taken (counted in Refused()).
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
class Subscription {
 public:
  // The peer's wildcard: "*", or the legacy form (a first request without names).
  bool wildcard() const { return wildcard_; }
  bool Wants(absl::string_view name) const;
  // Names subscribed one by one, without "*".
  std::set<std::string> Names() const;

  // Subscribes to `name` ("*": everything). The next TakeAnswers() answers it, whether or not the
  // client was subscribed before: it may have forgotten (xds_protocol, "Unsubscribing from
  // resources"). False: kSubscribedNamesMax reached.
  bool Subscribe(absl::string_view name);
  // Ends a subscription. While "*" still holds `name`, the next TakeAnswers() tells its state.
  void Unsubscribe(absl::string_view name);
  // The client brought `version` of `name` from an earlier stream (initial_resource_versions):
  // then only a difference is answered. Call after Subscribe(). Ignored for names not wanted.
  void SetKnown(absl::string_view name, absl::string_view version);
  // The client brought everything in `resources`.
  void SetAllKnown(const ResourceMap& resources);

  // What requests since the last call must be told, given the resources in force.
  Change TakeAnswers(const ResourceMap& wanted);
  // As TakeAnswers(), and every wanted resource that differs from what the client holds or has in
  // flight, except content that it rejected.
  Change TakeUpserts(const ResourceMap& wanted);
  // What the client holds though it is no longer wanted.
  Change Removals(const ResourceMap& wanted) const;
  // The names in `wanted`, and those the client still holds that are not: a state-of-the-world
  // set. `keep_gone`: with the latter.
  std::vector<ResourcePtr> FullSet(const ResourceMap& wanted, bool keep_gone) const;
  // `name` must be sent by the next TakeUpserts(), or TakeAnswers() after ReleaseForced(), even if
  // unchanged, if the client holds it.
  void ForceIfHeld(absl::string_view name);
  void ReleaseForced();
  // Adds to `change` the content in `wanted` that the client has refused.
  void AddRefused(const ResourceMap& wanted, Change& change) const;

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
  bool HoldsRejected() const;
  // True if the client refuses `name` and has no version of it.
  bool Lacks(absl::string_view name) const;

  // For status. `kUnsent`: nothing was ever sent.
  enum class State { kUnsent, kSynced, kStale, kRejected };
  State StateAgainst(const ResourceMap& wanted) const;
  const std::string& last_error() const { return last_error_; }
  size_t HeldCount() const;
  // True if the client has acknowledged exactly this version.
  bool Has(absl::string_view name, absl::string_view version) const;
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
    std::string version;
    ResourcePtr resource;

    bool Is(const Resource* wanted) const;
  };
  struct Entry {
    bool named = false;
    Answer answer = Answer::kNo;
    Holding acked;
    std::optional<Holding> sent;
    std::string sent_nonce;
    uint64_t rejected_group = 0;   // 0: not rejected. Names rejected together share a group.
    std::string rejected_version;  // kAbsentMark for a removal.

    const Holding& effective() const { return sent.has_value() ? *sent : acked; }
  };
  struct Pending {
    std::string nonce;
    std::vector<std::pair<std::string, Holding>> holdings;
    bool expired = false;
  };

  // Frees whole groups of rejected names of which one has changed since.
  void ReleaseChangedGroups(const ResourceMap& wanted);
  std::vector<Pending>::iterator FindPending(absl::string_view nonce);
  bool Wants(const Entry& entry) const { return wildcard_ || entry.named; }

  bool wildcard_ = false;
  bool answer_wildcard_ = false;
  bool sent_anything_ = false;
  bool brought_versions_ = false;
  size_t named_count_ = 0;
  size_t refused_ = 0;
  uint64_t next_group_ = 1;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<Pending> pending_;  // Oldest first.
  std::string last_error_;
};

}  // namespace control

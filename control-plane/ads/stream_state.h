// What one ADS stream must send and when: the push order and its waits, without gRPC.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "control-plane/ads/subscription.h"
#include "control-plane/snapshot/snapshot.h"

namespace control {

// How long a push waits for the ACK of one stage before it goes on without it.
inline constexpr absl::Duration kAckWaitMax = absl::Seconds(15);
// How long a push waits for the client to subscribe to what the stage before referred to.
inline constexpr absl::Duration kSubscribeWaitMax = absl::Seconds(1);
// Resource bytes in one response; a larger single resource goes alone.
inline constexpr size_t kResponseBytesMax = 1'000'000;
// Resource types one stream may name. Requests for more are ignored.
inline constexpr size_t kTypesMax = 32;

// What we call ourselves in responses.
inline constexpr char kControlPlane[] = "pinnace-control";

// A request of either protocol variant, in common terms.
struct StreamRequest {
  std::string type_url;
  std::vector<std::string> subscribe;
  std::vector<std::string> unsubscribe;
  std::vector<std::pair<std::string, std::string>> known;  // initial_resource_versions.
  std::string known_version;  // Of the whole type, brought from an earlier stream; else empty.
  std::string nonce;          // Of the response that it answers; empty: of none.
  std::optional<std::string> error;  // Set: that response was rejected.
};

// A response of either variant.
struct StreamResponse {
  std::string type_url;
  std::string nonce;
  std::string version;  // Of the type in the snapshot it comes from.
  std::vector<ResourcePtr> resources;
  std::vector<std::string> removed;
  std::vector<std::string> not_found;  // Those of `removed` asked for by name.
};

// How one type stands on one stream.
struct TypeStatus {
  Subscription::State state = Subscription::State::kUnsent;
  std::string acked_version;  // Of the last snapshot whose response of this type was ACKed.
  std::string sent_version;
  size_t held = 0;     // Resources the client has acknowledged.
  std::string error;   // The client's words at its last rejection, while that stands.
  absl::Time changed;  // When the client last answered.
};

// One stream. Requests are answered at once from the snapshot in force; a new snapshot is pushed in
// stages (secrets, clusters, endpoints, listeners, routes; then removals in the opposite order),
// each awaiting its ACKs. One push is under way at most; snapshots that come meanwhile are merged
// into one that follows it. Not thread-safe.
class StreamState {
 public:
  enum class Variant { kDelta, kSotw };

  // `clock` and `names`, which may be null, must outlive this. Streams that are given the same
  // `names` share large sets of them.
  StreamState(Variant variant, pinnace::Clock& clock, NamePool* names)
      : variant_(variant), clock_(clock), names_(names) {}

  // Each returns what to send now, in order.
  std::vector<StreamResponse> OnRequest(const StreamRequest& request);
  std::vector<StreamResponse> OnSnapshot(SnapshotPtr snapshot);
  // To be called a few times a second while Waiting().
  std::vector<StreamResponse> OnTick();

  Variant variant() const { return variant_; }
  bool Waiting() const { return pushing_; }
  // The newest snapshot given; null before the first.
  const SnapshotPtr& newest() const { return pending_ != nullptr ? pending_ : current_; }
  // Null if the client never named the type.
  const Subscription* Find(const std::string& type_url) const;
  std::map<std::string, TypeStatus> Statuses() const;
  // Of the newest response of the type; empty if there was none.
  const std::string& LastNonce(const std::string& type_url) const;
  // Rejections since the start.
  uint64_t nacks() const { return nacks_; }

 private:
  struct Type {
    Subscription subscription;
    TypeStatus status;
    std::map<std::string, std::string> nonce_versions;  // In flight: nonce -> version.
    std::string last_nonce;
    std::string known_version;  // Brought, and not yet looked at.
  };
  using Responses = std::vector<StreamResponse>;
  // One step of a push: first what is new or changed of a type, and at the end what is gone of it.
  struct Stage {
    const char* type_url;
    bool removals;
  };
  static const std::array<Stage, 10> kStages;
  static bool IsStaged(const std::string& type_url);

  void NoteAnswer(Type& type, const StreamRequest& request);
  void StartPush();
  void Advance(Responses& out);
  // Sends what the stage has to send.
  void SendStage(Responses& out);
  // True while the client has yet to subscribe to what this push made it need of the stage's type.
  bool AwaitsSubscription(const std::string& type_url) const;
  void Send(const std::string& type_url, Type& type, Change change, bool keep_gone, Responses& out);
  void SendPart(const std::string& type_url, Type& type, const Change& part,
                std::vector<ResourcePtr> resources, Responses& out);
  // What the answer to `request` must hold, given the snapshot in force.
  void Answer(const StreamRequest& request, Type& type, Responses& out);
  // Notes what `upserts` refer to and marks endpoints that must follow their cluster.
  void NoteReferences(const std::string& type_url, const Subscription& users,
                      const std::vector<ResourcePtr>& upserts);
  // Takes out listeners and routes that need a cluster which the client has refused.
  void HoldBack(const std::string& type_url, Change& change) const;
  // True if removing what the stage removes could break what the client refused to replace.
  bool KeepsUsers(const Stage& stage) const;
  // If the client brought the type's present version, it holds all of it.
  void TakeKnownVersion(const std::string& type_url, Type& type);

  const Variant variant_;
  pinnace::Clock& clock_;
  NamePool* const names_;
  SnapshotPtr current_;  // What is in force for answers; pinned while a push is under way.
  SnapshotPtr pending_;  // The newest one that waits for the push to end.
  bool pushing_ = false;
  size_t stage_ = 0;
  bool stage_sent_ = false;
  absl::Duration deadline_;  // Steady time at which the stage's present wait ends.
  // Clusters and listeners of this push, with the versions sent.
  std::map<std::string, std::map<std::string, std::string>> pushed_;
  std::map<std::string, Type> types_;
  // Endpoints whose cluster was answered before the client first asked for endpoints: versions that
  // it brings of these do not count.
  std::set<std::string> warming_;
  uint64_t next_nonce_ = 1;
  uint64_t nacks_ = 0;
};

}  // namespace control

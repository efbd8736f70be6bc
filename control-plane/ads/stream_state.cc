// The push machine of one stream: answers at once, pushes in make-before-break order.
#include "control-plane/ads/stream_state.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

namespace control {
namespace {

constexpr char kNoVersion[] = "0";  // Of a type without resources: a version is never empty.

// The types of which a state-of-the-world response holds everything (xds_protocol, "Grouping
// Resources into Responses").
bool IsFullSetType(const std::string& type_url) {
  return type_url == kListenerType || type_url == kClusterType;
}

// Whose references the client subscribes to under `type_url`.
const char* ReferrerOf(const std::string& type_url) {
  if (type_url == kEndpointType) return kClusterType;
  if (type_url == kRouteType) return kListenerType;
  return nullptr;
}

}  // namespace

// Users after what they use, then removals the other way round (xds_protocol, "Eventual
// consistency considerations").
const std::array<StreamState::Stage, 10> StreamState::kStages = {{
    {kSecretType, false},
    {kClusterType, false},
    {kEndpointType, false},
    {kListenerType, false},
    {kRouteType, false},
    {kListenerType, true},
    {kRouteType, true},
    {kClusterType, true},
    {kEndpointType, true},
    {kSecretType, true},
}};

bool StreamState::IsStaged(const std::string& type_url) {
  for (const Stage& stage : kStages) {
    if (stage.type_url == type_url) return true;
  }
  return false;
}

const Subscription* StreamState::Find(const std::string& type_url) const {
  const auto it = types_.find(type_url);
  return it == types_.end() ? nullptr : &it->second.subscription;
}

const std::string& StreamState::LastNonce(const std::string& type_url) const {
  static const std::string kNone;
  const auto it = types_.find(type_url);
  return it == types_.end() ? kNone : it->second.last_nonce;
}

std::vector<StreamResponse> StreamState::OnRequest(const StreamRequest& request) {
  Responses out;
  if (!types_.contains(request.type_url) && types_.size() >= kTypesMax) return out;
  Type& type = types_[request.type_url];
  NoteAnswer(type, request);
  // A stale nonce changes nothing about that: subscriptions always count (xds_protocol, "ACK and
  // NACK semantics summary").
  for (const std::string& name : request.unsubscribe) type.subscription.Unsubscribe(name);
  for (const std::string& name : request.subscribe) type.subscription.Subscribe(name);
  if (names_ != nullptr) type.subscription.Compact(*names_);
  for (const auto& [name, version] : request.known) {
    if (request.type_url == kEndpointType && warming_.contains(name)) continue;
    type.subscription.SetKnown(name, version);
  }
  if (request.type_url == kEndpointType) warming_.clear();
  type.known_version = request.known_version;
  if (current_ == nullptr) return out;
  Answer(request, type, out);
  Advance(out);
  return out;
}

void StreamState::Answer(const StreamRequest& request, Type& type, Responses& out) {
  const std::string& type_url = request.type_url;
  TakeKnownVersion(type_url, type);
  Change change = type.subscription.TakeAnswers(current_->OfType(type_url));
  if (type_url != kClusterType || change.upserts.empty()) {
    Send(type_url, type, std::move(change), true, out);
    return;
  }
  // A client that comes back with its endpoints but an older cluster waits for them anew.
  const auto endpoints = types_.find(kEndpointType);
  if (endpoints != types_.end()) {
    NoteReferences(type_url, type.subscription, change.upserts);
  } else if (!request.known.empty()) {
    for (const ResourcePtr& resource : change.upserts) {
      for (const Reference& need : current_->OfType(type_url).ReferencesOf(resource->name)) {
        warming_.insert(need.name);
      }
    }
  }
  Send(type_url, type, std::move(change), true, out);
  if (endpoints == types_.end()) return;
  endpoints->second.subscription.ReleaseForced();
  Send(kEndpointType, endpoints->second,
       endpoints->second.subscription.TakeAnswers(current_->OfType(kEndpointType)), true, out);
}

void StreamState::TakeKnownVersion(const std::string& type_url, Type& type) {
  if (type.known_version.empty()) return;
  const std::string known = std::exchange(type.known_version, "");
  if (known != current_->VersionOf(type_url, kNoVersion)) return;
  type.subscription.SetAllKnown(current_->OfType(type_url));
}

void StreamState::NoteAnswer(Type& type, const StreamRequest& request) {
  const auto it = type.nonce_versions.find(request.nonce);
  if (it == type.nonce_versions.end()) return;
  if (request.error.has_value()) {
    ++nacks_;
    type.subscription.Nack(request.nonce, *request.error);
  } else {
    type.subscription.Ack(request.nonce);
    type.status.acked_version = it->second;
  }
  type.status.changed = clock_.Wall();
  type.nonce_versions.erase(it);
}

std::vector<StreamResponse> StreamState::OnSnapshot(SnapshotPtr snapshot) {
  Responses out;
  if (snapshot == newest()) return out;
  pending_ = std::move(snapshot);
  if (!pushing_) StartPush();
  Advance(out);
  return out;
}

std::vector<StreamResponse> StreamState::OnTick() {
  Responses out;
  Advance(out);
  return out;
}

void StreamState::StartPush() {
  current_ = std::move(pending_);
  pending_ = nullptr;
  pushing_ = true;
  stage_ = 0;
  stage_sent_ = false;
  deadline_ = clock_.Steady() + kSubscribeWaitMax;
  pushed_.clear();
}

void StreamState::Advance(Responses& out) {
  while (pushing_) {
    if (stage_ == kStages.size()) {
      // Types that no stage names: nothing is served, but questions deserve an answer.
      for (auto& [type_url, type] : types_) {
        if (IsStaged(type_url)) continue;
        Send(type_url, type, type.subscription.TakeAnswers(current_->OfType(type_url)), true, out);
      }
      pushing_ = false;
      if (pending_ == nullptr) return;
      StartPush();
      continue;
    }
    const std::string type_url = kStages[stage_].type_url;
    const absl::Duration now = clock_.Steady();
    if (!stage_sent_) {
      if (now < deadline_ && AwaitsSubscription(type_url)) return;
      SendStage(out);
      stage_sent_ = true;
      deadline_ = now + kAckWaitMax;
    }
    const auto it = types_.find(type_url);
    if (it != types_.end() && it->second.subscription.InFlight()) {
      if (now < deadline_) return;
      it->second.subscription.Expire();  // A silent client holds up no more than this.
    }
    ++stage_;
    stage_sent_ = false;
    deadline_ = now + kSubscribeWaitMax;
  }
}

bool StreamState::AwaitsSubscription(const std::string& type_url) const {
  const char* referrer = ReferrerOf(type_url);
  if (referrer == nullptr || kStages[stage_].removals) return false;
  const auto pushed = pushed_.find(referrer);
  const Subscription* users = Find(referrer);
  if (pushed == pushed_.end()) return false;
  const Subscription* used = Find(type_url);
  for (const auto& [name, version] : pushed->second) {
    // A user that was rejected asks for nothing.
    if (!users->Has(name, version)) continue;
    for (const Reference& need : current_->OfType(referrer).ReferencesOf(name)) {
      if (need.type_url == type_url && (used == nullptr || !used->Wants(need.name))) return true;
    }
  }
  return false;
}

void StreamState::SendStage(Responses& out) {
  const Stage& stage = kStages[stage_];
  const auto it = types_.find(stage.type_url);
  if (it == types_.end()) return;
  Subscription& subscription = it->second.subscription;
  const TypeTable& wanted = current_->OfType(stage.type_url);
  if (stage.removals && KeepsUsers(stage)) return;
  TakeKnownVersion(stage.type_url, it->second);
  Change change = stage.removals ? subscription.Removals(wanted) : subscription.TakeUpserts(wanted);
  HoldBack(stage.type_url, change);
  NoteReferences(stage.type_url, subscription, change.upserts);
  Send(stage.type_url, it->second, std::move(change), !stage.removals, out);
}

bool StreamState::KeepsUsers(const Stage& stage) const {
  const std::string type_url = stage.type_url;
  if (type_url == kListenerType) return false;
  for (const char* user : {kListenerType, kRouteType, kClusterType}) {
    if (type_url == user) return false;
    const Subscription* subscription = Find(user);
    if (subscription != nullptr && subscription->HoldsRejected()) return true;
  }
  return false;
}

void StreamState::HoldBack(const std::string& type_url, Change& change) const {
  const Subscription* clusters = Find(kClusterType);
  if (clusters == nullptr || !clusters->HoldsRejected()) return;
  if (type_url != kListenerType && type_url != kRouteType) return;
  std::erase_if(change.upserts, [&](const ResourcePtr& resource) {
    for (const Reference& need : current_->OfType(type_url).ReferencesOf(resource->name)) {
      if (need.type_url == kClusterType && clusters->Lacks(need.name)) return true;
    }
    return false;
  });
}

void StreamState::NoteReferences(const std::string& type_url, const Subscription& users,
                                 const std::vector<ResourcePtr>& upserts) {
  for (const ResourcePtr& resource : upserts) {
    // What is only said again is no news to the client.
    if (users.Has(resource->name, resource->version)) continue;
    if (ReferrerOf(kEndpointType) == type_url || ReferrerOf(kRouteType) == type_url) {
      pushed_[type_url][resource->name] = resource->version;
    }
    for (const Reference& need : current_->OfType(type_url).ReferencesOf(resource->name)) {
      // A changed cluster waits for endpoints anew, even for those that the client has ("warming"),
      // so they follow even if they are unchanged.
      const auto used = types_.find(need.type_url);
      if (used != types_.end() && need.type_url == kEndpointType) {
        used->second.subscription.ForceIfHeld(need.name);
      }
    }
  }
}

void StreamState::Send(const std::string& type_url, Type& type, Change change, bool keep_gone,
                       Responses& out) {
  if (!change.Worth()) return;
  if (variant_ == Variant::kSotw && IsFullSetType(type_url)) {
    const TypeTable& wanted = current_->OfType(type_url);
    std::vector<ResourcePtr> all = type.subscription.FullSet(wanted, keep_gone);
    type.subscription.AddRefused(wanted, change);
    SendPart(type_url, type, change, std::move(all), out);
    return;
  }
  Change part;
  size_t bytes = 0;
  for (ResourcePtr& resource : change.upserts) {
    const size_t size = resource->any.value().size() + resource->name.size();
    if (!part.upserts.empty() && bytes + size > kResponseBytesMax) {
      SendPart(type_url, type, part, part.upserts, out);
      part = Change();
      bytes = 0;
    }
    bytes += size;
    part.upserts.push_back(std::move(resource));
  }
  part.removed = std::move(change.removed);
  part.not_found = std::move(change.not_found);
  SendPart(type_url, type, part, part.upserts, out);
}

void StreamState::SendPart(const std::string& type_url, Type& type, const Change& part,
                           std::vector<ResourcePtr> resources, Responses& out) {
  StreamResponse response;
  response.type_url = type_url;
  response.nonce = absl::StrCat(next_nonce_++);
  response.version = current_->VersionOf(type_url, kNoVersion);
  if (variant_ == Variant::kSotw && IsFullSetType(type_url)) {
    // A set that still holds what goes is not the snapshot's.
    const TypeTable& wanted = current_->OfType(type_url);
    const auto gone = std::count_if(resources.begin(), resources.end(), [&](const auto& resource) {
      return !wanted.Contains(resource->name);
    });
    if (gone > 0) absl::StrAppend(&response.version, "+", gone);
  }
  response.resources = std::move(resources);
  response.removed = part.removed;
  response.not_found = part.not_found;
  type.subscription.Sent(response.nonce, part);
  type.last_nonce = response.nonce;
  type.status.sent_version = response.version;
  type.nonce_versions[response.nonce] = response.version;
  if (type.nonce_versions.size() > kInFlightMax) {
    type.nonce_versions.erase(type.nonce_versions.begin());
  }
  out.push_back(std::move(response));
}

std::map<std::string, TypeStatus> StreamState::Statuses() const {
  std::map<std::string, TypeStatus> statuses;
  for (const auto& [type_url, type] : types_) {
    TypeStatus status = type.status;
    if (newest() != nullptr) {
      status.state = type.subscription.StateAgainst(newest()->OfType(type_url));
      // A client that brought everything from an earlier stream was never sent anything.
      if (status.state == Subscription::State::kSynced && status.acked_version.empty()) {
        status.acked_version = newest()->VersionOf(type_url, "");
      }
    }
    status.held = type.subscription.HeldCount();
    status.error = type.subscription.last_error();
    statuses[type_url] = std::move(status);
  }
  return statuses;
}

}  // namespace control

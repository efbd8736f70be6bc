// Renders stream states for `pinnacectl` and CSDS.
#include "control-plane/server/session_view.h"

#include <google/protobuf/timestamp.pb.h>

namespace control {
namespace {

using State = Subscription::State;

mesh::v1::TypeStatus::State ToProto(State state) {
  switch (state) {
    case State::kUnsent: return mesh::v1::TypeStatus::NOT_SENT;
    case State::kSynced: return mesh::v1::TypeStatus::SYNCED;
    case State::kStale: return mesh::v1::TypeStatus::STALE;
    case State::kRejected: return mesh::v1::TypeStatus::NACK;
  }
  return mesh::v1::TypeStatus::NOT_SENT;
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  proto.set_seconds(absl::ToUnixSeconds(time));
  proto.set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(proto.seconds())) / absl::Nanoseconds(1)));
  return proto;
}

}  // namespace

mesh::v1::ProxyStatus StatusOf(const SessionFacts& facts, const StreamState& state) {
  mesh::v1::ProxyStatus proto;
  proto.set_id(facts.node.id());
  proto.set_connected(true);
  proto.set_identity(facts.identity);
  proto.set_address(facts.address);
  proto.set_user_agent(facts.node.user_agent_name());
  *proto.mutable_connected_since() = ToProto(facts.since);
  if (state.newest() != nullptr) proto.set_version(state.newest()->version);
  for (const auto& [type_url, status] : state.Statuses()) {
    auto* type = proto.add_types();
    type->set_type_url(type_url);
    type->set_state(ToProto(status.state));
    type->set_resources(static_cast<uint32_t>(status.held));
    type->set_version(status.acked_version);
    type->set_error(status.error);
    if (status.changed != absl::Time()) *type->mutable_last_change() = ToProto(status.changed);
  }
  return proto;
}

envoy::service::status::v3::ClientConfig ConfigOf(const SessionFacts& facts,
                                                  const StreamState& state, bool contents) {
  namespace csds = envoy::service::status::v3;
  csds::ClientConfig config;
  *config.mutable_node() = facts.node;
  for (const auto& [type_url, status] : state.Statuses()) {
    const Subscription* subscription = state.Find(type_url);
    const TypeTable* wanted =
        state.newest() == nullptr ? nullptr : &state.newest()->OfType(type_url);
    for (const auto& [name, sight] : subscription->Sights()) {
      auto* generic = config.add_generic_xds_configs();
      generic->set_type_url(type_url);
      generic->set_name(name);
      generic->set_version_info(sight.version);
      ResourcePtr resource = sight.resource;
      if (resource == nullptr && wanted != nullptr) {
        const ResourcePtr* there = wanted->Find(name);
        if (there != nullptr && (*there)->version == sight.version) resource = *there;
      }
      if (contents && resource != nullptr) *generic->mutable_xds_config() = resource->any;
      if (sight.rejected) {
        generic->set_config_status(csds::ERROR);
        generic->set_client_status(envoy::admin::v3::NACKED);
        generic->mutable_error_state()->set_details(status.error);
      } else {
        generic->set_config_status(sight.acked ? csds::SYNCED : csds::STALE);
        generic->set_client_status(sight.acked ? envoy::admin::v3::ACKED
                                               : envoy::admin::v3::REQUESTED);
      }
    }
  }
  return config;
}

}  // namespace control

// Delta xDS messages to and from the stream's common terms.
#include "control-plane/ads/delta_stream.h"

#include <absl/strings/str_cat.h>

namespace control {

DeltaStream::Response DeltaStream::Head(const StreamResponse& response) {
  Response proto;
  proto.set_type_url(response.type_url);
  proto.set_nonce(response.nonce);
  proto.set_system_version_info(response.version);
  proto.mutable_control_plane()->set_identifier(kControlPlane);
  for (const std::string& name : response.removed) proto.add_removed_resources(name);
  for (const std::string& name : response.not_found) {
    auto* error = proto.add_resource_errors();
    error->mutable_error_detail()->set_code(5);  // google.rpc.Code.NOT_FOUND
    error->mutable_error_detail()->set_message(
        absl::StrCat("no ", response.type_url, " named \"", name, "\" for this node"));
    error->mutable_resource_name()->set_name(name);
  }
  return proto;
}

DeltaStream::Response DeltaStream::ToProto(const StreamResponse& response) {
  Response proto = Head(response);
  for (const ResourcePtr& resource : response.resources) {
    auto* out = proto.add_resources();
    out->set_name(resource->name);
    out->set_version(resource->version);
    *out->mutable_resource() = resource->any;
  }
  return proto;
}

std::vector<DeltaStream::Response> DeltaStream::ToProtos(
    const std::vector<StreamResponse>& responses) {
  std::vector<Response> protos;
  protos.reserve(responses.size());
  for (const StreamResponse& response : responses) protos.push_back(ToProto(response));
  return protos;
}

std::vector<StreamResponse> DeltaStream::Handle(const Request& request) {
  StreamRequest common;
  common.type_url = request.type_url();
  common.subscribe.assign(request.resource_names_subscribe().begin(),
                          request.resource_names_subscribe().end());
  common.unsubscribe.assign(request.resource_names_unsubscribe().begin(),
                            request.resource_names_unsubscribe().end());
  common.nonce = request.response_nonce();
  if (request.has_error_detail()) common.error = request.error_detail().message();
  const bool first = seen_types_.size() < kTypesMax && seen_types_.insert(common.type_url).second;
  const bool listens = common.type_url == kListenerType || common.type_url == kClusterType;
  if (first) {
    for (const auto& [name, version] : request.initial_resource_versions()) {
      common.known.emplace_back(name, version);
    }
  }
  // A first request without names means everything, for the types that have always had that.
  if (first && listens && common.subscribe.empty()) common.subscribe.push_back("*");
  return state_.OnRequest(common);
}

}  // namespace control

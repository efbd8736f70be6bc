// State-of-the-world xDS messages to and from the stream's common terms.
#include "control-plane/ads/sotw_stream.h"

#include <algorithm>
#include <iterator>

#include <absl/strings/str_cat.h>

namespace control {

SotwStream::Response SotwStream::Head(const StreamResponse& response) {
  Response proto;
  proto.set_type_url(response.type_url);
  proto.set_nonce(response.nonce);
  proto.set_version_info(response.version);
  proto.mutable_control_plane()->set_identifier(kControlPlane);
  for (const std::string& name : response.not_found) {
    auto* error = proto.add_resource_errors();
    error->mutable_error_detail()->set_code(5);  // google.rpc.Code.NOT_FOUND
    error->mutable_error_detail()->set_message(
        absl::StrCat("no ", response.type_url, " named \"", name, "\" for this node"));
    error->mutable_resource_name()->set_name(name);
  }
  return proto;
}

SotwStream::Response SotwStream::ToProto(const StreamResponse& response) {
  Response proto = Head(response);
  for (const ResourcePtr& resource : response.resources) *proto.add_resources() = resource->any;
  return proto;
}

std::vector<SotwStream::Response> SotwStream::ToProtos(
    const std::vector<StreamResponse>& responses) {
  std::vector<Response> protos;
  protos.reserve(responses.size());
  for (const StreamResponse& response : responses) protos.push_back(ToProto(response));
  return protos;
}

std::vector<StreamResponse> SotwStream::Handle(const Request& request) {
  const std::string& type_url = request.type_url();
  if (!types_.contains(type_url) && types_.size() >= kTypesMax) return {};
  Type& type = types_[type_url];
  const std::string& last_nonce = state_.LastNonce(type_url);
  StreamRequest common;
  common.type_url = type_url;
  common.nonce = request.response_nonce();
  if (request.has_error_detail()) common.error = request.error_detail().message();
  // Until the first response a nonce can only be one of an earlier stream.
  const bool stale = !last_nonce.empty() && !request.response_nonce().empty() &&
                     request.response_nonce() != last_nonce;
  if (stale) return state_.OnRequest(common);
  std::vector<std::string> names(request.resource_names().begin(), request.resource_names().end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  bool wildcard = std::erase(names, "*") > 0;
  const bool listens = type_url == kListenerType || type_url == kClusterType;
  if (!names.empty() || wildcard) {
    type.named = true;
  } else if (!type.named && listens) {
    wildcard = true;
  }
  if (last_nonce.empty() && listens && wildcard) common.known_version = request.version_info();
  const Subscription* subscription = state_.Find(type_url);
  const bool had_wildcard = subscription != nullptr && subscription->wildcard();
  if (wildcard && !had_wildcard) common.subscribe.push_back("*");
  if (!wildcard && had_wildcard) common.unsubscribe.push_back("*");
  std::vector<std::string> old_names;
  if (subscription != nullptr) old_names = subscription->Names();
  std::set_difference(names.begin(), names.end(), old_names.begin(), old_names.end(),
                      std::back_inserter(common.subscribe));
  std::set_difference(old_names.begin(), old_names.end(), names.begin(), names.end(),
                      std::back_inserter(common.unsubscribe));
  return state_.OnRequest(common);
}

}  // namespace control

// State-of-the-world xDS messages to and from the stream's common terms.
#include "control-plane/ads/sotw_stream.h"

#include <absl/strings/str_cat.h>

namespace control {

std::vector<SotwStream::Response> SotwStream::ToProtos(std::vector<StreamResponse> responses) {
  std::vector<Response> protos;
  protos.reserve(responses.size());
  for (StreamResponse& response : responses) {
    Response& proto = protos.emplace_back();
    types_[response.type_url].last_nonce = response.nonce;
    proto.set_type_url(response.type_url);
    proto.set_nonce(std::move(response.nonce));
    proto.set_version_info(std::move(response.version));
    for (const ResourcePtr& resource : response.resources) *proto.add_resources() = resource->any;
    for (std::string& name : response.not_found) {
      auto* error = proto.add_resource_errors();
      error->mutable_error_detail()->set_code(5);  // google.rpc.Code.NOT_FOUND
      error->mutable_error_detail()->set_message(
          absl::StrCat("no ", response.type_url, " named \"", name, "\" for this node"));
      error->mutable_resource_name()->set_name(std::move(name));
    }
  }
  return protos;
}

std::vector<SotwStream::Response> SotwStream::OnRequest(const Request& request) {
  const std::string& type_url = request.type_url();
  if (!types_.contains(type_url) && types_.size() >= kTypesMax) return {};
  Type& type = types_[type_url];
  StreamRequest common;
  common.type_url = type_url;
  common.nonce = request.response_nonce();
  if (request.has_error_detail()) common.error = request.error_detail().message();
  // Until the first response a nonce can only be one of an earlier stream.
  const bool stale = !type.last_nonce.empty() && !request.response_nonce().empty() &&
                     request.response_nonce() != type.last_nonce;
  if (stale) return ToProtos(state_.OnRequest(common));
  std::set<std::string> names(request.resource_names().begin(), request.resource_names().end());
  const bool listens = type_url == kListenerType || type_url == kClusterType;
  if (!names.empty()) {
    type.named = true;
  } else if (!type.named && listens) {
    names.insert("*");
  }
  if (type.last_nonce.empty() && listens && names.contains("*")) {
    common.known_version = request.version_info();
  }
  for (const std::string& name : names) {
    if (!type.names.contains(name)) common.subscribe.push_back(name);
  }
  for (const std::string& name : type.names) {
    if (!names.contains(name)) common.unsubscribe.push_back(name);
  }
  type.names = std::move(names);
  return ToProtos(state_.OnRequest(common));
}

std::vector<SotwStream::Response> SotwStream::OnSnapshot(SnapshotPtr snapshot) {
  return ToProtos(state_.OnSnapshot(std::move(snapshot)));
}

std::vector<SotwStream::Response> SotwStream::OnTick() { return ToProtos(state_.OnTick()); }

}  // namespace control

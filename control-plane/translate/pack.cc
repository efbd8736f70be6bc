// Serializes deterministically and names resources.
#include "control-plane/translate/pack.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <xxhash.h>

namespace control {

google::protobuf::Any Pack(const google::protobuf::Message& message) {
  google::protobuf::Any any;
  any.set_type_url(absl::StrCat("type.googleapis.com/", message.GetDescriptor()->full_name()));
  google::protobuf::io::StringOutputStream stream(any.mutable_value());
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  return any;
}

ResourcePtr MakeResource(absl::string_view name, const google::protobuf::Message& message) {
  auto resource = std::make_shared<Resource>();
  resource->name = std::string(name);
  resource->any = Pack(message);
  const std::string& bytes = resource->any.value();
  resource->version = absl::StrFormat("%016x", XXH64(bytes.data(), bytes.size(), 0));
  return resource;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration out;
  absl::Duration rest;
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  out.set_nanos(static_cast<int32_t>(rest / absl::Nanoseconds(1)));
  return out;
}

envoy::config::core::v3::ConfigSource AdsSource() {
  envoy::config::core::v3::ConfigSource source;
  source.mutable_ads();
  source.set_resource_api_version(envoy::config::core::v3::V3);
  return source;
}

std::string OutboundCluster(const Mesh& mesh, const NamespacedName& service, uint16_t port) {
  return absl::StrCat("outbound|", port, "||", Fqdn(mesh, service));
}

std::string PodCluster(const Mesh& mesh, const NamespacedName& service, uint16_t port) {
  return absl::StrCat("outbound|", port, "|pod|", Fqdn(mesh, service));
}

std::string InboundCluster(uint16_t port) { return absl::StrCat("inbound|", port, "||"); }

std::string RouteName(const Mesh& mesh, const NamespacedName& service, uint16_t port) {
  return absl::StrCat(Fqdn(mesh, service), ":", port);
}

}  // namespace control

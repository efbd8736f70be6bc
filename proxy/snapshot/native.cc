// The list of Istio's extensions that are known.
#include "proxy/snapshot/native.h"

#include <absl/strings/str_cat.h>

#include "istio/envoy/config/filter/http/alpn/v2alpha1/config.pb.h"
#include "udpa/type/v1/typed_struct.pb.h"
#include "xds/type/v3/typed_struct.pb.h"

namespace proxy {
namespace {

namespace alpn = istio::envoy::config::filter::http::alpn::v2alpha1;

std::string AfterSlash(const std::string& url) { return url.substr(url.rfind('/') + 1); }

}  // namespace

std::string TypeOf(const google::protobuf::Any& any) {
  const std::string name = AfterSlash(any.type_url());
  if (udpa::type::v1::TypedStruct old; any.UnpackTo(&old)) return AfterSlash(old.type_url());
  if (xds::type::v3::TypedStruct now; any.UnpackTo(&now)) return AfterSlash(now.type_url());
  return name;
}

bool DoneNatively(const google::protobuf::Any& any) {
  static constexpr const char* kNames[] = {
      "io.istio.http.peer_metadata.Config",                  // The peer is known by its identity.
      "envoy.tcp.metadataexchange.config.MetadataExchange",  // Likewise.
      "stats.PluginConfig",                                  // Counted without being asked.
      "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",  // Likewise.
      "istio.workload.BootstrapExtension",                         // Names for the peer metadata.
      "envoy.extensions.bootstrap.internal_listener.v3.InternalListener",  // Says nothing by
                                                                           // itself.
  };
  const std::string type = TypeOf(any);
  for (const char* name : kNames)
    if (type == name) return true;
  return false;
}

absl::StatusOr<bool> ReadAlpnOverride(const google::protobuf::Any& any, HttpConfig& config) {
  alpn::FilterConfig proto;
  if (AfterSlash(any.type_url()) != alpn::FilterConfig::descriptor()->full_name()) return false;
  if (!any.UnpackTo(&proto)) return absl::InvalidArgumentError("istio.alpn: not well-formed");
  auto overrides = std::make_shared<UpstreamAlpn>();
  for (const auto& one : proto.alpn_override()) {
    const auto index = static_cast<size_t>(one.upstream_protocol());
    if (index >= overrides->by_protocol.size())
      return absl::InvalidArgumentError("istio.alpn: upstream_protocol: unknown");
    for (const std::string& name : one.alpn_override()) {
      if (name.empty() || name.size() > 255)
        return absl::InvalidArgumentError("istio.alpn: alpn_override: length not in 1..255");
      overrides->by_protocol[index].alpn.push_back(name);
    }
  }
  config.upstream_alpn = std::move(overrides);
  return true;
}

}  // namespace proxy

// Addresses, and where resources come from.
#include <absl/strings/str_cat.h>

#include "proxy/snapshot/parse.h"

namespace proxy {

namespace core = envoy::config::core::v3;

absl::StatusOr<pinnace::ConfigFrom> ParseConfigFrom(const core::ConfigSource& proto,
                                                    ParseContext& context) {
  pinnace::ConfigFrom from;
  if (proto.has_initial_fetch_timeout()) from.wait_max = ToDuration(proto.initial_fetch_timeout());
  switch (proto.config_source_specifier_case()) {
    case core::ConfigSource::kAds:
    case core::ConfigSource::kSelf: from.source = pinnace::ConfigFrom::kAds; return from;
    case core::ConfigSource::kPath:
    case core::ConfigSource::kPathConfigSource: break;
    case core::ConfigSource::kApiConfigSource: {
      const auto& api = proto.api_config_source();
      if (api.api_type() != core::ApiConfigSource::GRPC &&
          api.api_type() != core::ApiConfigSource::DELTA_GRPC)
        return absl::InvalidArgumentError("api_type: only GRPC and DELTA_GRPC are supported");
      if (api.grpc_services().empty())
        return absl::InvalidArgumentError("grpc_services: at least one");
      for (const auto& service : api.grpc_services()) {
        if (service.envoy_grpc().cluster_name().empty())
          return absl::InvalidArgumentError("grpc_services: needs envoy_grpc.cluster_name");
      }
      break;
    }
    default:
      return absl::InvalidArgumentError("needs ads, api_config_source or path_config_source");
  }
  core::ConfigSource keyed = proto;
  keyed.clear_initial_fetch_timeout();
  from.source = keyed.SerializeAsString();
  context.sources[from.source] = std::move(keyed);
  return from;
}

absl::StatusOr<Address> ParseAddress(const core::Address& proto) {
  if (proto.has_pipe()) return Address::FromPath(proto.pipe().path());
  if (!proto.has_socket_address())
    return absl::InvalidArgumentError("address: needs socket_address or pipe");
  const auto& socket = proto.socket_address();
  if (socket.port_value() > 65535)
    return absl::InvalidArgumentError("address: port_value above 65535");
  return Address::FromIp(socket.address(), static_cast<uint16_t>(socket.port_value()));
}

}  // namespace proxy

// The network filters that end a filter chain.
#pragma once

#include <string>

#include "control-plane/model/mesh.h"
#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace control {

using HttpConnectionManager =
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

// A connection manager of sidecars, with the router as its only filter and no routes yet.
HttpConnectionManager SidecarHttp(const Mesh& mesh, const std::string& stat_prefix);

// One of gRPC clients, which refuse most other fields; its routes come from `route_name`.
HttpConnectionManager GrpcHttp(const std::string& route_name);

// Takes the routes from `route_name` over this stream.
void SetRds(const std::string& route_name, HttpConnectionManager& manager);

envoy::config::listener::v3::Filter HttpFilterOf(const HttpConnectionManager& manager);

// Copies bytes to and from `cluster`; `idle` (if set) ends a silent connection.
envoy::config::listener::v3::Filter TcpFilter(const Mesh& mesh, const std::string& stat_prefix,
                                              const std::string& cluster,
                                              std::optional<absl::Duration> idle = {});

}  // namespace control

// Mutual TLS between sidecars: transport sockets, ALPN names, the root secret.
#pragma once

#include <set>
#include <string>

#include "control-plane/model/mesh.h"
#include "control-plane/model/resource.h"
#include "envoy/config/core/v3/base.pb.h"

namespace control {

// ALPN names by which a sidecar knows a sidecar's connection: first the one that says so, which
// the inbound chain matches, then the one that is agreed on. (A server that agreed on a name of
// ours would have Envoy read HTTP/2 as HTTP/1: it knows only "h2".)
inline constexpr char kAlpnTcp[] = "pinnace";
inline constexpr char kAlpnHttp1[] = "pinnace-http/1.1";
inline constexpr char kAlpnHttp2[] = "pinnace-h2";

// The server's side: wants a certificate of the mesh's trust domain.
envoy::config::core::v3::TransportSocket DownstreamMtls(const Mesh& mesh, bool http);

// The client's side, towards endpoints with these SPIFFE ids. None: any of the trust domain.
envoy::config::core::v3::TransportSocket UpstreamMtls(const Mesh& mesh, Protocol protocol,
                                                      const std::set<std::string>& identities,
                                                      const std::string& sni);

envoy::config::core::v3::TransportSocket RawBuffer();

// Adds the secret by which proxies verify peers; nothing while there is no root certificate.
void AddSecrets(const Mesh& mesh, ResourceSet& resources);

}  // namespace control

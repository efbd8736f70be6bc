// IP addresses and ports in documents.
#pragma once

#include <optional>
#include <string>

#include "control-plane/model/mesh.h"
#include "control-plane/policy/reader.h"

namespace control {

// `text` as the kernel prints it, if it is an IPv4 or IPv6 address; else reports at `reader` and
// returns "".
std::string ReadAddress(const Reader& reader, const std::string& text);

// Adds `endpoint` to `port`, sorted by address and port; an address that is there stays as it is.
void AddEndpoint(ServicePort& port, Endpoint endpoint);

// An endpoint at `address`, with what the mesh's pods say about it.
Endpoint MakeEndpoint(const Mesh& mesh, const std::string& address, uint16_t port);

// Notes that `service` is served on `port` of `address`: the first service to say so names the
// protocol.
void DeclareInbound(Mesh& mesh, const std::string& address, uint16_t port, Protocol protocol,
                    const NamespacedName& service);

}  // namespace control

// x-forwarded-client-cert: what upstreams are told of the client's certificate.
#pragma once

#include <string>

#include "proxy/exchange/exchange.h"

namespace proxy {

// One element of the field's value (Envoy's "x-forwarded-client-cert"): By, Hash, and what `set`
// asks for. Empty if the client has shown no certificate.
std::string ClientCertElement(const ClientCertConfig& set, const Transport& transport);

// Removes, keeps, sets or appends the field as `config` says: what a client without a certificate
// claims is removed, unless everything is to be forwarded.
void ForwardClientCert(const HttpConfig& config, DownstreamInfo& downstream, Headers& headers);

}  // namespace proxy

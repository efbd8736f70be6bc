// The xDS node of a client -> what translation depends on.
#pragma once

#include <absl/status/statusor.h>

#include "control-plane/ca/token.h"
#include "control-plane/model/proxy_node.h"
#include "envoy/config/core/v3/base.pb.h"

namespace control {

// Reads id ("sidecar~IP~POD.NAMESPACE~DOMAIN"; any other id is taken whole as the pod's name),
// metadata NAMESPACE, SERVICE_ACCOUNT, LABELS, INSTANCE_IPS and GENERATOR.
// Errors: InvalidArgument if the id is empty.
absl::StatusOr<ProxyNode> ParseNode(const envoy::config::core::v3::Node& node);

// OK if `identity` may speak for `node`: equal namespace and service account. Errors:
// PermissionDenied, naming both.
absl::Status CheckIdentity(const ProxyNode& node, const Identity& identity);

// Equal keys, equal TranslateShared().
std::string SharedKey(const ProxyNode& node);

}  // namespace control

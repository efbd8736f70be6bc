// Who a proxy says it is, read from its xDS node.
#pragma once

#include <map>
#include <string>

namespace control {

// The parts of envoy.config.core.v3.Node that translation depends on. Two proxies with equal
// fields get equal resources, so this is also the key under which resources are shared.
struct ProxyNode {
  enum class Kind {
    kSidecar,  // node.id "sidecar~IP~POD.NAMESPACE~..." : listeners 15001 and 15006.
    kGateway,  // node.id "router~IP~POD.NAMESPACE~...": one listener a Gateway listener.
    kGrpc,     // user_agent_name "gRPC ..." or metadata GENERATOR=grpc: proxyless.
  };
  Kind kind = Kind::kSidecar;
  std::string id;                             // node.id, whole.
  std::string pod;                            // From node.id.
  std::string pod_namespace;                  // metadata NAMESPACE, else from node.id.
  std::string service_account;                // metadata SERVICE_ACCOUNT; empty: "default".
  std::string ip;                             // From node.id: the workload's own address.
  std::map<std::string, std::string> labels;  // metadata LABELS.
  bool pinnace = false;  // user_agent_name is "pinnace": native extensions are understood.
};

}  // namespace control

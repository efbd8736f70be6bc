// Reads xDS nodes and compares them with proven identities.
#include "control-plane/server/node.h"

#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

namespace control {
namespace {

constexpr size_t kNodeIdBytesMax = 1024;

std::string TextOf(const google::protobuf::Struct& metadata, const char* key) {
  const auto it = metadata.fields().find(key);
  return it == metadata.fields().end() ? "" : it->second.string_value();
}

std::string FirstAddress(const google::protobuf::Struct& metadata) {
  const auto it = metadata.fields().find("INSTANCE_IPS");
  if (it == metadata.fields().end()) return "";
  if (it->second.list_value().values_size() > 0) {
    return it->second.list_value().values(0).string_value();
  }
  const std::vector<std::string> parts = absl::StrSplit(it->second.string_value(), ',');
  return parts.front();
}

}  // namespace

absl::StatusOr<ProxyNode> ParseNode(const envoy::config::core::v3::Node& node) {
  if (node.id().empty() || node.id().size() > kNodeIdBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("node.id: want 1 to ", kNodeIdBytesMax, " bytes in the first request"));
  }
  ProxyNode out;
  out.id = node.id();
  out.pod = node.id();
  const std::vector<std::string> parts = absl::StrSplit(node.id(), '~');
  if (parts.size() == 4) {
    if (parts[0] == "router") out.kind = ProxyNode::Kind::kGateway;
    out.ip = parts[1];
    const size_t dot = parts[2].rfind('.');
    out.pod = parts[2].substr(0, dot);
    if (dot != std::string::npos) out.pod_namespace = parts[2].substr(dot + 1);
  }
  const google::protobuf::Struct& metadata = node.metadata();
  if (out.ip.empty()) out.ip = FirstAddress(metadata);
  // "gRPC Go", "gRPC C-core linux", "gRPC Node Pure JS", "gRPC Java".
  const bool stock = absl::StartsWith(node.user_agent_name(), "gRPC ");
  if (stock || TextOf(metadata, "GENERATOR") == "grpc") out.kind = ProxyNode::Kind::kGrpc;
  const std::string ns = TextOf(metadata, "NAMESPACE");
  if (!ns.empty()) out.pod_namespace = ns;
  out.service_account = TextOf(metadata, "SERVICE_ACCOUNT");
  if (out.service_account.empty()) out.service_account = "default";
  const auto labels = metadata.fields().find("LABELS");
  if (labels != metadata.fields().end()) {
    for (const auto& [key, value] : labels->second.struct_value().fields()) {
      out.labels[key] = value.string_value();
    }
  }
  out.pinnace = node.user_agent_name() == "pinnace";
  return out;
}

absl::Status CheckIdentity(const ProxyNode& node, const Identity& identity) {
  if (node.pod_namespace == identity.ns && node.service_account == identity.service_account) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("node ", node.id, " says namespace \"", node.pod_namespace,
                   "\", service account \"", node.service_account, "\", but the caller proved \"",
                   identity.ns, "\", \"", identity.service_account, "\""));
}

std::string SharedKey(const ProxyNode& node) {
  return absl::StrCat(static_cast<int>(node.kind), "\n", node.pod_namespace, "\n",
                      node.pinnace ? 1 : 0);
}

}  // namespace control

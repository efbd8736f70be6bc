// Reads identities from a call's metadata and from its TLS connection.
#include "control-plane/server/caller.h"

#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>
#include <grpc/grpc_security_constants.h>

namespace control {

absl::StatusOr<Identity> ParseSpiffe(absl::string_view uri, absl::string_view trust_domain) {
  const std::vector<std::string> parts = absl::StrSplit(uri, '/');
  const bool good = parts.size() == 7 && parts[0] == "spiffe:" && parts[1].empty() &&
                    parts[2] == std::string(trust_domain) && parts[3] == "ns" && parts[5] == "sa" &&
                    IsResourceName(parts[4]) && IsResourceName(parts[6]);
  if (good) return Identity{parts[4], parts[6]};
  return absl::UnauthenticatedError(absl::StrCat(
      "client certificate: \"", uri, "\" is no workload of trust domain ", trust_domain));
}

absl::StatusOr<Identity> CallerCheck::Identify(const grpc::ServerContextBase& context) const {
  // The certificate comes first: with one, a proxy outlives its join token.
  const auto ids = context.auth_context()->FindPropertyValues("peer_spiffe_id");
  if (!ids.empty()) {
    return ParseSpiffe(absl::string_view(ids[0].data(), ids[0].size()), trust_domain_);
  }
  const auto header = context.client_metadata().find("authorization");
  if (header != context.client_metadata().end()) {
    absl::string_view token(header->second.data(), header->second.size());
    if (!absl::ConsumePrefix(&token, "Bearer ")) {
      return absl::UnauthenticatedError("authorization: want \"Bearer TOKEN\"");
    }
    return tokens_.Verify(token, clock_.Wall());
  }
  return absl::UnauthenticatedError(
      "no credentials: want metadata \"authorization: Bearer TOKEN\" or a client certificate of "
      "the mesh");
}

bool IsOverTls(const grpc::ServerContextBase& context) {
  const auto kinds =
      context.auth_context()->FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
  return !kinds.empty() && kinds[0] == "ssl";
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace control

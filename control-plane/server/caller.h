// Who calls: tokens and client certificates of gRPC calls.
#pragma once

#include <string>

#include <absl/status/statusor.h>
#include <grpcpp/grpcpp.h>

#include "common/clock.h"
#include "control-plane/ca/token.h"

namespace control {

// Verifies callers. Immutable; any thread.
class CallerCheck {
 public:
  // Arguments must outlive this.
  CallerCheck(const TokenKey& tokens, std::string trust_domain, pinnace::Clock& clock)
      : tokens_(tokens), trust_domain_(std::move(trust_domain)), clock_(clock) {}

  // The identity that the client certificate or else metadata "authorization: Bearer TOKEN" proves.
  // A client certificate was verified against the mesh's root in the handshake.
  // Errors: Unauthenticated, saying why.
  absl::StatusOr<Identity> Identify(const grpc::ServerContextBase& context) const;

 private:
  const TokenKey& tokens_;
  const std::string trust_domain_;
  pinnace::Clock& clock_;
};

// True if the call came over TLS.
bool IsOverTls(const grpc::ServerContextBase& context);

// "spiffe://TRUST_DOMAIN/ns/NS/sa/ACCOUNT" taken apart. Errors: Unauthenticated.
absl::StatusOr<Identity> ParseSpiffe(absl::string_view uri, absl::string_view trust_domain);

grpc::Status ToGrpc(const absl::Status& status);

}  // namespace control

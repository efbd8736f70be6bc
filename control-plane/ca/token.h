// Join tokens: how a proxy outside Kubernetes says who it is.
#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

namespace control {

// Whom a certificate is for.
struct Identity {
  std::string ns;
  std::string service_account;

  bool operator==(const Identity&) const = default;
};

// True for what a Kubernetes namespace or service account may be called (RFC 1123 subdomain, at
// most 253 characters): such names need no quoting in a SPIFFE id or a token.
bool IsResourceName(absl::string_view name);

inline constexpr absl::Duration kTokenLifeDefault = absl::Hours(24);
inline constexpr absl::Duration kTokenLifeMax = absl::Hours(24 * 366);

// The key that signs and verifies join tokens. A token is stateless: it names a namespace, a
// service account and an end, sealed by HMAC-SHA256; whoever holds the key file can make one, and
// a new key file makes all old tokens void. Immutable; any thread.
class TokenKey {
 public:
  // Reads `state_folder`/token.key (mode 0600), which it creates if it is missing.
  // Errors: FailedPrecondition if others may read the key or it is damaged; Unavailable.
  static absl::StatusOr<TokenKey> Open(const std::string& state_folder);

  // For tests: a key from memory, of any length.
  explicit TokenKey(std::string key) : key_(std::move(key)) {}

  // A token for `identity`, valid until `end`. Errors: InvalidArgument if a name is not one.
  absl::StatusOr<std::string> Mint(const Identity& identity, absl::Time end) const;

  // Who `token` speaks for at `now`. Errors: Unauthenticated, saying whether it is malformed, badly
  // signed or expired (and when). Takes the same time for every wrong signature.
  absl::StatusOr<Identity> Verify(absl::string_view token, absl::Time now) const;

 private:
  std::string Sign(absl::string_view text) const;

  std::string key_;
};

}  // namespace control

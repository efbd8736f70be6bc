// The mesh's own certificate authority.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include "common/clock.h"
#include "control-plane/ca/token.h"
#include "control-plane/ca/x509.h"

namespace control {

inline constexpr absl::Duration kRootLife = absl::Hours(24 * 3650);
inline constexpr absl::Duration kLeafLifeDefault = absl::Hours(24);
// Requests beyond these bounds get the bound.
inline constexpr absl::Duration kLeafLifeMax = absl::Hours(24 * 7);
inline constexpr absl::Duration kLeafLifeMin = absl::Seconds(10);
// Certificates start this long ago, for peers whose clock is behind.
inline constexpr absl::Duration kBackdate = absl::Minutes(1);
inline constexpr size_t kCsrBytesMax = 16 * 1024;

// A certificate with its private key, both PEM.
struct KeyAndChain {
  std::string key_pem;
  std::string chain_pem;
};

// Signs with a root that lives in the state folder: root.key (0600) and root.pem (0644), made on
// first use. Immutable after Open(); any thread.
class Authority {
 public:
  // Opens or creates the root. `clock` must outlive this. Errors: FailedPrecondition if a file has
  // the wrong mode, is damaged, expired, or key and certificate do not belong together;
  // Unavailable if the folder cannot be used.
  static absl::StatusOr<std::unique_ptr<Authority>> Open(const std::string& state_folder,
                                                         std::string trust_domain,
                                                         pinnace::Clock& clock);

  const std::string& root_pem() const { return root_pem_; }
  const std::string& trust_domain() const { return trust_domain_; }

  // Signs the public key of `csr_pem` (PEM, PKCS#10) for `caller`, whatever names the CSR holds:
  // spiffe://TRUST_DOMAIN/ns/NS/sa/ACCOUNT, for client and server use. `life` is brought into
  // kLeafLifeMin..kLeafLifeMax; zero: kLeafLifeDefault. Returns PEM certificates, leaf first, root
  // last. Errors: InvalidArgument if the CSR is not one, is not signed by its own key, or holds a
  // weak key (RSA below 2048 bits, curves other than P-256, P-384 and P-521).
  absl::StatusOr<std::vector<std::string>> SignWorkload(absl::string_view csr_pem,
                                                        const Identity& caller,
                                                        absl::Duration life) const;

  // A fresh key with a certificate for the control plane's own port. `names` are DNS names or IP
  // addresses.
  absl::StatusOr<KeyAndChain> IssueServer(const std::vector<std::string>& names,
                                          absl::Duration life) const;

 private:
  Authority(std::string trust_domain, pinnace::Clock& clock)
      : trust_domain_(std::move(trust_domain)), clock_(clock) {}

  const std::string trust_domain_;
  pinnace::Clock& clock_;
  std::string root_pem_;
  KeyPtr root_key_;
  CertificatePtr root_;
};

}  // namespace control

// TLS contexts: what all connections of one configuration share.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <openssl/ssl.h>

#include <absl/status/statusor.h>

#include "proxy/net/transport.h"
#include "proxy/tls/config.h"
#include "proxy/tls/secrets.h"

namespace proxy {

// One SSL_CTX with what is checked beyond it. Immutable but for the client's session cache; shared
// between threads.
class TlsContext : public std::enable_shared_from_this<TlsContext> {
 public:
  // FailedPrecondition while a secret that it names is unknown; InvalidArgument if a certificate, a
  // key or a setting is wrong, with the reason.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Build(const TlsContextConfig& config,
                                                                 const SecretStore& secrets);
  explicit TlsContext(TlsContextConfig config);

  std::unique_ptr<Transport> NewServer() const;
  // Empty arguments: as configured.
  std::unique_ptr<Transport> NewClient(absl::string_view sni,
                                       const std::vector<std::string>& alpn) const;

  const TlsContextConfig& config() const { return config_; }
  // Why the peer's names are not acceptable; empty if one matches or none is asked for.
  std::string RefusePeer(X509* peer) const;
  void Remember(SSL_SESSION* session) const;

 private:
  absl::Status Load(const SecretStore& secrets);
  absl::Status LoadCertificate(const std::string& chain_pem, const std::string& key_pem);
  absl::Status LoadTrust(const std::string& ca_pem);

  const TlsContextConfig config_;
  bssl::UniquePtr<SSL_CTX> ctx_;
  std::string alpn_wire_;
  mutable std::mutex session_mutex_;  // Taken at handshakes only.
  mutable bssl::UniquePtr<SSL_SESSION> session_;
};

// The newest context of one configuration; rebuilt on the main thread when a secret changes.
// Connections made earlier keep theirs.
class TlsSlot {
 public:
  // Main thread. Borrows `secrets`, which must outlive it.
  TlsSlot(TlsContextConfig config, SecretStore& secrets);
  ~TlsSlot();
  // Any thread. Null while secrets are missing.
  std::shared_ptr<const TlsContext> Get() const { return std::atomic_load(&context_); }
  // Why Get() is null, or why the newest secret was refused; empty if all is well. Main thread.
  const std::string& problem() const { return problem_; }
  const TlsContextConfig& config() const { return config_; }
  // True if it only waits for secrets. Main thread.
  bool waiting() const { return waiting_; }

 private:
  void Rebuild();
  const TlsContextConfig config_;
  SecretStore& secrets_;
  int subscription_ = 0;
  std::shared_ptr<const TlsContext> context_;
  std::string problem_;
  bool waiting_ = false;
};

}  // namespace proxy

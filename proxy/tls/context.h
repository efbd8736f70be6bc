// TLS contexts: what all connections of one configuration share.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <openssl/ssl.h>

#include <absl/status/statusor.h>

#include "proxy/net/transport.h"
#include "proxy/tls/config.h"
#include "proxy/tls/secrets.h"
#include "proxy/tls/serving.h"
#include "proxy/tls/transport.h"

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

  std::unique_ptr<Transport> NewServer(TlsCounters counters) const;
  std::unique_ptr<Transport> NewClient(const TlsClientOptions& options, TlsCounters counters) const;

  const TlsContextConfig& config() const { return config_; }
  // With what the secrets have added.
  const TlsValidation& validation() const { return validation_; }
  const ServingCertificates& serving() const { return serving_; }
  const std::vector<std::string>& ticket_keys() const { return ticket_keys_; }
  void Remember(SSL* ssl, SSL_SESSION* session) const;

 private:
  absl::Status Load(const SecretStore& secrets);
  absl::Status LoadSettings();
  absl::Status LoadCertificates(const SecretStore& secrets);
  absl::Status LoadTrust(const SecretStore& secrets);
  absl::Status LoadTickets(const SecretStore& secrets);
  void LoadSessions();

  const TlsContextConfig config_;
  bssl::UniquePtr<SSL_CTX> ctx_;
  ServingCertificates serving_;
  TlsValidation validation_;
  std::vector<std::string> ticket_keys_;
  std::string alpn_wire_;
  mutable std::mutex session_mutex_;  // Taken at handshakes only.
  // By server name, the newest last; at most `sessions_max`.
  mutable std::vector<std::pair<std::string, bssl::UniquePtr<SSL_SESSION>>> sessions_;
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

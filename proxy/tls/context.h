// TLS contexts: what all connections of one configuration share.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <openssl/ssl.h>

#include <absl/status/statusor.h>

#include "proxy/net/transport.h"
#include "proxy/tls/config.h"
#include "proxy/tls/names.h"
#include "proxy/tls/secrets.h"

namespace proxy {

struct TlsMaterial;  // A configuration with its secrets and files read.

// One SSL_CTX with what is checked beyond it. Immutable but for the client's session cache; shared
// between threads.
class TlsContext : public std::enable_shared_from_this<TlsContext> {
 public:
  // Equal configurations with equal secrets give the same context. Main thread.
  // Errors: FailedPrecondition while a secret that it names is unknown; InvalidArgument if a
  // certificate, a key or a setting is wrong, with the reason.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Build(const TlsContextConfig& config,
                                                                 const SecretStore& secrets);

  // Any thread. Lives as long as needed, whatever becomes of the caller's pointer to the context.
  std::unique_ptr<Transport> NewServer() const;
  // Empty `sni` and `alpn`: as configured. Sessions are resumed only with the same `sni` and
  // `peer`, which says who is called (an address, say).
  std::unique_ptr<Transport> NewClient(absl::string_view sni, std::span<const std::string> alpn,
                                       absl::string_view peer = {}) const;

  bool server() const { return server_; }
  bool validates() const { return validates_; }
  // The SPIFFE URI of our first certificate; may be empty.
  const std::string& local_identity() const { return local_identity_; }
  // Why a peer whose chain is trusted is refused all the same; empty if it is not. Asked at every
  // handshake, resumed or not.
  std::string RefusePeer(const X509* peer) const;
  void Remember(const std::string& session_key, bssl::UniquePtr<SSL_SESSION> session) const;

  // Bounds the sessions kept, in all and for one peer.
  static constexpr size_t kSessionsMax = 64;
  static constexpr size_t kSessionsPerPeerMax = 2;

 private:
  struct LoadedCertificate {
    std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> chain;
    bssl::UniquePtr<EVP_PKEY> key;
    std::vector<std::string> dns_names;
  };
  TlsContext() = default;
  absl::Status Load(const TlsContextConfig& config, const TlsMaterial& material);
  absl::Status LoadSettings(const TlsContextConfig& config);
  absl::Status LoadCertificate(const Certificate& certificate);
  absl::Status LoadTrust(const std::string& ca_pem, bool require);
  void SetUpServer(const std::string& hash);
  void SetUpClient();
  bssl::UniquePtr<SSL_SESSION> TakeSession(const std::string& session_key) const;
  static int ChooseCertificate(SSL* ssl, void* self);
  static int VerifyChain(X509_STORE_CTX* chain, void* self);
  static int SelectAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_length, const uint8_t* in,
                        unsigned in_length, void* self);

  bool server_ = false;
  bool validates_ = false;
  bool resumes_ = false;
  std::string sni_;
  std::vector<std::string> alpn_;
  std::string local_identity_;
  SanCheck sans_;
  std::vector<LoadedCertificate> certificates_;
  bssl::UniquePtr<SSL_CTX> ctx_;
  mutable std::mutex session_mutex_;  // Taken at handshakes only.
  mutable std::deque<std::pair<std::string, bssl::UniquePtr<SSL_SESSION>>> sessions_;
};

// The newest context of one configuration; rebuilt on the main thread when a secret or a file that
// it names changes. Connections made earlier keep theirs.
class TlsSlot {
 public:
  // Main thread. Borrows `secrets`, which must outlive it.
  TlsSlot(TlsContextConfig config, SecretStore& secrets);
  ~TlsSlot();
  TlsSlot(const TlsSlot&) = delete;
  TlsSlot& operator=(const TlsSlot&) = delete;

  // Any thread. Null until all secrets are known and good.
  std::shared_ptr<const TlsContext> Get() const { return std::atomic_load(&context_); }
  // The first secret that it waits for; empty if it waits for none. Main thread.
  std::string Missing() const;
  // Why Get() is null, or why the newest secret was refused; empty if all is well. Main thread.
  const std::string& problem() const { return problem_; }
  // True if it only waits for secrets. Main thread.
  bool waiting() const { return !Missing().empty(); }

 private:
  void Rebuild();

  const TlsContextConfig config_;
  SecretStore& secrets_;
  std::vector<int> subscriptions_;
  std::shared_ptr<const TlsContext> context_;
  std::string problem_;
};

}  // namespace proxy

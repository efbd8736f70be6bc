// The whole control plane but its source of configuration: state folder, CA, hub, gRPC ports.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <grpcpp/grpcpp.h>

#include "control-plane/api/status_services.h"
#include "control-plane/server/services.h"

namespace control {

// Life of the TLS port's own certificate; it is issued anew at each start.
inline constexpr absl::Duration kServerCertificateLife = absl::Hours(24 * 365);

struct ServerOptions {
  std::string state_folder = "state";
  std::string trust_domain = "cluster.local";
  std::string config_source;                      // Shown in status.
  std::string xds_address = "127.0.0.1:15010";    // Plaintext; trusts whoever reaches it.
  std::string xds_tls_address = "0.0.0.0:15012";  // Empty: no TLS port.
  std::vector<std::string> names;                 // More names of the certificate.
  size_t streams_max = kStreamsMax;
};

// Serves from Start() until it is destroyed. Any thread.
class ControlServer {
 public:
  // `clock` must outlive this. Errors: those of Authority::Open() and TokenKey::Open(); Unavailable
  // if a port cannot be bound.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const ServerOptions& options,
                                                              pinnace::Clock& clock);
  ~ControlServer();

  Hub& hub() { return *hub_; }
  const Authority& authority() const { return *authority_; }
  const TokenKey& tokens() const { return *tokens_; }
  int xds_port() const { return xds_port_; }
  int xds_tls_port() const { return xds_tls_port_; }  // 0: none.

 private:
  ControlServer() = default;

  std::unique_ptr<Authority> authority_;
  std::unique_ptr<TokenKey> tokens_;
  std::unique_ptr<CallerCheck> callers_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<AdsService> ads_;
  std::unique_ptr<CertificateService> certificates_;
  std::unique_ptr<MeshStatusService> status_;
  std::unique_ptr<ClientStatusService> client_status_;
  std::unique_ptr<AdsService> tls_ads_;
  std::unique_ptr<CertificateService> tls_certificates_;
  std::unique_ptr<grpc::Server> plain_;
  std::unique_ptr<grpc::Server> tls_;
  int xds_port_ = 0;
  int xds_tls_port_ = 0;
};

}  // namespace control

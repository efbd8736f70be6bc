// The workload's certificate: a key of our own, signed by the mesh's CA, renewed in time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mesh/v1/identity.pb.h"
#include "proxy/tls/secrets.h"
#include "proxy/xds/grpc_call.h"

namespace proxy {

// Main thread only. The key never leaves the process.
class IdentityClient {
 public:
  IdentityClient(EventLoop& loop, mesh::v1::WorkloadIdentity config, std::string spiffe_uri,
                 std::function<std::shared_ptr<Cluster>()> cluster, SecretStore& secrets);
  // Asks at once, then again at half of each certificate's life (jittered by 10 %), or with backoff
  // after a failure. Running connections keep the certificate that they began with.
  void Start() { timer_.Arm(absl::ZeroDuration()); }
  uint64_t issued() const { return issued_; }

  // Between looks for the CA's cluster while it is not in force yet.
  static constexpr absl::Duration kClusterLook = absl::Milliseconds(50);
  static constexpr absl::Duration kRetryMin = absl::Milliseconds(500);
  static constexpr absl::Duration kRetryMax = absl::Seconds(30);

 private:
  void Ask();
  void OnAnswer(absl::string_view bytes);
  void OnEnd(const std::string& why);

  EventLoop& loop_;
  const mesh::v1::WorkloadIdentity config_;
  const std::string spiffe_uri_;
  std::function<std::shared_ptr<Cluster>()> cluster_;
  SecretStore& secrets_;
  std::unique_ptr<GrpcCall> call_;
  std::string key_pem_;
  Timer timer_;
  absl::Duration retry_ = kRetryMin;
  bool answered_ = false;
  uint64_t issued_ = 0;
};

// The contents of a token file without its trailing newline; empty if it cannot be read.
std::string ReadToken(const std::string& path);

}  // namespace proxy

// The gRPC services that answer about proxies: mesh.v1.MeshStatus and Envoy's CSDS.
#pragma once

#include "control-plane/api/status_source.h"
#include "envoy/service/status/v3/csds.grpc.pb.h"
#include "mesh/v1/status.grpc.pb.h"

namespace control {

// Answers `pinnacectl status`.
class MeshStatusService final : public mesh::v1::MeshStatus::CallbackService {
 public:
  // `source` must outlive this.
  explicit MeshStatusService(const StatusSource& source) : source_(source) {}
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const mesh::v1::StatusRequest* request,
                                      mesh::v1::StatusResponse* response) override;

 private:
  const StatusSource& source_;
};

// Client status discovery over all proxies. Node matchers match node ids exactly, by prefix, suffix
// or substring; other matchers are INVALID_ARGUMENT.
class ClientStatusService final
    : public envoy::service::status::v3::ClientStatusDiscoveryService::CallbackService {
 public:
  using Request = envoy::service::status::v3::ClientStatusRequest;
  using Response = envoy::service::status::v3::ClientStatusResponse;

  // `source` must outlive this.
  explicit ClientStatusService(const StatusSource& source) : source_(source) {}
  grpc::ServerUnaryReactor* FetchClientStatus(grpc::CallbackServerContext* context,
                                              const Request* request, Response* response) override;
  grpc::ServerBidiReactor<Request, Response>* StreamClientStatus(
      grpc::CallbackServerContext* context) override;

 private:
  const StatusSource& source_;
};

// What CSDS answers to `request`. Errors: InvalidArgument for matchers that we do not know.
grpc::Status AnswerClientStatus(const StatusSource& source,
                                const envoy::service::status::v3::ClientStatusRequest& request,
                                envoy::service::status::v3::ClientStatusResponse& response);

}  // namespace control

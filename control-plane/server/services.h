// The gRPC services of the xDS ports: ADS and the certificate service.
#pragma once

#include "control-plane/ca/authority.h"
#include "control-plane/server/caller.h"
#include "control-plane/server/hub.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "istio/v1/auth/ca.grpc.pb.h"

namespace control {

// ADS in both variants, with messages as bytes: see ResponseBytes.
class AdsService final
    : public envoy::service::discovery::v3::AggregatedDiscoveryService::
          WithRawCallbackMethod_DeltaAggregatedResources<
              envoy::service::discovery::v3::AggregatedDiscoveryService::
                  WithRawCallbackMethod_StreamAggregatedResources<
                      envoy::service::discovery::v3::AggregatedDiscoveryService::Service>> {
 public:
  using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

  // Arguments must outlive this.
  AdsService(Hub& hub, const CallerCheck& callers, pinnace::Clock& clock)
      : hub_(hub), callers_(callers), clock_(clock) {}

  Reactor* DeltaAggregatedResources(grpc::CallbackServerContext* context) override;
  Reactor* StreamAggregatedResources(grpc::CallbackServerContext* context) override;

 private:
  Hub& hub_;
  const CallerCheck& callers_;
  pinnace::Clock& clock_;
};

// Signs certificate requests for the caller whom a token or an earlier certificate proves.
class CertificateService final : public istio::v1::auth::IstioCertificateService::CallbackService {
 public:
  // Arguments must outlive this.
  CertificateService(const Authority& authority, const CallerCheck& callers)
      : authority_(authority), callers_(callers) {}

  grpc::ServerUnaryReactor* CreateCertificate(
      grpc::CallbackServerContext* context, const istio::v1::auth::IstioCertificateRequest* request,
      istio::v1::auth::IstioCertificateResponse* response) override;

 private:
  const Authority& authority_;
  const CallerCheck& callers_;
};

}  // namespace control

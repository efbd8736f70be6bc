// Begins ADS streams and signs certificates.
#include "control-plane/server/services.h"

#include "control-plane/server/ads_reactor.h"

namespace control {

AdsService::Reactor* AdsService::DeltaAggregatedResources(grpc::CallbackServerContext* context) {
  return AdsReactor<DeltaStream>::Begin(hub_, callers_, clock_, *context);
}

AdsService::Reactor* AdsService::StreamAggregatedResources(grpc::CallbackServerContext* context) {
  return AdsReactor<SotwStream>::Begin(hub_, callers_, clock_, *context);
}

grpc::ServerUnaryReactor* CertificateService::CreateCertificate(
    grpc::CallbackServerContext* context, const istio::v1::auth::IstioCertificateRequest* request,
    istio::v1::auth::IstioCertificateResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<Identity> caller = callers_.Identify(*context);
  if (!caller.ok()) {
    pinnace::LogWarning("ca",
                        absl::StrCat(context->peer(), " refused: ", caller.status().message()));
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  absl::StatusOr<std::vector<std::string>> chain =
      authority_.SignWorkload(request->csr(), *caller, absl::Seconds(request->validity_duration()));
  if (!chain.ok()) {
    reactor->Finish(ToGrpc(chain.status()));
    return reactor;
  }
  for (std::string& pem : *chain) response->add_cert_chain(std::move(pem));
  pinnace::LogInfo("ca", absl::StrCat("certificate for ", caller->ns, "/", caller->service_account,
                                      " at ", context->peer()));
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace control

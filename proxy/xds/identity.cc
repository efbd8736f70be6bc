// Makes keys and requests, asks the CA, and keeps the secret fresh.
#include "proxy/xds/identity.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/log.h"
#include "istio/v1/auth/ca.pb.h"
#include "proxy/tls/csr.h"

namespace proxy {

std::string ReadToken(const std::string& path) {
  if (path.empty()) return "";
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::string(absl::StripAsciiWhitespace(text.str()));
}

IdentityClient::IdentityClient(EventLoop& loop, mesh::v1::WorkloadIdentity config,
                               std::string spiffe_uri,
                               std::function<std::shared_ptr<Cluster>()> cluster,
                               SecretStore& secrets)
    : loop_(loop),
      config_(std::move(config)),
      spiffe_uri_(std::move(spiffe_uri)),
      cluster_(std::move(cluster)),
      secrets_(secrets),
      timer_(loop.timers(), [this] { Ask(); }) {}

void IdentityClient::Ask() {
  answered_ = false;
  std::shared_ptr<Cluster> cluster = cluster_();
  if (cluster == nullptr) return timer_.Arm(kClusterLook);
  auto made = MakeKeyAndRequest(spiffe_uri_);
  if (!made.ok()) return OnEnd(std::string(made.status().message()));
  key_pem_ = std::move(made->key_pem);
  istio::v1::auth::IstioCertificateRequest request;
  request.set_csr(made->csr_pem);
  request.set_validity_duration(config_.has_ttl() ? config_.ttl().seconds() : 24 * 3600);
  std::vector<std::pair<std::string, std::string>> metadata;
  if (const std::string token = ReadToken(config_.token_file()); !token.empty())
    metadata.emplace_back("authorization", absl::StrCat("Bearer ", token));
  call_ = std::make_unique<GrpcCall>(
      loop_, std::move(cluster), "/istio.v1.auth.IstioCertificateService/CreateCertificate",
      std::move(metadata),
      GrpcCall::Events{.on_message = [this](absl::string_view bytes) { OnAnswer(bytes); },
                       .on_end = [this](std::string why) { OnEnd(why); }});
  call_->Send(request.SerializeAsString(), true);
  call_->Start();
}

void IdentityClient::OnAnswer(absl::string_view bytes) {
  istio::v1::auth::IstioCertificateResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      response.cert_chain().empty()) {
    return;
  }
  const auto info = InspectCertificate(response.cert_chain(0));
  if (!info.ok()) return;
  // The root comes last and is the peer's to know.
  const auto end = response.cert_chain_size() > 1 ? response.cert_chain().end() - 1
                                                  : response.cert_chain().end();
  const std::string chain = absl::StrJoin(response.cert_chain().begin(), end, "");
  secrets_.SetCertificate(config_.secret_name().empty() ? "default" : config_.secret_name(),
                          {.chain_pem = chain, .key_pem = key_pem_});
  answered_ = true;
  ++issued_;
  retry_ = kRetryMin;
  const absl::Duration life = info->not_after - loop_.clock().Wall();
  const double share = 0.45 + 0.1 * static_cast<double>(loop_.random().Below(1000)) / 1000;
  timer_.Arm(std::max(life * share, absl::Seconds(1)));
  pinnace::LogInfo("identity",
                   absl::StrCat("certificate for ", absl::StrJoin(info->uris, ","), ", serial ",
                                info->serial, ", until ", absl::FormatTime(info->not_after)));
}

void IdentityClient::OnEnd(const std::string& why) {
  call_.reset();
  if (answered_) return;
  pinnace::LogWarning("identity",
                      absl::StrCat("no certificate: ", why.empty() ? "an unusable answer" : why));
  const auto ns = static_cast<uint64_t>(absl::ToInt64Nanoseconds(retry_));
  timer_.Arm(absl::Milliseconds(20) +
             absl::Nanoseconds(static_cast<int64_t>(loop_.random().Below(ns))));
  retry_ = std::min(retry_ * 2, kRetryMax);
}

}  // namespace proxy

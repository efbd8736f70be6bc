// Opens the state folder and the ports, in that order.
#include "control-plane/server/control_server.h"

#include <chrono>

#include <absl/strings/str_cat.h>

#include "common/version.h"
#include "control-plane/ca/state_files.h"

namespace control {
namespace {

constexpr std::chrono::milliseconds kShutdownGrace{200};
constexpr int kRequestBytesMax = 16 * 1024 * 1024;  // A reconnecting client names all it holds.

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kRequestBytesMax);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);  // Clients ping as they like.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> TlsCredentials(
    const Authority& authority, const std::vector<std::string>& more_names) {
  std::vector<std::string> names = {"pinnace-control", "localhost", "127.0.0.1"};
  names.insert(names.end(), more_names.begin(), more_names.end());
  absl::StatusOr<KeyAndChain> issued = authority.IssueServer(names, kServerCertificateLife);
  if (!issued.ok()) return issued.status();
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = authority.root_pem();
  options.pem_key_cert_pairs.push_back({issued->key_pem, issued->chain_pem});
  return grpc::SslServerCredentials(options);
}

absl::StatusOr<std::unique_ptr<grpc::Server>> Listen(
    const std::string& address, std::shared_ptr<grpc::ServerCredentials> credentials,
    const std::vector<grpc::Service*>& services, int& port) {
  grpc::ServerBuilder builder;
  SetLimits(builder);
  builder.AddListeningPort(address, std::move(credentials), &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server != nullptr && port != 0) return server;
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address));
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  proto.set_seconds(absl::ToUnixSeconds(time));
  return proto;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const ServerOptions& options,
                                                                    pinnace::Clock& clock) {
  if (absl::Status made = MakeStateFolder(options.state_folder); !made.ok()) return made;
  auto authority = Authority::Open(options.state_folder, options.trust_domain, clock);
  if (!authority.ok()) return authority.status();
  absl::StatusOr<TokenKey> tokens = TokenKey::Open(options.state_folder);
  if (!tokens.ok()) return tokens.status();
  std::unique_ptr<ControlServer> server(new ControlServer());
  server->authority_ = *std::move(authority);
  server->tokens_ = std::make_unique<TokenKey>(*std::move(tokens));
  server->callers_ = std::make_unique<CallerCheck>(*server->tokens_, options.trust_domain, clock);
  mesh::v1::ServerInfo info;
  info.set_version(pinnace::kVersion);
  info.set_trust_domain(options.trust_domain);
  info.set_config_source(options.config_source);
  *info.mutable_started() = ToProto(clock.Wall());
  server->hub_ = std::make_unique<Hub>(std::move(info), clock, options.streams_max);
  const auto ads = [&] {
    return std::make_unique<AdsService>(*server->hub_, *server->callers_, clock);
  };
  const auto certificates = [&] {
    return std::make_unique<CertificateService>(*server->authority_, *server->callers_);
  };
  server->ads_ = ads();
  server->certificates_ = certificates();
  server->status_ = std::make_unique<MeshStatusService>(*server->hub_);
  server->client_status_ = std::make_unique<ClientStatusService>(*server->hub_);
  auto plain = Listen(options.xds_address, grpc::InsecureServerCredentials(),
                      {server->ads_.get(), server->certificates_.get(), server->status_.get(),
                       server->client_status_.get()},
                      server->xds_port_);
  if (!plain.ok()) return plain.status();
  server->plain_ = *std::move(plain);
  if (options.xds_tls_address.empty()) return server;
  auto credentials = TlsCredentials(*server->authority_, options.names);
  if (!credentials.ok()) return credentials.status();
  server->tls_ads_ = ads();
  server->tls_certificates_ = certificates();
  auto tls =
      Listen(options.xds_tls_address, *std::move(credentials),
             {server->tls_ads_.get(), server->tls_certificates_.get()}, server->xds_tls_port_);
  if (!tls.ok()) return tls.status();
  server->tls_ = *std::move(tls);
  return server;
}

ControlServer::~ControlServer() {
  const auto deadline = std::chrono::system_clock::now() + kShutdownGrace;
  if (plain_ != nullptr) plain_->Shutdown(deadline);
  if (tls_ != nullptr) tls_->Shutdown(deadline);
}

}  // namespace control

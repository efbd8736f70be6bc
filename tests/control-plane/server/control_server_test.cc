// A real gRPC client against a server in this process, on port 0.
#include <catch2/catch.hpp>

#include <grpcpp/grpcpp.h>
#include <stdlib.h>

#include <filesystem>

#include "control-plane/server/control_server.h"

namespace {

using Stub = envoy::service::discovery::v3::AggregatedDiscoveryService::Stub;
using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;

struct Fixture {
  std::string folder = [] {
    char name[] = "/tmp/pinnace-server-XXXXXX";
    return std::string(mkdtemp(name));
  }();
  std::unique_ptr<control::ControlServer> server = [this] {
    control::ServerOptions options;
    options.state_folder = folder;
    options.xds_address = "127.0.0.1:0";
    options.xds_tls_address = "127.0.0.1:0";
    return *control::ControlServer::Start(options, pinnace::SystemClock());
  }();
  ~Fixture() {
    server.reset();
    std::filesystem::remove_all(folder);
  }

  // A mesh whose services are these, each with one port.
  void Serve(const std::vector<std::string>& names) {
    auto mesh = std::make_shared<control::Mesh>();
    mesh->settings.root_pem = server->authority().root_pem();
    for (const std::string& name : names) {
      control::Service service;
      service.key = {"shop", name};
      service.cluster_ips = {"10.0.0." + std::to_string(mesh->services.size() + 1)};
      service.ports.push_back({"http", 80, 8080, "", control::Protocol::kHttp, {}});
      mesh->services[service.key] = service;
    }
    server->hub().SetMesh(mesh, {});
  }

  std::shared_ptr<grpc::Channel> Plain() {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(server->xds_port()),
                               grpc::InsecureChannelCredentials());
  }
  std::shared_ptr<grpc::Channel> Tls() {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = server->authority().root_pem();
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(server->xds_tls_port()),
                               grpc::SslCredentials(options));
  }
};

// One delta stream that asks for all clusters.
struct Client {
  grpc::ClientContext context;
  std::unique_ptr<Stub> stub;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream;

  explicit Client(std::shared_ptr<grpc::Channel> channel, const std::string& token = "")
      : stub(envoy::service::discovery::v3::AggregatedDiscoveryService::NewStub(channel)) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    stream = stub->DeltaAggregatedResources(&context);
  }
  void Ask(const std::map<std::string, std::string>& known = {}) {
    Request request;
    request.mutable_node()->set_id("sidecar~10.1.1.1~pod.shop~shop.svc.cluster.local");
    request.set_type_url(control::kClusterType);
    for (const auto& [name, version] : known) {
      (*request.mutable_initial_resource_versions())[name] = version;
    }
    stream->Write(request);
  }
  void Answer(const Response& response, const std::string& error = "") {
    Request request;
    request.set_type_url(response.type_url());
    request.set_response_nonce(response.nonce());
    if (!error.empty()) request.mutable_error_detail()->set_message(error);
    stream->Write(request);
  }
  std::map<std::string, std::string> Read(Response& response) {
    std::map<std::string, std::string> versions;
    REQUIRE(stream->Read(&response));
    for (const auto& resource : response.resources()) {
      versions[resource.name()] = resource.version();
    }
    return versions;
  }
};

const char kWeb[] = "outbound|80||web.shop.svc.cluster.local";
const char kApi[] = "outbound|80||api.shop.svc.cluster.local";

}  // namespace

TEST_CASE("server: only what changed arrives, and a reconnecting client gets only the difference") {
  Fixture fixture;
  fixture.Serve({"web"});
  Response response;
  std::map<std::string, std::string> held;
  {
    Client client(fixture.Plain());
    client.Ask();
    held = client.Read(response);
    CHECK(held.contains(kWeb));
    client.Answer(response);
    fixture.Serve({"web", "api"});
    const auto changed = client.Read(response);
    CHECK(changed.contains(kApi));
    CHECK_FALSE(changed.contains(kWeb));
    for (const auto& [name, version] : changed) held[name] = version;
    client.Answer(response);
    client.context.TryCancel();
  }
  Client again(fixture.Plain());
  again.Ask(held);
  fixture.Serve({"web", "api", "cache"});
  const auto changed = again.Read(response);
  CHECK_FALSE(changed.contains(kWeb));
  CHECK_FALSE(changed.contains(kApi));
  CHECK(changed.contains("outbound|80||cache.shop.svc.cluster.local"));
  again.context.TryCancel();
}

TEST_CASE("server: a NACK stands in status with the client's words") {
  Fixture fixture;
  fixture.Serve({"web"});
  Client client(fixture.Plain());
  client.Ask();
  Response response;
  client.Read(response);
  client.Answer(response, "no such thing");
  fixture.Serve({"web", "api"});  // The next push shows that the NACK was read.
  client.Read(response);
  client.Answer(response, "no such thing");
  const auto status = mesh::v1::MeshStatus::NewStub(fixture.Plain());
  grpc::ClientContext context;
  mesh::v1::StatusResponse answer;
  REQUIRE(status->GetStatus(&context, {}, &answer).ok());
  REQUIRE(answer.proxies_size() == 1);
  CHECK(answer.proxies(0).types(0).error() == "no such thing");
  client.context.TryCancel();
}

TEST_CASE("server: the TLS port wants credentials that match the node") {
  Fixture fixture;
  fixture.Serve({"web"});
  const absl::Time end = pinnace::SystemClock().Wall() + absl::Hours(1);
  Response response;
  Client nobody(fixture.Tls());
  nobody.Ask();
  CHECK_FALSE(nobody.stream->Read(&response));
  CHECK(nobody.stream->Finish().error_code() == grpc::StatusCode::UNAUTHENTICATED);
  Client other(fixture.Tls(), *fixture.server->tokens().Mint({"bank", "default"}, end));
  other.Ask();
  CHECK_FALSE(other.stream->Read(&response));
  const grpc::Status refused = other.stream->Finish();
  CHECK(refused.error_code() == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(refused.error_message().find("bank") != std::string::npos);
  Client good(fixture.Tls(), *fixture.server->tokens().Mint({"shop", "default"}, end));
  good.Ask();
  CHECK(good.Read(response).contains(kWeb));
  good.context.TryCancel();
}

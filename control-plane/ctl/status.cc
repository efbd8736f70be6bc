// Asks the control plane about proxies and prints what it says.
#include <chrono>
#include <cstdio>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include "control-plane/ctl/commands.h"
#include "envoy/service/status/v3/csds.grpc.pb.h"
#include "mesh/v1/status.grpc.pb.h"

namespace control {
namespace {

constexpr std::chrono::seconds kPatience{10};

std::shared_ptr<grpc::Channel> Connect(const Arguments& arguments) {
  grpc::ChannelArguments options;
  options.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(arguments.Get("control", "127.0.0.1:15010"),
                                   grpc::InsecureChannelCredentials(), options);
}

std::string Short(const std::string& type_url) {
  const std::string name = type_url.substr(type_url.rfind('.') + 1);
  if (name == "Cluster") return "CDS";
  if (name == "ClusterLoadAssignment") return "EDS";
  if (name == "Listener") return "LDS";
  if (name == "RouteConfiguration") return "RDS";
  if (name == "Secret") return "SDS";
  return name;
}

std::string ProblemLine(const mesh::v1::ConfigProblem& problem) {
  std::string line =
      problem.file().empty() ? "" : absl::StrCat(problem.file(), ":", problem.line(), ": ");
  absl::StrAppend(&line,
                  problem.severity() == mesh::v1::ConfigProblem::ERROR ? "error: " : "warning: ");
  if (problem.document() > 0) absl::StrAppend(&line, "document ", problem.document(), ", ");
  if (!problem.kind().empty()) {
    absl::StrAppend(&line, problem.kind(), " ", problem.namespace_(), "/", problem.name(), ", ");
  }
  if (!problem.field().empty()) absl::StrAppend(&line, problem.field(), ": ");
  absl::StrAppend(&line, problem.message(), " (", problem.rule(), ")");
  if (!problem.hint().empty()) absl::StrAppend(&line, "; ", problem.hint());
  return line;
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  return status.ok() ? text : message.DebugString();
}

int Complain(absl::string_view message, int code) {
  std::fprintf(stderr, "pinnacectl: %s\n", std::string(message).c_str());
  return code;
}

std::string StatusTable(const mesh::v1::StatusResponse& status) {
  std::string out = absl::StrFormat("%-48s %-9s %-5s %-8s %9s  %-16s %s\n", "PROXY", "CONNECTED",
                                    "TYPE", "STATE", "RESOURCES", "VERSION", "ERROR");
  for (const auto& proxy : status.proxies()) {
    const char* connected = proxy.connected() ? "yes" : "no";
    if (proxy.types().empty()) {
      absl::StrAppendFormat(&out, "%-48s %s\n", proxy.id(), connected);
    }
    for (const auto& type : proxy.types()) {
      absl::StrAppendFormat(&out, "%-48s %-9s %-5s %-8s %9d  %-16s %s\n", proxy.id(), connected,
                            Short(type.type_url()), mesh::v1::TypeStatus::State_Name(type.state()),
                            type.resources(), type.version(), type.error());
    }
  }
  absl::StrAppend(&out, "configuration ", status.config_version(), " from ",
                  status.server().config_source(), ": ",
                  status.problems().empty() ? "no problems" : "", "\n");
  for (const auto& problem : status.problems()) {
    absl::StrAppend(&out, "  ", ProblemLine(problem), "\n");
  }
  return out;
}

int RunStatus(const Arguments& arguments) {
  auto stub = mesh::v1::MeshStatus::NewStub(Connect(arguments));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  mesh::v1::StatusResponse response;
  const grpc::Status status = stub->GetStatus(&context, mesh::v1::StatusRequest(), &response);
  if (!status.ok()) return Complain(absl::StrCat("status: ", status.error_message()));
  std::fputs((arguments.json() ? ToJson(response) : StatusTable(response)).c_str(), stdout);
  return 0;
}

int RunConfigDump(const Arguments& arguments) {
  namespace csds = envoy::service::status::v3;
  if (arguments.words.size() != 1) return Complain("config dump: want PROXY (part of its id)", 2);
  auto stub = csds::ClientStatusDiscoveryService::NewStub(Connect(arguments));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  csds::ClientStatusRequest request;
  request.add_node_matchers()->mutable_node_id()->set_contains(arguments.words[0]);
  csds::ClientStatusResponse response;
  const grpc::Status status = stub->FetchClientStatus(&context, request, &response);
  if (!status.ok()) return Complain(absl::StrCat("config dump: ", status.error_message()));
  if (response.config().empty()) {
    return Complain(absl::StrCat("config dump: no connected proxy has \"", arguments.words[0],
                                 "\" in its id; see `pinnacectl status`"));
  }
  if (arguments.json()) {
    std::fputs(ToJson(response).c_str(), stdout);
    return 0;
  }
  for (const auto& config : response.config()) {
    std::printf("%s\n", config.node().id().c_str());
    for (const auto& resource : config.generic_xds_configs()) {
      std::printf("  %-4s %-60s %s %s\n", Short(resource.type_url()).c_str(),
                  resource.name().c_str(), resource.version_info().c_str(),
                  csds::ConfigStatus_Name(resource.config_status()).c_str());
    }
  }
  return 0;
}

}  // namespace control

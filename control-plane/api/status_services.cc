// Answers status questions from a StatusSource.
#include "control-plane/api/status_services.h"

#include <absl/strings/match.h>

namespace control {
namespace {

using envoy::type::matcher::v3::StringMatcher;

bool IsKnown(const StringMatcher& matcher) {
  return matcher.match_pattern_case() == StringMatcher::kExact ||
         matcher.match_pattern_case() == StringMatcher::kPrefix ||
         matcher.match_pattern_case() == StringMatcher::kSuffix ||
         matcher.match_pattern_case() == StringMatcher::kContains;
}

bool Matches(const StringMatcher& matcher, const std::string& id) {
  switch (matcher.match_pattern_case()) {
    case StringMatcher::kExact: return id == matcher.exact();
    case StringMatcher::kPrefix: return absl::StartsWith(id, matcher.prefix());
    case StringMatcher::kSuffix: return absl::EndsWith(id, matcher.suffix());
    case StringMatcher::kContains: return absl::StrContains(id, matcher.contains());
    default: return false;
  }
}

// One request, one answer, until the client is done.
class ClientStatusStream final
    : public grpc::ServerBidiReactor<ClientStatusService::Request, ClientStatusService::Response> {
 public:
  explicit ClientStatusStream(const StatusSource& source) : source_(source) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_.Clear();
    const grpc::Status status = AnswerClientStatus(source_, request_, response_);
    if (!status.ok()) return Finish(status);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  const StatusSource& source_;
  ClientStatusService::Request request_;
  ClientStatusService::Response response_;
};

}  // namespace

grpc::Status AnswerClientStatus(const StatusSource& source,
                                const ClientStatusService::Request& request,
                                ClientStatusService::Response& response) {
  for (const auto& matcher : request.node_matchers()) {
    if (matcher.node_metadatas_size() > 0 || !IsKnown(matcher.node_id())) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                          "node_matchers: only node_id with exact, prefix, suffix or contains");
    }
  }
  for (auto& config : source.Configs(!request.exclude_resource_contents())) {
    bool wanted = request.node_matchers_size() == 0;
    for (const auto& matcher : request.node_matchers()) {
      wanted = wanted || Matches(matcher.node_id(), config.node().id());
    }
    if (wanted) *response.add_config() = std::move(config);
  }
  return grpc::Status::OK;
}

grpc::ServerUnaryReactor* MeshStatusService::GetStatus(grpc::CallbackServerContext* context,
                                                       const mesh::v1::StatusRequest* request,
                                                       mesh::v1::StatusResponse* response) {
  *response = source_.Status();
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ClientStatusService::FetchClientStatus(
    grpc::CallbackServerContext* context, const Request* request, Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(AnswerClientStatus(source_, *request, *response));
  return reactor;
}

grpc::ServerBidiReactor<ClientStatusService::Request, ClientStatusService::Response>*
ClientStatusService::StreamClientStatus(grpc::CallbackServerContext* context) {
  return new ClientStatusStream(source_);
}

}  // namespace control

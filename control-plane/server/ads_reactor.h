// One ADS stream over gRPC: reads requests, feeds the state machine, writes what it says.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "common/log.h"
#include "control-plane/ads/delta_stream.h"
#include "control-plane/ads/sotw_stream.h"
#include "control-plane/server/caller.h"
#include "control-plane/server/hub.h"
#include "control-plane/server/node.h"
#include "control-plane/server/session_view.h"

namespace control {

// Responses that may wait for a slow reader before its requests are no longer read.
inline constexpr size_t kQueuedResponsesMax = 32;
// How long one response may take to leave; then the stream ends, and the client may come back.
inline constexpr absl::Duration kSendMax = absl::Seconds(30);

// `Machine` is DeltaStream or SotwStream. Owns itself from Begin() until gRPC is done with it.
template <typename Machine>
class AdsReactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                         public Session,
                         public std::enable_shared_from_this<AdsReactor<Machine>> {
 public:
  using Request = typename Machine::Request;

  // `hub`, `callers` and `clock` must outlive the server.
  static AdsReactor* Begin(Hub& hub, const CallerCheck& callers, pinnace::Clock& clock,
                           grpc::CallbackServerContext& context) {
    auto reactor = std::make_shared<AdsReactor>(hub, callers, clock, context);
    reactor->self_ = reactor;
    const std::lock_guard lock(reactor->mutex_);
    if (hub.Join(reactor)) {
      reactor->Read();
    } else {
      pinnace::LogWarning("xds", absl::StrCat(context.peer(), " refused: too many streams"));
      reactor->End(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams"));
    }
    return reactor.get();
  }

  AdsReactor(Hub& hub, const CallerCheck& callers, pinnace::Clock& clock,
             grpc::CallbackServerContext& context)
      : hub_(hub),
        clock_(clock),
        context_(context),
        over_tls_(IsOverTls(context)),
        machine_(clock, &hub.names()) {
    facts_.address = context.peer();
    facts_.since = clock.Wall();
    if (over_tls_) caller_ = callers.Identify(context);
  }

  void OnReadDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    if (!ok) return End(grpc::Status::OK);
    Request request;
    const grpc::Status parsed =
        grpc::GenericDeserialize<grpc::ProtoBufferReader, Request>(&incoming_, &request);
    incoming_.Clear();
    if (!parsed.ok()) return End(parsed);
    if (node_ == nullptr) {
      const absl::Status status = Introduce(request);
      if (!status.ok()) {
        pinnace::LogWarning("xds", absl::StrCat(facts_.address, " refused: ", status.message()));
        return End(ToGrpc(status));
      }
      Queue(machine_.Handle(request));
      if (SnapshotPtr snapshot = hub_.SnapshotFor(*node_)) {
        Queue(machine_.state().OnSnapshot(std::move(snapshot)));
      }
    } else {
      if (request.has_error_detail()) {
        pinnace::LogWarning("xds", absl::StrCat("NACK from ", node_->id, " of ", request.type_url(),
                                                ": ", request.error_detail().message()));
      }
      Queue(machine_.Handle(request));
    }
    Read();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (!queue_.empty()) queue_.pop_front();
    if (ending_) return Close();
    if (!ok) return End(grpc::Status::OK);
    Write();
    Read();
  }

  void OnDone() override {
    hub_.Leave(*this);
    const std::shared_ptr<AdsReactor> last = std::move(self_);
  }

  std::shared_ptr<const ProxyNode> node() const override {
    const std::lock_guard lock(mutex_);
    return node_;
  }
  void Push(SnapshotPtr snapshot) override {
    const std::lock_guard lock(mutex_);
    if (!ending_) Queue(machine_.state().OnSnapshot(std::move(snapshot)));
  }
  void Tick() override {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    if (writing_ && clock_.Steady() - write_began_ > kSendMax) {
      pinnace::LogWarning("xds", absl::StrCat(facts_.address, " does not read: stream ended"));
      context_.TryCancel();
      return;
    }
    if (machine_.state().Waiting()) Queue(machine_.state().OnTick());
  }
  mesh::v1::ProxyStatus Status() const override {
    const std::lock_guard lock(mutex_);
    return StatusOf(facts_, machine_.state());
  }
  envoy::service::status::v3::ClientConfig Config(bool contents) const override {
    const std::lock_guard lock(mutex_);
    return ConfigOf(facts_, machine_.state(), contents);
  }

 private:
  // Takes the first request's node and holds it against what the caller proved.
  absl::Status Introduce(Request& request) {
    if (over_tls_ && !caller_.ok()) return caller_.status();
    absl::StatusOr<ProxyNode> node = ParseNode(request.node());
    if (!node.ok()) return node.status();
    if (over_tls_) {
      if (absl::Status status = CheckIdentity(*node, *caller_); !status.ok()) return status;
      facts_.identity = absl::StrCat("spiffe://", hub_.trust_domain(), "/ns/", caller_->ns, "/sa/",
                                     caller_->service_account);
    }
    facts_.node = std::move(*request.mutable_node());
    node_ = std::make_shared<const ProxyNode>(*std::move(node));
    pinnace::LogInfo("xds", absl::StrCat(node_->id, " connected from ", facts_.address));
    return absl::OkStatus();
  }

  // A client that asks but does not read is not listened to: its answers would pile up here.
  void Read() {
    if (reading_ || ending_ || queue_.size() >= kQueuedResponsesMax) return;
    reading_ = true;
    this->StartRead(&incoming_);
  }

  void Queue(const std::vector<StreamResponse>& responses) {
    for (const StreamResponse& response : responses) {
      queue_.push_back(hub_.bytes().Encode(machine_.state().variant(), response));
    }
    Write();
  }

  void Write() {
    if (writing_ || ending_ || queue_.empty()) return;
    writing_ = true;
    write_began_ = clock_.Steady();
    this->StartWrite(&queue_.front());
  }

  void End(const grpc::Status& status) {
    if (ending_) return;
    ending_ = true;
    end_ = status;
    if (!writing_) Close();
  }

  void Close() {
    if (closed_) return;
    closed_ = true;
    this->Finish(end_);
  }

  Hub& hub_;
  pinnace::Clock& clock_;
  grpc::CallbackServerContext& context_;
  const bool over_tls_;
  mutable std::mutex mutex_;  // Guards what follows.
  absl::StatusOr<Identity> caller_ = Identity{};
  grpc::ByteBuffer incoming_;
  std::shared_ptr<const ProxyNode> node_;
  SessionFacts facts_;
  Machine machine_;
  std::list<grpc::ByteBuffer> queue_;  // Its front is being written while `writing_`.
  absl::Duration write_began_;
  bool reading_ = false;
  bool writing_ = false;
  bool ending_ = false;
  bool closed_ = false;
  grpc::Status end_;
  std::shared_ptr<AdsReactor> self_;
};

}  // namespace control

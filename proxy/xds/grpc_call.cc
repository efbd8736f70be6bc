// Opens a stream on a cluster, frames messages, reads the status.
#include "proxy/xds/grpc_call.h"

#include <utility>

#include <absl/strings/str_cat.h>

namespace proxy {

GrpcCall::GrpcCall(EventLoop& loop, std::shared_ptr<Cluster> cluster, std::string path,
                   std::vector<std::pair<std::string, std::string>> metadata, Events events)
    : loop_(loop),
      cluster_(std::move(cluster)),
      events_(std::move(events)),
      end_(loop.timers(), [this] {
        const auto on_end = events_.on_end;
        on_end(why_);
      }) {
  Arena& arena = head_.headers.arena();
  head_.method = "POST";
  head_.path = arena.Copy(path);
  head_.authority = arena.Copy(cluster_->config().name);
  head_.scheme = "http";
  head_.headers.Add(HeaderId::kContentType, "application/grpc");
  head_.headers.Add(HeaderId::kTe, "trailers");
  for (const auto& [name, value] : metadata) head_.headers.Add(name, value);
}

GrpcCall::~GrpcCall() {
  if (pool_ != nullptr) pool_->Cancel(*this);
  if (sender_ != nullptr) std::exchange(sender_, nullptr)->Reset(ResetReason::kLocal);
}

void GrpcCall::Start() {
  Host* host = cluster_->Pick({}, nullptr);
  if (host == nullptr) return End("no address of the control plane is known");
  pool_ = &cluster_->PoolOf(*host, true);
  pool_->Ask(*this);
}

void GrpcCall::Send(const std::string& message, bool last) {
  if (ended_) return;
  const std::string frame = GrpcFrame(message);
  if (sender_ != nullptr) {
    sent_last_ = last;
    return sender_->SendData(frame, last);
  }
  queued_ += frame;
  last_queued_ = last;
}

void GrpcCall::OnStreamReady(ClientCodec& codec, const Connection&, bool) {
  pool_ = nullptr;
  sender_ = &codec.NewStream(*this);
  sender_->SendHead(head_, false);
  if (sender_ == nullptr || queued_.empty()) return;
  sent_last_ = last_queued_;
  sender_->SendData(std::exchange(queued_, {}), last_queued_);
}

void GrpcCall::OnStreamFailed(PoolFailure failure, absl::string_view why) {
  pool_ = nullptr;
  End(absl::StrCat("cannot connect", failure == PoolFailure::kConnectTimeout ? " in time" : "",
                   why.empty() ? "" : ": ", why));
}

void GrpcCall::OnHead(ResponseHead head, bool last) {
  if (head.status != 200) return End(absl::StrCat("HTTP status ", head.status));
  if (last) EndWith(head.headers);
}

void GrpcCall::OnData(absl::string_view data, bool last) {
  const absl::Status fed = reader_.Feed(data, [this](absl::string_view message) {
    if (!ended_) events_.on_message(message);
  });
  if (!fed.ok()) return End(std::string(fed.message()));
  if (last) End("the stream ended without a status");
}

void GrpcCall::OnTrailers(Headers trailers) { EndWith(trailers); }

void GrpcCall::OnReset(ResetReason) {
  sender_ = nullptr;
  End("the stream was reset");
}

void GrpcCall::EndWith(const Headers& headers) {
  if (sent_last_) sender_ = nullptr;  // Both messages are complete: the codec has let go of it.
  const absl::string_view status = headers.Value(HeaderId::kGrpcStatus);
  End(status == "0"
          ? ""
          : absl::StrCat("grpc-status ", status, ": ", headers.Value(HeaderId::kGrpcMessage)));
}

void GrpcCall::End(std::string why) {
  if (ended_) return;
  ended_ = true;
  why_ = std::move(why);
  end_.Arm(absl::ZeroDuration());
}

}  // namespace proxy

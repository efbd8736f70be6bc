// One side call: a request of a filter's own, forwarded like any other, its answer collected.
#include "proxy/forward/side_call.h"

#include <optional>
#include <utility>

#include "proxy/forward/forwarder.h"

namespace proxy {
namespace {

class Call final : public ForwardEvents, public Flushable, public Deferred {
 public:
  Call(EventLoop& loop, std::shared_ptr<Cluster> cluster, SideRequest request,
       SideCallEvents& events)
      : loop_(loop), request_(std::move(request)), events_(&events) {
    request_.head.content_length = request_.body.size();
    if (cluster == nullptr) return;
    forwarder_.emplace(ForwardContext{.loop = loop,
                                      .cluster = std::move(cluster),
                                      .action = action_,
                                      .retry = nullptr,
                                      .timeout = request_.timeout,
                                      .wanted = {},
                                      .downstream_version = HttpVersion::kHttp2,
                                      .info = info_},
                       *this);
  }
  ~Call() override { loop_.CancelFlush(*this); }

  void Begin() { loop_.FlushSoon(*this); }
  void Detach() {
    events_ = nullptr;
    loop_.CancelFlush(*this);
  }
  void Flush() override {
    if (!forwarder_) return Fail("no such cluster");
    forwarder_->Start(request_.head, request_.body.empty());
    if (events_ != nullptr && !request_.body.empty()) forwarder_->SendData(request_.body, true);
  }

  void OnResponseInformational(ResponseHead) override {}
  void OnResponseHead(ResponseHead head, bool last) override {
    head_ = std::move(head);
    if (last) Finish({});
  }
  void OnResponseData(absl::string_view data, bool last) override {
    if (events_ == nullptr) return;
    if (body_.size() + data.size() > request_.answer_bytes_max) return Fail("answer too long");
    body_.append(data.data(), data.size());
    if (last) Finish({});
  }
  void OnResponseTrailers(Headers trailers) override { Finish(std::move(trailers)); }
  void OnResponseReset() override { Fail("reset"); }
  void OnForwardFailed(const ForwardFailure& failure) override { Fail(failure.details); }
  void OnUpstreamWriteHigh() override {}
  void OnUpstreamWriteLow() override {}

 private:
  void Finish(Headers trailers) {
    if (events_ == nullptr) return;
    std::exchange(events_, nullptr)
        ->OnSideResponse(std::move(head_), std::move(body_), std::move(trailers));
  }
  void Fail(absl::string_view why) {
    if (events_ != nullptr) std::exchange(events_, nullptr)->OnSideFailure(why);
  }

  EventLoop& loop_;
  SideRequest request_;
  SideCallEvents* events_;  // Null once told, or once nobody listens.
  const ForwardAction action_;
  StreamInfo info_;
  std::optional<Forwarder> forwarder_;
  ResponseHead head_;
  std::string body_;
};

// What the filter holds. The call itself may be on the stack when the filter lets go.
class Handle final : public SideCall {
 public:
  Handle(EventLoop& loop, std::unique_ptr<Call> call) : loop_(loop), call_(std::move(call)) {}
  ~Handle() override {
    call_->Detach();
    loop_.DeleteLater(std::move(call_));
  }

 private:
  EventLoop& loop_;
  std::unique_ptr<Call> call_;
};

}  // namespace

// A call that its worker owns.
class ClusterSideCalls::Detached final : public SideCallEvents {
 public:
  Detached(ClusterSideCalls& owner, std::function<void(int, std::string)> done)
      : owner_(owner), done_(std::move(done)) {}
  void Begin(SideRequest request) { call_ = owner_.Start(std::move(request), *this); }
  void OnSideResponse(ResponseHead head, std::string body, Headers) override {
    End(head.status, std::move(body));
  }
  void OnSideFailure(absl::string_view) override { End(0, {}); }

 private:
  void End(int status, std::string body) {
    const auto done = std::move(done_);
    owner_.detached_.remove_if([this](const auto& one) { return one.get() == this; });
    done(status, std::move(body));  // `this` is gone.
  }
  ClusterSideCalls& owner_;
  std::function<void(int, std::string)> done_;
  std::unique_ptr<SideCall> call_;
};

ClusterSideCalls::ClusterSideCalls(EventLoop& loop, Clusters& clusters)
    : loop_(loop), clusters_(clusters) {}
ClusterSideCalls::~ClusterSideCalls() = default;

void ClusterSideCalls::StartDetached(SideRequest request,
                                     std::function<void(int, std::string)> done) {
  detached_.push_back(std::make_unique<Detached>(*this, std::move(done)));
  detached_.back()->Begin(std::move(request));
}

std::unique_ptr<SideCall> ClusterSideCalls::Start(SideRequest request, SideCallEvents& events) {
  std::shared_ptr<Cluster> cluster = clusters_.Find(request.cluster);
  auto call = std::make_unique<Call>(loop_, std::move(cluster), std::move(request), events);
  call->Begin();
  return std::make_unique<Handle>(loop_, std::move(call));
}

}  // namespace proxy

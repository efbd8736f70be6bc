// The bounds in time of one exchange: quiet streams, slow requests, long streams, 100-continue.
#include <algorithm>
#include <utility>

#include "proxy/exchange/exchange.h"

namespace proxy {
namespace {

// An upstream that knows nothing of 100-continue would leave both sides waiting for each other:
// after this wait we say it in its place (RFC 9110 §10.1.1 lets a client go on after a wait of its
// own).
constexpr absl::Duration kContinueWait = absl::Seconds(1);

}  // namespace

absl::Duration Exchange::IdleTimeout() const {
  const bool own = route_ != nullptr && route_->forward && route_->forward->idle_timeout;
  return own ? *route_->forward->idle_timeout : config_->stream_idle_timeout;
}

// The idle timer fires at the earliest possible moment; traffic only notes the time.
void Exchange::Touch() {
  const int64_t quiet = downstream_.worker.loop.NowNs() - idle_since_ns_;
  const absl::Duration most = IdleTimeout();
  if (most <= absl::ZeroDuration()) return idle_.Cancel();
  const absl::Duration left = most - absl::Nanoseconds(quiet);
  if (left > absl::ZeroDuration()) return idle_.Arm(left);
  SetFlag(info_, ResponseFlag::kIdleTimeout);
  downstream_.stats[kDownstreamRqIdleTimeout].Add();
  forwarder_.reset();
  if (!response_begun_)
    return Reply(request_done_ ? 504 : 408, "stream_idle_timeout", "stream timeout");
  sender_.Reset(ResetReason::kLocal);
  Finish();
}

void Exchange::OnTooLong() {
  downstream_.stats[kDownstreamRqMaxDuration].Add();
  forwarder_.reset();
  if (response_begun_) info_.details = "max_duration_timeout";
  OnFilterReply({.status = request_done_ ? 504 : 408,
                 .details = "max_duration_timeout",
                 .body = "downstream duration timeout",
                 .grpc_status = 4});
}

// The nearer of the two: all of the request, and the upstream's 100.
void Exchange::ArmLimit() {
  absl::Duration left = waits_for_continue_ ? kContinueWait : absl::InfiniteDuration();
  if (!request_done_ && config_->request_timeout > absl::ZeroDuration()) {
    const int64_t passed = downstream_.worker.loop.NowNs() - info_.start_ns;
    left = std::min(left, config_->request_timeout - absl::Nanoseconds(passed));
  }
  if (left == absl::InfiniteDuration()) return;
  if (limit_ == nullptr) {
    limit_ = std::make_unique<Timer>(downstream_.worker.loop.timers(), [this] { OnLimit(); });
  }
  limit_->Arm(left);
}

void Exchange::OnLimit() {
  // An answer that is on its way may end.
  if (finished_ || response_begun_) return;
  const int64_t passed = downstream_.worker.loop.NowNs() - info_.start_ns;
  const bool late = !request_done_ && config_->request_timeout > absl::ZeroDuration() &&
                    absl::Nanoseconds(passed) >= config_->request_timeout;
  if (!late) {
    if (std::exchange(waits_for_continue_, false)) SendContinue();
    return ArmLimit();
  }
  downstream_.stats[kDownstreamRqTimeout].Add();
  forwarder_.reset();
  Reply(408, "request_overall_timeout", "request timeout");
}

}  // namespace proxy

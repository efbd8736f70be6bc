// PINGs by the clock and before a stream on a quiet connection.
#include "proxy/codec/http2_keepalive.h"

#include <utility>

namespace proxy {

Http2Keepalive::Http2Keepalive(EventLoop& loop, const KeepaliveLimits& limits,
                               std::function<void()> ping, std::function<void()> dead)
    : loop_(loop),
      limits_(limits),
      ping_(std::move(ping)),
      next_(loop.timers(), [this] { Ask(); }),
      overdue_(loop.timers(), std::move(dead)),
      heard_ns_(loop.NowNs()) {}

void Http2Keepalive::Start() {
  if (limits_.interval <= absl::ZeroDuration()) return;
  // Jitter keeps the connections of one process from asking all at once.
  const double share = limits_.jitter * static_cast<double>(loop_.random().Below(1001)) / 1000;
  next_.Arm(limits_.interval * (1 + share));
}

void Http2Keepalive::Stop() {
  next_.Cancel();
  overdue_.Cancel();
}

void Http2Keepalive::Ask() {
  if (!overdue_.armed()) {
    overdue_.Arm(limits_.timeout);
    ping_();
  }
}

void Http2Keepalive::OnAnswer() {
  overdue_.Cancel();
  if (!next_.armed()) Start();
}

void Http2Keepalive::OnOpening() {
  if (limits_.idle <= absl::ZeroDuration()) return;
  if (absl::Nanoseconds(loop_.NowNs() - heard_ns_) >= limits_.idle) Ask();
}

}  // namespace proxy

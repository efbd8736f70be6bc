// Finds out dead peers by PINGs.
#pragma once

#include <functional>

#include "proxy/codec/codec.h"
#include "proxy/event/event_loop.h"

namespace proxy {

// When to ask the peer of one connection for a sign of life, and when to give it up. Loop thread
// only.
class Http2Keepalive {
 public:
  // `ping` sends one PING; `dead` is called once, when an answer is overdue. Borrows all.
  Http2Keepalive(EventLoop& loop, const KeepaliveLimits& limits, std::function<void()> ping,
                 std::function<void()> dead);
  void Start();
  void Stop();
  void OnAnswer();
  void OnReceived() { heard_ns_ = loop_.NowNs(); }
  // A stream is about to be opened: asks first if the connection has been quiet for long.
  void OnOpening();

 private:
  void Ask();

  EventLoop& loop_;
  const KeepaliveLimits& limits_;
  std::function<void()> ping_;
  Timer next_;
  Timer overdue_;
  int64_t heard_ns_;
};

}  // namespace proxy

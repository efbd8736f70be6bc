// Where readiness comes from: libevent in a process, a script in a simulation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace proxy {

// What an edge-triggered wake says of a descriptor.
struct Ready {
  bool read = false;
  bool write = false;
  bool closed = false;  // The peer has shut down its sending side, or the connection is gone.
};

// Destroying it ends the watch; no callback follows, not even of an event already collected.
class FdWatch {
 public:
  virtual ~FdWatch() = default;
};

// The readiness source of one loop. Loop thread only, but for Wake().
class Poller {
 public:
  virtual ~Poller() = default;
  virtual std::unique_ptr<FdWatch> Watch(int fd, std::function<void(Ready)> callback) = 0;
  // Sleeps until something is ready, at most `wait_ns` (-1: no bound; 0: only looks), and runs the
  // callbacks of what is.
  virtual void Wait(int64_t wait_ns) = 0;
  // Ends a Wait() that is running or the next one. Any thread.
  virtual void Wake() = 0;
  // `before` runs once in each Wait() that has something to call, right after the sleep; `after`
  // runs after each callback.
  virtual void SetHooks(std::function<void()> before, std::function<void()> after) = 0;
};

// The kernel's readiness through libevent (edge-triggered epoll).
std::unique_ptr<Poller> NewLibeventPoller();

}  // namespace proxy

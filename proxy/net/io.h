// Byte streams and listening sockets behind interfaces: the kernel's, or a simulation's.
#pragma once

#include <sys/uio.h>

#include <functional>
#include <memory>

#include <absl/status/statusor.h>

#include "proxy/event/event_loop.h"
#include "proxy/net/address.h"

namespace proxy {

// The outcome of one read or write.
struct IoResult {
  enum Status : uint8_t {
    kOk,      // `bytes` >= 1 were moved.
    kAgain,   // Nothing can be moved until the next readiness.
    kEof,     // Read: the peer has ended its side in order.
    kFailed,  // The stream is broken; `error` is an errno or 0.
  };
  Status status = kAgain;
  bool drained = false;  // Read: what came was less than asked for, so that nothing more is there.
  int error = 0;
  size_t bytes = 0;
};

// One connected (or connecting) stream. Destroying it closes it. Loop thread only.
class IoHandle {
 public:
  virtual ~IoHandle() = default;
  // Starts readiness callbacks, edge-triggered; the first may come at once.
  virtual void Arm(EventLoop& loop, std::function<void(Ready)> callback) = 0;
  virtual IoResult Read(char* into, size_t capacity) = 0;
  virtual IoResult Write(const iovec* parts, int count) = 0;
  virtual void ShutdownWrite() = 0;
  // Makes the close that follows a reset (RST).
  virtual void ResetOnClose() = 0;
  // 0 once connected, EINPROGRESS while connecting, else why connecting failed.
  virtual int ConnectError() = 0;
  virtual Address Local() const = 0;
  virtual Address Peer() const = 0;
  // Where the peer wanted to go before a REDIRECT rule turned it here; empty if it was not turned.
  virtual Address OriginalDestination() const = 0;
  // Copies what could be read next without taking it.
  virtual IoResult Peek(char* into, size_t capacity) = 0;
  // Bytes written in all, and how many of the last of them the peer's kernel has not acknowledged;
  // each -1 if it is not known.
  virtual int64_t Written() const { return -1; }
  virtual int64_t Unacknowledged() const { return -1; }
};

// A listening socket. Destroying it stops listening.
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  virtual Address Local() const = 0;
  // Stops or resumes taking connections; the kernel's queue fills meanwhile.
  virtual void Pause(bool paused) = 0;
};

struct ListenOptions {
  bool reuse_port = false;  // One socket a worker on the same address.
  int backlog = 4096;
};

// Where streams come from. Any thread may call; results belong to the loop given.
class Network {
 public:
  virtual ~Network() = default;
  // Errors: Unavailable with errno's text.
  virtual absl::StatusOr<std::unique_ptr<IoHandle>> Connect(EventLoop& loop, const Address& to) = 0;
  virtual absl::StatusOr<std::unique_ptr<Acceptor>> Listen(
      EventLoop& loop, const Address& at, const ListenOptions& options,
      std::function<void(std::unique_ptr<IoHandle>)> on_accept) = 0;
};

// The kernel's sockets: non-blocking, close-on-exec, TCP_NODELAY.
Network& KernelNetwork();

}  // namespace proxy

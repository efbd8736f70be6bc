// Streams and listening sockets of the kernel.
#include <arpa/inet.h>
#include <linux/netfilter_ipv4.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <absl/strings/str_cat.h>

#include "proxy/net/io.h"

namespace proxy {
namespace {

constexpr int kIp6OriginalDestination = 80;  // IP6T_SO_ORIGINAL_DST; its header clashes with ours.
// Connections taken in one readiness before others get their turn.
constexpr int kAcceptsPerWake = 16;

bool IsLoopback(const sockaddr* peer) {
  if (peer->sa_family == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in*>(peer)->sin_addr.s_addr) >> 24) == 127;
  }
  return peer->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(peer)->sin6_addr);
}

// Small writes leave at once; and where the peer is on this host there is no path whose bandwidth
// could be probed, so BBR, where it is the default, would only cost its measuring and pacing.
void SetTcpOptions(int fd, const sockaddr* peer) {
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (IsLoopback(peer)) {
    static constexpr char kPlain[] = "reno";  // Always there (tcp(7), TCP_CONGESTION).
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, kPlain, sizeof(kPlain) - 1);
  }
}

class SocketHandle final : public IoHandle {
 public:
  explicit SocketHandle(int fd) : fd_(fd) {}
  ~SocketHandle() override {
    watch_.reset();
    close(fd_);
  }

  void Arm(EventLoop& loop, std::function<void(Ready)> callback) override {
    watch_ = loop.Watch(fd_, std::move(callback));
  }

  IoResult Read(char* into, size_t capacity) override {
    const ssize_t got = recv(fd_, into, capacity, 0);
    if (got > 0) {
      const auto bytes = static_cast<size_t>(got);
      return {.status = IoResult::kOk, .drained = bytes < capacity, .bytes = bytes};
    }
    if (got == 0) return {.status = IoResult::kEof};
    return Failure();
  }

  IoResult Write(const iovec* parts, int count) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<size_t>(count);
    const ssize_t sent = count == 1 ? send(fd_, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                                    : sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0) return Failure();
    written_ += sent;
    return {.status = IoResult::kOk, .bytes = static_cast<size_t>(sent)};
  }
  int64_t Written() const override { return written_; }
  int64_t Unacknowledged() const override {
    int bytes = 0;
    return ioctl(fd_, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
  }

  void ShutdownWrite() override { shutdown(fd_, SHUT_WR); }

  void ResetOnClose() override {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  }

  int ConnectError() override {
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return error;
    sockaddr_storage peer;
    length = sizeof(peer);
    return getpeername(fd_, reinterpret_cast<sockaddr*>(&peer), &length) == 0 ? 0 : EINPROGRESS;
  }

  Address Local() const override {
    sockaddr_storage at{};
    socklen_t length = sizeof(at);
    if (getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &length) != 0) return {};
    return {reinterpret_cast<sockaddr*>(&at), length};
  }

  Address Peer() const override {
    sockaddr_storage at{};
    socklen_t length = sizeof(at);
    if (getpeername(fd_, reinterpret_cast<sockaddr*>(&at), &length) != 0) return {};
    return {reinterpret_cast<sockaddr*>(&at), length};
  }

  Address OriginalDestination() const override {
    // The kernel leaves the length as it was: the family tells it.
    sockaddr_in v4{};
    socklen_t length = sizeof(v4);
    if (getsockopt(fd_, SOL_IP, SO_ORIGINAL_DST, &v4, &length) == 0) {
      return {reinterpret_cast<sockaddr*>(&v4), sizeof(v4)};
    }
    sockaddr_in6 v6{};
    length = sizeof(v6);
    if (getsockopt(fd_, SOL_IPV6, kIp6OriginalDestination, &v6, &length) == 0) {
      return {reinterpret_cast<sockaddr*>(&v6), sizeof(v6)};
    }
    return {};
  }

  IoResult Peek(char* into, size_t capacity) override {
    const ssize_t got = recv(fd_, into, capacity, MSG_PEEK);
    if (got > 0) return {.status = IoResult::kOk, .bytes = static_cast<size_t>(got)};
    if (got == 0) return {.status = IoResult::kEof};
    return Failure();
  }

 private:
  static IoResult Failure() {
    if (errno == EAGAIN || errno == EINTR) return {.status = IoResult::kAgain};
    return {.status = IoResult::kFailed, .error = errno};
  }

  const int fd_;
  int64_t written_ = 0;
  std::unique_ptr<FdWatch> watch_;
};

class SocketAcceptor final : public Acceptor {
 public:
  SocketAcceptor(EventLoop& loop, int fd, std::function<void(std::unique_ptr<IoHandle>)> on_accept)
      : loop_(loop),
        fd_(fd),
        on_accept_(std::move(on_accept)),
        retry_(loop.timers(), [this] { AcceptSome(); }) {
    watch_ = loop_.Watch(fd_, [this](Ready) { AcceptSome(); });
  }
  ~SocketAcceptor() override {
    watch_.reset();
    close(fd_);
  }

  Address Local() const override {
    sockaddr_storage at{};
    socklen_t length = sizeof(at);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &length);
    return {reinterpret_cast<sockaddr*>(&at), length};
  }

  void Pause(bool paused) override {
    paused_ = paused;
    if (!paused) retry_.Arm(absl::ZeroDuration());
  }

 private:
  void AcceptSome() {
    for (int i = 0; i < kAcceptsPerWake; ++i) {
      if (paused_) return;
      sockaddr_storage storage{};
      socklen_t length = sizeof(storage);
      auto* const peer = reinterpret_cast<sockaddr*>(&storage);
      const int fd = accept4(fd_, peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        // Out of descriptors or memory: the edge is gone, so look again soon.
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          retry_.Arm(absl::Milliseconds(100));
        } else if (errno == ECONNABORTED || errno == EINTR) {
          continue;
        }
        return;
      }
      if (peer->sa_family != AF_UNIX) SetTcpOptions(fd, peer);
      on_accept_(std::make_unique<SocketHandle>(fd));
    }
    retry_.Arm(absl::ZeroDuration());
  }

  EventLoop& loop_;
  const int fd_;
  std::function<void(std::unique_ptr<IoHandle>)> on_accept_;
  std::unique_ptr<FdWatch> watch_;
  Timer retry_;
  bool paused_ = false;
};

class KernelSockets final : public Network {
 public:
  absl::StatusOr<std::unique_ptr<IoHandle>> Connect(EventLoop&, const Address& to) override {
    const int fd = socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return absl::UnavailableError(absl::StrCat("socket: ", std::strerror(errno)));
    if (to.is_ip()) SetTcpOptions(fd, to.raw());
    if (connect(fd, to.raw(), to.length()) != 0 && errno != EINPROGRESS) {
      const int error = errno;
      close(fd);
      return absl::UnavailableError(
          absl::StrCat("connect to ", to.ToString(), ": ", std::strerror(error)));
    }
    return std::make_unique<SocketHandle>(fd);
  }

  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(
      EventLoop& loop, const Address& at, const ListenOptions& options,
      std::function<void(std::unique_ptr<IoHandle>)> on_accept) override {
    const int fd = socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return absl::UnavailableError(absl::StrCat("socket: ", std::strerror(errno)));
    const int one = 1;
    if (at.is_ip()) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (options.reuse_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    if (bind(fd, at.raw(), at.length()) != 0 || listen(fd, options.backlog) != 0) {
      const int error = errno;
      close(fd);
      return absl::UnavailableError(
          absl::StrCat("listen on ", at.ToString(), ": ", std::strerror(error)));
    }
    return std::make_unique<SocketAcceptor>(loop, fd, std::move(on_accept));
  }
};

}  // namespace

Network& KernelNetwork() {
  static KernelSockets network;
  return network;
}

}  // namespace proxy

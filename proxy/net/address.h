// Socket addresses as values.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

namespace proxy {

// An IPv4, IPv6 or Unix socket address; empty by default.
class Address {
 public:
  Address() = default;
  Address(const sockaddr* from, socklen_t length);
  // `ip` in numbers, IPv4 or IPv6. InvalidArgument if it is not.
  static absl::StatusOr<Address> FromIp(absl::string_view ip, uint16_t port);
  // `path` of a Unix socket; a leading '@' means the abstract namespace. InvalidArgument if long.
  static absl::StatusOr<Address> FromPath(absl::string_view path);
  // "1.2.3.4:80", "[::1]:80" or "unix:PATH".
  static absl::StatusOr<Address> Parse(absl::string_view text);

  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const { return length_; }
  bool empty() const { return length_ == 0; }
  int family() const { return storage_.generic.sa_family; }
  bool is_ip() const { return family() == AF_INET || family() == AF_INET6; }
  uint16_t port() const;   // 0 for Unix sockets.
  std::string ip() const;  // Without port; the path for Unix sockets.
  std::string ToString() const;
  bool operator==(const Address& other) const;
  bool operator<(const Address& other) const;

 private:
  union Storage {
    sockaddr generic;
    sockaddr_storage any;
  } storage_{};
  socklen_t length_ = 0;
};

}  // namespace proxy

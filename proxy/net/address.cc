// Parses, prints and compares socket addresses.
#include "proxy/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace proxy {

Address::Address(const sockaddr* from, socklen_t length)
    : length_(std::min<socklen_t>(length, sizeof(storage_))) {
  std::memcpy(&storage_, from, length_);
}

absl::StatusOr<Address> Address::FromIp(absl::string_view ip, uint16_t port) {
  const std::string text(ip);
  sockaddr_in v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return Address(reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  }
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return Address(reinterpret_cast<const sockaddr*>(&v6), sizeof(v6));
  }
  return absl::InvalidArgumentError(absl::StrCat("not an IP address: '", ip, "'"));
}

absl::StatusOr<Address> Address::FromPath(absl::string_view path) {
  sockaddr_un local{};
  if (path.empty() || path.size() >= sizeof(local.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket path: length ", path.size(), " not in 1..107"));
  }
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, path.data(), path.size());
  if (path[0] == '@') local.sun_path[0] = '\0';
  const size_t length = offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1);
  return Address(reinterpret_cast<const sockaddr*>(&local), static_cast<socklen_t>(length));
}

absl::StatusOr<Address> Address::Parse(absl::string_view text) {
  if (absl::StartsWith(text, "unix:")) return FromPath(text.substr(5));
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) ||
      port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("not IP:PORT: '", text, "'"));
  }
  absl::string_view ip = text.substr(0, colon);
  if (absl::StartsWith(ip, "[") && absl::EndsWith(ip, "]")) ip = ip.substr(1, ip.size() - 2);
  return FromIp(ip, static_cast<uint16_t>(port));
}

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(raw())->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(raw())->sin6_port);
  return 0;
}

std::string Address::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(raw())->sin_addr, text, sizeof(text));
    return text;
  }
  if (family() == AF_INET6) {
    const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(raw());
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {  // As the IPv4 address that it is.
      inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof(text));
    } else {
      inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    }
    return text;
  }
  if (family() == AF_UNIX && length_ > offsetof(sockaddr_un, sun_path)) {
    const auto& local = *reinterpret_cast<const sockaddr_un*>(raw());
    if (local.sun_path[0] == '\0') {
      return absl::StrCat("@", absl::string_view(local.sun_path + 1,
                                                 length_ - offsetof(sockaddr_un, sun_path) - 1));
    }
    return local.sun_path;
  }
  return "";
}

std::string Address::ToString() const {
  if (empty()) return "";
  const std::string host = ip();
  if (family() == AF_UNIX) return absl::StrCat("unix:", host);
  if (absl::StrContains(host, ':')) return absl::StrCat("[", host, "]:", port());
  return absl::StrCat(host, ":", port());
}

bool Address::operator==(const Address& other) const {
  return length_ == other.length_ && std::memcmp(&storage_, &other.storage_, length_) == 0;
}

bool Address::operator<(const Address& other) const {
  if (length_ != other.length_) return length_ < other.length_;
  return std::memcmp(&storage_, &other.storage_, length_) < 0;
}

}  // namespace proxy

// Comparison of addresses by their first bits.
#include "proxy/net/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

using Bytes = std::array<uint8_t, 16>;

// The address's bytes and family; IPv4-mapped IPv6 as IPv4. 0 if it is not an IP address.
int BytesOf(const Address& address, Bytes& bytes) {
  if (address.family() == AF_INET) {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(address.raw())->sin_addr, 4);
    return AF_INET;
  }
  if (address.family() != AF_INET6) return 0;
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(address.raw())->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    std::memcpy(bytes.data(), v6.s6_addr + 12, 4);
    return AF_INET;
  }
  std::memcpy(bytes.data(), v6.s6_addr, 16);
  return AF_INET6;
}

void Mask(Bytes& bytes, uint32_t bits) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint32_t left = bits > i * 8 ? std::min<uint32_t>(8, bits - i * 8) : 0;
    bytes[i] &= static_cast<uint8_t>(0xff00U >> left);
  }
}

}  // namespace

absl::StatusOr<CidrRange> CidrRange::Make(absl::string_view ip, uint32_t bits) {
  auto address = Address::FromIp(ip, 0);
  if (!address.ok()) return address.status();
  CidrRange range;
  range.family_ = BytesOf(*address, range.bytes_);
  range.bits_ = bits;
  if (bits > (range.family_ == AF_INET ? 32U : 128U)) {
    return absl::InvalidArgumentError(absl::StrCat("prefix_len: ", bits, " is too long for ", ip));
  }
  Mask(range.bytes_, bits);
  return range;
}

bool CidrRange::Contains(const Address& address) const {
  Bytes bytes{};
  if (address.empty() || BytesOf(address, bytes) != family_) return false;
  Mask(bytes, bits_);
  return bytes == bytes_;
}

std::string MaskedIp(const Address& address, uint32_t v4_bits, uint32_t v6_bits) {
  Bytes bytes{};
  const int family = address.empty() ? 0 : BytesOf(address, bytes);
  if (family == 0) return {};
  Mask(bytes, family == AF_INET ? v4_bits : v6_bits);
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family, bytes.data(), text, sizeof(text));
  return text;
}

}  // namespace proxy

// Ranges of IP addresses.
#pragma once

#include <array>
#include <cstdint>

#include <absl/status/statusor.h>

#include "proxy/net/address.h"

namespace proxy {

// All addresses that share their first bits with one. An IPv4 range holds IPv4-mapped IPv6
// addresses too.
class CidrRange {
 public:
  // Errors: InvalidArgument if `ip` is not an address or `bits` more than it has.
  static absl::StatusOr<CidrRange> Make(absl::string_view ip, uint32_t bits);
  bool Contains(const Address& address) const;

 private:
  std::array<uint8_t, 16> bytes_{};
  int family_ = 0;
  uint32_t bits_ = 0;
};

// `address` with all but its first bits zero, without port: "10.1.0.0". Empty if it is not an IP.
std::string MaskedIp(const Address& address, uint32_t v4_bits, uint32_t v6_bits);

}  // namespace proxy

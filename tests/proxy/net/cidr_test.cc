#include <catch2/catch.hpp>

#include "proxy/net/cidr.h"

namespace proxy {
namespace {

bool Contains(const char* ip, uint32_t bits, const char* address) {
  return CidrRange::Make(ip, bits)->Contains(*Address::FromIp(address, 80));
}

}  // namespace

TEST_CASE("cidr: a range holds the addresses that share its first bits") {
  CHECK(Contains("10.1.2.3", 16, "10.1.255.255"));
  CHECK_FALSE(Contains("10.1.2.3", 16, "10.2.0.0"));
  CHECK(Contains("10.0.0.128", 25, "10.0.0.255"));
  CHECK_FALSE(Contains("10.0.0.128", 25, "10.0.0.127"));
  CHECK(Contains("1.2.3.4", 32, "1.2.3.4"));
  CHECK_FALSE(Contains("1.2.3.4", 32, "1.2.3.5"));
  CHECK(Contains("0.0.0.0", 0, "255.0.0.1"));
  CHECK(Contains("2001:db8::", 32, "2001:db8:ffff::1"));
  CHECK_FALSE(Contains("2001:db8::", 32, "2001:db9::"));
}

TEST_CASE("cidr: families do not mix, but mapped addresses count as IPv4") {
  CHECK_FALSE(Contains("0.0.0.0", 0, "::1"));
  CHECK_FALSE(Contains("::", 0, "1.2.3.4"));
  CHECK(Contains("10.0.0.0", 8, "::ffff:10.1.2.3"));
  CHECK_FALSE(CidrRange::Make("10.0.0.0", 8)->Contains(Address()));
}

TEST_CASE("cidr: what is no address or too long is refused") {
  CHECK_FALSE(CidrRange::Make("10.0.0", 8).ok());
  CHECK_FALSE(CidrRange::Make("10.0.0.0", 33).ok());
  CHECK_FALSE(CidrRange::Make("::", 129).ok());
}

TEST_CASE("cidr: addresses are masked by family") {
  CHECK(MaskedIp(*Address::FromIp("10.1.2.3", 80), 24, 64) == "10.1.2.0");
  CHECK(MaskedIp(*Address::FromIp("2001:db8:1:2:3::", 80), 24, 48) == "2001:db8:1::");
  CHECK(MaskedIp(Address(), 24, 48).empty());
}

}  // namespace proxy

#include <catch2/catch.hpp>

#include <string>

#include <absl/strings/str_cat.h>

#include "proxy/net/proxy_protocol.h"

namespace proxy {
namespace {

using Verdict = ProxyHeader::Verdict;

struct Case {
  const char* name;
  std::string bytes;
  Verdict verdict;
  const char* source = "";  // Empty: none.
};

std::string Second(absl::string_view command_and_family, absl::string_view body,
                   size_t length = SIZE_MAX) {
  if (length == SIZE_MAX) length = body.size();
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out.append(command_and_family.data(), command_and_family.size());
  out.push_back(static_cast<char>(length >> 8));
  out.push_back(static_cast<char>(length & 255));
  out.append(body.data(), body.size());
  return out;
}

const std::string kV4("\x01\x02\x03\x04\x05\x06\x07\x08\x00\x50\x01\xbb", 12);

const Case kCases[] = {
    {"IPv4", "PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\nGET", Verdict::kFound, "1.2.3.4:80"},
    {"IPv6", "PROXY TCP6 ::1 ::2 1 65535\r\n", Verdict::kFound, "[::1]:1"},
    {"unknown", "PROXY UNKNOWN\r\n", Verdict::kFound},
    {"unknown with more", "PROXY UNKNOWN ::1 ::2 1 2\r\n", Verdict::kFound},
    {"half a line", "PROXY TCP4 1.2.3.4", Verdict::kNeedMore},
    {"half a word", "PRO", Verdict::kNeedMore},
    {"nothing", "", Verdict::kNeedMore},
    {"a request", "PROPFIND / HTTP/1.1\r\n", Verdict::kAbsent},
    {"TLS", "\x16\x03\x01", Verdict::kAbsent},
    {"families that differ", "PROXY TCP4 ::1 ::2 1 2\r\n", Verdict::kInvalid},
    {"a name", "PROXY TCP4 localhost 5.6.7.8 80 443\r\n", Verdict::kInvalid},
    {"two spaces", "PROXY TCP4  1.2.3.4 5.6.7.8 80 443\r\n", Verdict::kInvalid},
    {"a port above 65535", "PROXY TCP4 1.2.3.4 5.6.7.8 80 65536\r\n", Verdict::kInvalid},
    {"a signed port", "PROXY TCP4 1.2.3.4 5.6.7.8 +80 443\r\n", Verdict::kInvalid},
    {"no port", "PROXY TCP4 1.2.3.4 5.6.7.8 80\r\n", Verdict::kInvalid},
    {"another family", "PROXY UDP4 1.2.3.4 5.6.7.8 80 443\r\n", Verdict::kInvalid},
    {"a line without end", absl::StrCat("PROXY UNKNOWN ", std::string(100, 'a')),
     Verdict::kInvalid},
    {"version 2, IPv4", Second("\x21\x11", kV4), Verdict::kFound, "1.2.3.4:80"},
    {"version 2 with more", Second("\x21\x11", kV4 + std::string("\x04\0\x01\0", 4)),
     Verdict::kFound, "1.2.3.4:80"},
    {"version 2, local", Second("\x20\x11", kV4), Verdict::kFound},
    {"version 2, unspecified", Second(absl::string_view("\x21\0", 2), ""), Verdict::kFound},
    {"version 2 to come", Second("\x21\x11", kV4.substr(0, 5), 12), Verdict::kNeedMore},
    {"version 2, too short for its family", Second("\x21\x11", "abc"), Verdict::kInvalid},
    {"version 2, UDP", Second("\x21\x12", kV4), Verdict::kInvalid},
    {"version 2, another command", Second("\x22\x11", kV4), Verdict::kInvalid},
    {"version 3", Second("\x31\x11", kV4), Verdict::kInvalid},
    {"version 2, too long", Second("\x21\x11", "", 0xffff), Verdict::kInvalid},
};

}  // namespace

TEST_CASE("proxy protocol: each beginning gets its verdict, whole and as it grows") {
  for (const Case& one : kCases) {
    INFO(one.name);
    const ProxyHeader header = ReadProxyHeader(one.bytes);
    CHECK(header.verdict == one.verdict);
    CHECK((header.source.empty() ? "" : header.source.ToString()) == one.source);
    for (size_t length = 0; length < header.length && length < one.bytes.size(); ++length) {
      const Verdict earlier = ReadProxyHeader(one.bytes.substr(0, length)).verdict;
      CHECK((earlier == Verdict::kNeedMore || earlier == one.verdict));
    }
  }
}

TEST_CASE("proxy protocol: what is written is read again") {
  const Address a = *Address::Parse("192.0.2.1:1234");
  const Address b = *Address::Parse("192.0.2.2:80");
  const Address c = *Address::Parse("[2001:db8::1]:1");
  const Address d = *Address::Parse("[2001:db8::2]:65535");
  for (const int version : {1, 2}) {
    for (const auto& [from, to] : {std::pair(a, b), std::pair(c, d)}) {
      const std::string bytes = WriteProxyHeader(version, from, to);
      const ProxyHeader header = ReadProxyHeader(absl::StrCat(bytes, "rest"));
      CHECK(header.verdict == Verdict::kFound);
      CHECK(header.version == version);
      CHECK(header.length == bytes.size());
      CHECK(header.source == from);
      CHECK(header.destination == to);
    }
    const ProxyHeader mixed = ReadProxyHeader(WriteProxyHeader(version, a, d));
    CHECK(mixed.verdict == Verdict::kFound);
    CHECK(mixed.source.empty());
  }
}

}  // namespace proxy

#include <catch2/catch.hpp>

#include "proxy/tls/serving.h"
#include "proxy/tls/verify.h"

namespace proxy {
namespace {

using Kind = SanMatcher::Kind;
using San = SanMatcher::San;

SanMatcher Of(Kind kind, San san, const std::string& value, bool ignore_case = false) {
  SanMatcher matcher;
  matcher.kind = kind;
  matcher.san = san;
  matcher.value = value;
  matcher.ignore_case = ignore_case;
  if (kind == Kind::kRegex) matcher.regex = std::make_shared<const RE2>(value);
  return matcher;
}

}  // namespace

TEST_CASE("verify: a name matches by its kind and by the matcher's way") {
  struct Row {
    SanMatcher matcher;
    PeerName name;
    bool fits;
  };
  const std::string uri = "spiffe://mesh/ns/a/sa/b";
  const Row rows[] = {
      {Of(Kind::kExact, San::kUri, uri), {San::kUri, uri}, true},
      {Of(Kind::kExact, San::kUri, uri), {San::kUri, uri + "c"}, false},
      {Of(Kind::kExact, San::kUri, uri), {San::kDns, uri}, false},
      {Of(Kind::kExact, San::kUri, "SPIFFE://MESH/NS/A/SA/B", true), {San::kUri, uri}, true},
      {Of(Kind::kExact, San::kUri, "SPIFFE://MESH/NS/A/SA/B"), {San::kUri, uri}, false},
      {Of(Kind::kPrefix, San::kUri, "spiffe://mesh/ns/a/"), {San::kUri, uri}, true},
      {Of(Kind::kPrefix, San::kUri, "spiffe://mesh/ns/b/"), {San::kUri, uri}, false},
      {Of(Kind::kSuffix, San::kUri, "/sa/b"), {San::kUri, uri}, true},
      {Of(Kind::kSuffix, San::kUri, "/sa/c"), {San::kUri, uri}, false},
      {Of(Kind::kContains, San::kUri, "/ns/a/"), {San::kUri, uri}, true},
      {Of(Kind::kContains, San::kUri, "/ns/x/"), {San::kUri, uri}, false},
      {Of(Kind::kRegex, San::kUri, "spiffe://mesh/ns/[a-z]/sa/b"), {San::kUri, uri}, true},
      {Of(Kind::kRegex, San::kUri, "mesh/ns/a"), {San::kUri, uri}, false},  // The whole name.
      {Of(Kind::kExact, San::kDns, "a.b"), {San::kDns, "A.b"}, true},
      {Of(Kind::kExact, San::kDns, "x.b"), {San::kDns, "*.b"}, true},
      {Of(Kind::kExact, San::kDns, "x.y.b"), {San::kDns, "*.b"}, false},
      {Of(Kind::kExact, San::kIp, "10.0.0.1"), {San::kIp, "10.0.0.1"}, true},
      {Of(Kind::kExact, San::kIp, "10.0.0.2"), {San::kIp, "10.0.0.1"}, false},
      {Of(Kind::kExact, San::kIp, "::1"), {San::kIp, "0:0:0:0:0:0:0:1"}, true},
      {Of(Kind::kExact, San::kIp, ""), {San::kIp, ""}, false},
      {Of(Kind::kExact, San::kEmail, "a@b"), {San::kEmail, "a@b"}, true},
      {Of(Kind::kExact, San::kEmail, "a@b"), {San::kDns, "a@b"}, false},
  };
  for (const Row& row : rows) {
    INFO(row.matcher.value << " against " << row.name.value);
    CHECK(SanMatches(row.matcher, row.name) == row.fits);
  }
}

TEST_CASE("verify: a wildcard stands for one whole label and nothing else") {
  CHECK(DnsNameMatches("*.example.com", "a.example.com"));
  CHECK(DnsNameMatches("*.Example.com", "A.example.COM"));
  CHECK_FALSE(DnsNameMatches("*.example.com", "example.com"));
  CHECK_FALSE(DnsNameMatches("*.example.com", ".example.com"));
  CHECK_FALSE(DnsNameMatches("*.example.com", "a.b.example.com"));
  CHECK_FALSE(DnsNameMatches("a*.example.com", "ab.example.com"));
  CHECK_FALSE(DnsNameMatches("*", "a"));
}

TEST_CASE("verify: a secret adds to what the context itself asks for") {
  TlsValidation into{.ca_pem = "", .sans = {Of(Kind::kExact, San::kUri, "a")}};
  MergeValidation({.ca_pem = "PEM", .sans = {Of(Kind::kExact, San::kUri, "b")}, .depth_max = 2},
                  into);
  CHECK(into.ca_pem == "PEM");
  CHECK(into.sans.size() == 2);
  CHECK(into.depth_max == 2);
}

TEST_CASE("verify: text that is no certificate is refused as trust") {
  CHECK_FALSE(CheckValidation({.ca_pem = "nonsense"}).ok());
  CHECK_FALSE(CheckValidation({.crl_pem = "nonsense"}).ok());
  CHECK(CheckValidation({}).ok());
}

}  // namespace proxy

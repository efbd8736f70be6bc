#include <catch2/catch.hpp>

#include "proxy/exchange/path.h"

namespace proxy {
namespace {

using Slashes = PathRules::EscapedSlashes;

struct Case {
  PathRules rules;
  const char* path;
  const char* becomes;
  PathVerdict verdict = PathVerdict::kServe;
};

constexpr PathRules kNormal = {.normalize = true};
constexpr PathRules kMerging = {.normalize = true, .merge_slashes = true};
constexpr PathRules kForward = {.escaped_slashes = Slashes::kForward, .normalize = true};

const Case kCases[] = {
    {{}, "/a/../b//c%2F%00", "/a/../b//c%2F%00"},
    {kNormal, "/a/./b/../c", "/a/c"},
    {kNormal, "/../../a", "/a"},
    {kNormal, "/a/..", "/"},
    {kNormal, "/a/b/.", "/a/b/"},
    {kNormal, "/public/%2e%2e/admin", "/admin"},
    {kNormal, "/public/%2E./admin", "/admin"},
    {kNormal, "/public\\..\\admin", "/admin"},
    {kNormal, "/%61%62", "/ab"},
    {kNormal, "/a%2fb%c3%a9", "/a%2fb%c3%a9"},
    {kNormal, "/%41%7e", "/A~"},
    {kNormal, "/a%zz%4", "/a%zz%4"},
    {kNormal, "/a?b=/../%2e%00", "/a?b=/../%2e%00"},
    {kNormal, "/a//b", "/a//b"},
    {kNormal, "/a%00b", "/a%00b", PathVerdict::kReject},
    {kNormal, "/%2%65%2%65/a", "/%2%65%2%65/a", PathVerdict::kReject},
    {kNormal, "*", "*"},
    {kMerging, "//a///b//", "/a/b/"},
    {{.merge_slashes = true}, "/a//./b", "/a/./b"},
    {{.escaped_slashes = Slashes::kReject}, "/a%2Fb", "/a%2Fb", PathVerdict::kReject},
    {{.escaped_slashes = Slashes::kReject}, "/a%5cb", "/a%5cb", PathVerdict::kReject},
    {{.escaped_slashes = Slashes::kReject}, "/a?b=%2F", "/a?b=%2F"},
    {{.escaped_slashes = Slashes::kRedirect}, "/a%2fb?c", "/a/b?c", PathVerdict::kRedirect},
    {{.escaped_slashes = Slashes::kForward}, "/a%2fb?c", "/a/b?c"},
    {kForward, "/public%2f..%5cadmin", "/admin"},
    {kForward, "/%252e%252e/a", "/%252e%252e/a"},  // Decoded once, never twice.
};

}  // namespace

TEST_CASE("path: each spelling becomes one, or is refused") {
  for (const Case& one : kCases) {
    INFO(one.path);
    RequestHead head;
    head.path = one.path;
    CHECK(NormalizePath(one.rules, head) == one.verdict);
    CHECK(head.path == one.becomes);
  }
}

TEST_CASE("path: what was normalized stays as it is") {
  for (const Case& one : kCases) {
    if (one.verdict != PathVerdict::kServe) continue;
    INFO(one.path);
    RequestHead head;
    head.path = one.becomes;
    CHECK(NormalizePath(one.rules, head) == PathVerdict::kServe);
    CHECK(head.path == one.becomes);
  }
}

}  // namespace proxy

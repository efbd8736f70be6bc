#include <catch2/catch.hpp>

#include "proxy/exchange/rewrite.h"

namespace proxy {
namespace {

std::string Normalized(absl::string_view path, bool dots, bool slashes) {
  RequestHead head;
  head.path = path;
  NormalizePath(head, dots, slashes);
  return std::string(head.path);
}

}  // namespace

TEST_CASE("rewrite: dot segments are resolved, also those that hide in escapes") {
  CHECK(Normalized("/a/./b/../c", true, false) == "/a/c");
  CHECK(Normalized("/../../etc", true, false) == "/etc");
  CHECK(Normalized("/a/%2e%2E/b", true, false) == "/b");
  CHECK(Normalized("/a/.%2e/b", true, false) == "/b");
  CHECK(Normalized("/a\\..\\b", true, false) == "/b");
  CHECK(Normalized("/a/..", true, false) == "/");
  CHECK(Normalized("/a?x=/../%2e", true, false) == "/a?x=/../%2e");
}

TEST_CASE("rewrite: escapes of reserved and other characters stay as they came") {
  CHECK(Normalized("/%41%7e", true, false) == "/A~");
  CHECK(Normalized("/a%2Fb%2fc", true, false) == "/a%2Fb%2fc");
  CHECK(Normalized("/a%252e%252e/b", true, false) == "/a%252e%252e/b");
  CHECK(Normalized("/a%zz%4", true, false) == "/a%zz%4");
}

TEST_CASE("rewrite: runs of slashes become one only where that is asked for") {
  CHECK(Normalized("/a//b///c", true, false) == "/a//b///c");
  CHECK(Normalized("/a//b///c?d//e", true, true) == "/a/b/c?d//e");
  CHECK(Normalized("/a/%2e%2e/b", false, true) == "/a/%2e%2e/b");
}

TEST_CASE("rewrite: the upstream is told what stood there before, unless it is not to be told") {
  Route route;
  route.match.path = "/old";
  route.forward.emplace();
  route.forward->prefix_rewrite = "/new";
  route.forward->host_rewrite = "inner";
  for (const bool tell : {true, false}) {
    RequestHead head;
    head.path = "/old/x?y";
    head.authority = "outer";
    RewriteRequest(route, tell, head);
    CHECK(head.path == "/new/x?y");
    CHECK(head.authority == "inner");
    CHECK(head.headers.size() == (tell ? 2 : 0));
    if (!tell) continue;
    CHECK(head.headers.Find("x-envoy-original-path")->value == "/old/x?y");
    CHECK(head.headers.Find("x-envoy-original-host")->value == "outer");
  }
}

}  // namespace proxy

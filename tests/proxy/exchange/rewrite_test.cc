#include <catch2/catch.hpp>

#include "proxy/exchange/rewrite.h"

namespace proxy {
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

#include <catch2/catch.hpp>

#include <memory>
#include <string>

#include <absl/strings/match.h>

#include "proxy/http/format.h"

namespace proxy {
namespace {

std::shared_ptr<const Format> Parsed(absl::string_view text) {
  auto parsed = Format::Parse(text);
  REQUIRE(parsed.ok());
  return std::make_shared<const Format>(*parsed);
}

}  // namespace

TEST_CASE("format: operators become values, missing ones a dash") {
  RequestHead head;
  head.method = "GET";
  head.path = "/a";
  StreamInfo info;
  info.request = &head;
  info.status = 503;
  SetFlag(info, ResponseFlag::kUpstreamOverflow);
  std::string out;
  Parsed("%REQ(:METHOD)% %REQ(X-A?:PATH)% %REQ(nope)% %RESPONSE_CODE% %RESPONSE_FLAGS% 100%%")
      ->Append(info, out);
  CHECK(out == "GET /a - 503 UO 100%");
  out.clear();
  Parsed("<%REQ(nope)%>%REQ(:PATH)%")->AppendPresent(info, out);
  CHECK(out == "<>/a");
}

TEST_CASE("format: an unknown operator is an error that names it") {
  CHECK(absl::StrContains(Format::Parse("%NOPE%").status().message(), "%NOPE%"));
  CHECK_FALSE(Format::Parse("%REQ(x").ok());
}

}  // namespace proxy

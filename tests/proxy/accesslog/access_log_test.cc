#include <catch2/catch.hpp>

#include <string>

#include <absl/strings/match.h>

#include "proxy/accesslog/access_log.h"

namespace proxy {
namespace {

class FakeLogSink final : public LogSink {
 public:
  bool Write(absl::string_view record) override {
    text.append(record.data(), record.size());
    return true;
  }
  std::string text;
};

std::shared_ptr<const LogFormat> Format(absl::string_view text) {
  auto parsed = LogFormat::Parse(text);
  REQUIRE(parsed.ok());
  return std::make_shared<const LogFormat>(*parsed);
}

}  // namespace

TEST_CASE("access log: operators of a text format become values, missing ones a dash") {
  RequestHead head;
  head.method = "GET";
  head.path = "/a";
  StreamInfo info;
  info.request = &head;
  info.status = 503;
  SetFlag(info, ResponseFlag::kUpstreamOverflow);
  std::string out;
  Format("%REQ(:METHOD)% %REQ(X-A?:PATH)% %REQ(nope)% %RESPONSE_CODE% %RESPONSE_FLAGS% 100%%")
      ->Append(info, out);
  CHECK(out == "GET /a - 503 UO 100%");
}

TEST_CASE("access log: JSON escapes what clients send and keeps numbers bare") {
  RequestHead head;
  head.path = "/\"\\\x01\xff";
  StreamInfo info;
  info.request = &head;
  info.status = 200;
  auto sink = std::make_shared<FakeLogSink>();
  AccessLog log;
  log.sink = sink;
  log.json = {{"path", Format("%REQ(:PATH)%")},
              {"code", Format("%RESPONSE_CODE%")},
              {"peer", Format("%UPSTREAM_HOST%")}};
  CHECK(log.Write(info));
  CHECK(sink->text == "{\"path\":\"/\\\"\\\\\\u0001\\u00ff\",\"code\":200,\"peer\":null}\n");
}

TEST_CASE("access log: an unknown operator is an error that names it") {
  CHECK(absl::StrContains(LogFormat::Parse("%NOPE%").status().message(), "%NOPE%"));
  CHECK_FALSE(LogFormat::Parse("%REQ(x").ok());
}

}  // namespace proxy

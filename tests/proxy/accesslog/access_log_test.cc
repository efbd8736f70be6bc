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

std::shared_ptr<const Format> Parsed(absl::string_view text) {
  auto parsed = Format::Parse(text);
  REQUIRE(parsed.ok());
  return std::make_shared<const Format>(*parsed);
}

}  // namespace

TEST_CASE("access log: JSON escapes what clients send and keeps numbers bare") {
  RequestHead head;
  head.path = "/\"\\\x01\xff";
  StreamInfo info;
  info.request = &head;
  info.status = 200;
  auto sink = std::make_shared<FakeLogSink>();
  AccessLog log;
  log.sink = sink;
  log.json = {{"path", Parsed("%REQ(:PATH)%")},
              {"code", Parsed("%RESPONSE_CODE%")},
              {"peer", Parsed("%UPSTREAM_HOST%")}};
  CHECK(log.Write(info));
  CHECK(sink->text == "{\"path\":\"/\\\"\\\\\\u0001\\u00ff\",\"code\":200,\"peer\":null}\n");
}

}  // namespace proxy

#include "proxy/exchange/rewrite.h"

#include <catch2/catch.hpp>

namespace proxy {
namespace {

RequestHead Call(absl::string_view timeout, absl::string_view type = "application/grpc") {
  RequestHead head;
  head.headers.Add(HeaderId::kContentType, type);
  if (!timeout.empty()) head.headers.Add(HeaderId::kGrpcTimeout, timeout);
  return head;
}

TEST_CASE("grpc: content types of calls, not of gRPC-Web or others") {
  for (const char* type : {"application/grpc", "application/grpc+proto", "application/grpc;a=b"}) {
    CHECK(IsGrpc(Call("", type).headers));
  }
  for (const char* type : {"", "application/grpc-web", "application/grpcx", "text/plain"}) {
    CHECK_FALSE(IsGrpc(Call("", type).headers));
  }
}

TEST_CASE("grpc-timeout: max_grpc_timeout puts it in the place of the route's timeout") {
  ForwardAction action;
  action.timeout = absl::Seconds(9);
  CHECK(RequestTimeout(action, Call("1S")) == absl::Seconds(9));
  action.grpc_timeout_max = absl::Seconds(5);
  CHECK(RequestTimeout(action, Call("1S")) == absl::Seconds(1));
  CHECK(RequestTimeout(action, Call("1H")) == absl::Seconds(5));
  CHECK(RequestTimeout(action, Call("")) == absl::Seconds(5));
  CHECK(RequestTimeout(action, Call("1S", "text/plain")) == absl::Seconds(9));
  action.grpc_timeout_max = absl::ZeroDuration();
  CHECK(RequestTimeout(action, Call("1H")) == absl::Hours(1));
  CHECK(RequestTimeout(action, Call("")) == absl::ZeroDuration());
}

TEST_CASE("grpc-timeout: units and shapes") {
  ForwardAction action;
  action.grpc_duration_max = absl::ZeroDuration();
  const auto asked = [&](absl::string_view text) {
    return StreamDuration(&action, Call(text), absl::Seconds(77));
  };
  CHECK(asked("2H") == absl::Hours(2));
  CHECK(asked("2M") == absl::Minutes(2));
  CHECK(asked("2S") == absl::Seconds(2));
  CHECK(asked("20m") == absl::Milliseconds(20));
  CHECK(asked("99999999u") == absl::Microseconds(99999999));
  CHECK(asked("20000000n") == absl::Milliseconds(20));
  CHECK(asked("0S") == absl::Milliseconds(1));
  for (const char* bad : {"", "1", "S", "1x", "123456789S", "-1S", "1.5S", " 1S"}) {
    CHECK(asked(bad) == absl::Seconds(77));
  }
}

TEST_CASE("stream duration: grpc-timeout, then the route's, then the listener's") {
  ForwardAction action;
  CHECK(StreamDuration(nullptr, Call("1S"), absl::Seconds(7)) == absl::Seconds(7));
  CHECK(StreamDuration(&action, Call("1S"), absl::Seconds(7)) == absl::Seconds(7));
  action.stream_duration_max = absl::ZeroDuration();
  CHECK(StreamDuration(&action, Call("1S"), absl::Seconds(7)) == absl::ZeroDuration());
  action.stream_duration_max = absl::Seconds(3);
  action.grpc_duration_max = absl::Seconds(2);
  CHECK(StreamDuration(&action, Call("1S"), absl::Seconds(7)) == absl::Seconds(1));
  CHECK(StreamDuration(&action, Call("5S"), absl::Seconds(7)) == absl::Seconds(2));
  CHECK(StreamDuration(&action, Call(""), absl::Seconds(7)) == absl::Seconds(3));
  action.grpc_timeout_offset = absl::Milliseconds(100);
  CHECK(StreamDuration(&action, Call("1S"), absl::Seconds(7)) == absl::Milliseconds(900));
}

TEST_CASE("upgrades: the route's rule wins, what nobody names may not pass") {
  const std::vector<UpgradeRule> listener = {{"websocket", true}, {"CONNECT", true}};
  const std::vector<UpgradeRule> route = {{"WebSocket", false}, {"spdy", true}};
  CHECK(UpgradeAllowed("Websocket", {}, listener));
  CHECK_FALSE(UpgradeAllowed("websocket", route, listener));
  CHECK(UpgradeAllowed("spdy", route, listener));
  CHECK(UpgradeAllowed("CONNECT", route, listener));
  CHECK_FALSE(UpgradeAllowed("other", route, listener));
}

}  // namespace
}  // namespace proxy

#include <absl/strings/match.h>
#include <catch2/catch.hpp>

#include "proxy/snapshot/parse.h"

namespace proxy {
namespace {

using envoy::config::core::v3::Http2ProtocolOptions;

TEST_CASE("http2 options: what is set is taken, the rest stays") {
  Http2ProtocolOptions proto;
  proto.mutable_max_concurrent_streams()->set_value(7);
  proto.mutable_initial_connection_window_size()->set_value(70000);
  proto.mutable_max_inbound_priority_frames_per_stream()->set_value(0);
  proto.mutable_connection_keepalive()->mutable_interval()->set_seconds(30);
  proto.mutable_connection_keepalive()->mutable_timeout()->set_seconds(5);
  proto.mutable_connection_keepalive()->mutable_interval_jitter()->set_value(50);
  Http2Limits limits;
  REQUIRE(ReadHttp2Options(proto, limits).ok());
  CHECK(limits.concurrent_streams_max == 7);
  CHECK(limits.connection_window_bytes == 70000);
  CHECK(limits.priority_frames_per_stream_max == 0);
  CHECK(limits.keepalive.interval == absl::Seconds(30));
  CHECK(limits.keepalive.timeout == absl::Seconds(5));
  CHECK(limits.keepalive.jitter == 0.5);
  CHECK(limits.stream_window_bytes == Http2Limits().stream_window_bytes);
  CHECK_FALSE(limits.bad_message_ends_connection);
}

TEST_CASE("http2 options: the connection ends for a bad message only where that is written out") {
  for (const bool bears : {false, true}) {
    Http2ProtocolOptions proto;
    proto.mutable_override_stream_error_on_invalid_http_message()->set_value(bears);
    Http2Limits limits;
    REQUIRE(ReadHttp2Options(proto, limits).ok());
    CHECK(limits.bad_message_ends_connection == !bears);
  }
}

TEST_CASE("http2 options: values out of bounds are refused by name") {
  Http2ProtocolOptions proto;
  Http2Limits limits;
  SECTION("no streams") {
    proto.mutable_max_concurrent_streams();
    CHECK(ReadHttp2Options(proto, limits).message() ==
          "http2_protocol_options.max_concurrent_streams: must be in 1..2147483647, is 0");
  }
  SECTION("a window below the protocol's own") {
    proto.mutable_initial_stream_window_size()->set_value(65534);
    CHECK(absl::StrContains(ReadHttp2Options(proto, limits).message(),
                            "initial_stream_window_size: must be in 65535..2147483647"));
  }
  SECTION("PINGs without an end to the wait") {
    proto.mutable_connection_keepalive()->mutable_interval()->set_seconds(1);
    CHECK(absl::StrContains(ReadHttp2Options(proto, limits).message(),
                            "connection_keepalive.timeout"));
  }
}

}  // namespace
}  // namespace proxy

// Frames that cost the peer nothing are counted, and too many end the connection.
#include "proxy/codec/http2_floods.h"

#include <catch2/catch.hpp>

#include "tests/testing/proxy/raw_http2.h"

namespace proxy {
namespace {

const std::string kPost = Field(":method", "POST") + Field(":scheme", "http") +
                          Field(":path", "/") + Field(":authority", "svc");
const absl::string_view kCancel("\0\0\0\x8", 4);

ResponseHead Ok() {
  ResponseHead head;
  head.status = 200;
  return head;
}

struct Flood {
  const char* what;
  std::string frame;  // Sent again and again.
  size_t allowed;     // That many are borne.
  Http2Stat counter;
};

TEST_CASE("http2: each flood ends in ENHANCE_YOUR_CALM, its counter up by one, at its limit") {
  const std::string update(absl::string_view("\0\0\0\1", 4));
  const Flood floods[] = {
      {"empty data", Frame(0, 0, 1, ""), 1, kHttp2EmptyFramesFlood},
      {"padding alone", Frame(0, 8, 1, absl::string_view("\3\0\0\0", 4)), 1,
       kHttp2EmptyFramesFlood},
      {"priority", Frame(2, 0, 1, absl::string_view("\0\0\0\0\1", 5)), 200,
       kHttp2PriorityFramesFlood},
      {"window updates", Frame(8, 0, 0, update), 7, kHttp2WindowUpdateFramesFlood},
      {"settings", Frame(4, 0, 0, ""), FloodGuard::kControlFramesBurst - 1,
       kHttp2ControlFramesFlood},
      {"pings", Frame(6, 0, 0, "12345678"), FloodGuard::kControlFramesBurst - 1,
       kHttp2ControlFramesFlood},
      {"unknown frames", Frame(77, 0, 0, "x"), FloodGuard::kControlFramesBurst - 1,
       kHttp2ControlFramesFlood},
  };
  for (const Flood& flood : floods) {
    INFO(flood.what);
    RawServer server;
    server.Feed(Frame(1, 4, 1, kPost));
    for (size_t i = 0; i < flood.allowed; ++i) server.Feed(flood.frame);
    CHECK(server.log.closes == 0);
    server.Feed(flood.frame);
    CHECK(server.log.closes == 1);
    CHECK(server.log.error);
    CHECK(server.Wrote(7, 11));
    CHECK(server.stats[flood.counter].Read() == 1);
    CHECK(server.log.streams.at(0)->reset == ResetReason::kProtocolError);
  }
}

TEST_CASE("http2: rapid resets end the connection and say so to its user") {
  RawServer server;
  size_t sent = 0;
  for (int id = 1; server.log.closes == 0 && sent < 2 * FloodGuard::kPeerResetsBurst; id += 2) {
    server.Feed(Frame(1, 5, id, GetFields()) + Frame(3, 0, id, kCancel));
    ++sent;
  }
  CHECK(sent == FloodGuard::kPeerResetsBurst + 1);
  CHECK(server.Wrote(7, 11));
  CHECK(server.log.details == kTooManyResets);
  CHECK(server.stats[kHttp2ResetFlood].Read() == 1);
}

TEST_CASE("http2: answers earn resets back") {
  RawServer server;
  for (int id = 1; id < 4 * static_cast<int>(FloodGuard::kPeerResetsBurst); id += 4) {
    server.Feed(Frame(1, 5, id, GetFields()));
    server.log.streams.back()->sender->SendHead(Ok(), true);
    server.Feed(Frame(1, 5, id + 2, GetFields()) + Frame(3, 0, id + 2, kCancel));
    server.log.streams.clear();
    server.sink.Take();
  }
  CHECK(server.log.closes == 0);
}

TEST_CASE("http2: a header block in too many pieces ends in ENHANCE_YOUR_CALM") {
  RawServer server;
  server.Feed(Frame(1, 1, 1, GetFields()));
  for (int i = 0; i < 10; ++i) server.Feed(Frame(9, 0, 1, Field("a", "b")));
  CHECK(server.Wrote(7, 11));
  CHECK(server.stats[kHttp2ContinuationFlood].Read() == 1);
  CHECK(server.log.streams.empty());
}

TEST_CASE("http2: answers to a peer that does not read are bounded") {
  Http2Limits limits;
  limits.outbound_control_frames_max = 10;
  RawServer server(limits);
  server.codec->OnWriteHigh();
  for (int i = 0; i < 20; ++i) server.Feed(Frame(6, 0, 0, "12345678"));
  CHECK(server.log.closes == 1);
  CHECK(server.Wrote(7, 11));
  CHECK(server.stats[kHttp2OutboundControlFlood].Read() == 1);
}

TEST_CASE("http2: the last GOAWAY names the last stream, so that the peer sends it elsewhere not") {
  RawServer server;
  server.Feed(Frame(1, 4, 5, kPost));
  server.Feed(Frame(0, 0, 5, "") + Frame(0, 0, 5, ""));
  const std::string& out = server.sink.bytes;
  REQUIRE(out.size() >= 17);
  CHECK(out.substr(out.size() - 8) == std::string("\0\0\0\5\0\0\0\xb", 8));
}

TEST_CASE("http2: data after an ended stream is told from late data") {
  RawServer ended;
  ended.Feed(Frame(1, 5, 1, GetFields()));
  ended.log.streams.at(0)->sender->SendHead(Ok(), true);
  ended.Feed("");
  ended.Feed(Frame(0, 0, 1, "x"));
  CHECK(ended.Wrote(7, 5));
  RawServer ours;  // We gave it up: the peer may not know yet.
  ours.Feed(Frame(1, 4, 1, kPost));
  ours.log.streams.at(0)->sender->Reset(ResetReason::kLocal);
  ours.Feed("");
  ours.Feed(Frame(0, 0, 1, "x"));
  CHECK(ours.log.closes == 0);
  RawServer theirs;  // In one piece: the reset counts first.
  theirs.Feed(Frame(1, 4, 1, kPost));
  theirs.Feed(Frame(3, 0, 1, kCancel) + Frame(0, 0, 1, "x"));
  CHECK(theirs.Wrote(7, 5));
}

TEST_CASE("http2: a stream number that was passed over is an error, split frames or not") {
  const std::string bytes = Frame(1, 5, 5, GetFields()) + Frame(1, 5, 3, GetFields());
  RawServer whole;
  whole.Feed(bytes);
  CHECK(whole.Wrote(7, 1));
  RawServer split;
  for (const char& byte : bytes) split.Feed(absl::string_view(&byte, 1));
  CHECK(split.Wrote(7, 1));
  CHECK(split.log.streams.size() == 1);
}

TEST_CASE("http2: recent streams are remembered, older ones not judged") {
  RecentStreams recent;
  for (int id = 1; id < 100; id += 4) recent.Opened(id);
  recent.Ended(97);
  CHECK(recent.Look(97) == RecentStreams::Seen::kEnded);
  CHECK(recent.Look(93) == RecentStreams::Seen::kOpen);
  CHECK(recent.Look(95) == RecentStreams::Seen::kNeverOpened);
  CHECK(recent.Look(3) == RecentStreams::Seen::kUnknown);
  CHECK(recent.Look(101) == RecentStreams::Seen::kUnknown);
}

TEST_CASE("http2: a malformed message is counted; it ends the stream, or the connection if asked") {
  for (const bool connection : {false, true}) {
    Http2Limits limits;
    limits.bad_message_ends_connection = connection;
    for (const std::string& bad : {GetFields() + Field("te", "gzip"), GetFields("/a#b"),
                                   GetFields() + Field("x y", "z"), GetFields("evil")}) {
      RawServer server(limits);
      server.Feed(Frame(1, 5, 1, bad));
      INFO(bad);
      CHECK(server.stats[kHttp2RxMessagingError].Read() == 1);
      CHECK(server.log.streams.empty());
      CHECK(server.log.closes == (connection ? 1 : 0));
      CHECK(server.Wrote(connection ? 7 : 3, 1));
    }
  }
}

TEST_CASE("http2: an answer that the peer does not take is cut after the flush time-out") {
  Http2Limits limits;
  limits.flush_timeout = absl::Seconds(10);
  RawServer server(limits);
  server.Feed(Frame(4, 0, 0, absl::string_view("\0\4\0\0\0\0", 6)));  // No window.
  server.Feed(Frame(1, 5, 1, GetFields()));
  server.log.streams.at(0)->sender->SendHead(Ok(), false);
  server.log.streams.at(0)->sender->SendData("body", true);
  for (int i = 0; i < 4; ++i) {
    CHECK(server.stats[kHttp2TxFlushTimeout].Read() == 0);
    server.Feed("");
    server.clock.Advance(absl::Seconds(9));
  }
  server.Feed("");
  CHECK(server.stats[kHttp2TxFlushTimeout].Read() == 1);
  CHECK(server.Wrote(3, 8));
  CHECK(server.codec->active_streams() == 0);
}

TEST_CASE("http2: a peer that answers no PING is given up, one that does is not") {
  for (const bool answers : {true, false}) {
    Http2Limits limits;
    limits.keepalive = {.interval = absl::Seconds(10), .timeout = absl::Seconds(5), .jitter = 0};
    LinkedHttp2 link(limits);
    ResponseLog answer;
    link.Send(answer, {}, true);
    link.Run();
    for (int second = 0; second < 30; ++second) {
      link.clock.Advance(absl::Seconds(1));
      if (answers) link.Run();
      if (!answers) link.Turn();
    }
    CHECK(link.client_stats[kHttp2KeepaliveTimeout].Read() == (answers ? 0 : 1));
    CHECK(answer.reset.has_value() == !answers);
  }
}

}  // namespace
}  // namespace proxy

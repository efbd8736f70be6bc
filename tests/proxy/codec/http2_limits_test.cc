// Ends before their time: resets, GOAWAY, limits, floods and broken frames.
#include <catch2/catch.hpp>

#include "tests/testing/proxy/raw_http2.h"

namespace proxy {
namespace {

TEST_CASE("http2: resets reach the other side with their reason") {
  LinkedHttp2 link;
  ResponseLog refused;
  ResponseLog given_up;
  ResponseLog broken_off;
  link.Send(refused, {}, true);
  link.Send(given_up, {}, false);
  link.Send(broken_off, {}, true);
  link.Run();
  auto& streams = link.server_log.streams;
  streams.at(0)->sender->Reset(ResetReason::kRefused);
  given_up.sender->Reset(ResetReason::kLocal);
  streams.at(2)->sender->Reset(ResetReason::kLocal);
  link.Run();
  CHECK(refused.reset == ResetReason::kRefused);
  CHECK(streams.at(1)->reset == ResetReason::kPeerReset);
  CHECK_FALSE(given_up.reset);
  CHECK(broken_off.reset == ResetReason::kPeerReset);
  CHECK(link.client_log.done == 3);
  CHECK(link.server->active_streams() == 0);
}

TEST_CASE("http2: the peer's stream limit bounds CanOpen") {
  Http2Limits limits;
  limits.concurrent_streams_max = 2;
  LinkedHttp2 link(limits);
  ResponseLog answers[2];
  for (auto& answer : answers) {
    REQUIRE(link.client->CanOpen());
    link.Send(answer, {}, true);
  }
  CHECK_FALSE(link.client->CanOpen());
  answers[0].sender->Reset(ResetReason::kLocal);
  link.Run();
  CHECK(link.client->CanOpen());
}

TEST_CASE("http2: a draining server lets running streams end, then closes") {
  LinkedHttp2 link;
  ResponseLog answer;
  link.Send(answer, {}, true);
  link.Run();
  link.server->Drain();
  link.Run();
  CHECK_FALSE(link.client->CanOpen());
  CHECK(link.server_log.closes == 0);
  ResponseHead head;
  head.status = 200;
  link.server_log.streams.at(0)->sender->SendHead(head, true);
  link.Run();
  CHECK(answer.head.status == 200);
  CHECK_FALSE(answer.reset);
  CHECK(link.server_log.closes == 1);
  CHECK_FALSE(link.server_log.error);
  CHECK(link.client_log.closes == 1);
}

TEST_CASE("http2: a draining client closes when its streams are done") {
  LinkedHttp2 link;
  link.client->Drain();
  link.Run();
  CHECK(link.client_log.closes == 1);
  CHECK_FALSE(link.client_log.error);
  CHECK(link.server_log.closes == 1);
  CHECK_FALSE(link.server_log.error);
}

TEST_CASE("http2: a lost connection resets every stream with the reason") {
  LinkedHttp2 link;
  ResponseLog answer;
  link.Send(answer, {}, true);
  link.Run();
  link.client->OnConnectionClosed(ResetReason::kPeerReset);
  link.server->OnConnectionClosed(ResetReason::kConnectionClosed);
  CHECK(answer.reset == ResetReason::kPeerReset);
  CHECK(link.server_log.streams.at(0)->reset == ResetReason::kConnectionClosed);
}

TEST_CASE("http2: a request that never left is refused, not lost, when the connection goes") {
  LinkedHttp2 link;
  ResponseLog sent;
  ResponseLog unsent;
  link.Send(sent, {}, true);
  link.Run();
  link.Send(unsent, {}, true);
  link.client->OnConnectionClosed(ResetReason::kConnectionClosed);
  CHECK(sent.reset == ResetReason::kConnectionClosed);
  CHECK(unsent.reset == ResetReason::kRefused);
}

TEST_CASE("http2: informational answers are bounded") {
  LinkedHttp2 link;
  ResponseLog answer;
  link.Send(answer, {}, true);
  link.Run();
  ResponseHead early;
  early.status = 103;
  for (int i = 0; i < kInformationalMax; ++i) {
    link.server_log.streams.at(0)->sender->SendInformational(early);
  }
  link.Run();
  CHECK(answer.informational.size() == kInformationalMax);
  CHECK_FALSE(answer.reset);
  link.server_log.streams.at(0)->sender->SendInformational(early);
  link.Run();
  CHECK(answer.reset == ResetReason::kProtocolError);
  CHECK(link.client_stats[kHttp2RxMessagingError].Read() == 1);
}

TEST_CASE("http2: streams above a GOAWAY's last id are refused") {
  pinnace::FakeClock clock;
  EventLoop loop(NewLibeventPoller(), clock, 1);
  MemorySink sink;
  ClientLog log;
  Cell stats[kHttp2StatCount];
  auto client = NewHttp2ClientCodec(loop, sink, log, {}, stats);
  ResponseLog answers[2];
  for (auto& answer : answers) {
    RequestHead head;
    head.method = "GET";
    head.path = "/";
    head.authority = "svc";
    client->NewStream(answer).SendHead(head, true);
  }
  loop.RunOnce(absl::ZeroDuration());
  client->OnData(Frame(4, 0, 0, "") + Frame(7, 0, 0, absl::string_view("\0\0\0\1\0\0\0\0", 8)));
  loop.RunOnce(absl::ZeroDuration());
  CHECK_FALSE(answers[0].reset);
  CHECK(answers[1].reset == ResetReason::kRefused);
  CHECK_FALSE(client->CanOpen());
  client->OnConnectionClosed(ResetReason::kConnectionClosed);
}

TEST_CASE("http2: the peer's end of input cuts incomplete requests short, whole ones go on") {
  LinkedHttp2 link;
  ResponseLog whole;
  ResponseLog half;
  link.Send(whole, {}, true);
  link.Send(half, {}, false);
  link.Run();
  link.server->OnEof();
  link.Run();
  CHECK(link.server_log.streams.at(1)->reset == ResetReason::kConnectionClosed);
  CHECK(link.server_log.closes == 0);
  ResponseHead head;
  head.status = 204;
  link.server_log.streams.at(0)->sender->SendHead(head, true);
  link.Run();
  CHECK(whole.head.status == 204);
  CHECK(link.server_log.closes == 1);
}

TEST_CASE("http2: heads over the limits are answered 431") {
  Http2Limits limits;
  limits.header_count_max = 10;
  LinkedHttp2 link(limits);
  ResponseLog answer;
  RequestHead head;
  for (int i = 0; i < 20; ++i) head.headers.Add(HeaderId::kCookie, "a=b");
  link.Send(answer, std::move(head), true);
  link.Run();
  CHECK(link.server_log.streams.empty());
  CHECK(answer.head.status == 431);
}

TEST_CASE("http2: malformed requests are reset and never seen") {
  const std::string bad[] = {
      GetFields("/a b"),
      GetFields() + Field("connection", "close"),
      GetFields() + Field("te", "gzip"),
      GetFields() + Field("transfer-encoding", "chunked"),
      GetFields() + Field("x", absl::string_view("a\nb")),
      GetFields() + Field("X-Upper", "a"),
      GetFields() + Field("host", "other"),
      GetFields() + Field("content-length", "3"),
      Field(":method", "GET") + Field(":scheme", "http") + Field(":path", "/"),
  };
  for (const std::string& fields : bad) {
    RawServer server;
    server.Feed(Frame(1, 5, 1, fields));
    INFO(fields);
    CHECK(server.log.streams.empty());
    CHECK(server.Wrote(3, 1));
    CHECK(server.log.closes == 0);
  }
  RawServer good;
  good.Feed(Frame(1, 5, 1, GetFields() + Field("host", "svc")));
  CHECK(good.log.streams.size() == 1);
}

TEST_CASE("http2: data that breaks content-length resets the stream") {
  RawServer server;
  server.Feed(Frame(1, 4, 1, GetFields() + Field("content-length", "3")));
  server.Feed(Frame(0, 1, 1, "ab"));
  REQUIRE(server.log.streams.size() == 1);
  CHECK_FALSE(server.log.streams[0]->ended);
  CHECK(server.log.streams[0]->reset == ResetReason::kProtocolError);
}

TEST_CASE("http2: broken frames end the connection with GOAWAY") {
  for (const std::string& bytes :
       {Frame(0, 0, 0, "x"), Frame(8, 0, 0, "xy"), Frame(1, 5, 1, "\x80"), Frame(9, 0, 1, "x")}) {
    RawServer server;
    server.Feed(bytes);
    CHECK(server.log.closes == 1);
    CHECK(server.log.error);
    CHECK_FALSE(server.log.details.empty());
  }
}

TEST_CASE("http2: a wrong preface is a protocol error") {
  pinnace::FakeClock clock;
  EventLoop loop(NewLibeventPoller(), clock, 1);
  MemorySink sink;
  ServerLog log;
  Cell stats[kHttp2StatCount];
  auto codec = NewHttp2ServerCodec(loop, sink, log, {}, stats, false);
  codec->OnData("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  loop.RunOnce(absl::ZeroDuration());
  CHECK(log.closes == 1);
  CHECK(log.error);
}

}  // namespace
}  // namespace proxy

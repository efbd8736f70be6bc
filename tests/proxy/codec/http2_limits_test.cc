// Ends before their time: resets, GOAWAY, limits, floods and broken frames.
#include <catch2/catch.hpp>

#include "tests/testing/proxy/linked_codecs.h"

namespace proxy {
namespace {

std::string Frame(int type, int flags, int stream, absl::string_view payload) {
  std::string out;
  const size_t size = payload.size();
  for (const size_t byte : {size >> 16, size >> 8, size}) out.push_back(static_cast<char>(byte));
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(stream >> shift));
  out.append(payload.data(), size);
  return out;
}

// A literal field without indexing, with a new name (RFC 7541 §6.2.2); short texts only.
std::string Field(absl::string_view name, absl::string_view value) {
  std::string out(1, '\0');
  out.push_back(static_cast<char>(name.size()));
  out.append(name.data(), name.size());
  out.push_back(static_cast<char>(value.size()));
  out.append(value.data(), value.size());
  return out;
}

std::string GetFields(absl::string_view path = "/") {
  return Field(":method", "GET") + Field(":scheme", "http") + Field(":path", path) +
         Field(":authority", "svc");
}

// A server that is told bytes.
struct RawServer {
  explicit RawServer(const CodecLimits& limits = {})
      : loop(NewLibeventPoller(), clock, 1),
        codec(NewHttp2ServerCodec(loop, sink, log, limits, false)) {
    Feed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, ""));
    sink.Take();
  }
  ~RawServer() { codec->OnConnectionClosed(ResetReason::kConnectionClosed); }
  void Feed(absl::string_view bytes) {
    codec->OnData(bytes);
    loop.RunOnce(absl::ZeroDuration());
  }
  // The last four payload bytes of an RST_STREAM or the code of a GOAWAY among what was written.
  bool Wrote(int type, int code) const {
    for (size_t at = 0; at + 9 <= sink.bytes.size();) {
      const auto* b = reinterpret_cast<const uint8_t*>(sink.bytes.data() + at);
      const size_t size = b[0] << 16 | b[1] << 8 | b[2];
      if (b[3] == type && b[9 + (type == 7 ? 7 : 3)] == code) return true;
      at += 9 + size;
    }
    return false;
  }

  pinnace::FakeClock clock;
  EventLoop loop;
  MemorySink sink;
  ServerLog log;
  std::unique_ptr<ServerCodec> codec;
};

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
  CodecLimits limits;
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

TEST_CASE("http2: streams above a GOAWAY's last id are refused") {
  pinnace::FakeClock clock;
  EventLoop loop(NewLibeventPoller(), clock, 1);
  MemorySink sink;
  ClientLog log;
  auto client = NewHttp2ClientCodec(loop, sink, log, {});
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
  CodecLimits limits;
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
  auto codec = NewHttp2ServerCodec(loop, sink, log, {}, false);
  codec->OnData("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  loop.RunOnce(absl::ZeroDuration());
  CHECK(log.closes == 1);
  CHECK(log.error);
}

TEST_CASE("http2: rapid resets and empty frames end in ENHANCE_YOUR_CALM") {
  RawServer resets;
  for (int id = 1; id < 2 * 1200 && resets.log.closes == 0; id += 2) {
    resets.Feed(Frame(1, 5, id, GetFields()) + Frame(3, 0, id, absl::string_view("\0\0\0\x8", 4)));
  }
  CHECK(resets.log.error);
  CHECK(resets.Wrote(7, 11));
  RawServer empties;
  empties.Feed(Frame(1, 4, 1, GetFields()));
  for (int i = 0; i < 1200; ++i) empties.Feed(Frame(0, 0, 1, ""));
  CHECK(empties.log.error);
  CHECK(empties.Wrote(7, 11));
  CHECK(empties.log.streams.at(0)->reset.has_value());
}

}  // namespace
}  // namespace proxy

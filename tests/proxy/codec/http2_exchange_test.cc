// Requests and responses between our HTTP/2 client and server.
#include <catch2/catch.hpp>

#include "tests/testing/proxy/linked_codecs.h"

namespace proxy {
namespace {

ResponseHead Status(int status) {
  ResponseHead head;
  head.status = status;
  return head;
}

TEST_CASE("http2: a request without body reaches the server, and its answer comes back") {
  LinkedHttp2 link;
  ResponseLog answer;
  RequestHead head;
  head.headers.Add("x-one", "1");
  head.headers.Add(HeaderId::kConnection, "close");
  head.headers.Add(HeaderId::kTe, "trailers");
  head.headers.Add(HeaderId::kCookie, "a=1");
  head.headers.Add(HeaderId::kCookie, "b=2");
  link.Send(answer, std::move(head), true);
  link.Run();
  REQUIRE(link.server_log.streams.size() == 1);
  RequestLog& request = *link.server_log.streams[0];
  CHECK(request.ended);
  CHECK(request.head.method == "GET");
  CHECK(request.head.path == "/a?b");
  CHECK(request.head.authority == "svc:80");
  CHECK(request.head.scheme == "http");
  REQUIRE(request.head.headers.Find("x-one") != nullptr);
  CHECK(request.head.headers.Find(HeaderId::kConnection) == nullptr);
  CHECK(request.head.headers.Value(HeaderId::kTe) == "trailers");
  CHECK(request.head.headers.Value(HeaderId::kCookie) == "a=1; b=2");
  ResponseHead response = Status(200);
  response.content_length = 5;
  request.sender->SendHead(response, false);
  request.sender->SendData("hello", true);
  link.Run();
  CHECK(answer.head.status == 200);
  CHECK(answer.head.content_length == std::optional<uint64_t>(5));
  CHECK(answer.body == "hello");
  CHECK(answer.ended);
  CHECK_FALSE(answer.reset);
  CHECK(link.client_log.done == 1);
  CHECK(link.client->active_streams() == 0);
  CHECK(link.server->active_streams() == 0);
}

TEST_CASE("http2: bodies and trailers go both ways, 1xx first") {
  LinkedHttp2 link;
  ResponseLog answer;
  link.Send(answer, {}, false);
  answer.sender->SendData("ab", false);
  Headers trailers;
  trailers.Add("x-sum", "7");
  answer.sender->SendTrailers(trailers);
  link.Run();
  RequestLog& request = *link.server_log.streams.at(0);
  CHECK(request.body == "ab");
  CHECK(request.trailers.Find("x-sum") != nullptr);
  request.sender->SendInformational(Status(103));
  request.sender->SendHead(Status(200), false);
  request.sender->SendData("cd", false);
  request.sender->SendTrailers(trailers);
  link.Run();
  CHECK(answer.informational == std::vector<int>{103});
  CHECK(answer.body == "cd");
  CHECK(answer.ended);
  CHECK(answer.trailers.Find("x-sum") != nullptr);
  CHECK(link.client_log.done == 1);
}

TEST_CASE("http2: the frames of one callback leave in one write") {
  LinkedHttp2 link;
  const int before = link.client_sink.writes;
  std::vector<std::unique_ptr<ResponseLog>> answers;
  for (int i = 0; i < 50; ++i) {
    answers.push_back(std::make_unique<ResponseLog>());
    link.Send(*answers.back(), {}, true);
  }
  link.Turn();
  CHECK(link.client_sink.writes == before + 1);
  link.Run();
  REQUIRE(link.server_log.streams.size() == 50);
  for (auto& request : link.server_log.streams) request->sender->SendHead(Status(204), true);
  link.Run();
  CHECK(link.client_log.done == 50);
}

TEST_CASE("http2: a paused reader stops its own stream at the window, not the others") {
  LinkedHttp2 link;
  ResponseLog slow;
  ResponseLog quick;
  link.Send(slow, {}, true);
  link.Send(quick, {}, true);
  slow.sender->PauseReading();
  link.Run();
  const std::string body(1024 * 1024, 'x');
  for (auto& request : link.server_log.streams) {
    request->sender->SendHead(Status(200), false);
    request->sender->SendData(body.substr(1), false);
    request->sender->SendData("y", true);
  }
  link.Run();
  CHECK(quick.body.size() == body.size());
  CHECK(quick.ended);
  CHECK(slow.body.size() == Http2Limits().stream_window_bytes);
  CHECK_FALSE(slow.ended);
  slow.sender->ResumeReading();
  link.Run();
  CHECK(slow.body.size() == body.size());
  CHECK(slow.ended);
}

TEST_CASE("http2: output above the high mark is told, and that it fell") {
  LinkedHttp2 link;
  ResponseLog answer;
  link.Send(answer, {}, false);
  link.client->OnWriteHigh();
  answer.sender->SendData(std::string(300 * 1024, 'x'), false);
  CHECK(answer.highs == 1);
  link.Run();
  CHECK(answer.lows == 0);
  link.client->OnWriteLow();
  link.Run();
  CHECK(answer.lows == 1);
  CHECK(link.server_log.streams.at(0)->body.size() == 300 * 1024);
}

TEST_CASE("http2: an early answer ends the request without an error") {
  LinkedHttp2 link;
  ResponseLog answer;
  link.Send(answer, {}, false);
  link.Run();
  RequestLog& request = *link.server_log.streams.at(0);
  request.sender->SendHead(Status(413), false);
  request.sender->SendData("no", true);
  link.Run();
  CHECK(request.reset == ResetReason::kLocal);
  CHECK(answer.body == "no");
  CHECK(answer.ended);
  CHECK_FALSE(answer.reset);
  answer.sender->SendData("dropped", true);
  link.Run();
  CHECK(link.client_log.done == 1);
  CHECK(link.server->active_streams() == 0);
}

TEST_CASE("http2: an upgrade crosses as extended CONNECT") {
  LinkedHttp2 link;
  ResponseLog answer;
  RequestHead head;
  head.method = "GET";
  head.upgrade = "websocket";
  link.Send(answer, std::move(head), false);
  link.Run();
  RequestLog& request = *link.server_log.streams.at(0);
  CHECK(request.head.upgrade == "websocket");
  CHECK(request.head.method == "GET");
  request.sender->SendHead(Status(101), false);
  request.sender->SendData("down", false);
  answer.sender->SendData("up", false);
  link.Run();
  CHECK(answer.head.status == 101);
  CHECK(answer.head.upgrade == "websocket");
  CHECK(answer.body == "down");
  CHECK(request.body == "up");
}

}  // namespace
}  // namespace proxy

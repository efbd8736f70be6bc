#include <catch2/catch.hpp>

#include <string>

#include <absl/strings/str_cat.h>

#include "proxy/codec/codec.h"
#include "tests/testing/proxy/fake_sink.h"

namespace proxy {
namespace {

class Script final : public ClientCodecEvents, public ResponseEvents {
 public:
  Script() : codec(NewHttp1ClientCodec(sink, *this, {})) {}
  void Ask(absl::string_view method = "GET") {
    head.method = method;
    head.path = "/";
    head.authority = "a";
    sender = &codec->NewStream(*this);
    sender->SendHead(head, true);
  }
  void OnStreamDone() override { events += "done;"; }
  void OnCodecClose(bool protocol_error, const char* details) override {
    absl::StrAppend(&events, protocol_error ? absl::StrCat("error ", details) : "close", ";");
  }
  void OnHead(ResponseHead got, bool last) override {
    absl::StrAppend(&events, got.status, last ? "!" : "", ";");
  }
  void OnInformational(ResponseHead got) override {
    absl::StrAppend(&events, "info ", got.status, ";");
  }
  void OnData(absl::string_view data, bool last) override {
    absl::StrAppend(&events, data, last ? "!" : "", ";");
  }
  void OnTrailers(Headers) override { events += "trailers;"; }
  void OnReset(ResetReason) override { events += "reset;"; }
  void OnWriteHigh() override {}
  void OnWriteLow() override {}

  FakeSink sink;
  std::unique_ptr<ClientCodec> codec;
  RequestHead head;
  RequestSender* sender = nullptr;
  std::string events;
};

}  // namespace

TEST_CASE("http1 client: a request is written and its answer frees the connection") {
  Script script;
  script.Ask();
  CHECK(script.sink.Take() == "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  CHECK_FALSE(script.codec->CanOpen());
  script.codec->OnData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(script.events == "200;ok!;done;");
  CHECK(script.codec->CanOpen());
}

TEST_CASE("http1 client: informational answers come before the answer") {
  Script script;
  script.Ask();
  script.codec->OnData(
      "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
  CHECK(script.events == "info 103;204!;done;");
}

TEST_CASE("http1 client: a body without length ends with the connection") {
  Script script;
  script.Ask();
  script.codec->OnData("HTTP/1.1 200 OK\r\n\r\nabc");
  script.codec->OnEof();
  CHECK(script.events == "200;abc;!;close;");
}

TEST_CASE("http1 client: an answer to HEAD has no body, whatever its length says") {
  Script script;
  script.Ask("HEAD");
  script.codec->OnData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  CHECK(script.events == "200!;done;");
}

TEST_CASE(
    "http1 client: bytes that nobody asked for, a bad head or an unasked upgrade are errors") {
  Script idle;
  idle.codec->OnData("HTTP/1.1 200 OK\r\n\r\n");
  CHECK(idle.events == "error http1.unsolicited_response;");
  Script both;
  both.Ask();
  both.codec->OnData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK(both.events == "reset;error http1.conflicting_framing;");
  Script upgrade;
  upgrade.Ask();
  upgrade.codec->OnData("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  CHECK(upgrade.events == "reset;error http1.unexpected_upgrade;");
}

TEST_CASE("http1 client: a connection that ends before the answer resets the stream") {
  Script script;
  script.Ask();
  script.codec->OnEof();
  CHECK(script.events == "reset;close;");
}

}  // namespace proxy

#include <catch2/catch.hpp>

#include <string>

#include <absl/strings/str_cat.h>

#include "tests/testing/proxy/http1_scripts.h"

namespace proxy {
namespace {

using Script = Http1ClientScript;

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
  CHECK(both.events == "reset;error http1.content_length_and_chunked_not_allowed;");
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

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "tests/testing/proxy/http1_scripts.h"

namespace proxy {
namespace {

using Script = Http1ServerScript;

struct Case {
  const char* name;
  const char* bytes;
  const char* events;
  const char* answer;  // The beginning of what is written.
};

const Case kCases[] = {
    {"a simple request", "GET /a?b HTTP/1.1\r\nHost: x\r\nX-Y:  z \r\n\r\n",
     "GET /a?b @x;x-y=z;end;", "HTTP/1.1 200 OK\r\n"},
    {"a body by length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
     "POST / @x;body abc;end;", "HTTP/1.1 200"},
    {"a chunked body with trailers",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
     "chunked\r\n\r\n3;e=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n",
     "POST / @x;trailer t=v;body abc0123456789;end;", "HTTP/1.1 200"},
    {"absolute form wins over Host", "GET http://b/p HTTP/1.1\r\nHost: x\r\n\r\n", "GET /p @b;end;",
     "HTTP/1.1 200"},
    {"two pipelined requests",
     "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET /1 @x;end;GET /2 @x;end;", "HTTP/1.1 200"},
    {"hop-by-hop fields are taken out",
     "GET / HTTP/1.1\r\nHost: x\r\nConnection: foo\r\nFoo: 1\r\nKeep-Alive: 5\r\nB: 2\r\n\r\n",
     "GET / @x;b=2;end;", "HTTP/1.1 200"},
    {"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", "GET / @;end;close;",
     "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close"},
    {"length and chunks together",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     "error http1.content_length_and_chunked_not_allowed;", "HTTP/1.1 400"},
    {"two different lengths",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
     "error http1.invalid_content_length;", "HTTP/1.1 400"},
    {"a length with a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\n",
     "error http1.invalid_content_length;", "HTTP/1.1 400"},
    {"no host", "GET / HTTP/1.1\r\n\r\n", "error http1.missing_host;", "HTTP/1.1 400"},
    {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "error http1.duplicate_host;",
     "HTTP/1.1 400"},
    {"a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
     "error http1.invalid_field_name;", "HTTP/1.1 400"},
    {"a folded line", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "error http1.invalid_field_name;",
     "HTTP/1.1 400"},
    {"a bare line feed in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n",
     "error http1.invalid_line_end;", "HTTP/1.1 400"},
    {"an unknown transfer coding", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
     "error http1.invalid_transfer_encoding;", "HTTP/1.1 501"},
    {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
     "error http1.invalid_transfer_encoding;", "HTTP/1.1 400"},
    {"a chunk size that is no number",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
     "POST / @x;reset;error http1.invalid_chunk;", "HTTP/1.1 400"},
    {"a later version", "GET / HTTP/2.5\r\nHost: a\r\n\r\n", "error http1.unsupported_version;",
     "HTTP/1.1 505"},
    {"no version", "GET /\r\nHost: a\r\n\r\n", "error http1.invalid_request_line;", "HTTP/1.1 400"},
};

}  // namespace

TEST_CASE("http1 server: each input yields its events, whole and byte by byte") {
  for (const Case& one : kCases) {
    INFO(one.name);
    Script whole;
    whole.Feed(one.bytes);
    CHECK(whole.events == one.events);
    CHECK(absl::StartsWith(whole.sink.written, one.answer));
    Script bytewise;
    for (const char* c = one.bytes; *c != '\0'; ++c) bytewise.Feed(absl::string_view(c, 1));
    CHECK(bytewise.events == one.events);
    CHECK(bytewise.sink.written == whole.sink.written);
  }
}

TEST_CASE("http1 server: a head above the limit gets 431, a request line above it 414") {
  Script fields(true, {.head_bytes_max = 100});
  fields.Feed(absl::StrCat("GET / HTTP/1.1\r\nHost: x\r\nA: ", std::string(200, 'a'), "\r\n\r\n"));
  CHECK(absl::StartsWith(fields.sink.written, "HTTP/1.1 431 "));
  Script line(true, {.head_bytes_max = 100});
  line.Feed(absl::StrCat("GET /", std::string(200, 'a'), " HTTP/1.1\r\n"));
  CHECK(absl::StartsWith(line.sink.written, "HTTP/1.1 414 "));
  Script count(true, {.header_count_max = 2});
  count.Feed("GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\n\r\n");
  CHECK(absl::StartsWith(count.sink.written, "HTTP/1.1 431 "));
}

TEST_CASE("http1 server: bytes behind an unanswered request wait, and the connection is not read") {
  Script script(false);
  script.Feed("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(script.events == "GET /1 @x;end;");
  CHECK(script.sink.pauses == 1);
  ResponseHead head;
  head.status = 204;
  script.sender->SendHead(head, true);
  script.loop.RunOnce(absl::ZeroDuration());
  script.loop.RunOnce(absl::ZeroDuration());
  CHECK(script.events == "GET /1 @x;end;GET /2 @x;end;");
  CHECK(script.sink.pauses == 0);
}

TEST_CASE("http1 server: a body of unknown length goes out in chunks") {
  Script script(false);
  script.Feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ResponseHead head;
  head.status = 200;
  script.sender->SendHead(head, false);
  script.sender->SendData("hello", false);
  script.sender->SendData("", true);
  CHECK(script.sink.written ==
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
}

TEST_CASE("http1 server: an upgrade is a tunnel only after 101") {
  Script script(false);
  script.Feed("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  CHECK(script.sink.pauses == 1);  // What follows has no meaning yet.
  ResponseHead head;
  head.status = 101;
  head.upgrade = "websocket";
  script.sender->SendHead(head, false);
  CHECK(script.sink.pauses == 0);
  script.Feed("raw");
  CHECK(script.body == "raw");
}

TEST_CASE("http1 server: draining closes after the running answer") {
  Script script(false);
  script.Feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  script.codec->Drain();
  ResponseHead head;
  head.status = 204;
  script.sender->SendHead(head, true);
  CHECK(absl::StrContains(script.sink.written, "connection: close"));
  CHECK(absl::EndsWith(script.events, "close;"));
}

}  // namespace proxy

// Messages that two readers could cut in different places, and what becomes of them.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "tests/testing/proxy/http1_scripts.h"

namespace proxy {
namespace {

struct Refusal {
  const char* name;
  std::string bytes;
  int status;
};

std::string Post(absl::string_view fields, absl::string_view body = "") {
  return absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\n", fields, "\r\n", body);
}
std::string Chunks(absl::string_view body) { return Post("Transfer-Encoding: chunked\r\n", body); }
std::string Get(absl::string_view fields) {
  return absl::StrCat("GET / HTTP/1.1\r\n", fields, "\r\n");
}

std::vector<Refusal> Framings() {
  return {
      {"length and chunks", Post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"chunks and length", Post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400},
      {"the same length twice", Post("Content-Length: 3\r\nContent-Length: 3\r\n"), 400},
      {"a list of equal lengths", Post("Content-Length: 3, 3\r\n"), 400},
      {"a list of lengths", Post("Content-Length: 3, 4\r\n"), 400},
      {"a negative length", Post("Content-Length: -1\r\n"), 400},
      {"a signed length", Post("Content-Length: +3\r\n"), 400},
      {"a hexadecimal length", Post("Content-Length: 0x3\r\n"), 400},
      {"an octal-looking length", Post("Content-Length: 010\r\n"), 400},
      {"an empty length", Post("Content-Length:\r\n"), 400},
      {"a length with a space inside", Post("Content-Length: 1 0\r\n"), 400},
      {"a length with a vertical tab", Post("Content-Length: \v3\r\n"), 400},
      {"a length with a form feed", Post("Content-Length: 3\f\r\n"), 400},
      {"a length above 64 bits", Post("Content-Length: 18446744073709551616\r\n"), 400},
      {"a length with an underscore", Post("Content-Length: 1_0\r\n"), 400},
      {"a length with a point", Post("Content-Length: 3.0\r\n"), 400},
      {"xchunked", Post("Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n"), 400},
      {"chunked with a parameter", Post("Transfer-Encoding: chunked;q=1\r\n"), 400},
      {"chunked and a comma", Post("Transfer-Encoding: chunked,\r\n"), 400},
      {"a comma and chunked", Post("Transfer-Encoding: ,chunked\r\n"), 400},
      {"chunked in quotes", Post("Transfer-Encoding: \"chunked\"\r\n"), 400},
      {"chunked behind a vertical tab", Post("Transfer-Encoding: \vchunked\r\n"), 400},
      {"chunked before a form feed", Post("Transfer-Encoding: chunked\f\r\n"), 400},
      {"chunked and NUL", Post(absl::string_view("Transfer-Encoding: chunked\0\r\n", 29)), 400},
      {"chunked twice in a list", Post("Transfer-Encoding: chunked, chunked\r\n"), 400},
      {"chunked in two fields",
       Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"chunked, then identity", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
       400},
      {"chunked that is not last", Post("Transfer-Encoding: chunked, gzip\r\n"), 400},
      {"identity", Post("Transfer-Encoding: identity\r\n"), 400},
      {"no coding at all", Post("Transfer-Encoding:\r\n"), 400},
      {"an unknown coding", Post("Transfer-Encoding: gzip\r\n"), 501},
      {"an unknown coding before chunked", Post("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"a folded coding", Post("Transfer-Encoding:\r\n chunked\r\n"), 400},
      {"a space before the colon", Post("Transfer-Encoding : chunked\r\n"), 400},
      {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"a body for CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\n", 400},
      {"a body for TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400},
  };
}

std::vector<Refusal> Lines() {
  return {
      {"a bare LF after the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n", 400},
      {"bare LFs alone", "GET / HTTP/1.1\nHost: x\n\n", 400},
      {"a bare LF after a field", Get("Host: x\r\nA: b\nC: d\r\n"), 400},
      {"a bare CR in a value", Get("Host: x\r\nA: b\rC: d\r\n"), 400},
      {"CRs alone", "GET / HTTP/1.1\rHost: x\r\r", 400},
      {"NUL in a value", Get(absl::string_view("Host: x\r\nA: b\0c\r\n", 17)), 400},
      {"a control byte in a value", Get("Host: x\r\nA: \x01\r\n"), 400},
      {"DEL in a value", Get("Host: x\r\nA: \x7f\r\n"), 400},
      {"a folded value", Get("Host: x\r\nA: b\r\n c\r\n"), 400},
      {"white space before the first field", Get(" Host: x\r\n"), 400},
      {"an empty name", Get("Host: x\r\n: y\r\n"), 400},
      {"a name with a space", Get("Host: x\r\nA B: y\r\n"), 400},
      {"a name with a bracket", Get("Host: x\r\nA[]: y\r\n"), 400},
      {"a line without colon", Get("Host: x\r\nA\r\n"), 400},
      {"a tab between the parts", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"two spaces before the target", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"two spaces before the version", "GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"a space at the end", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
      {"a space at the beginning", " GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"no target", "GET HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"HTTP/0.9", "GET /\r\n", 400},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"HTTP/1", "GET / HTTP/1\r\nHost: x\r\n\r\n", 400},
      {"HTTP/01.1", "GET / HTTP/01.1\r\nHost: x\r\n\r\n", 400},
      {"http/1.1", "GET / http/1.1\r\nHost: x\r\n\r\n", 400},
      {"a lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
      {"a method that is no token", "G{T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"no method", " / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"many empty lines", "\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"a TLS hello", absl::StrCat("\x16\x03\x01", std::string(9, '\0')), 400},
  };
}

std::vector<Refusal> Targets() {
  const auto get = [](absl::string_view target) {
    return absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: x\r\n\r\n");
  };
  const auto host = [](absl::string_view value) {
    return absl::StrCat("GET / HTTP/1.1\r\nHost: ", value, "\r\n\r\n");
  };
  return {
      {"a fragment", get("/a#b"), 400},
      {"NUL in the target", get(absl::string_view("/a\0b", 4)), 400},
      {"a control byte in the target", get("/a\x01"), 400},
      {"bytes above ASCII", get("/\xc3\xa9"), 400},
      {"overlong UTF-8", get("/\xc0\xaf"), 400},
      {"an asterisk with GET", get("*"), 400},
      {"an authority with GET", get("a:80"), 400},
      {"a relative path", get("a/b"), 400},
      {"a foreign scheme", get("ftp://a/"), 400},
      {"no authority in the absolute form", get("http:///a"), 400},
      {"userinfo in the absolute form", get("http://u@a/"), 400},
      {"a path with CONNECT", "CONNECT /a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"CONNECT without port", "CONNECT a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"no Host in the absolute form", "GET http://a/ HTTP/1.1\r\n\r\n", 400},
      {"an empty Host", host(""), 400},
      {"Host twice", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
      {"two names in Host", host("a, b"), 400},
      {"two names in Host without space", host("a,b"), 400},
      {"userinfo in Host", host("u@a"), 400},
      {"a path in Host", host("a/b"), 400},
      {"a query in Host", host("a?b"), 400},
      {"a space in Host", host("a b"), 400},
      {"a port that is no number", host("a:b"), 400},
      {"a port above 65535", host("a:65536"), 400},
      {"a bracket without end", host("[::1"), 400},
      {"a bad escape in Host", host("a%2"), 400},
      {"a broken Host beside an absolute form", "GET http://a/ HTTP/1.1\r\nHost: b@c\r\n\r\n", 400},
  };
}

std::vector<Refusal> Bodies() {
  return {
      {"a negative chunk", Chunks("-1\r\n"), 400},
      {"a signed chunk", Chunks("+1\r\na\r\n"), 400},
      {"0x", Chunks("0x1\r\na\r\n"), 400},
      {"an underscore in the size", Chunks("1_0\r\n"), 400},
      {"a space before the size", Chunks(" 1\r\na\r\n"), 400},
      {"a space behind the size", Chunks("1 \r\na\r\n"), 400},
      {"no size", Chunks("\r\n"), 400},
      {"a size above 64 bits", Chunks("ffffffffffffffff1\r\n"), 400},
      {"a size of 64 bits", Chunks("ffffffffffffffff\r\n"), 400},
      {"a bare LF behind the size", Chunks("1\na\r\n"), 400},
      {"a bare CR behind the size", Chunks("1\ra\r\n"), 400},
      {"a bare LF behind the data", Chunks("1\r\na\n0\r\n\r\n"), 400},
      {"nothing behind the data", Chunks("1\r\na0\r\n\r\n"), 400},
      {"more data than the size", Chunks("1\r\nab\r\n0\r\n\r\n"), 400},
      {"a bare LF at the end", Chunks("0\r\n\n"), 400},
      {"a bare semicolon", Chunks("1;\r\na\r\n"), 400},
      {"an extension that is no token", Chunks("1;a@b\r\na\r\n"), 400},
      {"a bare LF in an extension", Chunks("1;a\nb\r\na\r\n"), 400},
      {"a bare CR in an extension", Chunks("1;a\rb\r\na\r\n"), 400},
      {"NUL in an extension", Chunks(absl::string_view("1;a=\0\r\na\r\n", 10)), 400},
      {"a quote without end", Chunks("1;a=\"b\r\na\r\n"), 400},
      {"a long extension", Chunks(absl::StrCat("1;a=", std::string(5000, 'b'), "\r\na\r\n")), 400},
      {"a length among the trailers", Chunks("0\r\nContent-Length: 5\r\n\r\n"), 400},
      {"a coding among the trailers", Chunks("0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
      {"a host among the trailers", Chunks("0\r\nHost: evil\r\n\r\n"), 400},
      {"a bare LF among the trailers", Chunks("0\r\nA: b\n\r\n"), 400},
      {"a folded trailer", Chunks("0\r\nA: b\r\n c\r\n\r\n"), 400},
  };
}

void CheckRefused(const std::vector<Refusal>& table) {
  for (const Refusal& one : table) {
    INFO(one.name);
    const std::string answer = absl::StrCat("HTTP/1.1 ", one.status, " ");
    // A second request behind the bad one must never be seen, however the bytes arrive.
    const std::string bytes = absl::StrCat(one.bytes, "GET /second HTTP/1.1\r\nHost: x\r\n\r\n");
    for (const size_t step : {bytes.size(), size_t{1}, size_t{7}}) {
      Http1ServerScript script(false);
      for (size_t at = 0; at < bytes.size() && !absl::StrContains(script.events, "error");
           at += step) {
        script.Feed(absl::string_view(bytes).substr(at, step));
      }
      CHECK(absl::StartsWith(script.sink.written, answer));
      CHECK(absl::StrContains(script.sink.written, "\r\nconnection: close\r\n"));
      CHECK(absl::StrContains(script.events, "error http1."));
      CHECK_FALSE(absl::StrContains(script.events, "/second"));
      CHECK_FALSE(absl::StrContains(script.events, ";end;"));
    }
  }
}

}  // namespace

TEST_CASE("http1 desync: lengths and codings that can be read in two ways are refused") {
  CheckRefused(Framings());
}
TEST_CASE("http1 desync: lines that end or begin in a way of their own are refused") {
  CheckRefused(Lines());
}
TEST_CASE("http1 desync: targets and hosts that name two places, or none, are refused") {
  CheckRefused(Targets());
}
TEST_CASE("http1 desync: chunks and trailers that are not whole are refused") {
  CheckRefused(Bodies());
}

TEST_CASE("http1 desync: what is odd but has one meaning is served") {
  const struct {
    const char* name;
    std::string bytes;
    const char* events;
  } cases[] = {
      {"one empty line first", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / @x;end;"},
      {"white space around a length", Post("Content-Length: \t3 \t\r\n", "abc"),
       "POST / @x;body abc;end;"},
      {"Chunked", Post("Transfer-Encoding: Chunked\r\n", "1\r\na\r\n0\r\n\r\n"),
       "POST / @x;body a;end;"},
      {"extensions", Chunks("1;a;b=c ; d=\"e;\\\"f\"\r\nx\r\n0;z\r\n\r\n"),
       "POST / @x;body x;end;"},
      {"leading zeros of a chunk", Chunks("0001\r\na\r\n000\r\n\r\n"), "POST / @x;body a;end;"},
      {"a body for GET", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
       "GET / @x;body ab;end;"},
      {"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * @x;end;"},
      {"OPTIONS for a whole authority", "OPTIONS http://b HTTP/1.1\r\nHost: x\r\n\r\n",
       "OPTIONS * @b;end;"},
      {"another method", "PURGE / HTTP/1.1\r\nHost: x\r\n\r\n", "PURGE / @x;end;"},
      {"a later minor version", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", "GET / @x;end;"},
      {"an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET / @[::1]:80;end;"},
      {"an empty value", "GET / HTTP/1.1\r\nHost: x\r\nA:\r\n\r\n", "GET / @x;a=;end;"},
      {"h2c by Upgrade is declined",
       "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
       "HTTP2-Settings: AAAA\r\n\r\n",
       "GET / @x;end;"},
      {"an upgrade with a body is declined",
       "POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
       "Content-Length: 1\r\n\r\na",
       "POST / @x;body a;end;"},
      {"trailers that may not decide anything are left out",
       Chunks("0\r\nAuthorization: a\r\nContent-Type: b\r\nX-Ok: c\r\n\r\n"),
       "POST / @x;trailer x-ok=c;end;"},
  };
  for (const auto& one : cases) {
    INFO(one.name);
    Http1ServerScript whole;
    whole.Feed(one.bytes);
    CHECK(whole.events == one.events);
    Http1ServerScript bytewise;
    for (const char c : one.bytes) bytewise.Feed(absl::string_view(&c, 1));
    CHECK(bytewise.events == one.events);
  }
}

TEST_CASE("http1 desync: nothing passes an upgrade before 101, and all of it after") {
  const std::string ask =
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  Http1ServerScript accepted(false);
  accepted.Feed(absl::StrCat(ask, "early"));
  CHECK(accepted.body.empty());
  ResponseHead head;
  head.status = 101;
  head.upgrade = "websocket";
  accepted.sender->SendHead(head, false);
  accepted.Feed("late");
  accepted.loop.RunOnce(absl::ZeroDuration());
  CHECK(accepted.body == "earlylate");

  Http1ServerScript declined(false);
  declined.Feed(absl::StrCat(ask, "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"));
  ResponseHead no;
  no.status = 200;
  no.content_length = 0;
  declined.sender->SendHead(no, true);
  declined.loop.RunOnce(absl::ZeroDuration());
  CHECK(declined.events == "GET / @x;end;close;");
  CHECK(absl::StrContains(declined.sink.written, "connection: close"));
}

TEST_CASE("http1 desync: an answer without body stays without, and keeps to its length") {
  for (const int status : {204, 304}) {
    Http1ServerScript script(false);
    script.Feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ResponseHead head;
    head.status = status;
    script.sender->SendHead(head, false);
    script.sender->SendData("HTTP/1.1 200 OK\r\n\r\n", true);
    CHECK(absl::EndsWith(script.sink.written, "\r\n\r\n"));
    CHECK_FALSE(absl::StrContains(script.sink.written, "200 OK"));
  }
  Http1ServerScript more(false);
  more.Feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ResponseHead head;
  head.status = 200;
  head.content_length = 2;
  more.sender->SendHead(head, false);
  more.sender->SendData("okHTTP/1.1 200 OK\r\n\r\n", true);
  CHECK(absl::EndsWith(more.sink.written, "\r\n\r\nok"));
  CHECK(absl::EndsWith(more.events, "close;"));
}

TEST_CASE("http1 desync: an answer before the body that waited for 100 closes the connection") {
  Http1ServerScript script(false);
  script.Feed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\nExpect: 100-continue\r\n\r\n");
  ResponseHead head;
  head.status = 403;
  head.content_length = 0;
  script.sender->SendHead(head, true);
  CHECK(absl::StrContains(script.sink.written, "connection: close"));
  script.Feed("GET /second HTTP/1.1\r\nHost: x\r\n\r\nxxxxxx");
  CHECK_FALSE(absl::StrContains(script.events, "/second"));
}

TEST_CASE("http1 desync: an HTTP/1.0 answer without end that is broken off is no answer") {
  Http1ServerScript script(false);
  script.Feed("GET / HTTP/1.0\r\n\r\n");
  ResponseHead head;
  head.status = 200;
  script.sender->SendHead(head, false);
  script.sender->SendData("half", false);
  script.sender->Reset(ResetReason::kLocal);
  CHECK(absl::EndsWith(script.events, "abort;"));
}

TEST_CASE("http1 desync: bad answers reset the stream and end the connection") {
  const struct {
    const char* name;
    const char* bytes;
    const char* details;
  } cases[] = {
      {"length and chunks",
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "content_length_and_chunked_not_allowed"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
       "invalid_content_length"},
      {"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
       "invalid_content_length"},
      {"an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
       "invalid_transfer_encoding"},
      {"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
       "invalid_transfer_encoding"},
      {"a folded field", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "invalid_field_name"},
      {"bare LFs", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "invalid_line_end"},
      {"a space before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "invalid_field_name"},
      {"a bare CR", "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "invalid_line_end"},
      {"a bare CR in the reason", "HTTP/1.1 200 OK\r\r\n\r\n", "invalid_status_line"},
      {"no status", "HTTP/1.1 OK\r\n\r\n", "invalid_status_line"},
      {"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", "invalid_status_line"},
      {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", "invalid_status_line"},
      {"no HTTP", "SSH-2.0-OpenSSH\r\n", ""},
      {"101 unasked", "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
       "unexpected_upgrade"},
  };
  for (const auto& one : cases) {
    INFO(one.name);
    Http1ClientScript script;
    script.Ask();
    script.codec->OnData(one.bytes);
    if (*one.details == '\0') script.codec->OnEof();
    CHECK(absl::StartsWith(script.events, "reset;"));
    CHECK(absl::StrContains(script.events, one.details));
    CHECK_FALSE(script.codec->CanOpen());
  }
}

TEST_CASE("http1 desync: bytes behind an answer never answer the next request") {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n"}) {
    INFO(answer);
    Http1ClientScript script;
    script.Ask();
    script.codec->OnData(absl::StrCat(answer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    CHECK(absl::EndsWith(script.events, ";error http1.unsolicited_response;"));
    CHECK_FALSE(absl::StrContains(script.events, "done;"));
    CHECK_FALSE(script.codec->CanOpen());
  }
}

TEST_CASE("http1 desync: 101 for another protocol is refused, informational answers are bounded") {
  Http1ClientScript other;
  other.Ask("GET", "websocket");
  other.codec->OnData("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: irc\r\n\r\n");
  CHECK(other.events == "reset;error http1.unexpected_upgrade;");
  Http1ClientScript flood;
  flood.Ask();
  for (int i = 0; i < 40; ++i) flood.codec->OnData("HTTP/1.1 103 Early Hints\r\n\r\n");
  CHECK(absl::EndsWith(flood.events, "reset;error http1.too_many_informational;"));
}

}  // namespace proxy

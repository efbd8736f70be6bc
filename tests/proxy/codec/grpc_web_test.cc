#include "proxy/codec/grpc_web.h"

#include <absl/strings/escaping.h>
#include <catch2/catch.hpp>

#include "proxy/codec/grpc_frames.h"

namespace proxy {
namespace {

TEST_CASE("grpc-web: text is the base64 of each message by itself, however it is cut") {
  const std::string messages[] = {GrpcFrame(""), GrpcFrame("a"), GrpcFrame("ab"), GrpcFrame("abc"),
                                  GrpcFrame(std::string(1000, 'x'))};
  std::string body;
  std::string wanted;
  for (const std::string& one : messages) {
    body += one;
    wanted += absl::Base64Escape(one);
  }
  for (size_t piece = 1; piece < 12; ++piece) {
    GrpcTextEncoder encoder;
    std::string text;
    for (size_t at = 0; at < body.size(); at += piece) encoder.Feed(body.substr(at, piece), text);
    encoder.Flush(text);
    CHECK(text == wanted);
    GrpcTextDecoder decoder;
    std::string back;
    for (size_t at = 0; at < text.size(); at += piece) {
      REQUIRE(decoder.Feed(absl::string_view(text).substr(at, piece), back));
    }
    CHECK(decoder.aligned());
    CHECK(back == body);
  }
}

TEST_CASE("grpc-web: what is not base64 is refused") {
  std::string out;
  CHECK_FALSE(GrpcTextDecoder().Feed("AA*A", out));
  GrpcTextDecoder cut;
  CHECK(cut.Feed("AAA", out));
  CHECK_FALSE(cut.aligned());
}

TEST_CASE("grpc-web: trailers are lines in a frame with the high bit set") {
  Headers trailers;
  trailers.Add("grpc-status", "0");
  trailers.Add("x", "y");
  const std::string lines = "grpc-status:0\r\nx:y\r\n";
  CHECK(GrpcTrailerFrame(trailers) ==
        std::string("\x80\0\0\0", 4) + static_cast<char>(lines.size()) + lines);
}

}  // namespace
}  // namespace proxy

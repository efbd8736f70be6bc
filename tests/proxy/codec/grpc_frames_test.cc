// Messages cut from bodies, escapes, status numbers.
#include "proxy/codec/grpc_frames.h"

#include <catch2/catch.hpp>
#include <vector>

namespace proxy {
namespace {

TEST_CASE("grpc: messages come out whole however the body is cut") {
  const std::string body =
      GrpcFrame("one") + GrpcFrame("") + GrpcFrame(std::string(300, 'x')) + GrpcFrame("end");
  for (size_t step = 1; step <= body.size(); ++step) {
    GrpcFrameReader reader;
    std::vector<std::string> got;
    for (size_t at = 0; at < body.size(); at += step) {
      REQUIRE(reader
                  .Feed(absl::string_view(body).substr(at, step),
                        [&](absl::string_view m) { got.emplace_back(m.data(), m.size()); })
                  .ok());
    }
    CHECK(got == std::vector<std::string>{"one", "", std::string(300, 'x'), "end"});
    CHECK_FALSE(reader.mid_message());
  }
}

TEST_CASE("grpc: too long, compressed and unknown messages are errors") {
  const auto ignore = [](absl::string_view) {};
  CHECK(absl::IsResourceExhausted(GrpcFrameReader(3).Feed(GrpcFrame("four"), ignore)));
  CHECK(absl::IsUnimplemented(GrpcFrameReader().Feed(absl::string_view("\1\0\0\0\0", 5), ignore)));
  CHECK(absl::IsInternal(GrpcFrameReader().Feed(absl::string_view("\2\0\0\0\0", 5), ignore)));
}

TEST_CASE("grpc: messages' escapes go both ways") {
  CHECK(GrpcPercentEncode("a%\n\xc3\xa9") == "a%25%0A%C3%A9");
  CHECK(GrpcPercentDecode("a%25%0A%c3%A9") == "a%\n\xc3\xa9");
  CHECK(GrpcPercentDecode("%zz%4") == "%zz%4");
  CHECK(GrpcPercentDecode("%41") == "A");
}

TEST_CASE("grpc: HTTP status maps to gRPC status") {
  CHECK(GrpcStatusOfHttp(503) == 14);
  CHECK(GrpcStatusOfHttp(404) == 12);
  CHECK(GrpcStatusOfHttp(418) == 2);
}

}  // namespace
}  // namespace proxy

#include "proxy/codec/websocket.h"

#include <catch2/catch.hpp>

namespace proxy {
namespace {

TEST_CASE("websocket: the accept of the RFC's example") {
  CHECK(WebSocketAccept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("websocket: a key is 16 bytes in base64, another each time") {
  pinnace::SeededRandom random(1);
  const std::string first = NewWebSocketKey(random);
  CHECK(first.size() == 24);
  CHECK(first != NewWebSocketKey(random));
}

}  // namespace
}  // namespace proxy

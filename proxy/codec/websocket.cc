// Keys and accepts of WebSocket handshakes.
#include "proxy/codec/websocket.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <openssl/sha.h>

namespace proxy {

std::string NewWebSocketKey(pinnace::Random& random) {
  std::string nonce;
  for (int word = 0; word < 2; ++word) {
    const uint64_t bits = random.Next();
    for (int shift = 0; shift < 64; shift += 8) nonce.push_back(static_cast<char>(bits >> shift));
  }
  return absl::Base64Escape(nonce);
}

std::string WebSocketAccept(absl::string_view key) {
  const std::string text = absl::StrCat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  uint8_t digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
  return absl::Base64Escape(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace proxy

// What a WebSocket handshake needs where one side speaks HTTP/1.1 and the other HTTP/2, which does
// without keys (RFC 6455 §4.2.2, RFC 8441 §5).
#pragma once

#include <string>

#include <absl/strings/string_view.h>

#include "common/random.h"

namespace proxy {

inline constexpr absl::string_view kWebSocketKey = "sec-websocket-key";
inline constexpr absl::string_view kWebSocketAccept = "sec-websocket-accept";

// A nonce of 16 bytes in base64.
std::string NewWebSocketKey(pinnace::Random& random);
// The accept that proves the key was read.
std::string WebSocketAccept(absl::string_view key);

}  // namespace proxy

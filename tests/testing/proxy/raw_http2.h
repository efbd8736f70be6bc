// Bare HTTP/2 frames, and a server that is told them.
#pragma once

#include <memory>
#include <string>

#include "tests/testing/proxy/linked_codecs.h"

namespace proxy {

inline std::string Frame(int type, int flags, int stream, absl::string_view payload) {
  std::string out;
  const size_t size = payload.size();
  for (const size_t byte : {size >> 16, size >> 8, size}) out.push_back(static_cast<char>(byte));
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(stream >> shift));
  out.append(payload.data(), size);
  return out;
}

// A literal field without indexing, with a new name (RFC 7541 §6.2.2); short texts only.
inline std::string Field(absl::string_view name, absl::string_view value) {
  std::string out(1, '\0');
  out.push_back(static_cast<char>(name.size()));
  out.append(name.data(), name.size());
  out.push_back(static_cast<char>(value.size()));
  out.append(value.data(), value.size());
  return out;
}

inline std::string GetFields(absl::string_view path = "/") {
  return Field(":method", "GET") + Field(":scheme", "http") + Field(":path", path) +
         Field(":authority", "svc");
}

// A server that is told bytes.
struct RawServer {
  explicit RawServer(const Http2Limits& limits = {})
      : loop(NewLibeventPoller(), clock, 1),
        codec(NewHttp2ServerCodec(loop, sink, log, limits, stats, false)) {
    Feed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, ""));
    sink.Take();
  }
  ~RawServer() { codec->OnConnectionClosed(ResetReason::kConnectionClosed); }
  void Feed(absl::string_view bytes) {
    codec->OnData(bytes);
    loop.RunOnce(absl::ZeroDuration());
  }
  // The last four payload bytes of an RST_STREAM or the code of a GOAWAY among what was written.
  bool Wrote(int type, int code) const {
    for (size_t at = 0; at + 9 <= sink.bytes.size();) {
      const auto* b = reinterpret_cast<const uint8_t*>(sink.bytes.data() + at);
      const size_t size = b[0] << 16 | b[1] << 8 | b[2];
      if (b[3] == type && b[9 + (type == 7 ? 7 : 3)] == code) return true;
      at += 9 + size;
    }
    return false;
  }

  pinnace::FakeClock clock;
  EventLoop loop;
  MemorySink sink;
  ServerLog log;
  Cell stats[kHttp2StatCount];
  std::unique_ptr<ServerCodec> codec;
};

}  // namespace proxy

// Any bytes to an HTTP/2 server and client: no crash, no report, every stream's user let go.
#include <cstdint>

#include "tests/testing/proxy/linked_codecs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  pinnace::FakeClock clock;
  proxy::EventLoop loop(proxy::NewLibeventPoller(), clock, 1);
  proxy::MemorySink sink;
  proxy::ServerLog server_log;
  proxy::ClientLog client_log;
  proxy::ResponseLog answer;
  auto server = proxy::NewHttp2ServerCodec(loop, sink, server_log, {}, false);
  auto client = proxy::NewHttp2ClientCodec(loop, sink, client_log, {});
  proxy::RequestHead head;
  head.method = "GET";
  head.path = "/";
  head.authority = "a";
  client->NewStream(answer).SendHead(head, true);
  server->OnData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  loop.RunOnce(absl::ZeroDuration());
  for (size_t at = 0; at < size; at += 61) {
    server->OnData(bytes.substr(at, 61));
    client->OnData(bytes.substr(at, 61));
    loop.RunOnce(absl::ZeroDuration());
  }
  server->OnConnectionClosed(proxy::ResetReason::kConnectionClosed);
  client->OnConnectionClosed(proxy::ResetReason::kConnectionClosed);
  return 0;
}

// Any bytes to an HTTP/2 server and client: no crash, no report, every stream's user let go.
#include <cstdint>

#include "tests/testing/proxy/linked_codecs.h"

namespace {

// Every kind of message part, so that incoming frames meet streams in every state.
void Answer(proxy::RequestLog& request) {
  proxy::ResponseHead head;
  head.status = 200;
  if (request.sender != nullptr) request.sender->SendHead(head, false);
  if (request.sender != nullptr) request.sender->SendData("some data", false);
  if (request.sender != nullptr && !request.head.headers.empty()) {
    request.sender->SendTrailers(request.head.headers);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  pinnace::FakeClock clock;
  proxy::EventLoop loop(proxy::NewLibeventPoller(), clock, 1);
  proxy::MemorySink sink;
  proxy::ServerLog server_log;
  proxy::ClientLog client_log;
  proxy::ResponseLog answer;
  proxy::Cell stats[proxy::kHttp2StatCount];
  auto server = proxy::NewHttp2ServerCodec(loop, sink, server_log, {}, stats, false);
  auto client = proxy::NewHttp2ClientCodec(loop, sink, client_log, {}, stats);
  proxy::RequestHead head;
  head.method = "GET";
  head.path = "/";
  head.authority = "a";
  client->NewStream(answer).SendHead(head, true);
  server->OnData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  loop.RunOnce(absl::ZeroDuration());
  size_t answered = 0;
  for (size_t at = 0; at < size; at += 61) {
    server->OnData(bytes.substr(at, 61));
    client->OnData(bytes.substr(at, 61));
    loop.RunOnce(absl::ZeroDuration());
    for (; answered < server_log.streams.size(); ++answered) Answer(*server_log.streams[answered]);
    clock.Advance(absl::Milliseconds(10));
  }
  server->OnConnectionClosed(proxy::ResetReason::kConnectionClosed);
  client->OnConnectionClosed(proxy::ResetReason::kConnectionClosed);
  return 0;
}

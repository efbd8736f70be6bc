// Any bytes to an HTTP/1 client: however they arrive, the same answer is seen.
#include <cstdint>
#include <cstdlib>

#include <absl/strings/str_cat.h>

#include "tests/testing/proxy/linked_codecs.h"

namespace {

std::string Run(absl::string_view bytes, size_t step, absl::string_view method) {
  proxy::MemorySink sink;
  proxy::ClientLog log;
  proxy::ResponseLog answer;
  auto client = proxy::NewHttp1ClientCodec(sink, log, {});
  proxy::RequestHead head;
  head.method = method;
  head.path = "/";
  head.authority = "a";
  if (method == "UPGRADE") head.upgrade = "websocket";
  client->NewStream(answer).SendHead(head, head.upgrade.empty());
  for (size_t at = 0; at < bytes.size() && log.closes == 0; at += step) {
    client->OnData(bytes.substr(at, step));
  }
  if (log.closes == 0) client->OnEof();
  client->OnConnectionClosed(proxy::ResetReason::kConnectionClosed);
  std::string seen = absl::StrCat(answer.head.status, " ", answer.ended, " ", answer.body, "\n");
  for (const proxy::Header& one : answer.trailers) absl::StrAppend(&seen, one.name, one.value);
  for (const int status : answer.informational) absl::StrAppend(&seen, status, ";");
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const char* method : {"GET", "HEAD", "UPGRADE", "CONNECT"}) {
    const std::string whole = Run(bytes, size + 1, method);
    if (Run(bytes, 1, method) != whole || Run(bytes, 7, method) != whole) abort();
  }
  return 0;
}

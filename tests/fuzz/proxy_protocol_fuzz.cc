// Any first bytes as a PROXY header: more bytes never take a verdict back.
#include <cstdint>
#include <cstdlib>

#include "proxy/net/proxy_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Verdict = proxy::ProxyHeader::Verdict;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const proxy::ProxyHeader whole = proxy::ReadProxyHeader(bytes);
  if (whole.verdict == Verdict::kFound && whole.length > size) abort();
  for (size_t length = 0; length < size && length < 300; ++length) {
    const proxy::ProxyHeader part = proxy::ReadProxyHeader(bytes.substr(0, length));
    if (part.verdict == Verdict::kNeedMore) continue;
    if (part.verdict != whole.verdict || part.length != whole.length) abort();
    break;
  }
  if (whole.verdict == Verdict::kFound && !whole.source.empty()) {
    const proxy::ProxyHeader again = proxy::ReadProxyHeader(
        proxy::WriteProxyHeader(whole.version, whole.source, whole.destination));
    if (!(again.source == whole.source) || !(again.destination == whole.destination)) abort();
  }
  return 0;
}

// Any first bytes of a connection: once there is a verdict, more bytes do not take it back.
#include <cstdint>
#include <cstdlib>

#include "proxy/listener/sniff.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  bool done = false;
  for (size_t length = 0; length <= size; length += 1 + size / 16) {
    const proxy::Sniffed found = proxy::Sniff(bytes.substr(0, length), true, true, false);
    if (done && found.verdict != proxy::Sniffed::Verdict::kDone) abort();
    done = found.verdict == proxy::Sniffed::Verdict::kDone;
  }
  const proxy::Sniffed last = proxy::Sniff(bytes, true, true, true);
  if (last.verdict != proxy::Sniffed::Verdict::kDone) abort();
  proxy::ListenerConfig config;
  config.chains.resize(2);
  config.chains[0].match.server_names = {"a.example", "*.example"};
  config.chains[1].match.alpn = {"http/1.1", "h2c"};
  proxy::ChooseChain(config, 80, last);
  return 0;
}

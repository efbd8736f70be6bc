// Any bytes to an HTTP/1 server: however they arrive, the same requests are seen.
#include <cstdint>
#include <cstdlib>

#include "tests/testing/proxy/http1_scripts.h"

namespace {

// What was seen, without the reason of a refusal, which may depend on how much was there to judge.
std::string Run(absl::string_view bytes, size_t step) {
  proxy::Http1ServerScript script;
  for (size_t at = 0; at < bytes.size(); at += step) {
    script.Feed(bytes.substr(at, step));
    for (int i = 0; i < 3; ++i) script.loop.RunOnce(absl::ZeroDuration());
    if (script.events.find("error ") != std::string::npos ||
        script.events.find("close;") != std::string::npos) {
      break;
    }
  }
  for (int i = 0; i < 100; ++i) script.loop.RunOnce(absl::ZeroDuration());
  const std::string seen = script.events;
  script.codec->OnConnectionClosed(proxy::ResetReason::kConnectionClosed);
  return seen.substr(0, seen.find("error "));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = Run(bytes, size + 1);
  if (Run(bytes, 1) != whole || Run(bytes, 7) != whole) abort();
  return 0;
}

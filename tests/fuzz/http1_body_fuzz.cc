// Any bytes as a chunked body: however they arrive, they mean the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <absl/strings/str_cat.h>

#include "proxy/codec/http1_parse.h"

namespace {

struct Log final : proxy::BodyReader::Sink {
  void OnBody(absl::string_view data, bool last) override {
    text.append(data.data(), data.size());
    if (last) text += "|end";
  }
  void OnBodyTrailers(proxy::Headers trailers) override {
    for (const proxy::Header& one : trailers) absl::StrAppend(&text, "|", one.name, one.value);
    text += "|end";
  }
  bool stopped() const override { return false; }
  std::string text;
};

std::string Run(absl::string_view bytes, size_t step) {
  Log log;
  proxy::BodyReader reader;
  reader.Start(proxy::BodyKind::kChunked, 0);
  for (size_t at = 0; at < bytes.size() && !reader.done(); at += step) {
    absl::string_view piece = bytes.substr(at, step);
    if (!reader.Feed(piece, {}, log)) return log.text + "|bad";
  }
  return log.text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = Run(bytes, size + 1);
  if (Run(bytes, 1) != whole || Run(bytes, 5) != whole) abort();
  return 0;
}

// Any bytes as a gRPC body: messages come out whole, in any cut the same; base64 goes there and
// back.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/codec/grpc_frames.h"
#include "proxy/codec/grpc_web.h"

namespace {

std::string Messages(absl::string_view bytes, size_t piece) {
  proxy::GrpcFrameReader reader(1000);
  std::string all;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const absl::Status status =
        reader.Feed(bytes.substr(at, piece),
                    [&](absl::string_view message) { all += proxy::GrpcFrame(message); });
    if (!status.ok()) break;
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = Messages(bytes, size + 1);
  if (whole != Messages(bytes, 1) || whole != std::string(bytes.substr(0, whole.size()))) abort();
  proxy::GrpcTextEncoder encoder;
  std::string text;
  for (size_t at = 0; at < size; at += 7) encoder.Feed(bytes.substr(at, 7), text);
  encoder.Flush(text);
  proxy::GrpcTextDecoder decoder;
  std::string back;
  if (!decoder.Feed(text, back) || !decoder.aligned() || back != std::string(bytes)) abort();
  std::string ignored;
  proxy::GrpcTextDecoder().Feed(bytes, ignored);
  if (proxy::GrpcPercentDecode(proxy::GrpcPercentEncode(bytes)) != std::string(bytes)) abort();
  return 0;
}

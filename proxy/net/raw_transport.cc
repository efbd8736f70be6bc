// Plain bytes between a connection and its stream.
#include "proxy/net/transport.h"

namespace proxy {
namespace {

class RawTransport final : public Transport {
 public:
  Progress Handshake(IoHandle&) override { return Progress::kDone; }
  IoResult Read(IoHandle& io, char* into, size_t capacity) override {
    return io.Read(into, capacity);
  }
  IoResult Write(IoHandle& io, const iovec* parts, int count) override {
    return io.Write(parts, count);
  }
  IoResult::Status Flush(IoHandle&) override { return IoResult::kOk; }
  size_t pending() const override { return 0; }
  void Farewell(IoHandle&) override {}
};

}  // namespace

std::unique_ptr<Transport> NewRawTransport() { return std::make_unique<RawTransport>(); }

}  // namespace proxy

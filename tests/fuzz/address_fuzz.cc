// Any text as an address: what is read and written again is the same address.
#include <cstdint>
#include <cstdlib>

#include "proxy/net/address.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto address = proxy::Address::Parse(text);
  if (!address.ok() || !address->is_ip()) return 0;
  const auto again = proxy::Address::Parse(address->ToString());
  if (!again.ok() || !(*again == *address)) abort();
  return 0;
}

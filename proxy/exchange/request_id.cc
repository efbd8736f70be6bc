// Formats 128 random bits as a UUID.
#include "proxy/exchange/request_id.h"

namespace proxy {

std::string NewRequestId(pinnace::Random& random) {
  static constexpr char kHex[] = "0123456789abcdef";
  uint64_t high = (random.Next() & ~uint64_t{0xf000}) | 0x4000;
  uint64_t low = (random.Next() & ~(uint64_t{3} << 62)) | (uint64_t{1} << 63);
  std::string id(36, '-');
  for (int i = 35; i >= 0; --i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) continue;
    uint64_t& half = i > 18 ? low : high;
    id[static_cast<size_t>(i)] = kHex[half & 15];
    half >>= 4;
  }
  return id;
}

}  // namespace proxy

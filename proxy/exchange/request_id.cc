// Formats 128 random bits as a UUID.
#include "proxy/exchange/request_id.h"

namespace proxy {

absl::string_view NewRequestId(pinnace::Random& random, char* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  const uint64_t high = (random.Next() & ~uint64_t{0xf000}) | 0x4000;
  const uint64_t low = (random.Next() & ~(uint64_t{3} << 62)) | (uint64_t{1} << 63);
  // Puts the `digits` hexadecimal digits of `half` that begin `shift` bits from its low end.
  const auto put = [](char* at, uint64_t half, int shift, int digits) {
    for (int i = 0; i < digits; ++i) at[i] = kHex[(half >> (shift + 4 * (digits - 1 - i))) & 15];
  };
  put(out, high, 32, 8);
  put(out + 9, high, 16, 4);
  put(out + 14, high, 0, 4);
  put(out + 19, low, 48, 4);
  put(out + 24, low, 0, 12);
  out[8] = out[13] = out[18] = out[23] = '-';
  return {out, kRequestIdBytes};
}

}  // namespace proxy

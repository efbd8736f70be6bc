// The arithmetic of token buckets (GCRA, ITU-T I.371: a bucket is one moment in time).
#include "proxy/filters/token_bucket.h"

#include <algorithm>
#include <bit>

namespace proxy {
namespace {

constexpr int64_t kScale = 16;  // Units a nanosecond: 18 years fit.

}  // namespace

int64_t BucketRate::period() const {
  return std::max<int64_t>(1, absl::ToInt64Nanoseconds(interval) * kScale / per_fill);
}

bool TokenBucket::Take(const BucketRate& rate, int64_t now_ns) {
  const int64_t now = now_ns * kScale;
  const int64_t period = rate.period();
  const int64_t oldest = now - period * rate.tokens_max;  // A full bucket.
  int64_t before = empty_at_.load(std::memory_order_relaxed);
  while (true) {
    const int64_t after = std::max(before, oldest) + period;
    if (after > now) return false;
    if (empty_at_.compare_exchange_weak(before, after, std::memory_order_relaxed)) return true;
  }
}

uint32_t TokenBucket::Left(const BucketRate& rate, int64_t now_ns) const {
  const int64_t now = now_ns * kScale;
  const int64_t period = rate.period();
  const int64_t at =
      std::max(empty_at_.load(std::memory_order_relaxed), now - period * rate.tokens_max);
  return at > now ? 0 : static_cast<uint32_t>((now - at) / period);
}

int64_t TokenBucket::UntilNext(const BucketRate& rate, int64_t now_ns) const {
  const int64_t now = now_ns * kScale;
  const int64_t at = empty_at_.load(std::memory_order_relaxed);
  if (at <= now - rate.period() * rate.tokens_max) return 0;
  const int64_t next = at + rate.period() * (Left(rate, now_ns) + int64_t{1});
  return (next - now + kScale - 1) / kScale;
}

bool TokenBucket::Full(const BucketRate& rate, int64_t now_ns) const {
  return empty_at_.load(std::memory_order_relaxed) <=
         now_ns * kScale - rate.period() * rate.tokens_max;
}

BucketTable::BucketTable(const BucketRate& rate, uint32_t keys_max)
    : rate_(rate),
      mask_(std::bit_ceil<size_t>(std::max<size_t>(keys_max, 2) * 2) - 1),
      slots_(std::make_unique<Slot[]>(mask_ + 1)) {}

TokenBucket& BucketTable::Find(uint64_t hash, int64_t now_ns, bool& evicted) {
  hash |= uint64_t{1} << 63;  // Never 0.
  const size_t window = std::min(kWindow, mask_ + 1);
  while (true) {
    Slot* spare = nullptr;
    Slot* fullest = nullptr;
    for (size_t i = 0; i < window; ++i) {
      Slot& slot = slots_[(hash + i) & mask_];
      const uint64_t key = slot.key.load(std::memory_order_acquire);
      if (key == hash) return slot.bucket;
      if (spare == nullptr && (key == 0 || slot.bucket.Full(rate_, now_ns))) spare = &slot;
      if (fullest == nullptr ||
          slot.bucket.Left(rate_, now_ns) > fullest->bucket.Left(rate_, now_ns)) {
        fullest = &slot;
      }
    }
    Slot& taken = spare != nullptr ? *spare : *fullest;
    uint64_t before = taken.key.load(std::memory_order_relaxed);
    if (before == hash) return taken.bucket;
    if (!taken.key.compare_exchange_strong(before, hash, std::memory_order_acq_rel)) continue;
    evicted = spare == nullptr;
    taken.bucket.Reset();
    return taken.bucket;
  }
}

}  // namespace proxy

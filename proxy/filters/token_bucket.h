// Token buckets that all workers share: no lock, and never more tokens given than there are.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <absl/time/time.h>

namespace proxy {

// A bucket holds `tokens_max` at first and is filled continuously by `per_fill` every `interval`.
struct BucketRate {
  uint32_t tokens_max = 1;
  uint32_t per_fill = 1;
  absl::Duration interval = absl::Seconds(1);  // At least 1 ms.
  // Of one token, in 1/16 ns.
  int64_t period() const;
  double per_second() const { return per_fill / absl::ToDoubleSeconds(interval); }
};

// The state of one bucket: the moment at which it would have been empty. Any thread.
class TokenBucket {
 public:
  // Takes a token at `now_ns` (steady). False: there is none, nothing is taken.
  bool Take(const BucketRate& rate, int64_t now_ns);
  // Whole tokens in the bucket; and nanoseconds until there is one more.
  uint32_t Left(const BucketRate& rate, int64_t now_ns) const;
  int64_t UntilNext(const BucketRate& rate, int64_t now_ns) const;
  // As good as new: it may be forgotten.
  bool Full(const BucketRate& rate, int64_t now_ns) const;
  void Reset() { empty_at_.store(INT64_MIN / 2, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> empty_at_{INT64_MIN / 2};
};

// Buckets by key, made on first use, at most so many. A bucket that has filled up is forgotten
// first, which changes nothing; only when all neighbours are in use is the fullest forgotten early
// (its key gets a full bucket anew). Two threads that meet a new key at the same moment may, in
// that moment, each give one token too many.
class BucketTable {
 public:
  // `keys_max`: 1..2^20; takes 64 bytes for each.
  BucketTable(const BucketRate& rate, uint32_t keys_max);
  // The bucket of the key with this hash. `evicted` is set if another was forgotten early.
  TokenBucket& Find(uint64_t hash, int64_t now_ns, bool& evicted);

 private:
  struct Slot {
    std::atomic<uint64_t> key{0};  // 0: free.
    TokenBucket bucket;
  };
  static constexpr size_t kWindow = 8;  // Slots in which a key may stand.
  const BucketRate rate_;
  const size_t mask_;
  const std::unique_ptr<Slot[]> slots_;
};

}  // namespace proxy
